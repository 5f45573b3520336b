//! What handles and the engine share.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use milena_cluster::TopicPartition;
#[cfg(feature = "plants")]
use milena_cluster::plants::{Plant, is_planted};
use milena_consumer::{Cursor, FetchError, FetchedBatch};
use milena_producer::sync::{AtomicBool, AtomicUsize, Mutex, Ordering};
use milena_producer::{Accumulator, Clock};

use crate::command::Command;
use crate::driver::Driver;

/// The way into the engine, emptied whole at each of its turns. A call that waits puts one command in; those that do not wait
/// (a seek, a dropped batch, `try_send` to an unknown topic) one or two each time.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    commands: Mutex<Vec<Command>>,
    closed: AtomicBool,
}

impl Inbox {
    pub(crate) fn take(&self) -> Vec<Command> {
        std::mem::take(&mut *self.commands.lock())
    }

    /// The engine is gone: what is in here, or still comes, is dropped, and its replies say so.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        drop(self.take());
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    fn push(&self, command: Command) {
        let mut commands = self.commands.lock();
        // Looked at under the lock: `close` empties the list after it has set the flag.
        if !self.is_closed() {
            commands.push(command);
        }
    }
}

/// The handles' end of a client. When the last one is dropped the engine shuts down.
pub(crate) struct Core {
    inbox: Arc<Inbox>,
    driver: Arc<dyn Driver>,
    seats: AtomicUsize,
}

impl std::fmt::Debug for Core {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Core")
            .field("closed", &self.inbox.is_closed())
            .finish_non_exhaustive()
    }
}

impl Core {
    pub(crate) fn new(driver: Arc<dyn Driver>) -> Arc<Self> {
        Arc::new(Self {
            inbox: Arc::default(),
            driver,
            seats: AtomicUsize::new(0),
        })
    }

    /// The place of a producer or consumer to be, closed by `close` when it is dropped: taken before the engine is asked to
    /// open it, so that one whose making is given up half way does not stay open for ever.
    pub(crate) fn seat(self: &Arc<Self>, close: fn(usize) -> Command) -> Seat {
        Seat {
            core: Arc::clone(self),
            index: self.seats.fetch_add(1, Ordering::Relaxed),
            close,
        }
    }

    pub(crate) fn inbox(&self) -> Arc<Inbox> {
        Arc::clone(&self.inbox)
    }

    pub(crate) fn driver(&self) -> &dyn Driver {
        &*self.driver
    }

    pub(crate) fn send(&self, command: Command) {
        self.inbox.push(command);
        self.driver.wake_engine();
    }
}

impl Drop for Core {
    fn drop(&mut self) {
        self.send(Command::ShutDown);
    }
}

impl Clock for Core {
    fn now(&self) -> Instant {
        self.driver.now()
    }

    fn wall_clock(&self) -> i64 {
        self.driver.wall_clock()
    }
}

/// What a producer or consumer is closed with; see [`Core::seat`].
#[derive(Debug)]
pub(crate) struct Seat {
    core: Arc<Core>,
    index: usize,
    close: fn(usize) -> Command,
}

impl Seat {
    /// Its name in commands, never used again.
    pub(crate) fn index(&self) -> usize {
        self.index
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.core.send((self.close)(self.index));
    }
}

/// A producer, as its handles see it. Dropping the last handle closes it.
#[derive(Debug)]
pub(crate) struct ProducerShared {
    pub(crate) core: Arc<Core>,
    pub(crate) seat: Seat,
    pub(crate) accumulator: Arc<Accumulator>,
    pub(crate) send_timeout: std::time::Duration,
}

/// A consumer's output queue: the engine fills it, one handle empties it.
#[derive(Debug, Default)]
pub(crate) struct ConsumerQueue {
    inner: Mutex<QueueInner>,
}

#[derive(Debug, Default)]
struct QueueInner {
    entries: VecDeque<QueueEntry>,
    partitions: BTreeMap<TopicPartition, Place>,
    waker: Option<Waker>,
    closed: bool,
}

/// Where the user stands in a partition. `version` counts seeks: what was fetched for an older one is void.
#[derive(Debug, Default)]
struct Place {
    version: u64,
    cursor: Option<Cursor>,
}

#[derive(Debug)]
struct QueueEntry {
    partition: TopicPartition,
    version: u64,
    content: Content,
}

#[derive(Debug)]
enum Content {
    Batch(FetchedBatch),
    /// The position moved with nothing to show: aborted data, markers, gaps.
    Position(Cursor),
    Failed(FetchError),
}

/// What [`ConsumerQueue::poll_next`] finds.
#[derive(Debug)]
pub(crate) enum Popped {
    Batch(FetchedBatch),
    Failed(TopicPartition, FetchError),
    Closed,
}

impl ConsumerQueue {
    /// False if the batch belongs to a time before the last seek: it was not taken, and its memory is to be released.
    #[must_use]
    pub(crate) fn push_batch(&self, version: u64, batch: FetchedBatch) -> bool {
        let partition = batch.tp.clone();
        self.push(QueueEntry {
            partition,
            version,
            content: Content::Batch(batch),
        })
    }

    pub(crate) fn push_position(&self, partition: TopicPartition, version: u64, cursor: Cursor) {
        self.push(QueueEntry {
            partition,
            version,
            content: Content::Position(cursor),
        });
    }

    pub(crate) fn push_failure(&self, partition: TopicPartition, version: u64, error: FetchError) {
        self.push(QueueEntry {
            partition,
            version,
            content: Content::Failed(error),
        });
    }

    pub(crate) fn close(&self) {
        let waker = {
            let mut inner = self.inner.lock();
            inner.closed = true;
            inner.waker.take()
        };
        waker.into_iter().for_each(Waker::wake);
    }

    /// False if the entry belongs to a time before the last seek, and was not taken.
    fn push(&self, entry: QueueEntry) -> bool {
        let waker = {
            let mut inner = self.inner.lock();
            let place = inner.partitions.get(&entry.partition);
            if place.is_none_or(|place| place.version != entry.version) {
                return false;
            }
            let before = inner
                .entries
                .iter()
                .rposition(|other| other.partition == entry.partition);
            match (&entry.content, before) {
                // Nothing of the partition is before it: the user's position moves at once, without a call.
                (Content::Position(cursor), None) => {
                    inner.advance(&entry.partition, entry.version, *cursor);
                }
                // Where reading stood in between is of no use to anybody. Behind a batch that is not taken, aborted data and
                // markers would fill the queue otherwise: no budget counts them.
                (Content::Position(_), Some(index))
                    if matches!(inner.entries[index].content, Content::Position(_)) =>
                {
                    inner.entries[index] = entry;
                }
                _ => inner.entries.push_back(entry),
            }
            inner.waker.take()
        };
        waker.into_iter().for_each(Waker::wake);
        true
    }

    /// The next batch, or failure. Pops in the poll that returns it, so a dropped future loses nothing.
    pub(crate) fn poll_next(&self, cx: &mut Context<'_>) -> Poll<Popped> {
        let mut inner = self.inner.lock();
        while let Some(entry) = inner.entries.pop_front() {
            let QueueEntry {
                partition,
                version,
                content,
            } = entry;
            match content {
                Content::Position(cursor) => inner.advance(&partition, version, cursor),
                Content::Failed(error) => return Poll::Ready(Popped::Failed(partition, error)),
                Content::Batch(batch) => {
                    inner.advance(&partition, version, batch.cursor);
                    inner.absorb(&partition);
                    return Poll::Ready(Popped::Batch(batch));
                }
            }
        }
        if inner.closed {
            return Poll::Ready(Popped::Closed);
        }
        inner.waker = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Sets where the user stands. The version that the seek's command carries, and the bytes of the batches that it has made
    /// void: memory that only a release gives back to the fetcher.
    pub(crate) fn seek(&self, partition: &TopicPartition, cursor: Option<Cursor>) -> (u64, usize) {
        let mut inner = self.inner.lock();
        let mut bytes = 0;
        inner.entries.retain(|entry| {
            let void = entry.partition == *partition;
            #[cfg(feature = "plants")]
            let void = void && !is_planted(Plant::QueuedBatchSurvivesSeek);
            if let (true, Content::Batch(batch)) = (void, &entry.content) {
                bytes += batch.bytes;
            }
            !void
        });
        let place = inner.partitions.entry(partition.clone()).or_default();
        place.version += 1;
        place.cursor = cursor;
        (place.version, bytes)
    }

    /// Where the user stands: after the last batch taken, and over whatever shows nothing behind it.
    pub(crate) fn cursor(&self, partition: &TopicPartition) -> Option<Cursor> {
        self.inner.lock().partitions.get(partition)?.cursor
    }
}

impl QueueInner {
    fn advance(&mut self, partition: &TopicPartition, version: u64, cursor: Cursor) {
        if let Some(place) = self.partitions.get_mut(partition)
            && place.version == version
        {
            place.cursor = Some(cursor);
        }
    }

    /// Moves over position entries of `partition` that now have no batch before them.
    fn absorb(&mut self, partition: &TopicPartition) {
        while let Some(index) = self
            .entries
            .iter()
            .position(|entry| entry.partition == *partition)
        {
            let Content::Position(cursor) = self.entries[index].content else {
                return;
            };
            let version = self.entries[index].version;
            self.entries.remove(index);
            self.advance(partition, version, cursor);
        }
    }
}

#[cfg(test)]
mod tests {
    use milena_wire::ErrorCode;

    use super::*;

    #[test]
    fn positions_behind_what_is_not_taken_do_not_fill_the_queue() {
        let queue = ConsumerQueue::default();
        let partition = TopicPartition::new("t", 0);
        let (version, _) = queue.seek(&partition, Some(Cursor::at(0)));
        let error = FetchError::Broker {
            code: ErrorCode::UNKNOWN_SERVER_ERROR,
        };
        queue.push_failure(partition.clone(), version, error);
        for position in 1..=1_000 {
            queue.push_position(partition.clone(), version, Cursor::at(position));
        }
        assert_eq!(queue.inner.lock().entries.len(), 2);
        let mut cx = Context::from_waker(Waker::noop());
        assert!(matches!(
            queue.poll_next(&mut cx),
            Poll::Ready(Popped::Failed(..))
        ));
        assert!(queue.poll_next(&mut cx).is_pending());
        assert_eq!(queue.cursor(&partition), Some(Cursor::at(1_000)));
    }
}
