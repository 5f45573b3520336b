//! A partition's log that answers as Kafka's leader does: whole batches, cut at the last stable offset, with the list of
//! aborted transactions that overlap what is returned.

use std::collections::BTreeMap;

use bytes::Bytes;
use milena_consumer::IsolationLevel;
use milena_wire::messages::{AbortedTransaction, PartitionData};
use milena_wire::{ErrorCode, Payload};

use crate::batch::{ABORT, COMMIT, Spec, marker};

#[derive(Clone, Debug, Default)]
pub(crate) struct Log {
    batches: Vec<Stored>,
    pub(crate) start: i64,
    pub(crate) end: i64,
    pub(crate) epoch: i32,
    /// First offset of each open transaction.
    open: BTreeMap<i64, i64>,
    aborted: Vec<Aborted>,
    /// What a read_committed reader has to see of what is decided, and a read_uncommitted one of everything.
    written: Vec<Written>,
}

#[derive(Clone, Debug)]
struct Stored {
    base: i64,
    last: i64,
    bytes: Bytes,
}

#[derive(Clone, Copy, Debug)]
struct Aborted {
    producer: i64,
    first: i64,
    marker: i64,
}

#[derive(Clone, Debug)]
struct Written {
    offset: i64,
    value: String,
    producer: Option<i64>,
    visible: bool,
}

impl Log {
    pub(crate) fn append(&mut self, values: &[&str]) -> i64 {
        self.store(Spec::data(self.end, values), values, None)
    }

    /// What an idempotent producer writes outside of any transaction.
    pub(crate) fn append_by(&mut self, producer: i64, values: &[&str]) -> i64 {
        self.store(Spec::data(self.end, values).by(producer), values, None)
    }

    pub(crate) fn transact(&mut self, producer: i64, values: &[&str]) -> i64 {
        self.open.entry(producer).or_insert(self.end);
        self.store(
            Spec::data(self.end, values).transactional(producer),
            values,
            Some(producer),
        )
    }

    pub(crate) fn commit(&mut self, producer: i64) {
        self.open.remove(&producer);
        for written in self
            .written
            .iter_mut()
            .filter(|written| written.producer == Some(producer))
        {
            (written.visible, written.producer) = (true, None);
        }
        self.push(marker(self.end, producer, &COMMIT), 1);
    }

    pub(crate) fn abort(&mut self, producer: i64) {
        if let Some(first) = self.open.remove(&producer) {
            self.aborted.push(Aborted {
                producer,
                first,
                marker: self.end,
            });
        }
        for written in self
            .written
            .iter_mut()
            .filter(|written| written.producer == Some(producer))
        {
            written.producer = None;
        }
        self.push(marker(self.end, producer, &ABORT), 1);
    }

    /// Offsets that no batch has any more.
    pub(crate) fn gap(&mut self, offsets: i64) {
        self.end += offsets;
    }

    pub(crate) fn last_stable_offset(&self) -> i64 {
        self.open.values().copied().min().unwrap_or(self.end)
    }

    /// What a reader from offset 0 has to see.
    pub(crate) fn expected(&self, isolation: IsolationLevel) -> Vec<(i64, String)> {
        let committed = isolation == IsolationLevel::ReadCommitted;
        let below = if committed {
            self.last_stable_offset()
        } else {
            self.end
        };
        let seen = self
            .written
            .iter()
            .filter(|written| written.offset < below && (written.visible || !committed));
        seen.map(|written| (written.offset, written.value.clone()))
            .collect()
    }

    /// The answer to a Fetch from `position` of at most `bytes_max` bytes, but at least one batch.
    pub(crate) fn read(
        &self,
        position: i64,
        bytes_max: usize,
        isolation: IsolationLevel,
    ) -> PartitionData {
        let mut data = PartitionData {
            high_watermark: self.end,
            last_stable_offset: self.last_stable_offset(),
            log_start_offset: self.start,
            ..PartitionData::default()
        };
        if position < self.start || position > self.end {
            data.error_code = ErrorCode::OFFSET_OUT_OF_RANGE;
            (
                data.high_watermark,
                data.last_stable_offset,
                data.log_start_offset,
            ) = (-1, -1, -1);
            return data;
        }
        let committed = isolation == IsolationLevel::ReadCommitted;
        let below = if committed {
            self.last_stable_offset()
        } else {
            self.end
        };
        let mut parts = Vec::new();
        let (mut len, mut upto) = (0, position);
        for batch in self
            .batches
            .iter()
            .filter(|batch| batch.last >= position && batch.base < below)
        {
            if !parts.is_empty() && len + batch.bytes.len() > bytes_max {
                break;
            }
            len += batch.bytes.len();
            upto = batch.last + 1;
            parts.push(batch.bytes.clone());
        }
        let overlaps = |aborted: &&Aborted| aborted.first < upto && aborted.marker >= position;
        data.aborted_transactions = committed.then(|| {
            self.aborted
                .iter()
                .filter(overlaps)
                .map(Aborted::listed)
                .collect()
        });
        data.records = Some(Payload::new(vec![parts.concat().into()]));
        data
    }

    fn store(&mut self, spec: Spec, values: &[&str], producer: Option<i64>) -> i64 {
        let base = self.end;
        for (offset, value) in (base..).zip(values) {
            self.written.push(Written {
                offset,
                value: (*value).to_owned(),
                producer,
                visible: producer.is_none(),
            });
        }
        self.push(spec.epoch(self.epoch).bytes(), values.len() as i64);
        base
    }

    fn push(&mut self, bytes: Bytes, offsets: i64) {
        let base = self.end;
        self.end += offsets;
        self.batches.push(Stored {
            base,
            last: self.end - 1,
            bytes,
        });
    }
}

impl Aborted {
    fn listed(&self) -> AbortedTransaction {
        AbortedTransaction {
            producer_id: self.producer,
            first_offset: self.first,
        }
    }
}
