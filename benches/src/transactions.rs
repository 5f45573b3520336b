//! Small transactions, one after the other.

use std::time::Duration;

use hdrhistogram::Histogram;
use milena::{Client, Record, TransactionalProducer};

use crate::Failure;
use crate::job::{Job, mebibytes, ratio};
use crate::meter::{Meter, now};
use crate::payload::Value;

/// What a run of transactions looks like.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub(crate) name: &'static str,
    pub(crate) records: u64,
    /// Between a commit and the next begin.
    pub(crate) pause: Duration,
}

/// The kinds that are measured.
pub(crate) const SHAPES: [Shape; 3] = [
    Shape {
        name: "transactions of 1, back to back",
        records: 1,
        pause: Duration::ZERO,
    },
    Shape {
        name: "transactions of 1, 10 ms apart",
        records: 1,
        pause: Duration::from_millis(10),
    },
    Shape {
        name: "transactions of 1000, back to back",
        records: 1000,
        pause: Duration::ZERO,
    },
];

/// The bytes of each record.
pub(crate) const RECORD_BYTES: usize = 100;

/// How long the parts of the transactions took together.
#[derive(Default)]
struct Times {
    sending: Duration,
    inside: Duration,
}

/// Commits `count` transactions and says how long each took from begin to committed.
pub(crate) async fn commit_all(
    client: &Client,
    topic: &str,
    count: u64,
    shape: Shape,
) -> Result<Job, Failure> {
    let mut producer = client.transactional_producer(topic).build().await?;
    // A minute at most: longer than any deadline of a healthy commit.
    let mut latency = Histogram::<u64>::new_with_bounds(1, 60_000_000, 3)?;
    let mut value = Value::new(RECORD_BYTES);
    let mut times = Times::default();
    let meter = Meter::start()?;
    for number in 0..count {
        let first = number * shape.records;
        let begun = now();
        commit(
            &mut producer,
            topic,
            first..first + shape.records,
            &mut value,
            &mut times,
        )
        .await?;
        let took = begun.elapsed();
        times.inside += took;
        latency.saturating_record(u64::try_from(took.as_micros())?);
        if !shape.pause.is_zero() {
            tokio::time::sleep(shape.pause).await;
        }
    }
    let cost = meter.stop()?;
    let count = ratio(count);
    let records = count * ratio(shape.records);
    let each = |number: u64| ratio(number) / count;
    let figures = vec![
        ("commit_us_p50", ratio(latency.value_at_quantile(0.5))),
        ("commit_us_p99", ratio(latency.value_at_quantile(0.99))),
        ("commit_us_max", ratio(latency.max())),
        ("transactions_per_s", count / times.inside.as_secs_f64()),
        ("records_per_s", records / times.inside.as_secs_f64()),
        ("sends_per_s", records / times.sending.as_secs_f64()),
        (
            "cpu_us_per_transaction",
            cost.cpu.as_secs_f64() * 1e6 / count,
        ),
        ("cpu_ns_per_record", cost.cpu.as_secs_f64() * 1e9 / records),
        ("allocations_per_transaction", each(cost.allocations)),
        ("sleeps_per_transaction", each(cost.sleeps)),
        ("engine_wakes_per_transaction", each(cost.sleeps_engine)),
        ("peak_mib", mebibytes(cost.peak_bytes)),
        ("mib_before", mebibytes(cost.resident_bytes_before)),
        ("threads", cost.threads as f64),
    ];
    Ok(Job {
        name: shape.name.to_owned(),
        figures,
        allocations_max: None,
    })
}

async fn commit(
    producer: &mut TransactionalProducer,
    topic: &str,
    numbers: std::ops::Range<u64>,
    value: &mut Value,
    times: &mut Times,
) -> Result<(), Failure> {
    let transaction = producer.begin().await?;
    let begun = now();
    for number in numbers {
        let record = Record::to(topic).value(value.numbered(number));
        // Commit answers for all of them.
        drop(transaction.send(record).await?);
    }
    times.sending += begun.elapsed();
    transaction.commit().await?;
    Ok(())
}
