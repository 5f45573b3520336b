//! The leader of one partition, as far as a producer can tell: Kafka's checks of epoch and sequence
//! (`ProducerAppendInfo`, `ProducerStateEntry`), and a memory of five batches.

use std::collections::VecDeque;

use milena_wire::record::{BatchView, batches};
use milena_wire::{ErrorCode, Payload};

/// What a broker remembers of the one producer there is.
#[derive(Debug)]
struct Known {
    epoch: i16,
    /// `None` after a new epoch's marker: it starts at 0.
    last: Option<i32>,
    recent: VecDeque<(i32, i32, i64)>,
}

/// More than any batch has.
pub(super) const RECORDS_MAX: i32 = 6;

#[derive(Debug)]
pub(super) struct Broker {
    /// Every record, by its value.
    pub(super) log: Vec<u32>,
    known: Option<Known>,
    pub(super) records_max: i32,
    /// The epoch that the transaction's coordinator knows; each append is verified with it.
    verified: i16,
}

impl Broker {
    pub(super) fn new() -> Self {
        Self {
            log: Vec::new(),
            known: None,
            records_max: RECORDS_MAX,
            verified: 0,
        }
    }

    /// Appends, or says why not.
    pub(super) fn produce(&mut self, payload: &Payload) -> (ErrorCode, i64) {
        let view = batches(payload.to_bytes()).next().unwrap().unwrap();
        view.verify_crc().unwrap();
        let header = *view.header();
        if header.record_count > self.records_max {
            return (ErrorCode::MESSAGE_TOO_LARGE, -1);
        }
        let (first, count) = (header.base_sequence, header.record_count);
        let last = first.wrapping_add(count - 1) & i32::MAX;
        let epoch = header.producer_epoch;
        if epoch < self.verified {
            return (ErrorCode::INVALID_PRODUCER_EPOCH, -1);
        }
        if let Some(known) = &self.known {
            if epoch < known.epoch {
                return (ErrorCode::INVALID_PRODUCER_EPOCH, -1);
            }
            let same = |batch: &&(i32, i32, i64)| {
                epoch == known.epoch && (batch.0, batch.1) == (first, last)
            };
            if let Some(batch) = known.recent.iter().find(same) {
                return (ErrorCode::NONE, batch.2);
            }
            let next = match known.last {
                Some(last) if epoch == known.epoch => last.wrapping_add(1) & i32::MAX,
                _ => 0,
            };
            if first != next {
                return (ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER, -1);
            }
        }
        let offset = i64::try_from(self.log.len()).unwrap();
        self.append(view);
        let known = self.known.get_or_insert_with(|| Known::new(epoch));
        if known.epoch != epoch {
            *known = Known::new(epoch);
        }
        known.last = Some(last);
        known.recent.push_back((first, last, offset));
        if known.recent.len() > 5 {
            known.recent.pop_front();
        }
        (ErrorCode::NONE, offset)
    }

    fn append(&mut self, view: BatchView) {
        for record in view.into_records().unwrap().records() {
            let value = record.value().unwrap().try_into().unwrap();
            self.log.push(u32::from_be_bytes(value));
        }
    }

    /// What came before is forgotten, but not that there was something: every sequence of this epoch is out of order.
    pub(super) fn forget(&mut self) {
        if let Some(known) = &mut self.known {
            known.recent.clear();
            known.last = Some(i32::MAX / 2);
        }
    }

    /// A transaction's marker, which carries the next epoch (KIP-890).
    pub(super) fn end(&mut self, epoch: i16) {
        self.verified = epoch;
        if self.known.is_some() {
            self.known = Some(Known::new(epoch));
        }
    }
}

impl Known {
    fn new(epoch: i16) -> Self {
        Self {
            epoch,
            last: None,
            recent: VecDeque::new(),
        }
    }
}
