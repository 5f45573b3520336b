//! InitProducerId (`TransactionCoordinator.prepareInitProducerIdTransit`).

use std::time::Duration;

use milena_wire::ErrorCode;

use super::{EPOCH_LAST, Identity, Transaction, TransactionState};

/// What InitProducerId asks for, once it has a transactional id.
#[derive(Clone, Copy, Debug)]
pub(crate) struct InitRequest {
    /// The identity the client believes it has (KIP-360), `None` for a new instance.
    pub(crate) expected: Option<Identity>,
    pub(crate) timeout: Duration,
}

/// What the coordinator has to do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InitAnswer {
    /// This identity is the client's now.
    Identity(Identity),
    /// A transaction is open: fence its owner, abort it, and answer CONCURRENT_TRANSACTIONS so that
    /// the client comes again for an epoch of its own.
    FenceAndAbort,
}

impl Transaction {
    /// `fresh_id` is used up if the epochs of the present one are.
    pub(crate) fn init(
        &mut self,
        request: InitRequest,
        now: i64,
        fresh_id: impl FnOnce() -> i64,
    ) -> Result<InitAnswer, ErrorCode> {
        if self.state.is_prepared() {
            return Err(ErrorCode::CONCURRENT_TRANSACTIONS);
        }
        if request
            .expected
            .is_some_and(|expected| !self.may_be(expected))
        {
            return Err(ErrorCode::PRODUCER_FENCED);
        }
        if self.state == TransactionState::Ongoing {
            return Ok(InitAnswer::FenceAndAbort);
        }
        let expected_epoch = request.expected.map(|expected| expected.epoch);
        let previous_producer_id = self.producer_id;
        if self.is_epoch_exhausted() && expected_epoch.is_none_or(|epoch| epoch == self.epoch) {
            self.last_epoch = if expected_epoch.is_some() {
                self.epoch
            } else {
                -1
            };
            self.producer_id = fresh_id();
            self.epoch = 0;
        } else {
            self.raise_epoch(expected_epoch)?;
        }
        self.previous_producer_id = previous_producer_id;
        self.timeout = request.timeout;
        self.state = TransactionState::Empty;
        self.started_at = -1;
        self.updated_at = now;
        self.partitions.clear();
        Ok(InitAnswer::Identity(Identity {
            producer_id: self.producer_id,
            epoch: self.epoch,
        }))
    }

    /// A just created id, its own id, or the id before a rotation whose answer was lost.
    fn may_be(&self, expected: Identity) -> bool {
        self.epoch < 0
            || expected.producer_id == self.producer_id
            || (expected.producer_id == self.previous_producer_id && expected.epoch >= EPOCH_LAST)
    }

    fn raise_epoch(&mut self, expected: Option<i16>) -> Result<(), ErrorCode> {
        match expected {
            None => {
                self.last_epoch = -1;
                self.epoch += 1;
            }
            Some(expected) if self.epoch < 0 || expected == self.epoch => {
                self.last_epoch = self.epoch;
                self.epoch += 1;
            }
            // A retry of a call that was answered already: nobody else came in between, or the
            // last epoch would be -1.
            Some(expected) if expected == self.last_epoch => {}
            Some(_) => return Err(ErrorCode::PRODUCER_FENCED),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(epoch: i16, last_epoch: i16, state: TransactionState) -> Transaction {
        let mut transaction = Transaction::new(7, Duration::from_secs(60), 0);
        transaction.epoch = epoch;
        transaction.last_epoch = last_epoch;
        transaction.state = state;
        transaction
    }

    fn ask(expected: Option<Identity>) -> InitRequest {
        InitRequest {
            expected,
            timeout: Duration::from_secs(1),
        }
    }

    fn identity(producer_id: i64, epoch: i16) -> Identity {
        Identity { producer_id, epoch }
    }

    #[test]
    fn a_new_instance_bumps_and_forgets_the_last_epoch() {
        let mut transaction = at(4, 3, TransactionState::CompleteCommit);
        let answer = transaction.init(ask(None), 0, || unreachable!());
        assert_eq!(answer, Ok(InitAnswer::Identity(identity(7, 5))));
        assert_eq!(transaction.last_epoch, -1);
        assert_eq!(transaction.state, TransactionState::Empty);
    }

    #[test]
    fn a_repeated_bump_gets_the_same_epoch_until_somebody_else_came() {
        let mut transaction = at(4, -1, TransactionState::Empty);
        let bump = ask(Some(identity(7, 4)));
        assert_eq!(
            transaction.init(bump, 0, || 0),
            Ok(InitAnswer::Identity(identity(7, 5)))
        );
        assert_eq!(
            transaction.init(bump, 0, || 0),
            Ok(InitAnswer::Identity(identity(7, 5)))
        );
        transaction.init(ask(None), 0, || 0).unwrap();
        assert_eq!(
            transaction.init(bump, 0, || 0),
            Err(ErrorCode::PRODUCER_FENCED)
        );
    }

    #[test]
    fn an_exhausted_epoch_rotates_the_producer_id_and_a_retry_is_recognised() {
        let mut transaction = at(EPOCH_LAST, 3, TransactionState::Empty);
        let bump = ask(Some(identity(7, EPOCH_LAST)));
        assert_eq!(
            transaction.init(bump, 0, || 8),
            Ok(InitAnswer::Identity(identity(8, 0)))
        );
        assert_eq!(
            transaction.init(bump, 0, || 9),
            Ok(InitAnswer::Identity(identity(8, 0)))
        );
        assert_eq!(
            transaction.init(ask(Some(identity(7, 5))), 0, || 9),
            Err(ErrorCode::PRODUCER_FENCED)
        );
    }

    #[test]
    fn an_open_transaction_is_fenced_and_a_prepared_one_waited_for() {
        let mut transaction = at(1, 0, TransactionState::Ongoing);
        assert_eq!(
            transaction.init(ask(None), 0, || 0),
            Ok(InitAnswer::FenceAndAbort)
        );
        assert_eq!(
            transaction.init(ask(Some(identity(6, 1))), 0, || 0),
            Err(ErrorCode::PRODUCER_FENCED)
        );
        for state in [
            TransactionState::PrepareAbort,
            TransactionState::PrepareCommit,
        ] {
            let mut transaction = at(1, 0, state);
            assert_eq!(
                transaction.init(ask(None), 0, || 0),
                Err(ErrorCode::CONCURRENT_TRANSACTIONS)
            );
        }
    }
}
