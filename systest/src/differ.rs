//! `milena-systest differ`: the same random requests to the test broker and to real Kafka, and every field of every answer compared.
//!
//! What may differ is in `docs/test-broker/DIFFERENCES.md`; everything else that does is a finding, told with its seed.

mod area;
mod ask;
mod asks;
mod batch;
mod compare;
mod ids;
mod link;
mod pair;
mod plan;
mod prepare;
mod report;
mod rules;
mod tree;
mod vars;
mod versions;

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use milena_testbroker::{Emulate, TestBroker};
use milena_wire::messages::ApiVersionsRequest;

use crate::cluster::Cluster;
use crate::failure::{Context, Failure, Result};
use crate::options::Options;
use area::Area;
use pair::{Finding, Pair, Side};
use plan::Plan;
use report::Report;
use versions::Versions;

/// What is to be done.
#[derive(Clone, Debug)]
struct Wish {
    version: String,
    sequences: u64,
    seed: u64,
    areas: Vec<Area>,
    shrink: bool,
    keep_going: bool,
    bootstrap: Option<String>,
    workers: usize,
}

impl Wish {
    fn parse(arguments: &[String]) -> Result<Self> {
        let values = [
            "version",
            "sequences",
            "seed",
            "only",
            "bootstrap",
            "workers",
        ];
        let options = Options::parse(arguments, &values, &["shrink", "keep-going"])?;
        let mut areas = Area::ALL.to_vec();
        if options.has("only") {
            let names = options.text("only")?.split(',');
            areas = names
                .map(|name| {
                    Area::of_name(name)
                        .ok_or_else(|| Failure::new(format!("--only {name} is not an area")))
                })
                .collect::<Result<_>>()?;
        }
        Ok(Self {
            version: options.value("version", "4.3.1".to_owned())?,
            sequences: options.value("sequences", 200)?,
            seed: options.value("seed", 1)?,
            areas,
            shrink: options.has("shrink"),
            keep_going: options.has("keep-going"),
            bootstrap: options.text("bootstrap").ok().map(str::to_owned),
            workers: options.value("workers", 6)?,
        })
    }

    fn emulate(&self) -> Emulate {
        if self.version.starts_with("3.") {
            Emulate::V3_9
        } else {
            Emulate::V4_3
        }
    }
}

/// Compares; fails if anything is different that may not be.
pub(crate) async fn main(arguments: &[String]) -> Result<()> {
    let wish = Wish::parse(arguments)?;
    let (cluster, bootstrap) = match &wish.bootstrap {
        Some(bootstrap) => (None, bootstrap.clone()),
        None => {
            let cluster = Cluster::start_one(&wish.version).await?;
            let bootstrap = cluster.bootstrap().to_owned();
            (Some(cluster), bootstrap)
        }
    };
    let compared = tokio::task::spawn_blocking(move || run(&wish, &bootstrap)).await?;
    drop(cluster);
    let report = compared?;
    println!("{report}");
    if report.findings.is_empty() {
        return Ok(());
    }
    let kinds = report.findings.len();
    Err(Failure::new(format!("{kinds} kinds of difference")))
}

/// What all workers share.
struct Shared<'a> {
    wish: &'a Wish,
    real: &'a str,
    versions: Versions,
    /// In every name, so that a cluster can be used again.
    run: String,
    next: AtomicU64,
    report: Mutex<Report>,
}

fn run(wish: &Wish, real: &str) -> Result<Report> {
    let begun = Instant::now();
    let versions = compare_versions(wish, real)?;
    prepare::await_coordinators(real)?;
    let stamp = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let stamp = stamp.map_or(0, |stamp| stamp.as_millis() % (1 << 32));
    let shared = Shared {
        wish,
        real,
        run: format!("{stamp:x}"),
        next: AtomicU64::new(0),
        report: Mutex::new(Report::new(&wish.version, wish.seed, &versions)),
        versions,
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..wish.workers.max(1))
            .map(|_| scope.spawn(|| work(&shared)))
            .collect();
        let ended = workers.into_iter().map(|worker| {
            let panicked = |_| Err(Failure::new("a worker panicked"));
            worker.join().unwrap_or_else(panicked)
        });
        ended.collect::<Result<Vec<()>>>()
    })?;
    let mut report = lock(&shared.report).clone();
    report.elapsed = begun.elapsed();
    Ok(report)
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// What `cargo xtask kafka` writes into `server.properties` and requests can see.
const PROPERTIES: &[(&str, &str)] = &[
    ("default.replication.factor", "1"),
    ("min.insync.replicas", "1"),
    ("log.retention.ms", "-1"),
    ("auto.create.topics.enable", "false"),
    ("offsets.topic.num.partitions", "5"),
    ("offsets.topic.replication.factor", "1"),
    ("transaction.state.log.num.partitions", "5"),
    ("transaction.state.log.replication.factor", "1"),
    ("transaction.state.log.min.isr", "1"),
    ("log.index.size.max.bytes", "1048576"),
    ("group.initial.rebalance.delay.ms", "0"),
];

fn broker(wish: &Wish, seed: u64) -> Result<TestBroker> {
    let mut refused = None;
    let broker = TestBroker::builder().emulate(wish.emulate()).seed(seed);
    let broker = broker.config(|config| {
        for (name, value) in PROPERTIES {
            if let Err(error) = config.set(name, value) {
                refused = Some(Failure::from(error));
            }
        }
    });
    match refused {
        Some(refused) => Err(refused),
        None => Ok(broker.start()?),
    }
}

/// What both serve, from their own mouths.
fn compare_versions(wish: &Wish, real: &str) -> Result<Versions> {
    let ours = broker(wish, 0)?;
    let mut answers = Vec::new();
    for address in [real, &ours.bootstrap()] {
        let request = ApiVersionsRequest {
            client_software_name: "differ",
            client_software_version: "1",
        };
        answers.push(Side::new(address, "").ask(request.into(), 3)?);
    }
    Ok(Versions::of(&answers[0], &answers[1]))
}

/// Takes seeds until there are none left.
fn work(shared: &Shared<'_>) -> Result<()> {
    loop {
        let number = shared.next.fetch_add(1, Ordering::Relaxed);
        if number >= shared.wish.sequences {
            return Ok(());
        }
        let seed = shared.wish.seed.wrapping_add(number);
        let plan = Plan::new(seed, &shared.wish.areas);
        let found = attempt(shared, &plan, &[], 0).context(|| format!("sequence {seed}"))?;
        let Some(found) = found else { continue };
        // A race that only this run lost is no finding, but it is told.
        let again = attempt(shared, &plan, &[], 1).context(|| format!("sequence {seed}"))?;
        let Some(again) = again else {
            lock(&shared.report).unsteady.push(found);
            continue;
        };
        let is_new = lock(&shared.report).find(&again);
        if is_new && shared.wish.shrink {
            let smallest = shrink(shared, &plan, again)?;
            lock(&shared.report).replace(smallest);
        }
        if !shared.wish.keep_going {
            shared.next.store(u64::MAX / 2, Ordering::Relaxed);
        }
    }
}

/// Runs a plan without some of its steps, against a test broker of its own.
fn attempt(
    shared: &Shared<'_>,
    plan: &Plan,
    dropped: &[usize],
    number: u32,
) -> Result<Option<Finding>> {
    let broker = broker(shared.wish, plan.seed)?;
    let prefix = format!("d{}-{}-{number}", shared.run, plan.seed);
    let mut pair = Pair::new(shared.real, &broker, &shared.versions, &prefix);
    let found = pair.run(plan, dropped);
    let mut report = lock(&shared.report);
    report.sequences += 1;
    report.tally.add(&pair.tally);
    let found = found?.map(|mut finding| {
        finding.story = plan.story(dropped, finding.step);
        finding
    });
    Ok(found)
}

/// Leaves out steps for as long as the same field of the same API differs.
fn shrink(shared: &Shared<'_>, plan: &Plan, finding: Finding) -> Result<Finding> {
    let mut dropped: Vec<usize> = (finding.step + 1..plan.steps.len()).collect();
    let mut smallest = finding;
    for (number, step) in (2..).zip((0..smallest.step).rev()) {
        let mut fewer = dropped.clone();
        fewer.push(step);
        let found = attempt(shared, plan, &fewer, number)?;
        if let Some(found) = found.filter(|found| found.kind() == smallest.kind()) {
            (dropped, smallest) = (fewer, found);
        }
    }
    Ok(smallest)
}

#[cfg(test)]
mod tests {
    use milena_testbroker::{Action, ApiKey, ErrorCode, Rule};

    use super::*;

    fn wish(areas: &[&str]) -> Wish {
        Wish {
            version: "4.3.1".to_owned(),
            sequences: 12,
            seed: 7,
            areas: areas
                .iter()
                .filter_map(|name| Area::of_name(name))
                .collect(),
            shrink: true,
            keep_going: false,
            bootstrap: None,
            workers: 2,
        }
    }

    #[test]
    fn a_test_broker_is_like_another() {
        let wish = wish(&["produce", "transactions", "fetch", "offsets"]);
        let other = broker(&wish, 99).expect("starts");
        let report = run(&wish, &other.bootstrap()).expect("runs");
        assert!(report.findings.is_empty(), "{report}");
        assert!(report.tally.answers.len() > 20, "{report}");
    }

    #[test]
    fn one_planted_code_is_found_and_the_steps_that_do_not_matter_are_left_out() {
        let wish = wish(&["transactions"]);
        let other = broker(&wish, 99).expect("starts");
        other.with(|broker| {
            let rule = Rule::on(ApiKey::END_TXN).always();
            let code = ErrorCode::INVALID_TXN_STATE;
            broker.faults().add(rule, Action::Error(code));
        });
        let report = run(&wish, &other.bootstrap()).expect("runs");
        let (found, _) = report.findings.first().expect("the planted code is found");
        assert_eq!(found.api, ApiKey::END_TXN, "{found}");
        assert_eq!(found.difference.path, "error_code");
        assert!(found.difference.real.starts_with("INVALID_TXN_STATE"));
        assert!(found.story.len() <= 3, "{found}");
    }
}
