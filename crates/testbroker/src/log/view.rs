//! The log as a test reads it: records with what decides whether a reader sees them.

use std::collections::BTreeMap;
use std::fmt;

use bytes::Bytes;
use milena_wire::DecodeError;
use milena_wire::record::{BatchView, ControlRecord};

use super::PartitionLog;

/// One record of a log, copied out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredRecord {
    /// Its offset.
    pub offset: i64,
    /// Its time-stamp, milliseconds since 1970.
    pub timestamp: i64,
    /// Its key.
    pub key: Option<Bytes>,
    /// Its value.
    pub value: Option<Bytes>,
    /// Producer id of its batch, -1 without one.
    pub producer_id: i64,
    /// Producer epoch of its batch.
    pub producer_epoch: i16,
    /// Whether its batch belongs to a transaction.
    pub transactional: bool,
}

impl PartitionLog {
    /// Every data record, aborted and open ones too, decompressed. Fails on a batch that cannot be read.
    pub fn records(&self) -> Result<Vec<StoredRecord>, DecodeError> {
        let mut all = Vec::new();
        for batch in self.batches() {
            copy_records(batch, &mut all)?;
        }
        Ok(all)
    }

    /// The records a read_committed reader gets, worked out from the markers in the log alone:
    /// neither the aborted index nor the last stable offset is asked, so that a test can hold
    /// them against this. Fails on a batch that cannot be read.
    pub fn committed_records(&self) -> Result<Vec<StoredRecord>, DecodeError> {
        // A batch in a transaction is committed if the next marker of its producer says so.
        let mut next_marker = BTreeMap::new();
        let mut committed = Vec::new();
        for batch in self.batches().rev() {
            let producer_id = batch.header().producer_id;
            match batch.control()? {
                Some(ControlRecord::Commit { .. }) => next_marker.insert(producer_id, true),
                Some(ControlRecord::Abort { .. }) => next_marker.insert(producer_id, false),
                Some(ControlRecord::Unknown { .. }) | None => None,
            };
            let decided = next_marker.get(&producer_id).copied().unwrap_or(false);
            committed.push(!batch.is_transactional() || decided);
        }
        let mut visible = Vec::new();
        for (batch, committed) in self.batches().zip(committed.into_iter().rev()) {
            if committed {
                copy_records(batch, &mut visible)?;
            }
        }
        Ok(visible)
    }

    /// Behind the last record that a read_committed reader gets; `None` while a transaction is open.
    pub fn committed_end(&self) -> Option<i64> {
        if self.last_stable_offset() < self.high_watermark() {
            return None;
        }
        let mut next_marker = BTreeMap::new();
        for batch in self.batches().rev() {
            let producer_id = batch.header().producer_id;
            match batch.control() {
                Ok(Some(control)) => {
                    let committed = matches!(control, ControlRecord::Commit { .. });
                    next_marker.insert(producer_id, committed);
                }
                // Compaction has emptied it.
                _ if batch.header().record_count == 0 => {}
                _ if !batch.is_transactional() => return Some(batch.next_offset()),
                _ if next_marker.get(&producer_id) == Some(&true) => {
                    return Some(batch.next_offset());
                }
                _ => {}
            }
        }
        Some(self.log_start_offset())
    }
}

fn copy_records(batch: &BatchView, into: &mut Vec<StoredRecord>) -> Result<(), DecodeError> {
    if batch.is_control() {
        return Ok(());
    }
    let header = batch.header();
    let records = batch.clone().into_records()?;
    for record in records.records() {
        into.push(StoredRecord {
            offset: record.offset(),
            timestamp: record.timestamp(),
            key: record.key().map(Bytes::copy_from_slice),
            value: record.value().map(Bytes::copy_from_slice),
            producer_id: header.producer_id,
            producer_epoch: header.producer_epoch,
            transactional: batch.is_transactional(),
        });
    }
    Ok(())
}

/// One line a batch: offsets, identity, sequence, what it is.
impl fmt::Display for PartitionLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "start {} stable {} high watermark {} end {}",
            self.log_start_offset(),
            self.last_stable_offset(),
            self.high_watermark(),
            self.log_end_offset()
        )?;
        for batch in self.batches() {
            let header = batch.header();
            write!(
                f,
                "  {}..={} leader epoch {} producer {}/{} sequence {}",
                header.base_offset,
                batch.last_offset(),
                header.partition_leader_epoch,
                header.producer_id,
                header.producer_epoch,
                header.base_sequence,
            )?;
            let full = i64::from(header.last_offset_delta) + 1;
            if i64::from(header.record_count) != full {
                write!(f, " with {} of {full} records", header.record_count)?;
            }
            match batch.control() {
                Ok(Some(control)) => writeln!(f, " {control:?}")?,
                Ok(None) if batch.is_transactional() => writeln!(f, " transactional")?,
                Ok(None) => writeln!(f)?,
                Err(error) => writeln!(f, " unreadable: {error}")?,
            }
        }
        for open in self.producers() {
            if let Some(start) = open.transaction_start {
                let (id, epoch) = (open.producer_id, open.epoch);
                writeln!(f, "  transaction of {id}/{epoch} open from {start}")?;
            }
        }
        Ok(())
    }
}
