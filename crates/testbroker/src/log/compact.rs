//! Compaction (`Cleaner`, `CleanedTransactionMetadata`): the last value of each key stays, what was
//! aborted goes, and batches keep their place, so that readers meet gaps and batches without
//! records.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use milena_wire::compress::Compressor;
use milena_wire::record::{
    self, BatchHeader, BatchView, Compression, ControlRecord, HEADER_LEN, RecordRef,
};

use super::rewrite::{self, DELETE_HORIZON, LOG_APPEND_TIME};
use super::{AbortedTransaction, PartitionLog};
use crate::cluster::Codecs;

/// What of an emptied batch's attributes is kept: its kind, not its codec.
const KIND_MASK: i16 = !0x07 & !DELETE_HORIZON;

/// How a topic wants to be compacted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Compaction {
    /// Milliseconds since 1970.
    pub(crate) now: i64,
    /// How long tombstones and markers are kept once they could go.
    pub(crate) delete_retention: Duration,
    /// How old a record must be to be touched.
    pub(crate) lag_min: Duration,
    /// Whether the newest segment is left alone (`LogCleanerManager.cleanableOffsets`), and what
    /// segments are then.
    pub(crate) segments: Option<Segments>,
}

/// What a segment is, where logs are not kept in any.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Segments {
    pub(crate) bytes_max: usize,
    /// From its first batch to its last.
    pub(crate) age_max: Option<Duration>,
}

impl PartitionLog {
    /// Compacts what is stable.
    pub(crate) fn compact(&mut self, how: Compaction, codecs: &mut Codecs) {
        let until = self.compactable_until(how);
        let latest = self.latest_offsets(until, codecs);
        let last_of_producers = self.producers.last_writes();
        let high_watermark = self.high_watermark();
        let mut sweep = Sweep::new(&self.aborted);
        let mut kept = VecDeque::with_capacity(self.batches.len());
        for batch in std::mem::take(&mut self.batches) {
            if batch.last_offset() >= until {
                kept.push_back(batch);
                continue;
            }
            let may_go = sweep.at(&batch);
            let horizon = delete_horizon(batch.header());
            let expired = horizon.is_some_and(|horizon| horizon <= how.now);
            let emptied = may_go && (!batch.is_control() || expired);
            let header = batch.header();
            // A producer's last batch says where its sequence and epoch are, and the last of all
            // where the log ends.
            let stays = last_of_producers.is_last(header, batch.is_control())
                || batch.next_offset() == high_watermark;
            let filter = Filter {
                latest: &latest,
                emptied,
                expired,
                marker_may_go: may_go && batch.is_control(),
                new_horizon: horizon.is_none().then(|| how.horizon()),
            };
            if emptied && !stays {
                continue;
            }
            match filter.apply(&batch, codecs) {
                Some(filtered) => kept.push_back(filtered),
                None if stays => kept.extend(without_records(header)),
                None => {}
            }
        }
        self.batches = kept;
        self.bytes = self.batches.iter().map(|it| it.bytes().len() as u64).sum();
        let gone = sweep.gone;
        self.aborted
            .retain(|aborted| !gone.contains(&aborted.last_offset));
    }

    /// Nothing unstable is touched, nor from the first batch on that is too young.
    fn compactable_until(&self, how: Compaction) -> i64 {
        let stable = self.last_stable_offset();
        let stable = match how.segments {
            Some(segments) => stable.min(self.newest_segment(segments)),
            None => stable,
        };
        let lag = i64::try_from(how.lag_min.as_millis()).unwrap_or(i64::MAX);
        if lag == 0 {
            return stable;
        }
        let oldest_young = how.now.saturating_sub(lag);
        let young = |batch: &&BatchView| batch.header().max_timestamp > oldest_young;
        let first = self.batches.iter().find(young);
        first.map_or(stable, |batch| stable.min(batch.header().base_offset))
    }

    /// Where the newest segment begins, if the log as it is had just been written.
    fn newest_segment(&self, segments: Segments) -> i64 {
        let age_max = segments.age_max.map_or(i64::MAX, |age| {
            i64::try_from(age.as_millis()).unwrap_or(i64::MAX)
        });
        let (mut start, mut bytes, mut began) = (0, 0, 0);
        for batch in &self.batches {
            let (header, len) = (batch.header(), batch.bytes().len());
            let old = header.max_timestamp.saturating_sub(began) > age_max;
            if bytes == 0 || old || bytes + len > segments.bytes_max {
                (start, bytes, began) = (header.base_offset, 0, header.max_timestamp);
            }
            bytes += len;
        }
        start
    }

    /// The offset of each key's last record that counts.
    fn latest_offsets(&self, until: i64, codecs: &mut Codecs) -> BTreeMap<Bytes, i64> {
        let mut latest = BTreeMap::new();
        let mut sweep = Sweep::new(&self.aborted);
        for batch in self
            .batches
            .iter()
            .take_while(|batch| batch.last_offset() < until)
        {
            if sweep.at(batch) || batch.is_control() {
                continue;
            }
            // What cannot be read is left alone.
            let _ = batch
                .clone()
                .visit_records(&mut codecs.decompressor, |record| {
                    if let Some(key) = record.key() {
                        latest.insert(Bytes::copy_from_slice(key), record.offset());
                    }
                });
        }
        latest
    }
}

impl Compaction {
    fn horizon(self) -> i64 {
        let retention = i64::try_from(self.delete_retention.as_millis()).unwrap_or(i64::MAX);
        self.now.saturating_add(retention)
    }
}

/// When tombstones and markers of a batch may go, if they were seen before.
fn delete_horizon(header: &BatchHeader) -> Option<i64> {
    (header.attributes & DELETE_HORIZON != 0).then_some(header.base_timestamp)
}

/// What a producer wrote last: its sequence or, where it has none, its epoch must not be lost.
#[derive(Debug, Default)]
pub(super) struct LastWrites {
    /// By producer.
    pub(super) data: BTreeMap<i64, i64>,
    /// Producers that have only ended transactions, with their epoch.
    pub(super) markers: BTreeMap<i64, i16>,
}

impl LastWrites {
    fn is_last(&self, header: &BatchHeader, control: bool) -> bool {
        match self.data.get(&header.producer_id) {
            Some(offset) => header.last_offset() == *offset,
            None => {
                let epoch = self.markers.get(&header.producer_id);
                control && epoch == Some(&header.producer_epoch)
            }
        }
    }
}

/// Goes through a log and knows of each batch whether its transaction was aborted, of each marker
/// whether something of its transaction is left.
struct Sweep {
    /// By first offset.
    ahead: VecDeque<AbortedTransaction>,
    /// Aborted transactions begun, and whether a batch of them was seen.
    aborted: BTreeMap<i64, bool>,
    /// Producers of which a batch was seen that is not aborted.
    committed: BTreeSet<i64>,
    /// ABORT markers of which nothing is left: the aborted index need not know of them.
    gone: BTreeSet<i64>,
}

impl Sweep {
    fn new(aborted: &[AbortedTransaction]) -> Self {
        let mut ahead: Vec<_> = aborted.to_vec();
        ahead.sort_by_key(|aborted| aborted.first_offset);
        Self {
            ahead: ahead.into(),
            aborted: BTreeMap::new(),
            committed: BTreeSet::new(),
            gone: BTreeSet::new(),
        }
    }

    /// Whether the batch may go: data because it was aborted, a marker because nothing is left that
    /// it is about.
    fn at(&mut self, batch: &BatchView) -> bool {
        while let Some(next) = self.ahead.front()
            && next.first_offset <= batch.last_offset()
        {
            self.aborted.entry(next.producer_id).or_insert(false);
            self.ahead.pop_front();
        }
        let producer_id = batch.header().producer_id;
        if !batch.is_control() {
            if !batch.is_transactional() {
                return false;
            }
            let Some(seen) = self.aborted.get_mut(&producer_id) else {
                self.committed.insert(producer_id);
                return false;
            };
            *seen = true;
            return true;
        }
        match batch.control() {
            Ok(Some(ControlRecord::Abort { .. })) => {
                let something_left = self.aborted.remove(&producer_id) == Some(true);
                if !something_left {
                    self.gone.insert(batch.last_offset());
                }
                !something_left
            }
            Ok(Some(ControlRecord::Commit { .. })) => !self.committed.remove(&producer_id),
            // Emptied before.
            Ok(None) => true,
            Ok(Some(ControlRecord::Unknown { .. })) | Err(_) => false,
        }
    }
}

/// Which records of a batch stay.
struct Filter<'a> {
    latest: &'a BTreeMap<Bytes, i64>,
    /// None.
    emptied: bool,
    /// Whether its tombstones have had their time.
    expired: bool,
    /// A marker that may go once its time is over.
    marker_may_go: bool,
    /// When what may go later goes, if that was not said before.
    new_horizon: Option<i64>,
}

impl Filter<'_> {
    fn keeps(&self, batch: &BatchView, record: &RecordRef<'_>) -> bool {
        if self.emptied || batch.is_control() {
            return !self.emptied;
        }
        // A compacted topic has no use for a record without a key.
        let Some(key) = record.key() else {
            return false;
        };
        let last = self
            .latest
            .get(key)
            .is_none_or(|latest| record.offset() >= *latest);
        last && (record.value().is_some() || !self.expired)
    }

    /// The batch with what stays of it; `None` if nothing does.
    fn apply(&self, batch: &BatchView, codecs: &mut Codecs) -> Option<BatchView> {
        let Ok(records) = batch.clone().into_records_with(&mut codecs.decompressor) else {
            return Some(batch.clone());
        };
        let keeps = |record: &RecordRef<'_>| self.keeps(batch, record);
        let kept: Vec<_> = records.records().filter(keeps).collect();
        if kept.is_empty() {
            return None;
        }
        let tombstones = kept.iter().any(|record| record.value().is_none());
        let waits = tombstones || self.marker_may_go;
        let new_horizon = self.new_horizon.filter(|_| waits);
        if kept.len() == records.len() && new_horizon.is_none() {
            return Some(batch.clone());
        }
        let mut header = *batch.header();
        if let Some(horizon) = new_horizon {
            header.attributes |= DELETE_HORIZON;
            header.base_timestamp = horizon;
        } else if header.attributes & DELETE_HORIZON == 0 {
            header.base_timestamp = kept[0].timestamp();
        }
        if header.attributes & LOG_APPEND_TIME == 0 {
            let times = kept.iter().map(RecordRef::timestamp);
            header.max_timestamp = times.max().unwrap_or(-1);
        }
        header.record_count = i32::try_from(kept.len()).unwrap_or(i32::MAX);
        let mut encoded = BytesMut::new();
        for record in &kept {
            rewrite::put_record(&mut encoded, &header, record);
        }
        let codec = batch.compression();
        let sealed = rewrite::sealed(header, &encoded.freeze(), codec, &mut codecs.compressor);
        parsed(sealed)
    }
}

/// A header alone, as a batch (`DefaultRecordBatch.writeEmptyHeader`).
fn without_records(header: &BatchHeader) -> Option<BatchView> {
    let mut header = *header;
    header.attributes &= KIND_MASK;
    header.base_timestamp = -1;
    header.record_count = 0;
    let mut compressor = Compressor::default();
    let sealed = rewrite::sealed(header, &Bytes::new(), Compression::None, &mut compressor);
    debug_assert_eq!(sealed.len(), HEADER_LEN);
    parsed(sealed)
}

fn parsed(batch: Bytes) -> Option<BatchView> {
    record::batches(batch).next().and_then(Result::ok)
}
