//! Consume, transform, produce, exactly once: what is read, what is written and the group's offsets are committed together.

use std::collections::{BTreeMap, VecDeque};
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use milena_cluster::TopicPartition;
#[cfg(feature = "plants")]
use milena_cluster::plants::{Plant, is_planted};
use milena_producer::transaction::AbortCause;

use super::client::ClientHandle;
use super::consumer::{Batch, Consumer, GroupMetadata, Position, Start};
use super::error::{BeginError, CommitError, OffsetsError};
use super::transaction::{
    CommitCall, TransactionOutcome, TransactionSender, TransactionalProducer,
};
use super::wait::until;
use crate::reply::Answer;
use crate::shared::Popped;

mod builder;
mod error;
mod step;
mod stop;

pub use builder::PipelineBuilder;
use builder::Settings;
pub use error::{PipelineError, RunError};
use step::StepState;
pub use step::{Step, StepHandler};
use stop::StopFlag;
pub use stop::StopHandle;

/// Commit latencies kept for [`Pipeline::take_commit_latencies`]; older ones are dropped.
const LATENCIES_MAX: usize = 65_536;

/// What a pipeline has done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PipelineMetrics {
    /// Transactions committed.
    pub committed: u64,
    /// Transactions aborted, for whatever reason.
    pub aborted: u64,
    /// How long the last commit took, the offsets included.
    pub last_commit: Option<Duration>,
}

/// An exactly-once pipeline over assigned partitions. Dropped, its open transaction is aborted.
///
/// One transaction spans as many steps as fit into the commit interval. The next fetch overlaps the commit; the next step
/// waits for its outcome.
#[derive(Debug)]
pub struct Pipeline {
    client: ClientHandle,
    consumer: Consumer,
    producer: TransactionalProducer,
    group: GroupMetadata,
    settings: Settings,
    stop: Arc<StopFlag>,
    /// Where to end, for a pipeline that is to end by itself.
    ends: Option<BTreeMap<TopicPartition, i64>>,
    phase: Phase,
    open: Option<Open>,
    outstanding: Option<Arc<StepState>>,
    /// The batch that is being handed out, and how many of its records have been.
    current: Option<(Arc<Batch>, usize)>,
    metrics: PipelineMetrics,
    latencies: VecDeque<Duration>,
    aborting_since: Option<Instant>,
    /// Where the transaction's work began.
    #[cfg(feature = "plants")]
    began_at: BTreeMap<TopicPartition, milena_consumer::Cursor>,
}

/// The transaction that steps write into.
#[derive(Debug)]
struct Open {
    sender: TransactionSender,
    commit_at: Instant,
    steps: usize,
    positions: BTreeMap<TopicPartition, Position>,
}

/// What is under way. It lies here and not in the future of `next`, so that dropping that future loses nothing.
#[derive(Debug)]
enum Phase {
    Idle,
    Offsets {
        answer: Answer<Result<(), OffsetsError>>,
        since: Instant,
    },
    Commit {
        call: CommitCall,
        since: Instant,
    },
    Resolve,
    Rewind {
        cause: AbortCause,
    },
}

impl Pipeline {
    /// The next step: some records of one partition, to be worked through and marked [`Step::done`]. `None` once the
    /// pipeline has reached its end and everything is committed, or was stopped: see [`Pipeline::stop`].
    ///
    /// A step whose last handle is dropped without being done aborts the transaction: reading goes back to what the group
    /// has committed, and the same records come again. The same happens when a send or the commit fails.
    ///
    /// # Errors
    /// [`PipelineError`]. After [`PipelineError::OutcomeUnknown`], [`PipelineError::Stalled`], [`PipelineError::Consume`] and
    /// a [`PipelineError::Begin`] that says it took too long it can be called again.
    ///
    /// # Cancel safety
    /// Cancel safe: what is under way goes on with the next call. A step that was returned is not lost.
    pub async fn next(&mut self) -> Result<Option<Step>, PipelineError> {
        loop {
            if !matches!(self.phase, Phase::Idle) {
                self.go_on().await?;
                continue;
            }
            if let Some(step) = self.outstanding.take() {
                self.settle_step(step).await;
                continue;
            }
            let ended = self.is_ended();
            let due = self
                .open
                .as_ref()
                .is_some_and(|open| open.steps > 0 && (ended || self.is_commit_due(open)));
            if due {
                self.start_commit();
                continue;
            }
            if ended {
                return Ok(None);
            }
            if self.current.is_none() {
                self.wait_for_input().await?;
                continue;
            }
            if self.open.is_none() {
                self.begin().await?;
            }
            if let Some(step) = self.cut_step() {
                return Ok(Some(step));
            }
        }
    }

    /// Runs `handler` on step after step until the pipeline ends. A step is done when the handler returns `Ok`.
    ///
    /// # Errors
    /// [`RunError::Handler`] with the handler's error, after the transaction was aborted: run again to go on from what is
    /// committed. Else [`RunError::Pipeline`].
    ///
    /// # Cancel safety
    /// Dropped in a handler, the step is not done and its records come again with the next call.
    pub async fn run<F, E>(&mut self, mut handler: impl FnMut(Step) -> F) -> Result<(), RunError<E>>
    where
        F: Future<Output = Result<(), E>>,
    {
        while let Some(step) = self.next().await? {
            let handle = step.clone();
            handler(step).await.map_err(RunError::Handler)?;
            handle.done();
        }
        Ok(())
    }

    /// As [`Pipeline::run`], for a handler with state: given away, or lent as `&mut handler`.
    ///
    /// # Errors
    /// As [`Pipeline::run`].
    ///
    /// # Cancel safety
    /// As [`Pipeline::run`].
    pub async fn run_handler<H: StepHandler>(
        &mut self,
        mut handler: H,
    ) -> Result<(), RunError<H::Error>> {
        while let Some(step) = self.next().await? {
            let handle = step.clone();
            handler.handle(step).await.map_err(RunError::Handler)?;
            handle.done();
        }
        Ok(())
    }

    /// Stops: commits the steps that are done, and ends. A step still being worked on is waited for. If that last transaction
    /// is aborted it is not tried again: the group stays where it was, and its records come to the next instance.
    /// [`PipelineMetrics::aborted`] tells.
    ///
    /// # Errors
    /// [`PipelineError`], as [`Pipeline::next`].
    ///
    /// # Cancel safety
    /// Cancel safe: the pipeline stays stopped, and another call goes on.
    pub async fn stop(&mut self) -> Result<(), PipelineError> {
        self.stop.stop();
        while self.next().await?.is_some() {}
        Ok(())
    }

    /// A handle that stops the pipeline from elsewhere: `next` then commits what is done and returns `None`.
    #[must_use]
    pub fn stop_handle(&self) -> StopHandle {
        StopHandle::new(&self.stop)
    }

    /// What it has done so far.
    #[must_use]
    pub fn metrics(&self) -> PipelineMetrics {
        self.metrics
    }

    /// How long each commit since the last call took, at most the last 65,536.
    pub fn take_commit_latencies(&mut self) -> Vec<Duration> {
        self.latencies.drain(..).collect()
    }

    /// Where reading stands in each partition; what is committed may be behind it.
    #[must_use]
    pub fn position(&self, topic: &str, partition: i32) -> Option<i64> {
        self.consumer.position(topic, partition)
    }

    fn is_commit_due(&self, open: &Open) -> bool {
        open.steps >= self.settings.transaction_steps_max
            || self.client.core.driver().now() >= open.commit_at
    }

    /// Nothing more is to be handed out: stopped, or past the ends.
    fn is_ended(&self) -> bool {
        if self.stop.is_stopped() {
            return true;
        }
        self.current.is_none() && is_past(&self.consumer, self.ends.as_ref())
    }

    /// Waits for a batch, at most until the open transaction is to be committed.
    async fn wait_for_input(&mut self) -> Result<(), PipelineError> {
        let Self {
            consumer,
            open,
            stop,
            ends,
            client,
            ..
        } = self;
        let mut input = std::pin::pin!(poll_fn(|cx| {
            stop.register(cx);
            match consumer.queue().poll_next(cx) {
                Poll::Ready(popped) => Poll::Ready(Some(popped)),
                Poll::Pending if stop.is_stopped() || is_past(consumer, ends.as_ref()) => {
                    Poll::Ready(None)
                }
                Poll::Pending => Poll::Pending,
            }
        }));
        let popped = match open.as_ref().filter(|open| open.steps > 0) {
            Some(open) => until(&client.core, open.commit_at, &mut input)
                .await
                .flatten(),
            None => input.await,
        };
        match popped {
            Some(Popped::Closed) => Err(PipelineError::Closed),
            Some(popped) => {
                match self.consumer.batch(popped) {
                    Ok(batch) => {
                        self.current = Some((Arc::new(batch), 0));
                        Ok(())
                    }
                    Err(error) => {
                        // The next call tries again from what is committed: a partition that has failed is not read on by
                        // itself, and waiting for it would be for ever.
                        self.abort(AbortCause::Requested);
                        Err(PipelineError::Consume(error))
                    }
                }
            }
            None => Ok(()),
        }
    }

    async fn begin(&mut self) -> Result<(), PipelineError> {
        match self.producer.begin_generation().await {
            Ok(generation) => {
                #[cfg(feature = "plants")]
                self.began_at.clear();
                let commit_at = self.client.core.driver().now() + self.settings.commit_interval;
                let sender = self.producer.sender_of(generation);
                self.open = Some(Open {
                    sender,
                    commit_at,
                    steps: 0,
                    positions: BTreeMap::new(),
                });
                Ok(())
            }
            Err(BeginError::OutcomePending) => {
                self.phase = Phase::Resolve;
                Ok(())
            }
            Err(BeginError::Closed) => Err(PipelineError::Closed),
            Err(error) => Err(PipelineError::Begin(error)),
        }
    }

    /// The next records of the batch at hand, at most as many as a step may have.
    fn cut_step(&mut self) -> Option<Step> {
        let open = self.open.as_ref()?;
        let (batch, given) = self.current.take()?;
        let count = self.settings.step_records_max.min(batch.len() - given);
        let next = batch
            .records()
            .nth(given + count)
            .map(|record| batch.position_before(record));
        let position = next.clone().unwrap_or_else(|| batch.position());
        if next.is_some() {
            self.current = Some((Arc::clone(&batch), given + count));
        }
        #[cfg(feature = "plants")]
        let position = match is_planted(Plant::OffsetsOfUndoneStepsCommitted) {
            true => batch.position(),
            false => position,
        };
        #[cfg(feature = "plants")]
        if let Some(first) = batch.records().nth(given) {
            let first = batch.position_before(first);
            self.began_at
                .entry(first.partition.clone())
                .or_insert(first.cursor);
        }
        if count == 0 {
            return None;
        }
        let state = StepState::new(position);
        self.outstanding = Some(Arc::clone(&state));
        Some(Step::new(batch, given, count, open.sender.clone(), state))
    }

    /// Waits until the step is done or dropped. Done, its position joins the transaction; dropped, the transaction aborts.
    async fn settle_step(&mut self, step: Arc<StepState>) {
        // Put back first: this wait may be cancelled.
        self.outstanding = Some(Arc::clone(&step));
        let done = poll_fn(|cx| step.poll_settled(cx)).await;
        self.outstanding = None;
        match (&mut self.open, done) {
            (Some(open), true) => {
                open.steps += 1;
                let mut position = step.position();
                // Everything that was taken is done, so what shows nothing behind it is read as well. Without this, a group
                // whose input ends in a marker would seem to lag for ever.
                let queue = self.consumer.queue();
                if self.current.is_none()
                    && let Some(cursor) = queue.cursor(&position.partition)
                {
                    position.cursor = cursor;
                }
                open.positions.insert(position.partition.clone(), position);
            }
            _ => self.abort(AbortCause::Requested),
        }
    }

    fn start_commit(&mut self) {
        let Some(open) = &mut self.open else { return };
        let since = self.client.core.driver().now();
        let positions = std::mem::take(&mut open.positions);
        let answer = open
            .sender
            .start_offsets(&self.group, positions.into_values());
        self.phase = Phase::Offsets { answer, since };
    }

    fn abort(&mut self, cause: AbortCause) {
        if let Some(open) = self.open.take() {
            open.sender.abandon();
            self.metrics.aborted += 1;
        }
        self.current = None;
        self.outstanding = None;
        self.phase = Phase::Rewind { cause };
    }

    /// One step of what is under way.
    async fn go_on(&mut self) -> Result<(), PipelineError> {
        match &mut self.phase {
            Phase::Idle => Ok(()),
            Phase::Offsets { answer, since } => {
                let since = *since;
                // Refused or not: commit says for certain, and aborts if the offsets did not join.
                if let Err(OffsetsError::Closed) = answer.await.unwrap_or(Err(OffsetsError::Closed))
                {
                    return Err(PipelineError::Closed);
                }
                match &self.open {
                    Some(open) => {
                        self.phase = Phase::Commit {
                            call: open.sender.commit(),
                            since,
                        }
                    }
                    None => self.phase = Phase::Idle,
                }
                Ok(())
            }
            Phase::Commit { call, since } => {
                let since = *since;
                let outcome = call.await;
                self.open = None;
                match outcome {
                    Ok(()) => self.committed(since),
                    Err(CommitError::Aborted { cause }) => self.aborted(cause)?,
                    Err(CommitError::Unknown) => self.phase = Phase::Resolve,
                    Err(CommitError::NotOpen) => self.aborted(AbortCause::Requested)?,
                    Err(CommitError::Closed) => return Err(PipelineError::Closed),
                }
                Ok(())
            }
            Phase::Resolve => self.resolve().await,
            Phase::Rewind { cause } => {
                let cause = cause.clone();
                self.rewind(cause).await
            }
        }
    }

    fn committed(&mut self, since: Instant) {
        let latency = self.client.core.driver().now() - since;
        self.metrics.committed += 1;
        self.metrics.last_commit = Some(latency);
        if self.latencies.len() == LATENCIES_MAX {
            self.latencies.pop_front();
        }
        self.latencies.push_back(latency);
        self.aborting_since = None;
        self.phase = Phase::Idle;
    }

    fn aborted(&mut self, cause: AbortCause) -> Result<(), PipelineError> {
        self.metrics.aborted += 1;
        self.current = None;
        if matches!(cause, AbortCause::Fatal(_)) {
            self.phase = Phase::Idle;
            return Err(PipelineError::Ended(cause));
        }
        self.phase = Phase::Rewind { cause };
        Ok(())
    }

    async fn resolve(&mut self) -> Result<(), PipelineError> {
        let outcome = self
            .producer
            .resolve()
            .await
            .map_err(|_| PipelineError::Closed)?;
        self.open = None;
        match outcome {
            TransactionOutcome::Committed => {
                self.metrics.committed += 1;
                self.aborting_since = None;
                // What was read ahead may have been cut short by a dropped call: the group's offsets are the truth.
                self.current = None;
                self.phase = Phase::Rewind {
                    cause: AbortCause::Requested,
                };
                Ok(())
            }
            TransactionOutcome::Aborted(cause) => self.aborted(cause),
            // Of a fenced instance nobody may ever know more, and it need not: the newer one went on from what was committed.
            TransactionOutcome::Unknown => match self.producer.begin_generation().await {
                Err(BeginError::Fatal(cause)) => {
                    Err(PipelineError::Ended(AbortCause::Fatal(cause)))
                }
                _ => Err(PipelineError::OutcomeUnknown),
            },
        }
    }

    /// Goes back to what the group has committed, once no transaction is in the way of knowing it (RequireStable).
    async fn rewind(&mut self, cause: AbortCause) -> Result<(), PipelineError> {
        let now = self.client.core.driver().now();
        let since = *self.aborting_since.get_or_insert(now);
        let stalled = now.duration_since(since);
        if stalled > self.settings.stall_timeout && cause != AbortCause::Requested {
            self.aborting_since = None;
            return Err(PipelineError::Stalled { stalled, cause });
        }
        let committed = self
            .consumer
            .committed()
            .await
            .map_err(PipelineError::Consume)?;
        let uncommitted = |partition: &&TopicPartition| {
            !committed
                .iter()
                .any(|position| position.partition == **partition)
        };
        if self
            .consumer
            .partitions()
            .iter()
            .any(|partition| uncommitted(&partition))
        {
            let beginnings = self
                .consumer
                .beginning_offsets()
                .await
                .map_err(PipelineError::Consume)?;
            for beginning in beginnings
                .iter()
                .filter(|position| uncommitted(&&position.partition))
            {
                self.consumer
                    .seek_to(&beginning.partition, beginning.cursor);
            }
        }
        for position in &committed {
            #[cfg(feature = "plants")]
            if is_planted(Plant::RewindLostAfterAbort) {
                continue;
            }
            #[cfg(feature = "plants")]
            if is_planted(Plant::UnknownCommitDoneAgain)
                && let Some(cursor) = self.began_at.remove(&position.partition)
            {
                self.consumer.seek_to(&position.partition, cursor);
                continue;
            }
            self.consumer.seek_to(&position.partition, position.cursor);
        }
        self.phase = Phase::Idle;
        Ok(())
    }

    fn new(
        client: ClientHandle,
        consumer: Consumer,
        producer: TransactionalProducer,
        group: GroupMetadata,
        settings: Settings,
        ends: Option<Vec<Position>>,
    ) -> Self {
        Self {
            client,
            consumer,
            producer,
            group,
            settings,
            stop: Arc::default(),
            ends: ends.map(|ends| {
                ends.into_iter()
                    .map(|end| (end.partition, end.cursor.position))
                    .collect()
            }),
            phase: Phase::Idle,
            open: None,
            outstanding: None,
            current: None,
            metrics: PipelineMetrics::default(),
            latencies: VecDeque::new(),
            aborting_since: None,
            #[cfg(feature = "plants")]
            began_at: BTreeMap::new(),
        }
    }
}

/// Whether reading has got to where it is to end, in every partition.
fn is_past(consumer: &Consumer, ends: Option<&BTreeMap<TopicPartition, i64>>) -> bool {
    let past = |(partition, end): (&TopicPartition, &i64)| {
        let cursor = consumer.queue().cursor(partition);
        cursor.is_some_and(|cursor| cursor.position >= *end)
    };
    ends.is_some_and(|ends| ends.iter().all(past))
}

impl Drop for Pipeline {
    fn drop(&mut self) {
        // Handles of a step may outlive the pipeline; the transaction must not.
        if let Some(open) = &self.open
            && !matches!(self.phase, Phase::Commit { .. })
        {
            open.sender.abandon();
        }
    }
}

/// The start that a pipeline always has: where its group has committed.
const START: Start = Start::Committed;
