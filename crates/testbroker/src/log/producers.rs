//! What a partition remembers of the producers that write to it (Kafka's `ProducerStateManager`
//! and `ProducerAppendInfo`).

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use milena_wire::ErrorCode;
use milena_wire::record::BatchHeader;

use super::compact::LastWrites;
use super::{Marker, sequence};
use crate::limits::PRODUCERS_PER_PARTITION_MAX;

/// Batches remembered per producer: a copy of one of them is answered with the first offset.
/// Five is what a client may have in flight (`ProducerStateEntry.NUM_BATCHES_TO_RETAIN`).
const BATCHES_REMEMBERED: usize = 5;

/// The producers of one partition.
#[derive(Clone, Debug, Default)]
pub(crate) struct Producers {
    states: BTreeMap<i64, ProducerState>,
    /// Producers whose first batch of a transaction was seen but not appended yet.
    verifications: BTreeMap<i64, Verification>,
    /// (first offset, producer id) of every open transaction: the least one is the last stable offset.
    open: BTreeSet<(i64, i64)>,
    /// (first offset, offset of the marker) of ended transactions whose marker not all replicas in
    /// sync had when it was written.
    unreplicated: BTreeSet<(i64, i64)>,
    appends: u64,
}

/// What a partition remembers of a producer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProducerView {
    /// Its id.
    pub producer_id: i64,
    /// Its epoch.
    pub epoch: i16,
    /// The last sequence number it wrote in this epoch, -1 for none.
    pub last_sequence: i32,
    /// Time-stamp of what it wrote last, -1 for none.
    pub last_timestamp: i64,
    /// Epoch of the coordinator that wrote its last marker, -1 for none.
    pub coordinator_epoch: i32,
    /// Where its open transaction starts.
    pub transaction_start: Option<i64>,
}

#[derive(Clone, Debug)]
struct ProducerState {
    epoch: i16,
    coordinator_epoch: i32,
    batches: VecDeque<BatchMeta>,
    transaction_start: Option<i64>,
    seen: u64,
    /// Offset of the last thing it wrote, markers included.
    last_offset: i64,
    last_timestamp: i64,
}

#[derive(Clone, Copy, Debug)]
struct BatchMeta {
    first_sequence: i32,
    last_sequence: i32,
    base_offset: i64,
    last_offset: i64,
    timestamp: i64,
}

/// Kafka's `VerificationStateEntry`: while a lower sequence waits for its verification, higher
/// ones must not be written, or the lower could never be.
#[derive(Clone, Copy, Debug)]
struct Verification {
    epoch: i16,
    lowest_sequence: i32,
    epoch_bump: bool,
}

/// A transaction that a marker just ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EndedTransaction {
    pub(crate) first_offset: i64,
}

impl Producers {
    /// The first offset of the oldest open transaction.
    pub(crate) fn first_open_offset(&self) -> Option<i64> {
        self.open.first().map(|(offset, _)| *offset)
    }

    /// Whether this producer has a transaction open here, in whatever epoch: 3.9 asks for no more
    /// before it writes without a word with the coordinator.
    pub(crate) fn has_transaction_of_any_epoch(&self, producer_id: i64) -> bool {
        let state = self.states.get(&producer_id);
        state.is_some_and(|state| state.transaction_start.is_some())
    }

    /// Whether this producer has a transaction open here in this epoch.
    pub(crate) fn has_open_transaction(&self, producer_id: i64, epoch: i16) -> bool {
        self.states
            .get(&producer_id)
            .is_some_and(|state| state.epoch == epoch && state.transaction_start.is_some())
    }

    /// Whether a newer epoch of this producer has written here already.
    pub(crate) fn is_stale(&self, producer_id: i64, epoch: i16) -> bool {
        self.states
            .get(&producer_id)
            .is_some_and(|state| epoch < state.epoch)
    }

    /// A transactional batch is about to be verified with the transaction coordinator.
    pub(crate) fn start_verification(
        &mut self,
        producer_id: i64,
        epoch: i16,
        sequence: i32,
        epoch_bump: bool,
    ) {
        if self.verifications.len() >= PRODUCERS_PER_PARTITION_MAX {
            self.verifications.pop_first();
        }
        let entry = self
            .verifications
            .entry(producer_id)
            .or_insert(Verification {
                epoch,
                lowest_sequence: sequence,
                epoch_bump,
            });
        if epoch == entry.epoch && sequence < entry.lowest_sequence {
            entry.lowest_sequence = sequence;
        }
        if epoch > entry.epoch {
            entry.epoch = epoch;
            entry.lowest_sequence = sequence;
        }
    }

    /// Base offset and time-stamp of the remembered batch with exactly this epoch and range of
    /// sequences.
    pub(crate) fn duplicate_of(&self, header: &BatchHeader) -> Option<(i64, i64)> {
        let state = self.states.get(&header.producer_id)?;
        if state.epoch != header.producer_epoch {
            return None;
        }
        let last_sequence = sequence::add(header.base_sequence, header.last_offset_delta);
        state
            .batches
            .iter()
            .find(|batch| {
                batch.first_sequence == header.base_sequence && batch.last_sequence == last_sequence
            })
            .map(|batch| (batch.base_offset, batch.timestamp))
    }

    /// Whether a data batch may be appended now; changes nothing.
    pub(crate) fn check(&self, header: &BatchHeader, transactional: bool) -> Result<(), ErrorCode> {
        let state = self.states.get(&header.producer_id);
        if self.is_stale(header.producer_id, header.producer_epoch) {
            return Err(ErrorCode::INVALID_PRODUCER_EPOCH);
        }
        self.check_sequence(header, state)?;
        let open = state.is_some_and(|state| state.transaction_start.is_some());
        if open && !transactional {
            return Err(ErrorCode::INVALID_TXN_STATE);
        }
        Ok(())
    }

    fn check_sequence(
        &self,
        header: &BatchHeader,
        state: Option<&ProducerState>,
    ) -> Result<(), ErrorCode> {
        let first = header.base_sequence;
        if let Some(verification) = self.verifications.get(&header.producer_id) {
            let unknown = state.is_none_or(|state| state.batches.is_empty());
            if verification.epoch_bump && first != 0 && unknown {
                return Err(ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER);
            }
            if first > verification.lowest_sequence {
                return Err(ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER);
            }
        }
        // A producer the partition knows nothing of may start anywhere (KIP-360): its records may
        // have been deleted by retention.
        let Some(state) = state.filter(|state| state.epoch >= 0) else {
            return Ok(());
        };
        let expected = if state.epoch == header.producer_epoch {
            let last = state.batches.back().map_or(-1, |batch| batch.last_sequence);
            sequence::follows(last, first)
        } else {
            first == 0
        };
        if expected {
            Ok(())
        } else {
            Err(ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER)
        }
    }

    /// A data batch that passed [`Producers::check`] was written at `base_offset`.
    pub(crate) fn appended(&mut self, header: &BatchHeader, base_offset: i64, transactional: bool) {
        self.appends += 1;
        // A batch outside of any transaction leaves what is being verified as it is.
        if transactional {
            self.verifications.remove(&header.producer_id);
        }
        self.forget_one_if_full(header.producer_id);
        let seen = self.appends;
        let state = self
            .states
            .entry(header.producer_id)
            .or_insert_with(ProducerState::unknown);
        state.seen = seen;
        state.enter_epoch(header.producer_epoch);
        if state.batches.len() == BATCHES_REMEMBERED {
            state.batches.pop_front();
        }
        state.last_offset = base_offset + i64::from(header.last_offset_delta);
        state.last_timestamp = header.max_timestamp;
        state.batches.push_back(BatchMeta {
            first_sequence: header.base_sequence,
            last_sequence: sequence::add(header.base_sequence, header.last_offset_delta),
            base_offset,
            last_offset: state.last_offset,
            timestamp: header.max_timestamp,
        });
        if transactional && state.transaction_start.is_none() {
            state.transaction_start = Some(base_offset);
            self.open.insert((base_offset, header.producer_id));
        }
    }

    /// A group coordinator writes the offsets of a transaction: no sequences, only the epoch counts.
    pub(crate) fn write_offsets(&mut self, producer_id: i64, epoch: i16) -> Result<(), ErrorCode> {
        if self.is_stale(producer_id, epoch) {
            return Err(ErrorCode::INVALID_PRODUCER_EPOCH);
        }
        self.appends += 1;
        self.verifications.remove(&producer_id);
        self.forget_one_if_full(producer_id);
        let seen = self.appends;
        let state = self
            .states
            .entry(producer_id)
            .or_insert_with(ProducerState::unknown);
        state.seen = seen;
        state.enter_epoch(epoch);
        if state.transaction_start.is_none() {
            let place = i64::try_from(seen).unwrap_or(i64::MAX);
            state.transaction_start = Some(place);
            self.open.insert((place, producer_id));
        }
        Ok(())
    }

    /// Whether a marker with this epoch may be written. Under TV2 the coordinator raises the epoch
    /// before it writes the marker, so an equal epoch is a late copy: harmless only if no
    /// transaction is open (KAFKA-19999).
    pub(crate) fn check_marker(
        &self,
        producer_id: i64,
        epoch: i16,
        coordinator_epoch: i32,
        epoch_bump: bool,
    ) -> Result<(), ErrorCode> {
        let Some(state) = self.states.get(&producer_id) else {
            return Ok(());
        };
        let retry =
            epoch == state.epoch && (state.transaction_start.is_none() || epoch == i16::MAX);
        let valid = if epoch_bump {
            epoch > state.epoch || retry
        } else {
            epoch >= state.epoch
        };
        if !valid {
            return Err(ErrorCode::INVALID_PRODUCER_EPOCH);
        }
        if state.coordinator_epoch > coordinator_epoch {
            return Err(ErrorCode::TRANSACTION_COORDINATOR_FENCED);
        }
        Ok(())
    }

    /// A marker that passed [`Producers::check_marker`] was written.
    pub(crate) fn marked(
        &mut self,
        producer_id: i64,
        epoch: i16,
        coordinator_epoch: i32,
    ) -> Option<EndedTransaction> {
        self.appends += 1;
        self.verifications.remove(&producer_id);
        self.forget_one_if_full(producer_id);
        let seen = self.appends;
        let state = self
            .states
            .entry(producer_id)
            .or_insert_with(ProducerState::unknown);
        state.seen = seen;
        state.enter_epoch(epoch);
        state.coordinator_epoch = coordinator_epoch;
        let first_offset = state.transaction_start.take()?;
        self.open.remove(&(first_offset, producer_id));
        Some(EndedTransaction { first_offset })
    }

    /// The marker of a log's partition was written at `offset`.
    pub(crate) fn marked_at(&mut self, marker: &Marker, offset: i64) -> Option<EndedTransaction> {
        let ended = self.marked(marker.producer_id, marker.epoch, marker.coordinator_epoch);
        if let Some(state) = self.states.get_mut(&marker.producer_id) {
            state.last_offset = offset;
            state.last_timestamp = marker.timestamp;
        }
        ended
    }

    /// A marker found in the log when states are worked out again.
    pub(crate) fn replay_marker(&mut self, header: &BatchHeader, coordinator_epoch: i32) {
        self.marked(header.producer_id, header.producer_epoch, coordinator_epoch);
        if let Some(state) = self.states.get_mut(&header.producer_id) {
            state.last_offset = header.base_offset;
            state.last_timestamp = header.max_timestamp;
        }
    }

    /// The log was cut at `end`: producers that wrote something behind it are forgotten, to be
    /// worked out again; who they are.
    pub(crate) fn forget_since(&mut self, end: i64) -> BTreeSet<i64> {
        let lost = |state: &ProducerState| state.last_offset >= end;
        let all = self.states.iter().filter(|(_, state)| lost(state));
        let lost: BTreeSet<i64> = all.map(|(producer_id, _)| *producer_id).collect();
        self.states
            .retain(|producer_id, _| !lost.contains(producer_id));
        self.open
            .retain(|(_, producer_id)| !lost.contains(producer_id));
        self.unreplicated.retain(|(_, marker)| *marker < end);
        lost
    }

    /// Verifications are the leader's own.
    pub(crate) fn forget_verifications(&mut self) {
        self.verifications.clear();
    }

    /// A transaction was ended by a marker that followers do not have yet.
    pub(crate) fn await_replication(&mut self, first_offset: i64, marker: i64) {
        self.unreplicated.insert((first_offset, marker));
    }

    /// The high watermark is here now.
    pub(crate) fn replicated_until(&mut self, high_watermark: i64) {
        self.unreplicated
            .retain(|(_, marker)| *marker >= high_watermark);
    }

    /// First offset of a transaction that is open, or ended by a marker at or behind
    /// `high_watermark` (`ProducerStateManager.firstUnstableOffset`).
    pub(crate) fn first_unstable_offset(&self, high_watermark: i64) -> Option<i64> {
        let waits = |(_, marker): &&(i64, i64)| *marker >= high_watermark;
        let unreplicated = self.unreplicated.iter().find(waits);
        let unreplicated = unreplicated.map(|(first, _)| *first);
        unreplicated
            .into_iter()
            .chain(self.first_open_offset())
            .min()
    }

    /// What each producer wrote last.
    pub(super) fn last_writes(&self) -> LastWrites {
        let mut writes = LastWrites::default();
        for (producer_id, state) in &self.states {
            match state.batches.back() {
                Some(last) => {
                    writes.data.insert(*producer_id, last.last_offset);
                }
                None => {
                    writes.markers.insert(*producer_id, state.epoch);
                }
            }
        }
        writes
    }

    /// Forgets producers without a transaction whose last record is older than this, by the records'
    /// time (`ProducerStateManager.isProducerExpired`).
    pub(crate) fn expire(&mut self, now: i64, age_max: Duration) {
        let age_max = i64::try_from(age_max.as_millis()).unwrap_or(i64::MAX);
        self.states.retain(|_, state| {
            let age = now.saturating_sub(state.last_timestamp);
            state.transaction_start.is_some() || age < age_max
        });
    }

    /// Forgets all producers without a transaction, or one.
    pub(crate) fn lose(&mut self, producer_id: Option<i64>) -> usize {
        let before = self.states.len();
        self.verifications
            .retain(|id, _| producer_id.is_some_and(|lost| lost != *id));
        self.states.retain(|id, state| {
            let lost = producer_id.is_none_or(|lost| lost == *id);
            state.transaction_start.is_some() || !lost
        });
        before - self.states.len()
    }

    pub(crate) fn views(&self) -> impl Iterator<Item = ProducerView> {
        self.states.iter().map(|(producer_id, state)| ProducerView {
            producer_id: *producer_id,
            epoch: state.epoch,
            last_sequence: state.batches.back().map_or(-1, |last| last.last_sequence),
            last_timestamp: state.last_timestamp,
            coordinator_epoch: state.coordinator_epoch,
            transaction_start: state.transaction_start,
        })
    }

    /// Drops all that is known of a producer, as expiry or retention would. An open transaction
    /// stays: its records still hold back the last stable offset.
    pub(crate) fn forget(&mut self, producer_id: i64) -> bool {
        let open = self
            .states
            .get(&producer_id)
            .is_some_and(|state| state.transaction_start.is_some());
        if open {
            return false;
        }
        self.verifications.remove(&producer_id);
        self.states.remove(&producer_id).is_some()
    }

    fn forget_one_if_full(&mut self, arriving: i64) {
        if self.states.len() < PRODUCERS_PER_PARTITION_MAX || self.states.contains_key(&arriving) {
            return;
        }
        let oldest = self
            .states
            .iter()
            .filter(|(_, state)| state.transaction_start.is_none())
            .min_by_key(|(_, state)| state.seen)
            .map(|(producer_id, _)| *producer_id);
        if let Some(producer_id) = oldest {
            self.forget(producer_id);
        }
    }
}

impl ProducerState {
    fn unknown() -> Self {
        Self {
            epoch: -1,
            coordinator_epoch: -1,
            batches: VecDeque::new(),
            transaction_start: None,
            seen: 0,
            last_offset: -1,
            last_timestamp: -1,
        }
    }

    fn enter_epoch(&mut self, epoch: i16) {
        if self.epoch != epoch {
            self.batches.clear();
            self.epoch = epoch;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRODUCER: i64 = 7;

    /// A producer at epoch 5 whose last marker came from coordinator epoch 2.
    fn producers(open: bool) -> Producers {
        let mut producers = Producers::default();
        producers.marked(PRODUCER, 5, 2);
        if open {
            producers.write_offsets(PRODUCER, 5).unwrap();
        }
        producers
    }

    #[test]
    fn a_marker_under_tv2_needs_a_newer_epoch_while_a_transaction_is_open() {
        let late = Err(ErrorCode::INVALID_PRODUCER_EPOCH);
        assert_eq!(producers(true).check_marker(PRODUCER, 5, 2, true), late);
        assert_eq!(producers(true).check_marker(PRODUCER, 6, 2, true), Ok(()));
        assert_eq!(
            producers(false).check_marker(PRODUCER, 5, 2, true),
            Ok(()),
            "a harmless copy"
        );
        assert_eq!(producers(false).check_marker(PRODUCER, 4, 2, true), late);
    }

    #[test]
    fn a_marker_under_tv1_keeps_the_epoch() {
        let late = Err(ErrorCode::INVALID_PRODUCER_EPOCH);
        assert_eq!(producers(true).check_marker(PRODUCER, 5, 2, false), Ok(()));
        assert_eq!(producers(true).check_marker(PRODUCER, 4, 2, false), late);
    }

    #[test]
    fn a_marker_of_an_older_coordinator_is_refused() {
        let fenced = Err(ErrorCode::TRANSACTION_COORDINATOR_FENCED);
        assert_eq!(producers(true).check_marker(PRODUCER, 6, 1, true), fenced);
        assert_eq!(producers(true).check_marker(PRODUCER, 6, 3, true), Ok(()));
    }

    #[test]
    fn the_least_recently_seen_producer_without_a_transaction_is_forgotten() {
        let mut producers = Producers::default();
        producers.write_offsets(0, 0).unwrap();
        for producer_id in 1..PRODUCERS_PER_PARTITION_MAX as i64 {
            producers.marked(producer_id, 0, 0);
        }
        producers.marked(1, 1, 0);
        producers.marked(-5, 0, 0);
        assert_eq!(producers.states.len(), PRODUCERS_PER_PARTITION_MAX);
        assert!(producers.states.contains_key(&0), "its transaction is open");
        assert!(producers.states.contains_key(&1), "seen lately");
        assert!(!producers.states.contains_key(&2));
    }
}
