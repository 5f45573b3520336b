//! The read_committed filter.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};

#[cfg(feature = "plants")]
use milena_cluster::plants::{Plant, is_planted};
use milena_wire::DecodeError;
use milena_wire::record::{BatchView, ControlRecord};

/// The aborted transactions of ONE partition in ONE Fetch answer, in the order the answer's batches meet them.
///
/// Every answer lists anew each aborted transaction that overlaps its range, so nothing is carried over from the answer before:
/// a producer that was aborted there may have committed since.
#[derive(Clone, Debug, Default)]
pub struct AbortedTransactions {
    /// By first offset. A heap, and not the list as it came: Kafka sorts it, Redpanda does not, and a reader that walks an
    /// unsorted list delivers aborted records (franz-go before 1.21.4).
    pending: BinaryHeap<Reverse<(i64, i64)>>,
    /// Producers within an aborted transaction at the current offset.
    aborted: BTreeSet<i64>,
    #[cfg(feature = "plants")]
    in_list_order: std::collections::VecDeque<(i64, i64)>,
}

/// What a reader may see of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Visibility {
    /// Its records.
    Records,
    /// Nothing: it belongs to a transaction that was aborted.
    Aborted,
    /// Nothing: it is a control batch.
    Control,
}

impl AbortedTransactions {
    /// From the answer's list of (producer id, first offset), in any order, duplicates included.
    #[must_use]
    pub fn new(listed: impl IntoIterator<Item = (i64, i64)>) -> Self {
        #[cfg(feature = "plants")]
        if is_planted(Plant::AbortedFilterByListOrder) {
            return Self {
                in_list_order: listed.into_iter().collect(),
                ..Self::default()
            };
        }
        let pending = listed
            .into_iter()
            .map(|(producer_id, first_offset)| Reverse((first_offset, producer_id)));
        Self {
            pending: pending.collect(),
            ..Self::default()
        }
    }

    /// What may be seen of the answer's next batch. To be called for every batch, in offset order, seen or not.
    ///
    /// # Errors
    /// The batch is a control batch whose record cannot be read.
    pub fn observe(&mut self, batch: &BatchView) -> Result<Visibility, DecodeError> {
        let header = batch.header();
        // Kafka gives control batches of its own (no producer) no meaning for readers.
        if header.producer_id < 0 {
            return Ok(if batch.is_control() {
                Visibility::Control
            } else {
                Visibility::Records
            });
        }
        self.enter(batch.last_offset());
        if batch.is_control() {
            // A marker of a transaction that left no data here, or a second marker, finds nothing to remove.
            if let Some(ControlRecord::Abort { .. }) = batch.control()? {
                #[cfg(feature = "plants")]
                if is_planted(Plant::AbortMarkerWithoutDataSkipsNextRecords)
                    && self.aborted.insert(header.producer_id)
                {
                    return Ok(Visibility::Control);
                }
                self.aborted.remove(&header.producer_id);
            }
            return Ok(Visibility::Control);
        }
        // By producer id alone, as in Java: the broker lists no epoch. What an aborted producer wrote outside of any
        // transaction stays visible.
        if batch.is_transactional() && self.aborted.contains(&header.producer_id) {
            return Ok(Visibility::Aborted);
        }
        Ok(Visibility::Records)
    }

    /// Takes up the transactions that have begun at or before `offset`.
    fn enter(&mut self, offset: i64) {
        #[cfg(feature = "plants")]
        let offset = offset - i64::from(is_planted(Plant::AbortedFirstOffsetExclusive));
        #[cfg(feature = "plants")]
        while let Some((producer_id, _)) = self
            .in_list_order
            .pop_front_if(|(_, first_offset)| *first_offset <= offset)
        {
            self.aborted.insert(producer_id);
        }
        while let Some(&Reverse((first_offset, producer_id))) = self.pending.peek()
            && first_offset <= offset
        {
            self.pending.pop();
            self.aborted.insert(producer_id);
        }
    }
}
