//! Reading a topic back, as read_committed, and checking everything in it.

use std::time::Duration;

use milena::{Client, Consumer, IsolationLevel};

use crate::Failure;
use crate::meter::{Cost, Meter};
use crate::payload::Tally;

/// How long a batch may take to come. Only a record that is not there makes it take this long.
const BATCH_WAIT: Duration = Duration::from_secs(30);

/// What a topic must contain.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Expected<'a> {
    pub(crate) topic: &'a str,
    pub(crate) partitions: i32,
    pub(crate) records: u64,
    pub(crate) size: usize,
}

/// Reads the whole topic and fails if it is not exactly what was sent.
pub(crate) async fn consume(client: &Client, expected: Expected<'_>) -> Result<Cost, Failure> {
    let Expected {
        topic,
        partitions,
        records,
        size,
    } = expected;
    let meter = Meter::start()?;
    let mut consumer = client
        .reader()
        .assign((0..partitions).map(|partition| (topic, partition)))
        .isolation(IsolationLevel::ReadCommitted)
        .build()
        .await?;
    let mut tally = Tally::new(records, size, partitions);
    while !tally.is_complete() {
        read_batch(&mut consumer, &mut tally).await?;
    }
    let cost = meter.stop()?;
    tally.finish()?;
    // Something behind the last record would be one too many.
    for end in consumer.end_offsets().await? {
        let read = consumer.position(topic, end.partition());
        // A commit marker may be there that is not read yet.
        if read.is_none_or(|read| read < end.offset())
            && let Ok(batch) =
                tokio::time::timeout(Duration::from_millis(500), consumer.next_batch()).await
        {
            return Err(format!("{topic} has {} records too many", batch?.len()).into());
        }
    }
    Ok(cost)
}

async fn read_batch(consumer: &mut Consumer, tally: &mut Tally) -> Result<(), Failure> {
    let Ok(batch) = tokio::time::timeout(BATCH_WAIT, consumer.next_batch()).await else {
        return Err(format!("no record came for {BATCH_WAIT:?}, after {}", tally.seen()).into());
    };
    let batch = batch?;
    let partition = usize::try_from(batch.partition())?;
    for record in batch.records() {
        if !tally.take(partition, record.value().unwrap_or_default()) {
            let (topic, offset) = (batch.topic(), record.offset());
            return Err(format!(
                "{topic}-{partition}@{offset} is not the record that was sent there"
            )
            .into());
        }
    }
    Ok(())
}
