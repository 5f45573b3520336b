//! The partition that is copied, a transaction's worth at a time.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use milena::{
    Batch, Client, ConsumeError, Consumer, IsolationLevel, Position, QueryError, RecordRef, Start,
};
use tokio::time::timeout;

use super::watch::{Ended, Watch};
use crate::args::TransactionalCopierArgs;
use crate::failure::Failure;
use crate::system::settings::Settings;

/// Reads committed records from the group's position to the end as it was at the start.
pub(super) struct Input {
    consumer: Consumer,
    topic: String,
    partition: i32,
    end: i64,
    /// A batch that is not used up, and how many of its records are.
    held: Option<(Arc<Batch>, usize)>,
    /// A record at the end or behind it was seen.
    passed: bool,
}

impl Input {
    /// Opens it at the group's position, and asks where it ends.
    pub(super) async fn open(
        client: &Client,
        args: &TransactionalCopierArgs,
        settings: &Settings,
        watch: &mut Watch,
    ) -> Result<Self, Ended> {
        let builder = client
            .consumer(&args.consumer_group)
            .assign([(args.input_topic.as_str(), args.input_partition)])
            .isolation(IsolationLevel::ReadCommitted)
            // The position is asked for below, in the same way as after an abort.
            .start(Start::Earliest);
        let consumer = watch
            .until_stopped(settings.consumer(builder).build())
            .await?
            .map_err(failed)?;
        let mut input = Self {
            consumer,
            topic: args.input_topic.clone(),
            partition: args.input_partition,
            end: 0,
            held: None,
            passed: false,
        };
        input.rewind(watch).await?;
        input.end = loop {
            let ends = watch.until_stopped(input.consumer.end_offsets()).await?;
            if let Some(ends) = unless_late(ends)? {
                break ends.first().map_or(0, Position::offset);
            }
        };
        Ok(input)
    }

    /// How far it is to the end.
    pub(super) fn left(&self) -> u64 {
        let position = self.consumer.position(&self.topic, self.partition);
        u64::try_from(self.end - position.unwrap_or(self.end)).unwrap_or(0)
    }

    /// Whether there is nothing more before the end. Without records in between the position moves by itself.
    pub(super) fn is_at_end(&self) -> bool {
        let position = self.consumer.position(&self.topic, self.partition);
        self.held.is_none() && (self.passed || position.is_some_and(|at| at >= self.end))
    }

    /// At most `records_max` records; waits for the first of them only, and not for long. `None` if there are none.
    pub(super) async fn poll(
        &mut self,
        records_max: u64,
        wait: Duration,
    ) -> Result<Option<Chunk>, Failure> {
        let records_max = usize::try_from(records_max).unwrap_or(usize::MAX);
        let mut chunk = Chunk {
            parts: Vec::new(),
            len: 0,
            position: None,
        };
        while chunk.len < records_max && !self.passed {
            let held = match self.held.take() {
                Some(held) => Some(held),
                None if chunk.len == 0 => timeout(wait, self.next()).await.unwrap_or(Ok(None))?,
                None => {
                    let mut next = pin!(self.next());
                    // What is here already joins the chunk; nothing is waited for.
                    poll_fn(|cx| match next.as_mut().poll(cx) {
                        Poll::Pending => Poll::Ready(Ok(None)),
                        ready => ready,
                    })
                    .await?
                }
            };
            let Some((batch, used)) = held else { break };
            self.cut(batch, used, records_max, &mut chunk);
        }
        Ok((chunk.len > 0).then_some(chunk))
    }

    async fn next(&mut self) -> Result<Option<(Arc<Batch>, usize)>, Failure> {
        let batch = self.consumer.next_batch().await;
        batch
            .map(|batch| Some((Arc::new(batch), 0)))
            .map_err(failed)
    }

    /// Moves records of `batch` to the chunk, up to its limit and to the end, and keeps the rest.
    fn cut(&mut self, batch: Arc<Batch>, used: usize, records_max: usize, chunk: &mut Chunk) {
        let wanted = batch.records().skip(used).take(records_max - chunk.len);
        let wanted = wanted.take_while(|record| record.offset() < self.end);
        let (count, last) = wanted.fold((0, None), |(count, _), record| {
            (count + 1, Some(record.offset()))
        });
        let next = batch.records().nth(used + count);
        self.passed = next.is_some_and(|record| record.offset() >= self.end);
        if let Some(last) = last {
            chunk.position = Some(match next {
                Some(_) => Position::new(&self.topic, self.partition, last + 1),
                // Also over what shows nothing behind the last record.
                None => batch.position(),
            });
            chunk.parts.push((Arc::clone(&batch), used, count));
            chunk.len += count;
        }
        if next.is_some() && !self.passed {
            self.held = Some((batch, used + count));
        }
    }

    /// Goes back to the group's position, as the broker has it once no transaction is in the way: what this program remembers
    /// may be wrong after a transaction that did not commit. Without one, to the beginning.
    pub(super) async fn rewind(&mut self, watch: &mut Watch) -> Result<i64, Ended> {
        let position = loop {
            let committed = watch.until_stopped(self.consumer.committed()).await?;
            let Some(committed) = unless_late(committed)? else {
                continue;
            };
            if let Some(position) = committed.first() {
                break position.offset();
            }
            let beginning = watch
                .until_stopped(self.consumer.beginning_offsets())
                .await?;
            if let Some(beginning) = unless_late(beginning)? {
                break beginning.first().map_or(0, Position::offset);
            }
        };
        self.held = None;
        self.passed = false;
        self.consumer.seek(&self.topic, self.partition, position);
        Ok(position)
    }
}

/// Records that are copied together.
pub(super) struct Chunk {
    /// A batch each, how many of its records are skipped, and how many belong to the chunk.
    parts: Vec<(Arc<Batch>, usize, usize)>,
    len: usize,
    position: Option<Position>,
}

impl Chunk {
    /// The records, in order.
    pub(super) fn records(&self) -> impl Iterator<Item = RecordRef<'_>> {
        self.parts
            .iter()
            .flat_map(|(batch, skipped, count)| batch.records().skip(*skipped).take(*count))
    }

    /// Where the first of them lies.
    pub(super) fn first_offset(&self) -> i64 {
        self.records().next().map_or(0, |record| record.offset())
    }

    /// How many there are.
    pub(super) fn len(&self) -> u64 {
        u64::try_from(self.len).unwrap_or(u64::MAX)
    }

    /// The place after the last of them.
    pub(super) fn position(&self) -> Position {
        self.position
            .clone()
            .expect("a chunk that is given out has a last record")
    }
}

/// A question that was not answered in time is asked again, for as long as it takes: a sign of life is written meanwhile.
fn unless_late<T>(answer: Result<T, ConsumeError>) -> Result<Option<T>, Ended> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(ConsumeError::Query(QueryError::TimedOut { .. })) => Ok(None),
        Err(error) => Err(failed(error).into()),
    }
}

fn failed(error: ConsumeError) -> Failure {
    Failure::Broken(error.to_string())
}
