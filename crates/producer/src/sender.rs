//! One partition's way to the log: closed batches are sealed, stamped, sent, repeated, and settled, in order.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

#[cfg(feature = "plants")]
use milena_cluster::plants::{Plant, is_planted};
use milena_cluster::{Backoff, Outcome, ProducerId, ProducerIdentity};
use milena_wire::record::SealedBatch;
use milena_wire::{ErrorCode, Payload};

use crate::batch::{ClosedBatch, SealJob, SealedJob, Share};
use crate::completion::Completion;
use crate::error::{DeliveryErrorKind, Persistence};
use crate::sequence::SequenceTracker;
use crate::sync::Arc;

#[cfg(feature = "plants")]
mod plants;
mod settle;
mod stamped;
#[cfg(test)]
mod tests;
use stamped::Stamped;

/// How many batches of a partition may be in flight: as many as a broker remembers of a producer (five), so that every
/// repeated batch is recognised (`ProducerStateEntry.NUM_BATCHES_TO_RETAIN`).
pub const WINDOW: usize = 5;

/// How long the first batch of a producer id may keep the window at one.
const FIRST_ANSWER_WAIT: Duration = Duration::from_millis(100);

/// A stamped batch's name within its partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct BatchId(u64);

/// A batch to hand to a link now.
#[derive(Debug)]
pub struct SendBatch {
    /// Names it in the outcome.
    pub id: BatchId,
    /// Header and records, ready for a Produce request.
    pub payload: Payload,
}

/// What a broker said of one partition of a Produce request.
#[derive(Clone, Copy, Debug)]
pub struct ProduceAnswer {
    /// The partition's error code.
    pub error: ErrorCode,
    /// The offset of the batch's first record, -1 if the broker did not tell.
    pub base_offset: i64,
    /// The append time, -1 with CreateTime.
    pub log_append_time: i64,
}

/// What the engine must do, because of what a sender learnt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SenderEvent {
    /// The leader may have moved.
    RefreshMetadata,
    /// In a transaction: a send failed, so commit is forbidden.
    Failed(SenderFailure),
    /// The batch timed out while its frame waits in a link: take the frame back, if no byte of it has left.
    Recall(BatchId),
}

/// A failed send of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SenderFailure {
    /// Abort, and get a new epoch: the sequences have a hole, or a batch may still be written.
    Abortable(DeliveryErrorKind),
    /// The producer cannot go on.
    Fatal(ErrorCode),
}

/// From here on nothing can follow under the identity it was stamped with.
#[derive(Debug)]
struct Broken {
    /// The first sequence that the broker will not take.
    base: i64,
    /// The batch that is missing may be in the log after all, and so may those behind it that are unsure: why it failed.
    doubt: Option<DeliveryErrorKind>,
}

#[derive(Debug)]
enum Slot {
    Sealing {
        ticket: u64,
        share: Share,
        opened_at: Instant,
    },
    Sealed {
        sealed: SealedBatch,
        share: Share,
        opened_at: Instant,
    },
}

impl Slot {
    fn opened_at(&self) -> Instant {
        match self {
            Self::Sealing { opened_at, .. } | Self::Sealed { opened_at, .. } => *opened_at,
        }
    }

    fn into_share(self) -> Share {
        match self {
            Self::Sealing { share, .. } | Self::Sealed { share, .. } => share,
        }
    }

    fn share(&self) -> &Share {
        match self {
            Self::Sealing { share, .. } | Self::Sealed { share, .. } => share,
        }
    }
}

/// The sequencing core of one partition.
///
/// Commands: [`PartitionSender::push`], [`PartitionSender::abandon`]. Inputs: `handle_*`. Outputs, drained in this order:
/// [`PartitionSender::poll_event`], [`PartitionSender::poll_bump`], [`PartitionSender::poll_send`], [`PartitionSender::poll_timeout`].
///
/// Invariants, each the answer to a bug of some client:
/// - A stamped batch keeps its stamp and its bytes through every repetition; only batches that were never offered to a
///   socket, or were refused by the broker together with everything behind them, get a new one.
/// - The identity changes only when nothing is stamped with the old one.
/// - After a failure one batch at a time goes, lowest sequence first, until none that failed waits.
/// - What is in flight is on one link: a new leader gets nothing before the old one's answers are in.
/// - The first batch of a producer id goes alone, until it is acknowledged or has gone without an answer for
///   100 ms: a partition that knows nothing of the producer takes any sequence for its first
///   (`ProducerAppendInfo.checkSequence`), so a second batch would be written before a first one that was refused for the
///   moment. A refusal comes at once; an answer that takes its time comes from a broker that has appended and waits.
#[derive(Debug)]
pub struct PartitionSender {
    transactional: bool,
    delivery_timeout: Duration,
    retry: Backoff,
    rng: fastrand::Rng,
    identity: ProducerIdentity,
    sequence: SequenceTracker,
    slots: VecDeque<Slot>,
    stamped: VecDeque<Stamped>,
    /// The link that carries what is in flight.
    link: u64,
    next_id: u64,
    /// The producer id that the partition's broker has acknowledged.
    known: Option<ProducerId>,
    /// A new epoch is needed (KIP-360). Only outside transactions.
    broken: Option<Broken>,
    /// The transaction is being aborted: outcomes settle, nothing is repeated.
    abandoned: bool,
    hole: bool,
    unresolved: bool,
    events: VecDeque<SenderEvent>,
}

impl PartitionSender {
    /// A sender without identity. `delivery_timeout` counts from the moment a batch was opened.
    #[must_use]
    pub fn new(transactional: bool, delivery_timeout: Duration, retry: Backoff, seed: u64) -> Self {
        Self {
            transactional,
            delivery_timeout,
            retry,
            rng: fastrand::Rng::with_seed(seed),
            identity: ProducerIdentity::NONE,
            sequence: SequenceTracker::default(),
            slots: VecDeque::new(),
            stamped: VecDeque::new(),
            link: 0,
            next_id: 0,
            known: None,
            broken: None,
            abandoned: false,
            hole: false,
            unresolved: false,
            events: VecDeque::new(),
        }
    }

    /// Takes a closed batch; the job must be run and come back through [`PartitionSender::handle_sealed`].
    pub fn push(&mut self, batch: ClosedBatch) -> SealJob {
        let ticket = self.next_id();
        self.slots.push_back(Slot::Sealing {
            ticket,
            share: batch.share,
            opened_at: batch.opened_at,
        });
        SealJob {
            slot: ticket,
            payload: batch.payload,
        }
    }

    /// The transaction will be aborted: what was not sent is refused, what waits to be repeated is given up, and what is in
    /// flight is left to be answered.
    pub fn abandon(&mut self) {
        self.abandoned = true;
        self.unstamp_unstarted();
        for slot in self.slots.drain(..) {
            slot.into_share().fail(
                DeliveryErrorKind::TransactionAborted,
                Persistence::NotPersisted,
            );
        }
        let (in_flight, waiting): (VecDeque<_>, VecDeque<_>) =
            self.stamped.drain(..).partition(Stamped::is_in_flight);
        self.stamped = in_flight;
        for stamped in waiting {
            self.give_up(&stamped, DeliveryErrorKind::TransactionAborted);
        }
    }

    /// The next transaction starts: nothing is left of the one before.
    pub fn begin(&mut self) {
        debug_assert!(
            self.is_drained(),
            "a transaction begins after the last one's batches are settled"
        );
        self.abandoned = false;
        self.hole = false;
        self.unresolved = false;
    }

    /// A [`SealJob`] is done. One whose batch has timed out meanwhile is dropped.
    pub fn handle_sealed(&mut self, job: SealedJob) {
        let found = self
            .slots
            .iter()
            .position(|slot| matches!(slot, Slot::Sealing { ticket, .. } if *ticket == job.slot));
        if let Some(index) = found
            && let Some(Slot::Sealing {
                share, opened_at, ..
            }) = self.slots.remove(index)
        {
            self.slots.insert(
                index,
                Slot::Sealed {
                    sealed: job.sealed,
                    share,
                    opened_at,
                },
            );
        }
    }

    /// The first byte of the batch's frame was offered to a socket.
    pub fn handle_started(&mut self, id: BatchId) {
        if let Some(stamped) = self.stamped.iter_mut().find(|stamped| stamped.id == id) {
            stamped.mark_started();
            #[cfg(feature = "plants")]
            stamped.plant_started();
        }
    }

    /// What became of the request that carried the batch.
    pub fn handle_outcome(&mut self, now: Instant, id: BatchId, outcome: Outcome<ProduceAnswer>) {
        #[cfg(feature = "plants")]
        let (id, outcome) = self.plant_outcome(id, outcome);
        let Some(index) = self.stamped.iter().position(|stamped| stamped.id == id) else {
            return;
        };
        match outcome {
            Outcome::Answered(answer) => {
                self.stamped[index].mark_started();
                self.handle_answer(now, index, answer);
            }
            Outcome::NotSent(_) => self.wait(now, index, false),
            Outcome::Unsure(_) => {
                self.stamped[index].mark_started();
                self.wait(now, index, true);
            }
        }
        self.unstamp_unstarted();
        if self.abandoned {
            self.abandon();
        }
        // One that came back may be past its time, and its timer with it.
        self.handle_timeout(now);
    }

    /// Expires what is older than the delivery time-out.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.expire_slots(now);
        #[cfg(feature = "plants")]
        self.plant_timeout(now);
        let mut recalled = false;
        for index in 0..self.stamped.len() {
            let stamped = &mut self.stamped[index];
            let due = stamped.opened_at + self.delivery_timeout <= now;
            if stamped.ever_started {
                if due && !stamped.expired {
                    // The frame goes its way and the batch is repeated until an answer settles what became of it; only the
                    // caller stops waiting. Failing it for good here would leave a hole in the sequences, or a duplicate.
                    stamped.expired = true;
                    #[cfg(feature = "plants")]
                    if is_planted(Plant::BufferReusedInLink) {
                        self.events.push_back(SenderEvent::Recall(stamped.id));
                    }
                    let persistence = Persistence::PossiblyPersisted;
                    #[cfg(feature = "plants")]
                    let persistence = plants::of_timed_out(persistence);
                    stamped.share.fail(DeliveryErrorKind::TimedOut, persistence);
                    self.report(SenderFailure::Abortable(DeliveryErrorKind::TimedOut));
                }
            } else if stamped.is_in_flight() && (due || recalled) {
                // What is behind it comes back too, or it would go out with a hole in front of it.
                recalled = true;
                let id = stamped.id;
                self.events.push_back(SenderEvent::Recall(id));
            }
        }
    }

    /// Something for the engine to do.
    pub fn poll_event(&mut self) -> Option<SenderEvent> {
        self.events.pop_front()
    }

    /// True once, when this partition needs a new epoch (KIP-360) and everything stamped with the old one is answered. The
    /// engine then offers a newer identity to [`PartitionSender::poll_send`]. Only outside transactions.
    pub fn poll_bump(&mut self) -> bool {
        if self.in_flight() > 0 || !self.is_stuck() {
            return false;
        }
        let doubt = self.broken.take().and_then(|broken| broken.doubt);
        self.give_up_overtaken(doubt);
        self.unstamp_all();
        true
    }

    /// The next batch to hand to `link`, if one may go there now. `current` is the producer's identity.
    pub fn poll_send(
        &mut self,
        now: Instant,
        link: u64,
        current: ProducerIdentity,
    ) -> Option<SendBatch> {
        self.expire_slots(now);
        let in_flight = self.in_flight();
        #[cfg(feature = "plants")]
        self.plant_send(link, current);
        if self.is_stuck() || (in_flight > 0 && self.link != link) {
            return None;
        }
        if self.stamped.len() > in_flight {
            return self.repeat(now, link, in_flight);
        }
        if self.broken.is_some()
            || !current.is_some()
            || !matches!(self.slots.front(), Some(Slot::Sealed { .. }))
        {
            return None;
        }
        if self.identity != current {
            if !self.stamped.is_empty() {
                return None;
            }
            self.identity = current;
            self.sequence.reset();
        }
        if in_flight >= self.window(now) {
            return None;
        }
        let Some(Slot::Sealed {
            sealed,
            share,
            opened_at,
        }) = self.slots.pop_front()
        else {
            return None;
        };
        let id = BatchId(self.next_id());
        let base = self.sequence.take(sealed.record_count());
        self.stamped.push_back(Stamped::new(
            id,
            sealed,
            share,
            opened_at,
            self.identity,
            base,
            now,
        ));
        self.link = link;
        let stamped = self.stamped.back().expect("pushed just above");
        Some(SendBatch {
            id,
            payload: stamped.payload(self.transactional),
        })
    }

    /// When to call [`PartitionSender::handle_timeout`] or try [`PartitionSender::poll_send`] again. What is due already is
    /// not named: it waits for a link, a leader or an answer, not for the clock.
    #[must_use]
    pub fn poll_timeout(&self, now: Instant) -> Option<Instant> {
        let slot = self
            .slots
            .front()
            .map(|slot| slot.opened_at() + self.delivery_timeout);
        let expiries = self
            .stamped
            .iter()
            .filter_map(|stamped| stamped.expiry(self.delivery_timeout));
        let repeat = self.stamped.front().and_then(Stamped::due_at);
        slot.into_iter()
            .chain(expiries)
            .chain(repeat)
            .chain(self.opens_at())
            .filter(|at| *at > now)
            .min()
    }

    /// How many more batches should be sealed now: enough to fill the window, no more, so that an open batch keeps growing.
    #[must_use]
    pub fn room(&self) -> usize {
        if self.abandoned {
            0
        } else {
            WINDOW.saturating_sub(self.stamped.len() + self.slots.len())
        }
    }

    /// Whether every batch that was pushed is settled, and everything about them was told: an engine that took a settled
    /// batch for an acknowledged one would commit in spite of a failed send.
    #[must_use]
    pub fn is_drained(&self) -> bool {
        self.slots.is_empty() && self.stamped.is_empty() && self.events.is_empty()
    }

    /// Whether nobody waits for what is left any more: each batch has timed out, and goes on only to keep the sequences whole.
    #[must_use]
    pub fn is_given_up(&self) -> bool {
        let waits = |stamped: &Stamped| !stamped.expired || stamped.is_in_flight();
        self.slots.is_empty() && !self.stamped.iter().any(waits)
    }

    /// Whether a batch was dropped after it had taken sequences: the next one needs a new epoch.
    #[must_use]
    pub fn has_hole(&self) -> bool {
        self.hole
    }

    /// Whether a batch was given up that a broker may still write: the transaction must be fenced, not just aborted.
    #[must_use]
    pub fn is_unresolved(&self) -> bool {
        self.unresolved
    }

    /// The cells of all batches that are not settled.
    pub fn completions(&self) -> impl Iterator<Item = Arc<Completion>> + '_ {
        self.slots
            .iter()
            .map(|slot| slot.share().completion())
            .chain(
                self.stamped
                    .iter()
                    .map(|stamped| stamped.share.completion()),
            )
    }

    /// How many batches are in flight.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.stamped
            .iter()
            .filter(|stamped| stamped.is_in_flight())
            .count()
    }

    /// What goes next would follow a gap: only a new epoch helps.
    fn is_stuck(&self) -> bool {
        self.broken.as_ref().is_some_and(|broken| {
            self.stamped
                .front()
                .is_none_or(|head| head.base >= broken.base)
        })
    }

    /// Nothing of the producer id was acknowledged yet.
    fn is_blind(&self) -> bool {
        self.known != Some(self.identity.producer_id)
    }

    fn window(&self, now: Instant) -> usize {
        if !self.is_blind() || self.opens_at().is_some_and(|at| at <= now) {
            WINDOW
        } else {
            1
        }
    }

    /// When the window opens although nothing was acknowledged yet.
    fn opens_at(&self) -> Option<Instant> {
        let first = self.stamped.front().filter(|first| first.is_in_flight())?;
        self.is_blind().then(|| first.sent_at + FIRST_ANSWER_WAIT)
    }

    /// What was never handed to a link and is too old now never will be.
    fn expire_slots(&mut self, now: Instant) {
        while self
            .slots
            .front()
            .is_some_and(|slot| slot.opened_at() + self.delivery_timeout <= now)
        {
            let slot = self.slots.pop_front().expect("looked at just above");
            slot.into_share()
                .fail(DeliveryErrorKind::TimedOut, Persistence::NotPersisted);
            self.report(SenderFailure::Abortable(DeliveryErrorKind::TimedOut));
        }
    }

    fn next_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    /// After a failure: the lowest sequence goes first, alone, with the stamp it has.
    fn repeat(&mut self, now: Instant, link: u64, in_flight: usize) -> Option<SendBatch> {
        let head = self.stamped.front_mut()?;
        if in_flight > 0 || !head.is_due(now) {
            return None;
        }
        self.link = link;
        head.send_again(now);
        #[cfg(feature = "plants")]
        if is_planted(Plant::RetryTakesNewSequence) {
            head.base = self.sequence.take(head.sealed.record_count());
        }
        Some(SendBatch {
            id: head.id,
            payload: head.payload(self.transactional),
        })
    }
}
