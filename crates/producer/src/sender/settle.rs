//! What an outcome means for the batch, and for those before and behind it.

use std::time::{Duration, Instant};

use milena_cluster::recovery::{Operation, Recovery, may_have_appended, recover};
use milena_cluster::{Backoff, ProducerIdentity};
use milena_wire::ErrorCode;

use super::stamped::{Stamped, Standing};
use super::{BatchId, Broken, PartitionSender, ProduceAnswer, SenderEvent, SenderFailure, Slot};
use crate::error::DeliveryErrorKind;

/// The transaction before is just being ended: its markers take milliseconds.
const RETRY_SOON: Backoff = Backoff {
    initial: Duration::from_millis(1),
    max: Duration::from_millis(20),
    multiplier: 2.0,
    jitter: 0.2,
};

impl PartitionSender {
    pub(super) fn handle_answer(&mut self, now: Instant, index: usize, answer: ProduceAnswer) {
        let transactional = self.transactional;
        let recovery = match answer.error {
            ErrorCode::NONE => Recovery::Ok,
            error => recover(Operation::Produce { transactional }, error),
        };
        match recovery {
            Recovery::Ok | Recovery::Duplicate => self.settle_acknowledged(index, answer),
            Recovery::RetrySoon => self.wait_as(now, index, false, RETRY_SOON),
            Recovery::Retry | Recovery::FindCoordinator => {
                self.wait(now, index, may_have_appended(answer.error));
            }
            Recovery::RefreshMetadata => {
                self.events.push_back(SenderEvent::RefreshMetadata);
                self.wait(now, index, may_have_appended(answer.error));
            }
            // Not the lowest: a batch before it failed, and this one only came too early.
            Recovery::Sequence if index > 0 => self.wait(now, index, false),
            Recovery::Sequence if !transactional && self.may_go_again(index) => {
                // The broker has lost what came before (unclean election); the batch itself was refused, so it may go
                // again under a new epoch, with everything behind it.
                self.break_at(self.stamped[index].base, None);
                self.wait(now, index, false);
            }
            Recovery::Sequence if !transactional => {
                // Sent again under a new epoch it would land behind the one that overtook it, or that may have.
                let kind = DeliveryErrorKind::Refused(answer.error);
                if let Some(stamped) = self.stamped.remove(index) {
                    self.give_up(&stamped, kind.clone());
                    self.break_at(stamped.base, Some(kind));
                }
            }
            // One that may be in the log already is not split: its halves would not be recognised as repeated.
            Recovery::Split if !self.stamped[index].unsure => self.split(now, index),
            Recovery::Fatal(_) if transactional => {
                self.report(SenderFailure::Fatal(answer.error));
                self.fail(index, DeliveryErrorKind::Refused(answer.error));
            }
            _ => {
                self.stamped[index].unsure |= may_have_appended(answer.error);
                self.fail(index, DeliveryErrorKind::Refused(answer.error));
            }
        }
    }

    /// Whether it is certain that neither the batch nor anything that was stamped after it is in the log.
    fn may_go_again(&self, index: usize) -> bool {
        let overtaken = self.stamped[index].overtaken;
        !overtaken && !self.stamped.range(index..).any(|stamped| stamped.unsure)
    }

    fn settle_acknowledged(&mut self, index: usize, answer: ProduceAnswer) {
        if let Some(stamped) = self.stamped.remove(index) {
            let known = |value: i64| (value >= 0).then_some(value);
            self.known = Some(self.identity.producer_id);
            self.mark_overtaken(index);
            stamped.share.settle(Ok((
                known(answer.base_offset),
                known(answer.log_append_time),
            )));
        }
    }

    fn mark_overtaken(&mut self, index: usize) {
        for before in self.stamped.range_mut(..index) {
            before.overtaken = true;
        }
    }

    /// The batch will be sent again, unless its transaction is being aborted.
    pub(super) fn wait(&mut self, now: Instant, index: usize, unsure: bool) {
        self.wait_as(now, index, unsure, self.retry);
    }

    fn wait_as(&mut self, now: Instant, index: usize, unsure: bool, retry: Backoff) {
        let stamped = &mut self.stamped[index];
        let failures = stamped.attempts.saturating_sub(1);
        let delay = retry.delay(failures, &mut self.rng);
        stamped.wait_until(now + delay, unsure);
    }

    pub(super) fn give_up(&mut self, stamped: &Stamped, kind: DeliveryErrorKind) {
        self.hole = true;
        self.unresolved |= stamped.unsure;
        #[cfg(feature = "plants")]
        super::plants::keep_memory(&stamped.share);
        stamped.share.fail(kind, stamped.persistence());
    }

    /// The broker refused the batch for good. What comes before it goes on as it is; what follows needs a new epoch.
    fn fail(&mut self, index: usize, kind: DeliveryErrorKind) {
        let Some(stamped) = self.stamped.remove(index) else {
            return;
        };
        self.give_up(&stamped, kind.clone());
        if stamped.unsure && self.is_blind() {
            // It may have been the first that the broker took.
            self.mark_overtaken(index);
        }
        if self.transactional {
            self.report(SenderFailure::Abortable(kind));
        } else {
            // Where nothing was acknowledged yet, what follows a refused batch may have been taken all the same.
            self.break_at(
                stamped.base,
                (stamped.unsure || self.is_blind()).then_some(kind),
            );
        }
    }

    /// The lowest gap counts: whatever follows it cannot have been written, unless the batch that is missing was.
    fn break_at(&mut self, base: i64, doubt: Option<DeliveryErrorKind>) {
        if self.broken.as_ref().is_none_or(|broken| base < broken.base) {
            self.broken = Some(Broken { base, doubt });
        }
    }

    /// A new epoch is for what comes after everything that is in the log or may be. Behind a batch in doubt those that are
    /// unsure may be there too, and would be written a second time; one that was overtaken would land behind what overtook
    /// it, and so would, where nothing was acknowledged yet, one that stands before an unsure one.
    pub(super) fn give_up_overtaken(&mut self, doubt: Option<DeliveryErrorKind>) {
        let in_doubt = doubt.is_some();
        let blind = self.is_blind();
        let may_be_there = |stamped: &Stamped| in_doubt && stamped.unsure;
        let last = self.stamped.iter().rposition(may_be_there);
        let kind = doubt.unwrap_or(DeliveryErrorKind::Refused(
            ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER,
        ));
        for (index, stamped) in std::mem::take(&mut self.stamped).into_iter().enumerate() {
            let before = blind && last.is_some_and(|last| index < last);
            if stamped.overtaken || before || may_be_there(&stamped) {
                self.give_up(&stamped, kind.clone());
            } else {
                self.stamped.push_back(stamped);
            }
        }
    }

    /// MESSAGE_TOO_LARGE: two halves take the place of the batch, with its sequences and its deadline.
    fn split(&mut self, now: Instant, index: usize) {
        let Some(halves) = self.stamped[index].sealed.split() else {
            return self.fail(
                index,
                DeliveryErrorKind::Refused(ErrorCode::MESSAGE_TOO_LARGE),
            );
        };
        let (first, second) = (BatchId(self.next_id()), BatchId(self.next_id()));
        let Some(stamped) = self.stamped.remove(index) else {
            return;
        };
        let [low, high] = stamped.split(halves, [first, second], now);
        self.stamped.insert(index, high);
        self.stamped.insert(index, low);
    }

    pub(super) fn report(&mut self, failure: SenderFailure) {
        if self.transactional && !self.abandoned {
            self.events.push_back(SenderEvent::Failed(failure));
        }
    }

    /// Batches at the end that were never offered to a socket go back to the unstamped ones: their sequences are free, even
    /// while those before them are in flight.
    pub(super) fn unstamp_unstarted(&mut self) {
        while self
            .stamped
            .back()
            .is_some_and(|stamped| !stamped.ever_started && !stamped.is_in_flight())
        {
            let stamped = self.stamped.pop_back().expect("looked at just above");
            self.sequence.rewind(stamped.base);
            self.slots.push_front(Slot::from(stamped));
        }
    }

    /// Everything stamped was refused: it goes back, to be stamped anew. What the caller has given up on is dropped.
    pub(super) fn unstamp_all(&mut self) {
        while let Some(stamped) = self.stamped.pop_back() {
            debug_assert!(
                matches!(stamped.standing, Standing::Waiting { .. }),
                "nothing is in flight"
            );
            if !stamped.expired {
                self.slots.push_front(Slot::from(stamped));
            }
        }
        // The old identity is used no more, whatever the engine offers next; and the broker may have forgotten all of it.
        self.identity = ProducerIdentity::NONE;
        self.known = None;
    }
}

impl From<Stamped> for Slot {
    fn from(stamped: Stamped) -> Self {
        Self::Sealed {
            sealed: stamped.sealed,
            share: stamped.share,
            opened_at: stamped.opened_at,
        }
    }
}
