//! The markers that end transactions: who writes them where, and what becomes of those that cannot
//! be written (`TransactionMarkerChannelManager`, `TransactionMarkerRequestCompletionHandler`).

use std::sync::Arc;
use std::time::Duration;

use milena_wire::ErrorCode;

use super::{Cluster, CoordinatorKind, OFFSETS_TOPIC};
use crate::limits::OFFSETS_PARTITIONS;
use crate::log::Marker;
use crate::timers::Timer;
use crate::transaction::{Participant, Transaction, TransactionState, Unreplicated};

/// How soon a marker is sent again to a partition with too few replicas in sync.
const RETRY: Duration = Duration::from_millis(100);

/// What became of a marker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// All replicas in sync have it, or the partition is gone.
    Done,
    /// It is written, and will be counted when all replicas in sync have it.
    Written(Unreplicated),
    /// There is no leader now; written when there is one.
    Waits,
    /// Too few replicas are in sync.
    TryAgain,
    /// The partition knows a newer epoch.
    Refused(ErrorCode),
}

impl Cluster {
    /// The decision is taken: the markers follow after `marker_delay`.
    pub(super) fn prepared(&mut self, id: &str) {
        self.stop_timeout(id);
        // With nobody to tell there is nothing to wait for, nor to hold back.
        let found = self.transactions.by_id.get(id);
        if found.is_some_and(|transaction| transaction.partitions.is_empty()) {
            return self.complete_if_marked(id);
        }
        let delay = self.config.marker_delay;
        match self.now() {
            Some(now) if !delay.is_zero() => {
                self.timers.set(now + delay, Timer::Markers(id.into()));
            }
            _ => self.write_markers(id),
        }
    }

    /// Writes the markers of a prepared transaction wherever there is a leader, and completes it if
    /// none is missing. What is missing is written when a node or a leader comes back.
    pub(crate) fn write_markers(&mut self, id: &str) {
        let Some(transaction) = self.transactions.by_id.get(id) else {
            return;
        };
        let kind = CoordinatorKind::Transaction;
        let pauses = &self.transactions.pauses;
        let waits = pauses.all
            || pauses.ids.contains(id)
            || transaction.markers_refused.is_some()
            || self.check_coordinator_reachable(kind, id).is_err();
        if !transaction.state.is_prepared() || waits {
            return;
        }
        let marker = Marker {
            producer_id: transaction.producer_id,
            epoch: transaction.epoch,
            coordinator_epoch: self.coordinators.epoch(kind, id),
            leader_epoch: 0,
            committed: transaction.state == TransactionState::PrepareCommit,
            epoch_bump: transaction.epoch_bump,
            timestamp: self.wall_clock(),
            log_append_time: false,
        };
        let mut again = false;
        for participant in transaction.partitions.clone() {
            if self.transactions.pauses.partitions.contains(&participant) {
                continue;
            }
            let written = self.transactions.by_id.get(id);
            let written = written.and_then(|found| found.unreplicated.get(&participant).copied());
            let fate = match written.and_then(|written| self.look_at(&participant, written)) {
                Some(fate) => fate,
                None => self.write_marker(&participant, marker),
            };
            let Some(transaction) = self.transactions.by_id.get_mut(id) else {
                return;
            };
            match fate {
                Fate::Done => {
                    transaction.partitions.remove(&participant);
                    transaction.unreplicated.remove(&participant);
                }
                Fate::Written(written) => {
                    transaction.unreplicated.insert(participant, written);
                }
                // A node that is down may lose what it had written.
                Fate::Waits => {
                    transaction.unreplicated.remove(&participant);
                }
                Fate::TryAgain => again = true,
                // The others are on their way already, but none is sent again: the transaction
                // stays as it is until the next coordinator tries.
                Fate::Refused(error) => transaction.markers_refused = Some(error),
            }
        }
        self.complete_if_marked(id);
        let given_up = self.transactions.by_id.get(id);
        let given_up = given_up.is_none_or(|found| found.markers_refused.is_some());
        if let Some(now) = self.now().filter(|_| again && !given_up) {
            self.timers.set(now + RETRY, Timer::Markers(id.into()));
        }
    }

    fn complete_if_marked(&mut self, id: &str) {
        let (now, level) = (self.wall_clock(), self.transaction_version());
        let transaction = self.transactions.by_id.get_mut(id);
        if let Some(transaction) = transaction.filter(|found| found.partitions.is_empty()) {
            transaction.complete(now);
            transaction.logged_under = level;
        }
    }

    /// Markers that could not be written or were held back, and transactions whose time ran out
    /// while nobody could abort them: what can be done about them now.
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
        self.time_out_overdue();
    }

    fn write_marker(&mut self, (topic, index): &Participant, marker: Marker) -> Fate {
        if **topic == *OFFSETS_TOPIC {
            return match self.end_offsets(*index, &marker) {
                Ok(()) => Fate::Done,
                Err(error) => Fate::Refused(error),
            };
        }
        let Some(partition) = self.topics.partition(topic, *index) else {
            return Fate::Done;
        };
        if !self.is_up(partition.leader) {
            return Fate::Waits;
        }
        match self.append_marker(topic, *index, marker) {
            Ok(()) => self.replicated(topic, *index),
            Err(ErrorCode::NOT_ENOUGH_REPLICAS) => Fate::TryAgain,
            Err(error) => Fate::Refused(error),
        }
    }

    /// Whether all replicas in sync have the marker that was just written.
    fn replicated(&self, topic: &str, index: i32) -> Fate {
        let found = self.topics.get(topic);
        let partition = self.topics.partition(topic, index);
        let Some((topic, partition)) = found.zip(partition) else {
            return Fate::Done;
        };
        if partition.log.high_watermark() == partition.log.log_end_offset() {
            return Fate::Done;
        }
        Fate::Written(Unreplicated {
            topic: topic.id,
            end: partition.log.log_end_offset(),
            leader_epoch: partition.leader_epoch,
        })
    }

    /// What has become of a marker that was written before; `None`: it has to be written again, as
    /// somebody has led in between who may not have had it.
    fn look_at(&self, (topic, index): &Participant, written: Unreplicated) -> Option<Fate> {
        let found = self.topics.get(topic);
        let found = found.filter(|found| found.id == written.topic)?;
        let partition = found.partitions.get(usize::try_from(*index).ok()?)?;
        if partition.led_since > written.leader_epoch || !self.is_up(partition.leader) {
            return None;
        }
        Some(match partition.log.high_watermark() >= written.end {
            true => Fate::Done,
            false => Fate::Written(written),
        })
    }

    /// Appends a marker at the leader of a partition.
    fn append_marker(
        &mut self,
        topic: &Arc<str>,
        index: i32,
        marker: Marker,
    ) -> Result<(), ErrorCode> {
        let wanted = self.topics.get(topic).map(|found| &found.config);
        let min_isr = wanted.map_or(1, |config| config.min_insync_replicas);
        let log_append_time = wanted.is_some_and(|config| config.log_append_time);
        let Some(partition) = self.topics.partition_mut(topic, index) else {
            return Err(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
        };
        if partition.is_under_min_isr(min_isr) {
            return Err(ErrorCode::NOT_ENOUGH_REPLICAS);
        }
        let marker = Marker {
            leader_epoch: partition.leader_epoch,
            log_append_time,
            ..marker
        };
        let before = partition.log.bytes();
        let appended = partition.log.append_marker(&marker);
        let after = partition.log.bytes();
        self.topics.log_bytes += after - before;
        self.wake(topic, index);
        appended
    }

    /// WriteTxnMarkers at `node`, as another node or an administrator's tool sends it.
    pub(crate) fn write_marker_at(
        &mut self,
        node: i32,
        topic: &str,
        index: i32,
        marker: Marker,
    ) -> Result<(), ErrorCode> {
        if topic == OFFSETS_TOPIC && (0..OFFSETS_PARTITIONS).contains(&index) {
            return self.end_offsets(index, &marker);
        }
        let partition = self.topics.partition(topic, index);
        let partition = partition.filter(|found| found.replicas.contains(&node));
        let Some(partition) = partition else {
            return Err(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
        };
        if partition.leader != node {
            return Err(ErrorCode::NOT_LEADER_OR_FOLLOWER);
        }
        self.append_marker(&topic.into(), index, marker)
    }

    fn end_offsets(&mut self, partition: i32, marker: &Marker) -> Result<(), ErrorCode> {
        let producers = self.groups.producers_mut(partition);
        producers.check_marker(
            marker.producer_id,
            marker.epoch,
            marker.coordinator_epoch,
            marker.epoch_bump,
        )?;
        producers.marked(marker.producer_id, marker.epoch, marker.coordinator_epoch);
        self.groups
            .end_transaction(partition, marker.producer_id, marker.committed);
        Ok(())
    }
}
