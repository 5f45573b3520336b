//! The base line: every job, as often as asked for.

use std::time::{SystemTime, UNIX_EPOCH};

use milena::{Admin, Client, NewTopic};

use crate::Failure;
use crate::args::{BaselineArgs, Group};
use crate::broker::Broker;
use crate::consume::{Expected, consume};
use crate::job::{ALLOCATIONS_MAX, ALLOCATIONS_MAX_1K, Job};
use crate::produce::{Deliveries, produce};
use crate::report::Report;
use crate::transactions::{RECORD_BYTES, SHAPES, commit_all};

/// Takes the base line and prints it.
pub(crate) fn run(args: &BaselineArgs) -> Result<(), Failure> {
    let broker = Broker::new(args.bootstrap.as_deref())?;
    // One thread: the application's task and nothing else. The client brings its own.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()?;
    let mut report = Report::new(args, &broker);
    for run in 0..args.runs {
        let mut baseline = Baseline {
            args,
            bootstrap: broker.bootstrap(),
            prefix: format!("milena-bench-{}-{run}", unique()),
            jobs: Vec::new(),
        };
        runtime.block_on(baseline.take())?;
        report.add(baseline.jobs);
    }
    report.print()?;
    let excess = report.excess();
    if args.check && !excess.is_empty() {
        return Err(format!(
            "records allocate more often than they may: {}",
            excess.join("; ")
        )
        .into());
    }
    Ok(())
}

struct Baseline<'a> {
    args: &'a BaselineArgs,
    bootstrap: &'a str,
    prefix: String,
    jobs: Vec<Job>,
}

/// Records to produce and read back.
#[derive(Clone, Copy)]
struct Records {
    what: &'static str,
    count: u64,
    size: usize,
    /// How often each may allocate while it is produced.
    allocations_max: f64,
}

impl Baseline<'_> {
    async fn take(&mut self) -> Result<(), Failure> {
        let args = self.args;
        if args.includes(Group::Small) {
            let small = Records {
                what: "100 B",
                count: args.records_100(),
                size: 100,
                allocations_max: ALLOCATIONS_MAX,
            };
            self.records(small).await?;
        }
        if args.includes(Group::Large) {
            let large = Records {
                what: "1 KiB",
                count: args.records_1k(),
                size: 1024,
                allocations_max: ALLOCATIONS_MAX_1K,
            };
            self.records(large).await?;
        }
        if args.includes(Group::Transactions) {
            self.transactions().await?;
        }
        Ok(())
    }

    async fn records(&mut self, records: Records) -> Result<(), Failure> {
        let Records {
            what, count, size, ..
        } = records;
        for deliveries in [Deliveries::Dropped, Deliveries::Awaited] {
            let topic = self.topic().await?;
            // A client a phase, so that none is charged for what another keeps.
            let client = Client::connect(self.bootstrap).await?;
            let cost = produce(&client, &topic, count, size, deliveries).await?;
            drop(client);
            let name = format!("produce {what}, deliveries {}", deliveries.name());
            let produced = Job::of_records(name, count, &cost, records.allocations_max);
            self.jobs.push(produced);
            let client = Client::connect(self.bootstrap).await?;
            let cost = consume(&client, self.expected(&topic, count, size)).await?;
            drop(client);
            // What the other way of sending wrote reads the same: it is checked, and not told twice.
            if deliveries == Deliveries::Dropped {
                let name = format!("consume {what}");
                let consumed = Job::of_records(name, count, &cost, ALLOCATIONS_MAX);
                self.jobs.push(consumed);
            }
            self.delete(&topic).await?;
        }
        Ok(())
    }

    async fn transactions(&mut self) -> Result<(), Failure> {
        let count = self.args.transactions();
        for shape in SHAPES {
            let topic = self.topic().await?;
            let client = Client::connect(self.bootstrap).await?;
            let job = commit_all(&client, &topic, count, shape).await?;
            self.jobs.push(job);
            let expected = self.expected(&topic, count * shape.records, RECORD_BYTES);
            consume(&client, expected).await?;
            self.delete(&topic).await?;
        }
        Ok(())
    }

    fn expected<'t>(&self, topic: &'t str, records: u64, size: usize) -> Expected<'t> {
        Expected {
            topic,
            partitions: self.args.partitions,
            records,
            size,
        }
    }

    async fn topic(&self) -> Result<String, Failure> {
        let topic = format!("{}-{}", self.prefix, self.jobs.len());
        let new = NewTopic::new(&topic, self.args.partitions);
        self.admin().await?.create_topic(new).await?;
        Ok(topic)
    }

    async fn delete(&self, topic: &str) -> Result<(), Failure> {
        Ok(self.admin().await?.delete_topic(topic).await?)
    }

    async fn admin(&self) -> Result<Admin, Failure> {
        Ok(Client::connect(self.bootstrap).await?.admin())
    }
}

/// Something that no earlier run has named its topics by.
fn unique() -> String {
    #[allow(
        clippy::disallowed_methods,
        reason = "names of topics on a broker that outlives this program"
    )]
    let now = SystemTime::now();
    let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    format!("{:x}", since.as_micros())
}
