//! One step of a pipeline: some records, and the transaction to answer them in.

use std::sync::Arc;
use std::task::{Context, Poll, Waker};

#[cfg(feature = "plants")]
use milena_cluster::plants::{Plant, is_planted};
use milena_producer::sync::Mutex;
use milena_producer::{Delivery, Record};

use crate::handles::consumer::{Batch, Position, Records};
use crate::handles::error::SendError;
use crate::handles::transaction::TransactionSender;

/// Some records of one partition, and the transaction that what is made of them goes into.
///
/// Cloning is cheap, and clones may go to other tasks. Work is [`Step::done`] or it is not: when the last clone is dropped
/// without, the transaction aborts and the records come again.
#[derive(Clone, Debug)]
#[must_use = "a step that is dropped without done() aborts the transaction"]
pub struct Step {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    batch: Arc<Batch>,
    from: usize,
    count: usize,
    sender: TransactionSender,
    state: Arc<StepState>,
}

impl Step {
    pub(super) fn new(
        batch: Arc<Batch>,
        from: usize,
        count: usize,
        sender: TransactionSender,
        state: Arc<StepState>,
    ) -> Self {
        Self {
            inner: Arc::new(Inner {
                batch,
                from,
                count,
                sender,
                state,
            }),
        }
    }

    /// The topic that the records come from.
    #[must_use]
    pub fn topic(&self) -> &str {
        self.inner.batch.topic()
    }

    /// The partition that they come from.
    #[must_use]
    pub fn partition(&self) -> i32 {
        self.inner.batch.partition()
    }

    /// The records, in order.
    pub fn records(&self) -> std::iter::Take<std::iter::Skip<Records<'_>>> {
        self.inner
            .batch
            .records()
            .skip(self.inner.from)
            .take(self.inner.count)
    }

    /// How many there are, at least one.
    #[must_use]
    #[allow(clippy::len_without_is_empty, reason = "a step is never empty")]
    pub fn len(&self) -> usize {
        self.inner.count
    }

    /// Sends a record within the step's transaction.
    ///
    /// # Errors
    /// [`SendError`]: the transaction will be aborted then, and the records of this step come again.
    ///
    /// # Cancel safety
    /// Dropped before it resolves, the record was not accepted.
    pub async fn send(&self, record: Record<'_>) -> Result<Delivery, SendError> {
        self.inner.sender.send(record).await
    }

    /// The work is done: its input counts as read once the transaction is committed.
    pub fn done(&self) {
        self.inner.state.settle(true);
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        #[cfg(feature = "plants")]
        if is_planted(Plant::DroppedStepCountedAsDone) {
            self.state.settle(true);
        }
        if self.state.settle(false) {
            // At once, and not when the pipeline is asked for the next step: readers of the output wait for it.
            self.sender.abandon();
        }
    }
}

/// Whether a step is done, shared with its pipeline.
#[derive(Debug)]
pub(super) struct StepState {
    position: Position,
    settled: Mutex<(Option<bool>, Option<Waker>)>,
}

impl StepState {
    pub(super) fn new(position: Position) -> Arc<Self> {
        Arc::new(Self {
            position,
            settled: Mutex::new((None, None)),
        })
    }

    /// The place after the step.
    pub(super) fn position(&self) -> Position {
        self.position.clone()
    }

    pub(super) fn poll_settled(&self, cx: &mut Context<'_>) -> Poll<bool> {
        let mut settled = self.settled.lock();
        match settled.0 {
            Some(done) => Poll::Ready(done),
            None => {
                settled.1 = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    /// True if this was the first word, which counts.
    fn settle(&self, done: bool) -> bool {
        let (first, waker) = {
            let mut settled = self.settled.lock();
            let first = settled.0.is_none();
            settled.0.get_or_insert(done);
            (first, settled.1.take())
        };
        waker.into_iter().for_each(Waker::wake);
        first
    }
}

/// A handler with state for [`super::Pipeline::run_handler`].
pub trait StepHandler {
    /// What it fails with.
    type Error;

    /// Works through one step; `Ok` means done.
    fn handle(&mut self, step: Step) -> impl Future<Output = Result<(), Self::Error>> + Send;
}

impl<H: StepHandler> StepHandler for &mut H {
    type Error = H::Error;

    fn handle(&mut self, step: Step) -> impl Future<Output = Result<(), Self::Error>> + Send {
        (**self).handle(step)
    }
}
