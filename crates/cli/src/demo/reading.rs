//! Reads topics from end to end with a reader of their own, apart from the pipeline and its faults.

use std::time::Duration;

use milena::{Client, Consumer, IsolationLevel, Start};
use tokio::time::{Instant, sleep, timeout};

use crate::failure::Failure;

/// A reader that gets nothing new for so long will not come to the end.
const STALL: Duration = Duration::from_secs(20);
/// How often positions are looked at while no batch comes: a partition may end in markers and aborted records, which move
/// the position but are no batch.
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// How long the last markers may take until they are in the logs.
const SETTLE: Duration = Duration::from_secs(20);

/// Topic and partition.
type Partition<'a> = (&'a str, i32);
/// Topic, partition and the offset before which the reader stops.
type End = (String, i32, i64);

/// Hands every visible record's topic and value to `see`; returns how many there were.
pub(crate) async fn read_to_end(
    client: &Client,
    partitions: &[Partition<'_>],
    isolation: IsolationLevel,
    mut see: impl FnMut(&str, Option<&[u8]>),
) -> Result<u64, Failure> {
    let mut reader = reader(client, partitions, isolation).await?;
    let ends = ends(&reader).await?;
    let mut count = 0;
    let mut heard = Instant::now();
    while behind(&reader, &ends) {
        match timeout(LOOK_AGAIN, reader.next_batch()).await {
            Ok(Ok(batch)) => {
                heard = Instant::now();
                let end = end_of(&ends, batch.topic(), batch.partition());
                for record in batch.records().filter(|record| record.offset() < end) {
                    see(batch.topic(), record.value());
                    count += 1;
                }
            }
            Ok(Err(error)) => {
                return Err(Failure::Broken(format!("the auditor cannot read: {error}")));
            }
            Err(_) if heard.elapsed() > STALL => {
                return Err(Failure::Broken(
                    "the auditor gets nothing more to read".to_owned(),
                ));
            }
            Err(_) => {}
        }
    }
    Ok(count)
}

/// Waits until no transaction is open in these partitions.
///
/// A commit is answered before its markers are in every log; a read_committed reader that comes right then would miss the
/// last transaction and call it lost.
pub(crate) async fn settled(client: &Client, partitions: &[Partition<'_>]) -> Result<(), Failure> {
    let stable = reader(client, partitions, IsolationLevel::ReadCommitted).await?;
    let written = reader(client, partitions, IsolationLevel::ReadUncommitted).await?;
    let deadline = Instant::now() + SETTLE;
    loop {
        // In this order: what is written later only makes the two differ once more.
        let stable_ends = ends(&stable).await?;
        if stable_ends == ends(&written).await? {
            return Ok(());
        }
        if Instant::now() >= deadline {
            return Err(Failure::Broken(
                "a transaction is still open in the outputs, so they cannot be audited".to_owned(),
            ));
        }
        sleep(LOOK_AGAIN).await;
    }
}

async fn reader(
    client: &Client,
    partitions: &[Partition<'_>],
    isolation: IsolationLevel,
) -> Result<Consumer, Failure> {
    client
        .reader()
        .assign(partitions.iter().copied())
        .isolation(isolation)
        .start(Start::Earliest)
        .build()
        .await
        .map_err(|error| Failure::Broken(format!("the auditor cannot start: {error}")))
}

async fn ends(reader: &Consumer) -> Result<Vec<End>, Failure> {
    let ends = reader
        .end_offsets()
        .await
        .map_err(|error| Failure::Broken(format!("the auditor cannot find the ends: {error}")))?;
    let mut ends: Vec<End> = ends
        .into_iter()
        .map(|end| (end.topic().to_owned(), end.partition(), end.offset()))
        .collect();
    ends.sort();
    Ok(ends)
}

fn behind(reader: &Consumer, ends: &[End]) -> bool {
    ends.iter().any(|(topic, partition, end)| {
        *end > 0
            && reader
                .position(topic, *partition)
                .is_none_or(|position| position < *end)
    })
}

fn end_of(ends: &[End], topic: &str, partition: i32) -> i64 {
    ends.iter()
        .find(|(name, number, _)| name == topic && *number == partition)
        .map_or(0, |&(_, _, end)| end)
}
