//! What a topic holds, as seen by a reader with connections of its own.

use std::{collections::BTreeMap, time::Duration};

use milena::{Client, Consumer, IsolationLevel, Start};
use tokio::time::{Instant, sleep, timeout};

use crate::{Failure, Topic, World};

/// A record as a reader sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Where it was read.
    pub partition: i32,
    /// Where it was read.
    pub offset: i64,
    /// Milliseconds since 1970.
    pub timestamp: i64,
    /// As text.
    pub key: Option<String>,
    /// As text.
    pub value: Option<String>,
    /// In order, duplicates kept.
    pub headers: Vec<(String, Option<String>)>,
}

/// The values of records, a missing one as the empty text.
pub fn values(seen: &[Seen]) -> Vec<String> {
    seen.iter()
        .map(|record| record.value.clone().unwrap_or_default())
        .collect()
}

/// Reads one topic again and again from its beginning. Records come partition by partition, each in offset order.
pub struct Log {
    client: Client,
    topic: Topic,
}

impl Log {
    /// A reader that the relay's faults do not reach.
    pub async fn of(world: &World, topic: &Topic) -> Result<Self, Failure> {
        Ok(Self {
            client: world.witness().await?,
            topic: topic.clone(),
        })
    }

    /// What a read_committed reader can see now, and no more.
    pub async fn visible(&self) -> Result<Vec<Seen>, Failure> {
        self.read_to_end(IsolationLevel::ReadCommitted).await
    }

    /// Everything in the log, whether committed, open or aborted.
    pub async fn all(&self) -> Result<Vec<Seen>, Failure> {
        self.read_to_end(IsolationLevel::ReadUncommitted).await
    }

    /// What read_committed shows once no transaction is open any more on the topic (markers are written after the
    /// answer to EndTxn): the final truth about it.
    pub async fn committed(&self) -> Result<Vec<Seen>, Failure> {
        let deadline = Instant::now() + READ_TIME_MAX;
        loop {
            let stable = self.ends(IsolationLevel::ReadCommitted).await?;
            if stable == self.ends(IsolationLevel::ReadUncommitted).await? {
                return self.visible().await;
            }
            if Instant::now() > deadline {
                return Err(format!(
                    "a transaction stays open on {}: stable up to {stable:?}",
                    self.topic.name
                )
                .into());
            }
            sleep(READ_STEP).await;
        }
    }

    /// The ends of the partitions: last stable offsets under read_committed, else high watermarks.
    pub async fn ends(&self, isolation: IsolationLevel) -> Result<BTreeMap<i32, i64>, Failure> {
        ends(&self.reader(isolation).await?).await
    }

    async fn read_to_end(&self, isolation: IsolationLevel) -> Result<Vec<Seen>, Failure> {
        let mut reader = self.reader(isolation).await?;
        let ends = ends(&reader).await?;
        let deadline = Instant::now() + READ_TIME_MAX;
        let mut seen = Vec::new();
        while let Some(place) = self.behind(&reader, &ends) {
            if Instant::now() > deadline {
                return Err(format!(
                    "{}: the position stays at {place:?} before {ends:?}",
                    self.topic.name
                )
                .into());
            }
            // Records need not come: a position also moves over markers and aborted records.
            let Ok(batch) = timeout(READ_STEP, reader.next_batch()).await else {
                continue;
            };
            collect(&batch?, &mut seen);
        }
        seen.retain(|record| record.offset < ends[&record.partition]);
        seen.sort_by_key(|record| (record.partition, record.offset));
        Ok(seen)
    }

    /// A partition whose end has not been reached, and the position there.
    fn behind(&self, reader: &Consumer, ends: &BTreeMap<i32, i64>) -> Option<(i32, i64)> {
        let position = |partition| reader.position(&self.topic.name, partition).unwrap_or(0);
        ends.iter()
            .map(|(&partition, &end)| (partition, position(partition), end))
            .find_map(|(partition, position, end)| {
                (position < end).then_some((partition, position))
            })
    }

    async fn reader(&self, isolation: IsolationLevel) -> Result<Consumer, Failure> {
        let reader = self.client.reader().assign(self.topic.assignment());
        Ok(reader
            .isolation(isolation)
            .start(Start::Earliest)
            .build()
            .await?)
    }
}

async fn ends(reader: &Consumer) -> Result<BTreeMap<i32, i64>, Failure> {
    let ends = reader.end_offsets().await?;
    Ok(ends
        .iter()
        .map(|end| (end.partition(), end.offset()))
        .collect())
}

fn collect(batch: &milena::Batch, into: &mut Vec<Seen>) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    into.extend(batch.records().map(|record| {
        Seen {
            partition: batch.partition(),
            offset: record.offset(),
            timestamp: record.timestamp(),
            key: record.key().map(text),
            value: record.value().map(text),
            headers: record
                .headers()
                .map(|header| (text(header.key), header.value.map(text)))
                .collect(),
        }
    }));
}

/// Above every metadata look-up and reconnect on a busy machine.
const READ_TIME_MAX: Duration = Duration::from_secs(20);

/// How long to wait for a batch before looking at the position again.
const READ_STEP: Duration = Duration::from_millis(20);
