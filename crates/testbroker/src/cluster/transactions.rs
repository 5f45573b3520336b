//! The transaction coordinator's work on the cluster: adding partitions, ending, markers, time-outs.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use milena_wire::ErrorCode;

use super::{Cluster, CoordinatorKind, OFFSETS_TOPIC};
use crate::config::Emulate;
use crate::group::offsets_partition;
use crate::limits::TRANSACTIONAL_IDS_MAX;
use crate::log::Marker;
use crate::timers::Timer;
use crate::transaction::{
    EndAnswer, EndRequest, Identity, InitAnswer, InitRequest, Participant, Transaction,
};

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
        if request.timeout.is_zero() || request.timeout > self.config.transaction_timeout_max {
            return Err(ErrorCode::INVALID_TRANSACTION_TIMEOUT);
        }
        if !self.transactions.by_id.contains_key(id) {
            if self.transactions.by_id.len() >= TRANSACTIONAL_IDS_MAX {
                return Err(ErrorCode::COORDINATOR_NOT_AVAILABLE);
            }
            let producer_id = self.transactions.allocate_producer_id();
            let created = Transaction::new(producer_id, request.timeout);
            self.transactions.by_id.insert(id.into(), created);
        }
        let answer = self
            .transactions
            .with_fresh_id(id, |transaction, fresh_id| {
                transaction.init(request, fresh_id)
            })?;
        match answer? {
            InitAnswer::Identity(identity) => Ok(identity),
            InitAnswer::FenceAndAbort => {
                self.fence_and_abort(id);
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
        let Some((id, _)) = self.transactions.by_id.get_key_value(id) else {
            return Err(ErrorCode::INVALID_PRODUCER_ID_MAPPING);
        };
        let id = id.clone();
        let transaction = self.transactions.by_id.get_mut(&id).expect("just found");
        let opened = transaction.add(identity, partitions, pending_first)?;
        if opened {
            let deadline = self
                .now()
                .map(|now| now + self.transactions.by_id[&id].timeout);
            let timer = deadline.map(|deadline| {
                self.timers
                    .set(deadline, Timer::TransactionTimeout(id.clone()))
            });
            self.transactions
                .by_id
                .get_mut(&id)
                .expect("just found")
                .timeout_timer = timer;
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
            let joined = self.add_to_transaction(id, identity, partitions.iter().cloned());
            return joined.map(|()| Vec::new()).map_err(for_writers);
        }
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
        let answer = self
            .transactions
            .with_fresh_id(id, |transaction, fresh_id| {
                let answer = if raises_epoch {
                    transaction.end_raising_epoch(request, fresh_id)
                } else {
                    transaction.end_keeping_epoch(request)
                };
                answer.map(|answer| (answer, transaction.identity_after_completion()))
            })?;
        let (answer, identity) = answer?;
        if answer == EndAnswer::Prepared {
            self.prepared(id);
        }
        Ok(identity)
    }

    /// The open transaction's time is over.
    pub(crate) fn time_out_transaction(&mut self, id: &str) {
        let open = self
            .transactions
            .by_id
            .get(id)
            .is_some_and(|found| found.state == crate::TransactionState::Ongoing);
        if open {
            self.fence_and_abort(id);
        }
    }

    fn fence_and_abort(&mut self, id: &str) {
        let epoch_bump = self.raises_epochs();
        let fenced = self
            .transactions
            .with_fresh_id(id, |transaction, fresh_id| {
                transaction.fence_and_abort(epoch_bump, fresh_id);
            });
        if fenced.is_ok() {
            self.prepared(id);
        }
    }

    /// The decision is taken: the markers follow after `marker_delay`.
    fn prepared(&mut self, id: &str) {
        self.stop_timeout(id);
        let delay = self.config.marker_delay;
        match self.now() {
            Some(now) if !delay.is_zero() => {
                self.timers.set(now + delay, Timer::Markers(id.into()));
            }
            _ => self.write_markers(id),
        }
    }

    fn stop_timeout(&mut self, id: &str) {
        let transaction = self.transactions.by_id.get_mut(id);
        if let Some(timer) = transaction.and_then(|found| found.timeout_timer.take()) {
            self.timers.cancel(timer);
        }
    }

    /// Writes the markers of a prepared transaction wherever there is a leader, and completes it if
    /// none is missing. What is missing is written when a node or a leader comes back.
    pub(crate) fn write_markers(&mut self, id: &str) {
        let Some(transaction) = self.transactions.by_id.get(id) else {
            return;
        };
        let kind = CoordinatorKind::Transaction;
        let reachable = self.check_coordinator_reachable(kind, id);
        let waits = self.markers_paused || reachable == Err(ErrorCode::COORDINATOR_NOT_AVAILABLE);
        if !transaction.state.is_prepared() || waits {
            return;
        }
        let marker = Marker {
            producer_id: transaction.producer_id,
            epoch: transaction.epoch,
            coordinator_epoch: self.coordinators.epoch(kind, id),
            leader_epoch: 0,
            committed: transaction.state == crate::TransactionState::PrepareCommit,
            epoch_bump: transaction.epoch_bump,
            timestamp: self.wall_clock(),
        };
        for participant in transaction.partitions.clone() {
            if self.write_marker(&participant, marker) {
                let transaction = self.transactions.by_id.get_mut(id).expect("just found");
                transaction.partitions.remove(&participant);
            }
        }
        let transaction = self.transactions.by_id.get_mut(id).expect("just found");
        if transaction.partitions.is_empty() {
            transaction.complete();
        }
    }

    /// Markers that could not be written, or were held back, and may be written now.
    pub(crate) fn write_due_markers(&mut self) {
        let prepared = |(id, transaction): (&Arc<str>, &Transaction)| {
            transaction.state.is_prepared().then(|| id.clone())
        };
        let prepared: Vec<_> = self
            .transactions
            .by_id
            .iter()
            .filter_map(prepared)
            .collect();
        for id in prepared {
            if !self.timers.has_markers(&id) {
                self.write_markers(&id);
            }
        }
    }

    /// True if the marker is written or never will have to be (the topic is gone, or a newer
    /// marker is there already).
    fn write_marker(&mut self, (topic, index): &Participant, marker: Marker) -> bool {
        if **topic == *OFFSETS_TOPIC {
            self.end_offsets(*index, &marker);
            return true;
        }
        let Some(leader) = self
            .topics
            .partition(topic, *index)
            .map(|found| found.leader)
        else {
            return true;
        };
        if !self.is_up(leader) {
            return false;
        }
        let partition = self
            .topics
            .partition_mut(topic, *index)
            .expect("just found");
        let marker = Marker {
            leader_epoch: partition.leader_epoch,
            ..marker
        };
        let before = partition.log.bytes();
        // An error means that the partition has seen a newer epoch: Kafka's coordinator gives up on
        // such a marker as well.
        let _ = partition.log.append_marker(&marker);
        let after = partition.log.bytes();
        self.topics.log_bytes += after - before;
        self.wake(topic, *index);
        true
    }

    fn end_offsets(&mut self, partition: i32, marker: &Marker) {
        let producers = self.groups.producers_mut(partition);
        let checked = producers.check_marker(
            marker.producer_id,
            marker.epoch,
            marker.coordinator_epoch,
            marker.epoch_bump,
        );
        if checked.is_ok() {
            producers.marked(marker.producer_id, marker.epoch, marker.coordinator_epoch);
            self.groups
                .end_transaction(partition, marker.producer_id, marker.committed);
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
