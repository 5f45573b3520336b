//! Transactions that live and die with their futures.

use std::borrow::Borrow;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use milena_producer::transaction::{
    AbortCause, CommittedOffset, OffsetsToCommit, TransactionConfig,
};
use milena_producer::{Delivery, Record};

use milena_wire::ErrorCode;
use milena_wire::record::Compression;

use super::client::ClientHandle;
use super::consumer::{GroupMetadata, Position};
use super::error::{AbortError, BeginError, CommitError, InitError, OffsetsError, SendError};
use super::producer::{Settings, open, producer_settings, send};
use crate::command::{Command, TransactionCommand, Waiting};
use crate::config::bounded;
use crate::reply::{Answer, Gone, reply};
use crate::shared::ProducerShared;

/// Kafka's default for how long a coordinator lets a transaction stay open.
const TRANSACTION_TIMEOUT: Duration = Duration::from_secs(60);
/// How long begin, commit, abort and resolve may take each.
const OPERATION_TIMEOUT: Duration = Duration::from_secs(60);

/// The first wait before work is run again, doubled each time.
const RERUN_PAUSE: Duration = Duration::from_millis(20);
const RERUN_PAUSE_MAX: Duration = Duration::from_secs(1);

/// What became of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TransactionOutcome {
    /// All of it is visible.
    Committed,
    /// None of it is, nor will be.
    Aborted(AbortCause),
    /// Not known, or not yet: ask again. With a fenced producer nobody may ever know, unless offsets were sent.
    Unknown,
}

/// Settings of a transactional producer. Each has a good default.
#[derive(Clone, Debug)]
pub struct TransactionalProducerBuilder {
    client: ClientHandle,
    transactional_id: String,
    settings: Settings,
    transaction_timeout: Duration,
    operation_timeout: Duration,
}
producer_settings!(TransactionalProducerBuilder);

impl TransactionalProducerBuilder {
    pub(crate) fn new(client: ClientHandle, transactional_id: &str) -> Self {
        Self {
            client,
            transactional_id: transactional_id.to_owned(),
            settings: Settings::default(),
            transaction_timeout: TRANSACTION_TIMEOUT,
            operation_timeout: OPERATION_TIMEOUT,
        }
    }

    /// How long the coordinator lets a transaction stay open before it aborts it and fences this producer. Readers with
    /// read_committed wait that long for a producer that has died. Default 60 s; brokers allow 15 min by default.
    #[must_use]
    pub fn transaction_timeout(mut self, timeout: Duration) -> Self {
        self.transaction_timeout = bounded(timeout);
        self
    }

    /// How long building, begin, send_offsets, commit, abort and resolve may take, each. Default 60 s.
    #[must_use]
    pub fn operation_timeout(mut self, timeout: Duration) -> Self {
        self.operation_timeout = bounded(timeout);
        self
    }

    /// Makes the producer and fences every older instance with the same transactional id: its open transaction is aborted,
    /// and it can commit no more.
    ///
    /// # Errors
    /// [`InitError`]. After a time-out, building again is safe.
    ///
    /// # Cancel safety
    /// Dropped, older instances may or may not be fenced.
    pub async fn build(self) -> Result<TransactionalProducer, InitError> {
        if self.transactional_id.is_empty() {
            return Err(InitError::Invalid(
                "a transactional id must not be empty".into(),
            ));
        }
        let mut config = TransactionConfig::new(self.transactional_id.as_str());
        config.transaction_timeout = self.transaction_timeout;
        let shared = open(&self.client, &self.settings, Some(config)).await?;
        let producer = TransactionalProducer {
            shared,
            operation_timeout: self.operation_timeout,
        };
        let answer = producer.call(TransactionCommand::Initialize);
        answer.await.unwrap_or(Err(InitError::Closed))?;
        Ok(producer)
    }
}

/// A producer of transactions, one at a time. There is one for a transactional id: the newest.
#[derive(Debug)]
pub struct TransactionalProducer {
    shared: Arc<ProducerShared>,
    operation_timeout: Duration,
}

impl TransactionalProducer {
    /// Begins a transaction. What a forgotten one left open is aborted first.
    ///
    /// # Errors
    /// [`BeginError::OutcomePending`] after a commit that was dropped or timed out: ask [`Self::resolve`] first, because
    /// doing its work again could double it.
    ///
    /// # Cancel safety
    /// Cancel safe: a transaction that began unseen is aborted by the next begin.
    pub async fn begin(&mut self) -> Result<Transaction<'_>, BeginError> {
        let generation = self.begin_generation().await?;
        Ok(Transaction {
            sender: self.sender_of(generation),
            operation_timeout: self.operation_timeout,
            open: true,
            producer: PhantomData,
        })
    }

    /// What became of the last transaction: needed after a [`CommitError::Unknown`] and after a dropped [`Commit`], and
    /// repeatable. Where nothing was ever begun, nothing was committed: `Aborted`.
    ///
    /// # Cancel safety
    /// Cancel safe.
    ///
    /// # Errors
    /// [`BeginError::Closed`] if the client is gone.
    pub async fn resolve(&mut self) -> Result<TransactionOutcome, BeginError> {
        self.call(TransactionCommand::Resolve)
            .await
            .map_err(|Gone| BeginError::Closed)
    }

    /// Runs `work` in a transaction and commits it; if `work` fails the transaction is aborted. It is run again only after a
    /// definite abort that was not its own wish, until the operation time-out is over. `work` gets an owned handle.
    ///
    /// # Errors
    /// [`TransactionError`]; with [`TransactionError::Unknown`] the work may be done, and [`Self::resolve`] may tell.
    ///
    /// # Cancel safety
    /// Dropped, the transaction is aborted, or finished if its commit had left; [`Self::resolve`] tells which.
    pub async fn transaction<T, E, F, W>(&mut self, mut work: W) -> Result<T, TransactionError<E>>
    where
        W: FnMut(TransactionSender) -> F,
        F: Future<Output = Result<T, E>>,
    {
        let deadline = self.shared.core.driver().now() + self.operation_timeout;
        let mut pause = RERUN_PAUSE;
        loop {
            let transaction = self.begin().await.map_err(TransactionError::Begin)?;
            let value = match work(transaction.sender()).await {
                Ok(value) => value,
                Err(error) => {
                    // The failure that ended the transaction is the news; an abort that takes its time is settled by begin.
                    let _ = transaction.abort().await;
                    return Err(TransactionError::Work(error));
                }
            };
            let cause = match transaction.commit().await {
                Ok(()) => return Ok(value),
                Err(CommitError::Aborted { cause }) => cause,
                Err(CommitError::Unknown) => {
                    match self.resolve().await.map_err(TransactionError::Begin)? {
                        TransactionOutcome::Committed => return Ok(value),
                        TransactionOutcome::Aborted(cause) => cause,
                        TransactionOutcome::Unknown => return Err(TransactionError::Unknown),
                    }
                }
                Err(error) => return Err(TransactionError::Commit(error)),
            };
            let now = self.shared.core.driver().now();
            if is_lasting(&cause) || now + pause >= deadline {
                return Err(TransactionError::Commit(CommitError::Aborted { cause }));
            }
            self.shared.core.driver().sleep_until(now + pause).await;
            pause = (pause * 2).min(RERUN_PAUSE_MAX);
        }
    }

    /// As [`crate::handles::Producer::buffered_bytes`].
    #[must_use]
    pub fn buffered_bytes(&self) -> usize {
        self.shared.accumulator.buffered_bytes()
    }

    pub(crate) async fn begin_generation(&mut self) -> Result<u64, BeginError> {
        self.call(TransactionCommand::Begin)
            .await
            .unwrap_or(Err(BeginError::Closed))
    }

    pub(crate) fn sender_of(&self, generation: u64) -> TransactionSender {
        TransactionSender {
            shared: Arc::clone(&self.shared),
            generation,
            operation_timeout: self.operation_timeout,
        }
    }

    fn call<T>(&self, command: impl FnOnce(Waiting<T>) -> TransactionCommand) -> Answer<T> {
        call(&self.shared, self.operation_timeout, command)
    }
}

fn call<T>(
    shared: &ProducerShared,
    timeout: Duration,
    command: impl FnOnce(Waiting<T>) -> TransactionCommand,
) -> Answer<T> {
    let (reply, answer) = reply();
    let since = shared.core.driver().now();
    let waiting = Waiting {
        reply,
        since,
        deadline: since + timeout,
    };
    shared.core.send(Command::Transaction {
        producer: shared.seat.index(),
        command: command(waiting),
    });
    answer
}

/// Whether the same work would be aborted for the same reason again.
fn is_lasting(cause: &AbortCause) -> bool {
    match cause {
        AbortCause::Fatal(_) => true,
        AbortCause::SendRefused { error, .. }
        | AbortCause::Refused { error, .. }
        | AbortCause::PartitionRefused { error, .. }
        | AbortCause::OffsetsRefused { error, .. } => matches!(
            *error,
            ErrorCode::TOPIC_AUTHORIZATION_FAILED
                | ErrorCode::GROUP_AUTHORIZATION_FAILED
                | ErrorCode::CLUSTER_AUTHORIZATION_FAILED
                | ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED
                | ErrorCode::MESSAGE_TOO_LARGE
                | ErrorCode::RECORD_LIST_TOO_LARGE
                | ErrorCode::INVALID_RECORD
                | ErrorCode::INVALID_TOPIC_EXCEPTION
                | ErrorCode::POLICY_VIOLATION
                | ErrorCode::UNSUPPORTED_VERSION
        ),
        _ => false,
    }
}

/// Why [`TransactionalProducer::transaction`] did not end with a commit.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TransactionError<E> {
    /// No transaction could begin.
    #[error("no transaction could begin: {0}")]
    Begin(#[source] BeginError),
    /// The work itself failed; its transaction was aborted.
    #[error("the work failed, its transaction is aborted")]
    Work(E),
    /// It was not committed, for certain.
    #[error("not committed: {0}")]
    Commit(#[source] CommitError),
    /// It may have been committed.
    #[error("the outcome is not known")]
    Unknown,
}

/// An open transaction. Dropped, it is abandoned: the engine aborts it at once, and the next begin waits for that.
#[derive(Debug)]
#[must_use = "a transaction that is dropped is aborted"]
pub struct Transaction<'p> {
    sender: TransactionSender,
    operation_timeout: Duration,
    open: bool,
    producer: PhantomData<&'p mut TransactionalProducer>,
}

impl<'p> Transaction<'p> {
    /// Sends a record within the transaction. An acknowledgement means "in the log", not "committed".
    ///
    /// # Errors
    /// [`SendError`]. Whatever the reason, the transaction can only be aborted then.
    ///
    /// # Cancel safety
    /// Dropped before it resolves, the record was not accepted and the transaction goes on without it.
    pub async fn send(&self, record: Record<'_>) -> Result<Delivery, SendError> {
        self.sender.send(record).await
    }

    /// An owned handle for spawned tasks. It is refused after the end of this transaction.
    #[must_use]
    pub fn sender(&self) -> TransactionSender {
        self.sender.clone()
    }

    /// Adds a group's positions to the transaction: they are committed with it or not at all.
    ///
    /// # Errors
    /// [`OffsetsError`]. Whatever the reason, the transaction can only be aborted then.
    ///
    /// # Cancel safety
    /// Dropped, the positions are in the transaction or not; commit waits until that is settled.
    pub async fn send_offsets(
        &self,
        group: impl Borrow<GroupMetadata>,
        positions: impl IntoIterator<Item = Position>,
    ) -> Result<(), OffsetsError> {
        self.sender.send_offsets(group, positions).await
    }

    /// Commits: takes no more sends, waits until all that were accepted are acknowledged, and ends the transaction.
    /// If any of them failed, the transaction is aborted instead and [`CommitError::Aborted`] says why.
    pub fn commit(mut self) -> Commit<'p> {
        self.open = false;
        Commit {
            call: self.sender.commit(),
            producer: PhantomData,
        }
    }

    /// Aborts: nothing of the transaction will be seen by read_committed readers.
    pub fn abort(mut self) -> Abort<'p> {
        self.open = false;
        let abort = |waiting| TransactionCommand::Abort(self.sender.generation, waiting);
        let answer = call(&self.sender.shared, self.operation_timeout, abort);
        Abort {
            answer,
            producer: PhantomData,
        }
    }
}

impl Drop for Transaction<'_> {
    fn drop(&mut self) {
        if self.open {
            self.sender.abandon();
        }
    }
}

/// An owned handle to a transaction, for as many tasks as want one.
#[derive(Clone, Debug)]
pub struct TransactionSender {
    shared: Arc<ProducerShared>,
    generation: u64,
    operation_timeout: Duration,
}

impl TransactionSender {
    /// As [`Transaction::send`]. Records of one task keep their order.
    ///
    /// # Errors
    /// [`SendError::TransactionOver`] once commit or abort was called, or a send has failed.
    ///
    /// # Cancel safety
    /// As [`Transaction::send`].
    pub async fn send(&self, record: Record<'_>) -> Result<Delivery, SendError> {
        let sent = send(&self.shared, &record, self.generation).await;
        if let Err(error) = &sent
            && !matches!(error, SendError::TransactionOver | SendError::Closed)
        {
            // A send that failed forbids commit, whether or not its caller looks at the error (dotnet client issue 1568).
            let command = TransactionCommand::SendFailed(
                self.generation,
                record.topic().into(),
                error.to_string().into(),
            );
            self.command(command);
        }
        sent
    }

    /// As [`Transaction::send_offsets`].
    ///
    /// # Errors
    /// As [`Transaction::send_offsets`].
    ///
    /// # Cancel safety
    /// As [`Transaction::send_offsets`].
    pub async fn send_offsets(
        &self,
        group: impl Borrow<GroupMetadata>,
        positions: impl IntoIterator<Item = Position>,
    ) -> Result<(), OffsetsError> {
        let answer = self.start_offsets(group.borrow(), positions);
        answer.await.unwrap_or(Err(OffsetsError::Closed))
    }

    pub(crate) fn start_offsets(
        &self,
        group: &GroupMetadata,
        positions: impl IntoIterator<Item = Position>,
    ) -> Answer<Result<(), OffsetsError>> {
        let offsets = positions.into_iter().map(|position| {
            let offset = CommittedOffset {
                offset: position.cursor.position,
                leader_epoch: position.cursor.leader_epoch,
                metadata: position.metadata.unwrap_or_default(),
            };
            (position.partition, offset)
        });
        let offsets = Arc::new(OffsetsToCommit {
            group: group.inner.clone(),
            offsets: offsets.collect(),
        });
        let add = |waiting| TransactionCommand::SendOffsets(self.generation, offsets, waiting);
        call(&self.shared, self.operation_timeout, add)
    }

    pub(crate) fn commit(&self) -> CommitCall {
        let commit = |waiting| TransactionCommand::Commit(self.generation, waiting);
        let answer = call(&self.shared, self.operation_timeout, commit);
        CommitCall {
            sender: self.clone(),
            answer,
            done: false,
        }
    }

    pub(crate) fn abandon(&self) {
        self.command(TransactionCommand::Abandon(self.generation));
    }

    fn command(&self, command: TransactionCommand) {
        self.shared.core.send(Command::Transaction {
            producer: self.shared.seat.index(),
            command,
        });
    }
}

/// A commit under way, owned.
#[derive(Debug)]
pub(crate) struct CommitCall {
    sender: TransactionSender,
    answer: Answer<Result<(), CommitError>>,
    done: bool,
}

impl Future for CommitCall {
    type Output = Result<(), CommitError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if self.done {
            return Poll::Ready(Err(CommitError::NotOpen));
        }
        let answer = std::task::ready!(Pin::new(&mut self.answer).poll(cx));
        self.done = true;
        Poll::Ready(answer.unwrap_or(Err(CommitError::Closed)))
    }
}

impl Drop for CommitCall {
    fn drop(&mut self) {
        if !self.done {
            self.sender
                .command(TransactionCommand::CommitDropped(self.sender.generation));
        }
    }
}

/// A commit under way.
///
/// # Cancel safety
/// It may be polled again after a `timeout(d, &mut commit)`: nothing is lost. Dropped unresolved, it aborts the transaction
/// if its EndTxn had not left, and is finished by the engine if it had; [`TransactionalProducer::resolve`] tells which, and
/// begin refuses until it was asked.
#[derive(Debug)]
#[must_use = "a commit that is dropped may abort the transaction"]
pub struct Commit<'p> {
    call: CommitCall,
    producer: PhantomData<&'p mut TransactionalProducer>,
}

impl Future for Commit<'_> {
    type Output = Result<(), CommitError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.call).poll(cx)
    }
}

/// An abort under way. Dropped, it goes on; the next begin waits for it.
#[derive(Debug)]
#[must_use = "the abort's own outcome is here"]
pub struct Abort<'p> {
    answer: Answer<Result<(), AbortError>>,
    producer: PhantomData<&'p mut TransactionalProducer>,
}

impl Future for Abort<'_> {
    type Output = Result<(), AbortError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.answer)
            .poll(cx)
            .map(|answer| answer.unwrap_or(Err(AbortError::Closed)))
    }
}
