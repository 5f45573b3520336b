//! The transaction coordinator's work on the cluster: adding partitions, ending, time-outs, expiry,
//! and what a new coordinator loads.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use milena_wire::ErrorCode;

use super::{Cluster, CoordinatorKind, OFFSETS_TOPIC};
use crate::config::Emulate;
use crate::features::TRANSACTION_VERSION;
use crate::group::offsets_partition;
use crate::limits::TRANSACTIONAL_IDS_MAX;
use crate::timers::Timer;
use crate::transaction::{
    Added, EndAnswer, EndRequest, Identity, InitAnswer, InitRequest, Participant, Transaction,
    TransactionState,
};

/// When the coordinator looks again after a time-out it could not act on
/// (`transaction.abort.timed.out.transaction.cleanup.interval.ms`).
const LOOK_AGAIN: Duration = Duration::from_secs(10);

/// What a write does with a partition its transaction may not contain yet; follows from the
/// version of the request (`AddPartitionsToTxnManager.TransactionSupportedOperation`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum JoinMode {
    /// Refuse with INVALID_TXN_STATE: the client is older than TRANSACTION_ABORTABLE.
    VerifyWithOldError,
    /// Refuse with TRANSACTION_ABORTABLE.
    Verify,
    /// Add it (TV2).
    Add,
}

impl JoinMode {
    /// Produce 11 knows TRANSACTION_ABORTABLE, 12 adds partitions.
    pub(crate) fn of_produce(version: i16) -> Self {
        match version {
            ..=10 => Self::VerifyWithOldError,
            11 => Self::Verify,
            12.. => Self::Add,
        }
    }

    /// What a write to a partition outside the transaction is answered with.
    pub(crate) fn outside_error(self) -> ErrorCode {
        match self {
            Self::VerifyWithOldError => ErrorCode::INVALID_TXN_STATE,
            Self::Verify | Self::Add => ErrorCode::TRANSACTION_ABORTABLE,
        }
    }

    /// TxnOffsetCommit 4 knows TRANSACTION_ABORTABLE, 5 adds the group.
    pub(crate) fn of_offset_commit(version: i16) -> Self {
        match version {
            ..=3 => Self::VerifyWithOldError,
            4 => Self::Verify,
            5.. => Self::Add,
        }
    }
}

impl Cluster {
    pub(crate) fn init_transactional(
        &mut self,
        id: &str,
        request: InitRequest,
    ) -> Result<Identity, ErrorCode> {
        self.forget_if_expired(id);
        if !self.transactions.by_id.contains_key(id) {
            self.make_room_for_an_id()?;
            let node = self.coordinators.node(CoordinatorKind::Transaction, id);
            let producer_id = self.transactions.allocate_producer_id(node);
            let created = Transaction::new(producer_id, request.timeout, self.wall_clock());
            self.transactions.by_id.insert(id.into(), created);
        }
        let now = self.wall_clock();
        // 3.9 goes on to show the start of the transaction before (`completeTransitionTo`).
        let keeps_start = self.config.emulate == Emulate::V3_9;
        let answer = self.transition(id, |transaction, fresh_id| {
            let started_at = transaction.started_at;
            let answer = transaction.init(request, now, fresh_id)?;
            if keeps_start {
                transaction.started_at = started_at;
            }
            Ok((answer, matches!(answer, InitAnswer::Identity(_))))
        })?;
        match answer {
            InitAnswer::Identity(identity) => Ok(identity),
            InitAnswer::FenceAndAbort => {
                self.fence_and_abort(id)?;
                Err(ErrorCode::CONCURRENT_TRANSACTIONS)
            }
        }
    }

    pub(crate) fn add_to_transaction(
        &mut self,
        id: &str,
        identity: Identity,
        partitions: impl IntoIterator<Item = Participant>,
    ) -> Result<(), ErrorCode> {
        let pending_first = self.config.emulate == Emulate::V4_3;
        let partitions: BTreeSet<Participant> = partitions.into_iter().collect();
        self.forget_if_expired(id);
        let now = self.wall_clock();
        let added = self.transition(id, |transaction, _| {
            let added = transaction.add(identity, &partitions, pending_first, now)?;
            Ok((added, added != Added::Known))
        })?;
        if added == Added::Opened {
            self.start_timeout(id);
        }
        Ok(())
    }

    /// Lets a write join the transaction `id`, or checks that its partitions are in it. Errors are
    /// those of a Produce answer before the translation for older clients. The partitions that are
    /// not in it are returned.
    pub(crate) fn join_transaction(
        &mut self,
        id: &str,
        identity: Identity,
        partitions: BTreeSet<Participant>,
        mode: JoinMode,
    ) -> Result<Vec<Participant>, ErrorCode> {
        self.check_coordinator_reachable(CoordinatorKind::Transaction, id)?;
        // Where the coordinator says PRODUCER_FENCED, a producer expects INVALID_PRODUCER_EPOCH,
        // from which it can recover by aborting (KIP-588).
        let for_writers = |error| {
            if error == ErrorCode::PRODUCER_FENCED {
                ErrorCode::INVALID_PRODUCER_EPOCH
            } else {
                error
            }
        };
        if mode == JoinMode::Add {
            let joined = self.add_to_transaction(id, identity, partitions);
            return joined.map(|()| Vec::new()).map_err(for_writers);
        }
        self.forget_if_expired(id);
        let Some(transaction) = self.transactions.by_id.get(id) else {
            return Err(ErrorCode::INVALID_PRODUCER_ID_MAPPING);
        };
        let mut outside = Vec::new();
        for participant in partitions {
            match transaction.verify(identity, &participant) {
                Ok(()) => {}
                Err(ErrorCode::TRANSACTION_ABORTABLE) => outside.push(participant),
                Err(error) => return Err(for_writers(error)),
            }
        }
        Ok(outside)
    }

    /// EndTxn. The identity is the one the client goes on with (v5 answers it).
    pub(crate) fn end_transaction(
        &mut self,
        id: &str,
        request: EndRequest,
        raises_epoch: bool,
    ) -> Result<Identity, ErrorCode> {
        self.forget_if_expired(id);
        let now = self.wall_clock();
        let (answer, identity) = self.transition(id, |transaction, fresh_id| {
            let answer = if raises_epoch {
                transaction.end_raising_epoch(request, now, fresh_id)
            } else {
                transaction.end_keeping_epoch(request, now)
            }?;
            let identity = transaction.identity_after_completion();
            Ok(((answer, identity), answer == EndAnswer::Prepared))
        })?;
        if answer == EndAnswer::Prepared {
            self.prepared(id);
        }
        Ok(identity)
    }

    /// The open transaction's time is over.
    pub(crate) fn time_out_transaction(&mut self, id: &str) {
        let Some(transaction) = self.transactions.by_id.get_mut(id) else {
            return;
        };
        transaction.timeout_timer = None;
        let open = transaction.state == TransactionState::Ongoing;
        // Without a coordinator nobody looks; the next one does.
        let reachable = self.check_coordinator_reachable(CoordinatorKind::Transaction, id);
        if !open || reachable.is_err() {
            return;
        }
        if self.fence_and_abort(id).is_err()
            && let Some(now) = self.now()
        {
            self.set_timeout(id, now + LOOK_AGAIN);
        }
    }

    /// Aborts what timed out while its coordinator was away.
    pub(super) fn time_out_overdue(&mut self) {
        let Some(now) = self.now() else {
            return;
        };
        let overdue = |(id, found): (&Arc<str>, &Transaction)| {
            let late = found.deadline.is_some_and(|deadline| deadline <= now);
            let unwatched = found.timeout_timer.is_none();
            (found.state == TransactionState::Ongoing && late && unwatched).then(|| id.clone())
        };
        let overdue: Vec<_> = self.transactions.by_id.iter().filter_map(overdue).collect();
        for id in overdue {
            self.time_out_transaction(&id);
        }
    }

    /// A coordinator that has just taken over reads these ids from its log.
    pub(super) fn load_transactions(&mut self, ids: &[Arc<str>]) {
        for id in ids {
            let Some(transaction) = self.transactions.by_id.get_mut(id) else {
                continue;
            };
            if transaction.epoch < 0 {
                // Made for an InitProducerId whose write failed: not in the log.
                self.transactions.by_id.remove(id);
            } else {
                transaction.reload();
            }
        }
    }

    /// Forgets an id that nobody has used for so long
    /// (`TransactionStateManager.removeExpiredTransactionalIds`).
    pub(crate) fn forget_if_expired(&mut self, id: &str) {
        let found = self.transactions.by_id.get(id);
        if found.is_some_and(|transaction| self.is_expired(transaction)) {
            self.forget_transactional_id(id);
        }
    }

    /// False if there was none.
    pub(crate) fn forget_transactional_id(&mut self, id: &str) -> bool {
        self.stop_timeout(id);
        self.transactions.by_id.remove(id).is_some()
    }

    pub(crate) fn forget_expired_ids(&mut self) {
        let expired =
            |(id, found): (&Arc<str>, &Transaction)| self.is_expired(found).then(|| id.clone());
        let by_id = &self.transactions.by_id;
        let expired: Vec<_> = by_id.iter().filter_map(expired).collect();
        for id in expired {
            self.transactions.by_id.remove(&id);
        }
    }

    pub(crate) fn is_expired(&self, transaction: &Transaction) -> bool {
        let age = self.wall_clock() - transaction.updated_at;
        let kept = self.config.transactional_id_expiration.as_millis();
        transaction.state.may_expire()
            && i128::from(age) >= i128::try_from(kept).unwrap_or(i128::MAX)
    }

    /// The finalized `transaction.version`.
    pub(super) fn transaction_version(&self) -> i16 {
        self.features.level(TRANSACTION_VERSION)
    }

    fn make_room_for_an_id(&mut self) -> Result<(), ErrorCode> {
        if self.transactions.by_id.len() < TRANSACTIONAL_IDS_MAX {
            return Ok(());
        }
        self.forget_expired_ids();
        if self.transactions.by_id.len() < TRANSACTIONAL_IDS_MAX {
            Ok(())
        } else {
            Err(ErrorCode::COORDINATOR_NOT_AVAILABLE)
        }
    }

    /// Takes a transactional id to its next state and logs that. `change` also says whether there
    /// is something to log; if that is to fail, nothing has happened.
    fn transition<T>(
        &mut self,
        id: &str,
        change: impl FnOnce(&mut Transaction, &mut dyn FnMut() -> i64) -> Result<(T, bool), ErrorCode>,
    ) -> Result<T, ErrorCode> {
        let level = self.transaction_version();
        let node = self.coordinators.node(CoordinatorKind::Transaction, id);
        let transactions = &mut self.transactions;
        let before = match transactions.fails_append(id) {
            true => transactions.by_id.get(id).cloned(),
            false => None,
        };
        let (result, logged) = transactions.with_fresh_id(id, node, change)??;
        if !logged {
            return Ok(result);
        }
        if let Some(before) = before
            && let Some(error) = transactions.take_append_failure(id)
        {
            transactions.by_id.insert(id.into(), before);
            return Err(error);
        }
        if let Some(transaction) = transactions.by_id.get_mut(id) {
            transaction.logged_under = level;
        }
        Ok(result)
    }

    fn fence_and_abort(&mut self, id: &str) -> Result<(), ErrorCode> {
        let epoch_bump = self.raises_epochs();
        let now = self.wall_clock();
        let fenced = self.transition(id, |transaction, fresh_id| {
            transaction.fence_and_abort(epoch_bump, now, fresh_id);
            Ok(((), true))
        });
        let transaction = self.transactions.by_id.get_mut(id);
        if let (Err(_), false, Some(transaction)) = (fenced, epoch_bump, transaction) {
            transaction.keep_failed_fence();
        }
        fenced?;
        self.prepared(id);
        Ok(())
    }

    fn start_timeout(&mut self, id: &str) {
        let (Some(now), Some(transaction)) = (self.now(), self.transactions.by_id.get(id)) else {
            return;
        };
        let over = now + transaction.timeout;
        self.set_timeout(id, self.next_look(over));
    }

    /// When a coordinator finds that something is over since `over`.
    fn next_look(&self, over: Instant) -> Instant {
        let interval = self.config.transaction_timeout_interval;
        let Some(started) = self.started.filter(|_| !interval.is_zero()) else {
            return over;
        };
        let elapsed = over.saturating_duration_since(started).as_nanos();
        let looks = u32::try_from(elapsed / interval.as_nanos()).unwrap_or(u32::MAX - 1);
        started + interval.saturating_mul(looks + 1)
    }

    fn set_timeout(&mut self, id: &str, at: Instant) {
        if let Some(transaction) = self.transactions.by_id.get_mut(id) {
            let timer = Timer::TransactionTimeout(id.into());
            transaction.deadline = Some(at);
            transaction.timeout_timer = Some(self.timers.set(at, timer));
        }
    }

    pub(super) fn stop_timeout(&mut self, id: &str) {
        let Some(transaction) = self.transactions.by_id.get_mut(id) else {
            return;
        };
        transaction.deadline = None;
        if let Some(timer) = transaction.timeout_timer.take() {
            self.timers.cancel(timer);
        }
    }
}

/// The participant that stands for the offsets of `group`.
pub(crate) fn offsets_participant(group: &str) -> Participant {
    (OFFSETS_TOPIC.into(), offsets_partition(group))
}

/// Milliseconds of a request; negative ones count as none.
pub(crate) fn millis(value: i32) -> Duration {
    Duration::from_millis(u64::try_from(value).unwrap_or(0))
}
