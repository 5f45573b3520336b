//! EndTxn, and the aborts the broker starts itself (`TransactionCoordinator.endTransaction`,
//! `endTransactionWithTV1`).

use milena_wire::ErrorCode;

use super::{EPOCH_LAST, Identity, Transaction, TransactionState};

/// What EndTxn asks for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EndRequest {
    pub(crate) identity: Identity,
    pub(crate) committed: bool,
}

/// What the coordinator has to do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EndAnswer {
    /// The decision is taken now: write the markers.
    Prepared,
    /// It was taken before and is done: the request is a retry.
    Repeated,
}

/// What EndTxn does in one state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Prepare,
    Repeat,
    Refuse(ErrorCode),
}

impl Transaction {
    /// EndTxn v4 and older: the epoch stays, so a late copy of a request cannot be told from the
    /// next transaction's.
    pub(crate) fn end_keeping_epoch(
        &mut self,
        request: EndRequest,
        now: i64,
    ) -> Result<EndAnswer, ErrorCode> {
        self.check_identity(request.identity)?;
        if self.state.is_prepared() {
            return Err(ErrorCode::CONCURRENT_TRANSACTIONS);
        }
        let verdict = match (self.state, request.committed) {
            (TransactionState::Ongoing, _) => Verdict::Prepare,
            (TransactionState::CompleteCommit, true) => Verdict::Repeat,
            (TransactionState::CompleteAbort, false) => Verdict::Repeat,
            _ => Verdict::Refuse(ErrorCode::INVALID_TXN_STATE),
        };
        self.conclude(verdict, request.committed, now, |_| {})
    }

    /// EndTxn v5 (KIP-890): each end raises the epoch, so a retry is known by the epoch before.
    /// `fresh_id` is used up if the epochs of the present producer id are.
    pub(crate) fn end_raising_epoch(
        &mut self,
        request: EndRequest,
        now: i64,
        fresh_id: impl FnOnce() -> i64,
    ) -> Result<EndAnswer, ErrorCode> {
        // Before the identity: with the epochs used up, the client may already use the new producer
        // id while the transaction completes under the old one (KAFKA-18660).
        if self.state.is_prepared() {
            return Err(ErrorCode::CONCURRENT_TRANSACTIONS);
        }
        let verdict = self.verdict_raising_epoch(request);
        self.conclude(verdict, request.committed, now, |transaction| {
            transaction.raise_epoch_for_end(fresh_id);
        })
    }

    /// The broker aborts an open transaction: its time is over, or a new instance arrived. The
    /// epoch is raised, so the present owner is fenced.
    pub(crate) fn fence_and_abort(
        &mut self,
        epoch_bump: bool,
        now: i64,
        fresh_id: impl FnOnce() -> i64,
    ) {
        if epoch_bump {
            self.raise_epoch_for_end(fresh_id);
        } else {
            if self.unlogged_fence.is_none() {
                self.epoch = self.epoch.saturating_add(1);
            }
            // The fenced owner must not take a later bump for its own.
            self.last_epoch = -1;
            self.epoch_bump = false;
        }
        self.prepare(false, now);
    }

    fn verdict_raising_epoch(&self, request: EndRequest) -> Verdict {
        use TransactionState::{CompleteAbort, CompleteCommit, Empty, Ongoing};
        let Identity { producer_id, epoch } = request.identity;
        let retry_after_rotation =
            self.previous_producer_id == producer_id && epoch == EPOCH_LAST && self.epoch == 0;
        let retry = retry_after_rotation || i32::from(self.epoch) == i32::from(epoch) + 1;
        let complete = matches!(self.state, CompleteCommit | CompleteAbort);
        if self.producer_id != producer_id && !retry_after_rotation {
            return Verdict::Refuse(ErrorCode::INVALID_PRODUCER_ID_MAPPING);
        }
        if self.epoch != epoch && !(complete && retry) {
            return Verdict::Refuse(ErrorCode::PRODUCER_FENCED);
        }
        match (self.state, request.committed, retry) {
            (Ongoing, _, _) | (Empty, false, _) => Verdict::Prepare,
            (CompleteCommit | CompleteAbort, false, false) => Verdict::Prepare,
            (CompleteCommit, true, true) | (CompleteAbort, false, true) => Verdict::Repeat,
            _ => Verdict::Refuse(ErrorCode::INVALID_TXN_STATE),
        }
    }

    fn conclude(
        &mut self,
        verdict: Verdict,
        committed: bool,
        now: i64,
        before: impl FnOnce(&mut Self),
    ) -> Result<EndAnswer, ErrorCode> {
        match verdict {
            Verdict::Prepare => {
                self.epoch_bump = false;
                before(self);
                self.prepare(committed, now);
                Ok(EndAnswer::Prepared)
            }
            Verdict::Repeat => Ok(EndAnswer::Repeated),
            Verdict::Refuse(error) => Err(error),
        }
    }

    fn prepare(&mut self, committed: bool, now: i64) {
        if self.state != TransactionState::Ongoing {
            // An abort of nothing: that there was no start is no start that could be logged.
            self.started_at = now;
        }
        self.updated_at = now;
        self.prepared_partitions.clone_from(&self.partitions);
        self.previous_producer_id = self.producer_id;
        self.state = if committed {
            TransactionState::PrepareCommit
        } else {
            TransactionState::PrepareAbort
        };
    }

    /// The markers get the raised epoch, 32,767 at most; after them a used up producer id is
    /// replaced.
    fn raise_epoch_for_end(&mut self, fresh_id: impl FnOnce() -> i64) {
        self.epoch_bump = true;
        if self.is_epoch_exhausted() {
            self.next_producer_id = Some(fresh_id());
        }
        self.last_epoch = self.epoch;
        self.epoch = self.epoch.saturating_add(1);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use TransactionState::{CompleteAbort, CompleteCommit, Empty, Ongoing, PrepareCommit};

    fn at(state: TransactionState) -> Transaction {
        let mut transaction = Transaction::new(7, Duration::from_secs(60), 0);
        transaction.epoch = 5;
        transaction.last_epoch = 4;
        transaction.state = state;
        transaction
    }

    fn end(epoch: i16, committed: bool) -> EndRequest {
        EndRequest {
            identity: Identity {
                producer_id: 7,
                epoch,
            },
            committed,
        }
    }

    const OK: Result<EndAnswer, ErrorCode> = Ok(EndAnswer::Prepared);
    const AGAIN: Result<EndAnswer, ErrorCode> = Ok(EndAnswer::Repeated);
    const FENCED: Result<EndAnswer, ErrorCode> = Err(ErrorCode::PRODUCER_FENCED);
    const STATE: Result<EndAnswer, ErrorCode> = Err(ErrorCode::INVALID_TXN_STATE);
    const WAIT: Result<EndAnswer, ErrorCode> = Err(ErrorCode::CONCURRENT_TRANSACTIONS);

    #[test]
    fn every_state_and_end_under_tv2() {
        // (state, [abort/retry, abort/current, commit/retry, commit/current])
        let table = [
            (Empty, [FENCED, OK, FENCED, STATE]),
            (Ongoing, [FENCED, OK, FENCED, OK]),
            (CompleteAbort, [AGAIN, OK, STATE, STATE]),
            (CompleteCommit, [STATE, OK, AGAIN, STATE]),
            (PrepareCommit, [WAIT; 4]),
            (TransactionState::PrepareAbort, [WAIT; 4]),
        ];
        for (state, expected) in table {
            let requests = [end(4, false), end(5, false), end(4, true), end(5, true)];
            for (request, expected) in requests.into_iter().zip(expected) {
                let mut transaction = at(state);
                let answer = transaction.end_raising_epoch(request, 0, || unreachable!());
                assert_eq!(answer, expected, "{state} {request:?}");
                let raised = if answer == OK { 6 } else { 5 };
                assert_eq!(transaction.epoch, raised, "{state} {request:?}");
            }
        }
    }

    #[test]
    fn every_state_and_end_under_tv1() {
        let table = [
            (Empty, [STATE, STATE]),
            (Ongoing, [OK, OK]),
            (CompleteAbort, [AGAIN, STATE]),
            (CompleteCommit, [STATE, AGAIN]),
            (PrepareCommit, [WAIT, WAIT]),
        ];
        for (state, expected) in table {
            for (committed, expected) in [false, true].into_iter().zip(expected) {
                let mut transaction = at(state);
                assert_eq!(
                    transaction.end_keeping_epoch(end(5, committed), 0),
                    expected,
                    "{state}"
                );
                assert_eq!(transaction.epoch, 5);
                assert_eq!(transaction.end_keeping_epoch(end(4, committed), 0), FENCED);
                assert_eq!(transaction.end_keeping_epoch(end(6, committed), 0), FENCED);
            }
        }
    }

    #[test]
    fn the_last_epoch_is_followed_by_a_new_producer_id_and_its_retry_is_recognised() {
        let mut transaction = at(Ongoing);
        transaction.epoch = EPOCH_LAST;
        let commit = end(EPOCH_LAST, true);
        assert_eq!(transaction.end_raising_epoch(commit, 0, || 8), OK);
        assert_eq!(transaction.epoch, i16::MAX);
        let next = Identity {
            producer_id: 8,
            epoch: 0,
        };
        assert_eq!(transaction.identity_after_completion(), next);
        transaction.complete(0);
        assert_eq!((transaction.producer_id, transaction.epoch), (8, 0));
        assert_eq!(transaction.end_raising_epoch(commit, 0, || 9), AGAIN);
        let stranger = end(EPOCH_LAST - 1, true);
        assert_eq!(
            transaction.end_raising_epoch(stranger, 0, || 9),
            Err(ErrorCode::INVALID_PRODUCER_ID_MAPPING)
        );
    }

    #[test]
    fn fencing_remembers_the_fenced_epoch_under_tv2_only() {
        let mut transaction = at(Ongoing);
        transaction.fence_and_abort(true, 0, || 0);
        assert_eq!((transaction.epoch, transaction.last_epoch), (6, 5));
        let mut transaction = at(Ongoing);
        transaction.fence_and_abort(false, 0, || 0);
        assert_eq!((transaction.epoch, transaction.last_epoch), (6, -1));
    }
}
