//! Bugs of a sender, planted one at a time for the simulation to find: see `milena_cluster::plants`.

use std::time::Instant;

use milena_cluster::plants::{Plant, is_planted};
use milena_cluster::{Outcome, ProducerIdentity, SendFailure};
use milena_wire::ErrorCode;

use super::{BatchId, PartitionSender, ProduceAnswer, SenderFailure, Slot, Stamped};
use crate::batch::Share;
use crate::error::{DeliveryErrorKind, Persistence};

impl PartitionSender {
    /// The outcome as a client with a bug takes it.
    pub(super) fn plant_outcome(
        &self,
        id: BatchId,
        outcome: Outcome<ProduceAnswer>,
    ) -> (BatchId, Outcome<ProduceAnswer>) {
        let acknowledged =
            matches!(&outcome, Outcome::Answered(answer) if answer.error == ErrorCode::NONE);
        if is_planted(Plant::CompletionOfTheWrongBatch) && acknowledged {
            let mut in_flight = self
                .stamped
                .iter()
                .rev()
                .filter(|stamped| stamped.is_in_flight());
            return (in_flight.next().map_or(id, |last| last.id), outcome);
        }
        match outcome {
            Outcome::Unsure(_) if is_planted(Plant::LostAnswerTakenAsNotSent) => {
                (id, Outcome::NotSent(SendFailure::RequestTimedOut))
            }
            outcome => (id, outcome),
        }
    }

    /// The last batch has timed out and may be in the log: it goes, and its sequence with it.
    pub(super) fn plant_timeout(&mut self, now: Instant) {
        let ambiguous = |stamped: &Stamped| {
            stamped.unsure
                && !stamped.is_in_flight()
                && stamped.opened_at + self.delivery_timeout <= now
        };
        if is_planted(Plant::SequenceReusedAfterAmbiguousFailure)
            && self.stamped.back().is_some_and(ambiguous)
            && let Some(stamped) = self.stamped.pop_back()
        {
            stamped
                .share
                .fail(DeliveryErrorKind::TimedOut, Persistence::PossiblyPersisted);
            self.sequence.rewind(stamped.base);
            self.report(SenderFailure::Abortable(DeliveryErrorKind::TimedOut));
        }
    }

    /// What goes wrong before a batch is picked for `link`.
    pub(super) fn plant_send(&mut self, link: u64, current: ProducerIdentity) {
        if self.in_flight() > 0 {
            return;
        }
        if is_planted(Plant::EpochBumpRenumbersUnresolvedBatches)
            && current.is_some()
            && self.identity != current
        {
            self.unstamp_all();
        }
        if is_planted(Plant::SequenceForgottenOnLeaderChange)
            && self.stamped.is_empty()
            && self.link != link
        {
            self.sequence.reset();
        }
        if is_planted(Plant::RetryOvertakenByTheNextBatch)
            && self.stamped.len() == 1
            && !self.stamped[0].unsure
            && !self.stamped[0].expired
            && matches!(self.slots.front(), Some(Slot::Sealed { .. }))
            && let Some(stamped) = self.stamped.pop_back()
        {
            self.sequence.rewind(stamped.base);
            self.slots.insert(1, Slot::from(stamped));
        }
    }
}

impl Stamped {
    /// Sent is as good as written.
    pub(super) fn plant_started(&self) {
        if is_planted(Plant::AcknowledgedWhenSent) {
            self.share.settle(Ok((None, None)));
        }
    }
}

/// The memory of a batch that is given up.
pub(super) fn keep_memory(share: &Share) {
    if is_planted(Plant::MemoryOfGivenUpBatchKept) {
        share.plant_keep_memory();
    }
}

/// What is said of a batch that timed out on its way.
pub(super) fn of_timed_out(persistence: Persistence) -> Persistence {
    if is_planted(Plant::TimedOutInFlightReportedNotPersisted) {
        Persistence::NotPersisted
    } else {
        persistence
    }
}

/// How far the second half's sequence lies behind the first's.
pub(super) fn behind_a_half(count: i64) -> i64 {
    if is_planted(Plant::SplitHalvesShareASequence) {
        0
    } else {
        count
    }
}
