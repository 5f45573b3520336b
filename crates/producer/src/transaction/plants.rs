//! Bugs of a transaction manager, planted one at a time for the simulation to find: see `milena_cluster::plants`.

use milena_cluster::ProducerIdentity;
use milena_cluster::plants::{Plant, is_planted};
use milena_wire::ErrorCode;

use super::TransactionManager;
use super::open::{Flavour, Open};
use super::phase::Phase;
use super::verdict::Verdict;

impl TransactionManager {
    /// A batch of the open transaction was acknowledged. The manager needs no such word: it ends what it began.
    pub fn plant_acknowledged(&mut self) {
        if let Some(open) = self.phase.open_mut() {
            open.acknowledged = true;
        }
    }

    /// The new epoch that was asked for in the middle of a transaction.
    pub(super) fn plant_identity_answered(&mut self, error: ErrorCode, identity: ProducerIdentity) {
        let Some(open) = self.phase.open_mut().filter(|open| open.bump_now) else {
            return;
        };
        if error.is_ok() {
            open.bump_now = false;
            open.partitions.registered.clear();
            self.take_identity(identity, false);
        }
    }

    /// Nothing was acknowledged, so there is nothing to end.
    pub(super) fn plant_settle(&mut self) {
        if is_planted(Plant::AllFailedTransactionOnTv2NotEnded)
            && let Phase::Aborting { open, .. } = &mut self.phase
            && open.flavour == Flavour::V2
            && !open.acknowledged
        {
            open.plant_forget();
        }
    }
}

impl Open {
    /// A lost answer, and a new epoch is to make up for it.
    pub(super) fn plant_bump(&mut self) {
        self.bump_now |= is_planted(Plant::InitProducerIdMidTransaction);
    }

    /// One failure, and what was registered before it is forgotten too.
    pub(super) fn plant_forget_partitions(&mut self) {
        if is_planted(Plant::AddedPartitionsDroppedByLaterFailure) {
            self.partitions.registered.clear();
            self.plant_forget();
        }
    }
}

/// What an answer to EndTxn(commit) is taken for.
pub(super) fn verdict_on_commit(verdict: Verdict, error: ErrorCode) -> Verdict {
    let unknown = error == ErrorCode::UNKNOWN_SERVER_ERROR
        && is_planted(Plant::UnknownServerErrorOnEndTxnTakenAsCommitted);
    let fenced = matches!(
        error,
        ErrorCode::PRODUCER_FENCED | ErrorCode::INVALID_PRODUCER_EPOCH
    ) && is_planted(Plant::FencedCommitTakenAsCommitted);
    if unknown || fenced {
        Verdict::Done
    } else {
        verdict
    }
}
