//! `milena-systest kills`: the exactly-once pipeline, as a program on three nodes of real Kafka, is killed again and again, and
//! then each broker in turn; nothing may be lost, doubled, torn or out of order, by Java's count.

mod audit;
mod brokers;
mod feed;
mod incarnation;
mod report;
mod state;

use std::time::{Duration, Instant};

use crate::cluster::{Cluster, words};
use crate::failure::{Failure, Result};
use crate::java::{self, Isolation};
use crate::options::Options;
use crate::pipeline_process::{EXIT_FENCED, Shape};
use audit::Audit;
use feed::{Feed, FeedPlan};
use incarnation::Incarnation;
use report::{ClientKill, Report};

const INPUT: &str = "in";
const OUTPUT: &str = "out";
const GROUP: &str = "kills";
const TRANSACTIONAL_ID: &str = "kills-1";
const SHAPE: Shape = Shape {
    input_partitions: 4,
    output_partitions: 6,
};
/// Long enough for a signal to meet the transaction that was just said to be open, short enough for many commits a second.
const THINK_MS: &str = "25";

/// What is to be done.
#[derive(Clone, Debug)]
struct Plan {
    version: String,
    client_kills: usize,
    broker_rounds: usize,
    /// Each broker gets one kind of fault only.
    short: bool,
    seed: u64,
}

impl Plan {
    fn parse(arguments: &[String]) -> Result<Self> {
        let values = ["version", "client-kills", "broker-rounds", "seed"];
        let options = Options::parse(arguments, &values, &["short"])?;
        let short = options.has("short");
        Ok(Self {
            version: options.value("version", "4.3.1".to_owned())?,
            client_kills: options.value("client-kills", if short { 6 } else { 20 })?,
            broker_rounds: options.value("broker-rounds", 1)?,
            short,
            seed: options.value("seed", u64::from(std::process::id()))?,
        })
    }

    /// One in four, rounded up: five of twenty.
    fn open_wanted(&self) -> usize {
        self.client_kills.div_ceil(4)
    }
}

/// Runs the kills; fails if anything is wrong, or if too little was done to say.
pub(crate) async fn main(arguments: &[String]) -> Result<()> {
    let plan = Plan::parse(arguments)?;
    let begun = Instant::now();
    let cluster = Cluster::start(&plan.version, None).await?;
    eprintln!(
        "Kafka {} is up after {:.0} s; seed {}",
        plan.version,
        begun.elapsed().as_secs_f64(),
        plan.seed
    );
    cluster.create_topic(INPUT, SHAPE.input_partitions).await?;
    cluster
        .create_topic(OUTPUT, SHAPE.output_partitions)
        .await?;
    let feed = FeedPlan {
        topic: INPUT.to_owned(),
        partitions: SHAPE.input_partitions,
        beforehand: 4_000,
    };
    let feed = Feed::start(cluster.bootstrap(), feed).await?;
    let mut run = Run {
        report: Report {
            version: plan.version.clone(),
            seed: plan.seed,
            kills_wanted: plan.client_kills,
            open_wanted: plan.open_wanted(),
            ..Report::default()
        },
        random: fastrand::Rng::with_seed(plan.seed),
        arguments: program_arguments(&cluster),
        started: 0,
        cluster,
        feed,
    };
    let current = run.kill_clients(plan.client_kills).await?;
    let mut current = run.pause_and_replace(current).await?;
    run.strike_brokers(&mut current, &plan).await?;
    let mut report = run.finish(current).await?;
    report.seconds = begun.elapsed().as_secs_f64();
    println!("{report}");
    let complaints = report.complaints();
    if complaints.is_empty() {
        return Ok(());
    }
    Err(Failure::new(complaints.join("\n")))
}

fn program_arguments(cluster: &Cluster) -> Vec<String> {
    let mut arguments = words(&["--bootstrap", cluster.bootstrap(), "--group", GROUP]);
    arguments.extend(words(&["--input", INPUT, "--output", OUTPUT]));
    arguments.extend(words(&["--transactional-id", TRANSACTIONAL_ID]));
    arguments.extend(words(&["--think-ms", THINK_MS]));
    for (name, partitions) in [
        ("--input-partitions", SHAPE.input_partitions),
        ("--output-partitions", SHAPE.output_partitions),
    ] {
        arguments.extend([name.to_owned(), partitions.to_string()]);
    }
    arguments
}

struct Run {
    report: Report,
    random: fastrand::Rng,
    arguments: Vec<String>,
    started: u32,
    cluster: Cluster,
    feed: Feed,
}

impl Run {
    fn start(&mut self) -> Result<Incarnation> {
        self.started += 1;
        Incarnation::start(self.started, &self.arguments)
    }

    /// Kills incarnation after incarnation; returns the one that follows the last.
    async fn kill_clients(&mut self, kills: usize) -> Result<Incarnation> {
        let mut current = self.start()?;
        for kill in 0..kills {
            current.commits(1).await?;
            self.note_recovery(&current);
            self.wait_for_the_moment(&mut current, kill).await?;
            if !self.feed.is_running() {
                return Err(Failure::new("the input ended before the kills did"));
            }
            current.kill()?;
            self.note_gap(&current);
            eprintln!("kill {}: after {} commits", kill + 1, current.commits);
            self.report.kills.push(ClientKill {
                incarnation: current.number,
                commits: current.commits,
                last_open: current.last_open,
                recovery: None,
            });
            current = self.start()?;
        }
        current.commits(1).await?;
        self.note_recovery(&current);
        Ok(current)
    }

    /// Every other kill is aimed at an open transaction; the others come at any moment, also in the middle of a commit.
    async fn wait_for_the_moment(&mut self, current: &mut Incarnation, kill: usize) -> Result<()> {
        if kill.is_multiple_of(2) {
            for _ in 0..self.random.u32(1..=12) {
                current.open().await?;
            }
        } else {
            let pause = Duration::from_millis(self.random.u64(0..600));
            tokio::time::sleep(pause).await;
        }
        Ok(())
    }

    /// An instance that sleeps while a newer one takes over must write no more when it wakes up.
    async fn pause_and_replace(&mut self, mut current: Incarnation) -> Result<Incarnation> {
        current.open().await?;
        brokers::signal(current.pid(), "STOP")?;
        let mut next = self.start()?;
        next.commits(2).await?;
        brokers::signal(current.pid(), "CONT")?;
        let status = current.exit().await?;
        self.report.zombie_fenced = status.code() == Some(i32::from(EXIT_FENCED));
        eprintln!("the paused instance ended: {status}");
        Ok(next)
    }

    /// Ends the input, lets the pipeline read to its end, and has Java look at everything.
    async fn finish(self, mut current: Incarnation) -> Result<Report> {
        let Self {
            mut report,
            arguments,
            started,
            cluster,
            feed,
            ..
        } = self;
        report.written = feed.end().await?;
        current.stop().await?;
        report.gap_max = report.gap_max.max(current.gap_max);
        let mut arguments = arguments;
        arguments.push("--until-end".to_owned());
        Incarnation::start(started + 1, &arguments)?.end().await?;
        eprintln!("the pipeline is at its end; Java reads");
        let inputs = usize::try_from(report.written).unwrap_or(usize::MAX);
        let read = |topic, isolation, count| java::read_at_least(&cluster, topic, isolation, count);
        // Side by side: most of the time they wait for nothing more to come.
        let (input, output, everything) = tokio::join!(
            read(INPUT, Isolation::ReadCommitted, inputs),
            read(OUTPUT, Isolation::ReadCommitted, inputs * 2),
            read(OUTPUT, Isolation::ReadUncommitted, inputs * 2),
        );
        let (input, output, everything) = (input?, output?, everything?);
        eprintln!("Java has read {} and {} records", input.len(), output.len());
        report.audit = Audit::of(SHAPE, &input, &output);
        (report.aborted_steps, report.aborted_records) = audit::aborted(&everything, &output);
        eprintln!("compared; Java lists transactions and offsets");
        report.open_transactions = state::open_transactions(&cluster).await?;
        report.unread = state::unread(&cluster, GROUP, INPUT, SHAPE.input_partitions).await?;
        cluster.stop();
        Ok(report)
    }

    fn note_recovery(&mut self, current: &Incarnation) {
        let last = self.report.kills.last_mut();
        if let Some(kill) = last.filter(|kill| kill.incarnation + 1 == current.number) {
            kill.recovery = current.first_commit;
        }
    }

    fn note_gap(&mut self, current: &Incarnation) {
        self.report.gap_max = self.report.gap_max.max(current.gap_max);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quarter_of_the_kills_must_meet_an_open_transaction() {
        let plan = Plan::parse(&[]).expect("the defaults");
        assert_eq!((plan.client_kills, plan.open_wanted()), (20, 5));
        let short = Plan::parse(&words(&["--short"])).expect("valid");
        assert_eq!((short.client_kills, short.open_wanted()), (6, 2));
        assert!(Plan::parse(&words(&["--kills", "3"])).is_err());
    }
}
