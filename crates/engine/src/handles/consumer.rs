//! Reading assigned partitions.

use std::borrow::Cow;
use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

#[cfg(feature = "plants")]
use milena_cluster::plants::{Plant, is_planted};
use milena_cluster::{GroupMetadata as Group, TopicPartition};
use milena_consumer::{
    Cursor, FetchConfig, FetchedBatch, IsolationLevel, OutOfRange, StartPosition,
};
use milena_wire::record::{Compression, RecordIter, RecordRef};

use super::client::ClientHandle;
use super::error::{ConsumeError, QueryError};
use super::names::is_topic_name;
use crate::command::{Command, QueryAnswer, QueryKind};
use crate::config::bounded;
use crate::reply::reply;
use crate::shared::{ConsumerQueue, Core, Popped, Seat};

/// How long a question about offsets may take.
const QUERY_TIMEOUT: Duration = Duration::from_secs(30);

/// Where reading starts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Start {
    /// Where the group has committed; at the beginning of partitions for which it has not.
    #[default]
    Committed,
    /// At the first record there is.
    Earliest,
    /// After the last record there is.
    Latest,
}

/// Who commits offsets: a group, and the member of it that read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupMetadata {
    pub(crate) inner: Group,
}

impl GroupMetadata {
    /// The group, for a consumer whose partitions were assigned by hand: no generation, no member.
    #[must_use]
    pub fn assigned(group: &str) -> Self {
        Self {
            inner: Group {
                group: group.into(),
                generation: -1,
                member: "".into(),
                instance: None,
            },
        }
    }

    /// The group's name.
    #[must_use]
    pub fn group(&self) -> &str {
        &self.inner.group
    }
}

/// A place between records: everything before it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    pub(crate) partition: TopicPartition,
    pub(crate) cursor: Cursor,
    pub(crate) metadata: Option<Arc<str>>,
}

impl Position {
    /// The place before `offset`.
    #[must_use]
    pub fn new(topic: &str, partition: i32, offset: i64) -> Self {
        Self {
            partition: TopicPartition {
                topic: topic.into(),
                partition,
            },
            cursor: Cursor::at(offset),
            metadata: None,
        }
    }

    /// The topic.
    #[must_use]
    pub fn topic(&self) -> &str {
        &self.partition.topic
    }

    /// The partition.
    #[must_use]
    pub fn partition(&self) -> i32 {
        self.partition.partition
    }

    /// The offset of the next record to read.
    #[must_use]
    pub fn offset(&self) -> i64 {
        self.cursor.position
    }
}

/// Settings of a consumer. Each has a good default.
#[derive(Clone, Debug)]
pub struct ConsumerBuilder {
    client: ClientHandle,
    group: Option<Arc<str>>,
    partitions: Vec<TopicPartition>,
    subscribed: bool,
    start: Start,
    config: FetchConfig,
}

impl ConsumerBuilder {
    pub(crate) fn new(client: ClientHandle, group: Option<&str>) -> Self {
        let start = if group.is_some() {
            Start::Committed
        } else {
            Start::Earliest
        };
        Self {
            client,
            group: group.map(Arc::from),
            partitions: Vec::new(),
            subscribed: false,
            start,
            config: FetchConfig::default(),
        }
    }

    /// Reads these partitions.
    #[must_use]
    pub fn assign<'a>(mut self, partitions: impl IntoIterator<Item = (&'a str, i32)>) -> Self {
        self.partitions.extend(
            partitions
                .into_iter()
                .map(|(topic, partition)| TopicPartition {
                    topic: topic.into(),
                    partition,
                }),
        );
        self
    }

    /// Shares topics with the group's other members. Not supported yet: building is refused with a sentence that says so.
    #[must_use]
    pub fn subscribe<'a>(mut self, topics: impl IntoIterator<Item = &'a str>) -> Self {
        self.subscribed |= topics.into_iter().next().is_some();
        self
    }

    /// What is shown of transactions. Default read_committed: only what was committed, and everything outside transactions.
    #[must_use]
    pub fn isolation(mut self, isolation: IsolationLevel) -> Self {
        self.config.isolation = isolation;
        self
    }

    /// Where to start. Default: where the group has committed, else at the beginning.
    #[must_use]
    pub fn start(mut self, start: Start) -> Self {
        self.start = start;
        self
    }

    /// What to do when a position is not in the log any more. Default: fail, because records may have been missed.
    #[must_use]
    pub fn out_of_range(mut self, policy: OutOfRange) -> Self {
        self.config.out_of_range = policy;
        self
    }

    /// All memory for batches that were fetched and not dropped yet, decompressed. Default 64 MiB. WARNING: it must hold at
    /// least one fetched batch of each partition that is to make progress at the same time.
    #[must_use]
    pub fn buffered_bytes_max(mut self, bytes: usize) -> Self {
        self.config.buffered_bytes_max = bytes;
        self
    }

    /// How many bytes the records of one batch may have when decompressed: a batch of a few KiB can be made to become GiB. A
    /// batch with more is a [`FetchError::DecompressedTooLong`](crate::handles::FetchError::DecompressedTooLong), which names
    /// the offset behind it. Default 64 MiB. WARNING: producers whose batches may be larger make topics that cannot be read.
    #[must_use]
    pub fn decompressed_bytes_max(mut self, bytes: usize) -> Self {
        self.config.decompressed_bytes_max = bytes;
        self
    }

    /// How long a broker may wait for records before it answers an empty fetch. Default 500 ms.
    #[must_use]
    pub fn fetch_wait_max(mut self, wait: Duration) -> Self {
        self.config.fetch_wait_max = bounded(wait);
        self
    }

    /// Makes the consumer; asks for the group's offsets first, if it starts there.
    ///
    /// # Errors
    /// [`ConsumeError`]: nothing assigned, no answer, or something that is not supported yet.
    ///
    /// # Cancel safety
    /// Cancel safe: nothing stays open.
    pub async fn build(mut self) -> Result<Consumer, ConsumeError> {
        if self.subscribed {
            return Err(invalid("groups with rebalancing are not supported yet, a later version of milena will bring them; assign partitions").into());
        }
        if self.partitions.is_empty() {
            return Err(invalid("no partition is assigned").into());
        }
        self.partitions.sort_unstable();
        self.partitions.dedup();
        let cannot_be = |partition: &TopicPartition| {
            partition.partition < 0 || !is_topic_name(&partition.topic)
        };
        if self.partitions.iter().any(cannot_be) {
            return Err(invalid(
                "a partition is assigned that no topic can have: a number below zero, or no name for a topic",
            )
            .into());
        }
        let starts = match (self.start, &self.group) {
            (Start::Committed, None) => {
                return Err(invalid(
                    "without a group there is no committed position to start from",
                )
                .into());
            }
            (Start::Committed, Some(group)) => {
                committed_starts(&self.client, group, &self.partitions).await?
            }
            (Start::Earliest, _) => self
                .partitions
                .iter()
                .map(|partition| (partition.clone(), StartPosition::Earliest))
                .collect(),
            (Start::Latest, _) => self
                .partitions
                .iter()
                .map(|partition| (partition.clone(), StartPosition::Latest))
                .collect(),
        };
        let queue = Arc::new(ConsumerQueue::default());
        let (reply, answer) = reply();
        let core = &self.client.core;
        let seat = core.seat(|consumer| Command::CloseConsumer { consumer });
        let command = Command::OpenConsumer {
            consumer: seat.index(),
            config: self.config.clone(),
            partitions: starts,
            queue: Arc::clone(&queue),
            reply,
        };
        core.send(command);
        answer.await.map_err(|_| ConsumeError::Closed)?;
        Ok(Consumer {
            client: self.client,
            seat,
            queue,
            group: self.group,
            partitions: self.partitions,
            isolation: self.config.isolation,
        })
    }
}

const fn invalid(text: &'static str) -> QueryError {
    QueryError::Invalid(Cow::Borrowed(text))
}

async fn committed_starts(
    client: &ClientHandle,
    group: &Arc<str>,
    partitions: &[TopicPartition],
) -> Result<Vec<(TopicPartition, StartPosition)>, QueryError> {
    let kind = QueryKind::Committed {
        group: Arc::clone(group),
        partitions: partitions.to_vec(),
    };
    let QueryAnswer::Committed(committed) = client.query(kind, QUERY_TIMEOUT).await? else {
        return Err(invalid("an answer to another question"));
    };
    let start =
        |(partition, position): (TopicPartition, Option<crate::command::CommittedPosition>)| {
            (
                partition,
                position.map_or(StartPosition::Earliest, |position| {
                    StartPosition::Cursor(position.cursor)
                }),
            )
        };
    Ok(committed.into_iter().map(start).collect())
}

/// Reads assigned partitions, fetching ahead while the application works. Dropped, it reads no more; batches that were taken
/// stay as they are.
#[derive(Debug)]
pub struct Consumer {
    client: ClientHandle,
    seat: Seat,
    queue: Arc<ConsumerQueue>,
    group: Option<Arc<str>>,
    partitions: Vec<TopicPartition>,
    isolation: IsolationLevel,
}

impl Consumer {
    /// The next batch of any partition; waits until there is one.
    ///
    /// # Errors
    /// [`ConsumeError::Fetch`]: one partition cannot be read on. The others go on with the next call.
    ///
    /// # Cancel safety
    /// Cancel safe: a batch is taken out in the poll that returns it.
    pub async fn next_batch(&mut self) -> Result<Batch, ConsumeError> {
        let popped = poll_fn(|cx| self.queue.poll_next(cx)).await;
        self.batch(popped)
    }

    /// The position in a partition: after the last batch that was taken, and over whatever shows nothing behind it (aborted
    /// data, markers, gaps). `None` until the start is known, or if the partition is not assigned.
    #[must_use]
    pub fn position(&self, topic: &str, partition: i32) -> Option<i64> {
        self.queue
            .cursor(&TopicPartition {
                topic: topic.into(),
                partition,
            })
            .map(|cursor| cursor.position)
    }

    /// Goes on reading at `offset`. Batches of the partition that were fetched but not taken are dropped. Of a partition that
    /// is not assigned nothing is read, now as before.
    pub fn seek(&mut self, topic: &str, partition: i32, offset: i64) {
        self.seek_to(
            &TopicPartition {
                topic: topic.into(),
                partition,
            },
            Cursor::at(offset),
        );
    }

    /// Where each assigned partition ends now: under read_committed the last stable offset, else the high watermark.
    ///
    /// # Errors
    /// [`ConsumeError::Query`].
    pub async fn end_offsets(&self) -> Result<Vec<Position>, ConsumeError> {
        self.list_offsets(-1).await
    }

    /// Where each assigned partition begins now.
    ///
    /// # Errors
    /// [`ConsumeError::Query`].
    pub async fn beginning_offsets(&self) -> Result<Vec<Position>, ConsumeError> {
        self.list_offsets(-2).await
    }

    /// What the group has committed for the assigned partitions, once no transaction is in the way.
    ///
    /// # Errors
    /// [`ConsumeError::Query`], also without a group.
    pub async fn committed(&self) -> Result<Vec<Position>, ConsumeError> {
        let Some(group) = &self.group else {
            return Err(invalid("a reader has no group").into());
        };
        let starts = committed_starts(&self.client, group, &self.partitions).await?;
        let position = |(partition, start)| match start {
            StartPosition::Cursor(cursor) => Some(Position {
                partition,
                cursor,
                metadata: None,
            }),
            _ => None,
        };
        Ok(starts.into_iter().filter_map(position).collect())
    }

    /// Who this consumer is, for [`crate::handles::Transaction::send_offsets`].
    /// A reader gives the empty group, which coordinators refuse.
    #[must_use]
    pub fn group_metadata(&self) -> GroupMetadata {
        GroupMetadata::assigned(self.group.as_deref().unwrap_or_default())
    }

    pub(crate) fn batch(&self, popped: Popped) -> Result<Batch, ConsumeError> {
        match popped {
            Popped::Batch(inner) => {
                let core = Arc::clone(&self.client.core);
                Ok(Batch::new(inner, self.seat.index(), core))
            }
            Popped::Failed(partition, error) => Err(ConsumeError::Fetch {
                topic: partition.topic.to_string(),
                partition: partition.partition,
                error,
            }),
            Popped::Closed => Err(ConsumeError::Closed),
        }
    }

    pub(crate) fn queue(&self) -> &ConsumerQueue {
        &self.queue
    }

    pub(crate) fn partitions(&self) -> &[TopicPartition] {
        &self.partitions
    }

    pub(crate) fn seek_to(&self, partition: &TopicPartition, cursor: Cursor) {
        // Sorted when it was built. What nobody reads has no position, and must not gather one with each seek.
        if self.partitions.binary_search(partition).is_err() {
            return;
        }
        let (version, bytes) = self.queue.seek(partition, Some(cursor));
        let (consumer, partition) = (self.seat.index(), partition.clone());
        let core = &self.client.core;
        core.send(Command::Release {
            consumer,
            partition: partition.clone(),
            bytes,
        });
        core.send(Command::Seek {
            consumer,
            partition,
            cursor,
            version,
        });
    }

    async fn list_offsets(&self, timestamp: i64) -> Result<Vec<Position>, ConsumeError> {
        let kind = QueryKind::ListOffsets {
            isolation: self.isolation,
            timestamp,
            partitions: self.partitions.clone(),
        };
        match self.client.query(kind, QUERY_TIMEOUT).await? {
            QueryAnswer::Offsets(offsets) => Ok(offsets
                .into_iter()
                .map(|(partition, offset)| Position {
                    partition,
                    cursor: Cursor::at(offset),
                    metadata: None,
                })
                .collect()),
            _ => Err(invalid("an answer to another question").into()),
        }
    }
}

/// Records of one partition, owned and valid by construction: reading them cannot fail. The memory they take counts against
/// the consumer's budget until the batch is dropped.
#[derive(Debug)]
pub struct Batch {
    inner: FetchedBatch,
    skipped: usize,
    consumer: usize,
    core: Arc<Core>,
}

/// The records of a [`Batch`], in order.
pub type Records<'a> = std::iter::Skip<RecordIter<'a>>;

impl Batch {
    fn new(inner: FetchedBatch, consumer: usize, core: Arc<Core>) -> Self {
        // A broker sends whole batches; the first may begin before the position that was asked for.
        let skipped = inner
            .records
            .records()
            .take_while(|record| record.offset() < inner.first_position)
            .count();
        #[cfg(feature = "plants")]
        let skipped = match is_planted(Plant::RecordsBelowThePositionDelivered) {
            true => 0,
            false => skipped,
        };
        Self {
            inner,
            skipped,
            consumer,
            core,
        }
    }

    /// The topic.
    #[must_use]
    pub fn topic(&self) -> &str {
        &self.inner.tp.topic
    }

    /// The partition.
    #[must_use]
    pub fn partition(&self) -> i32 {
        self.inner.tp.partition
    }

    /// The records, borrowed.
    pub fn records(&self) -> Records<'_> {
        self.inner.records.records().skip(self.skipped)
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.inner.records.len() - self.skipped
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How the batch was compressed in the log; its records are not.
    #[must_use]
    pub fn compression(&self) -> Compression {
        self.inner.records.header().compression()
    }

    /// The place after the batch, to be committed once it is worked through.
    #[must_use]
    pub fn position(&self) -> Position {
        Position {
            partition: self.inner.tp.clone(),
            cursor: self.inner.cursor,
            metadata: None,
        }
    }

    /// The place before `record`, which is one of this batch.
    pub(crate) fn position_before(&self, record: RecordRef<'_>) -> Position {
        let leader_epoch = self.inner.cursor.leader_epoch;
        Position {
            partition: self.inner.tp.clone(),
            cursor: Cursor {
                position: record.offset(),
                leader_epoch,
            },
            metadata: None,
        }
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        let (partition, bytes) = (self.inner.tp.clone(), self.inner.bytes);
        self.core.send(Command::Release {
            consumer: self.consumer,
            partition,
            bytes,
        });
    }
}
