//! What a log loses at its end when leadership goes to a replica that does not have it.

use std::collections::BTreeSet;

use milena_wire::record::{BatchView, ControlRecord};

use super::PartitionLog;

impl PartitionLog {
    /// Sets where the high watermark stays; `None`: it follows the end.
    pub(crate) fn limit_high_watermark(&mut self, limit: Option<i64>) {
        self.high_watermark_limit = limit;
        let reached = self.high_watermark();
        self.producers.replicated_until(reached);
    }

    /// `offset`, or the start of the batch that reaches over it.
    pub(crate) fn boundary_below(&self, offset: i64) -> i64 {
        let offset = offset.clamp(self.log_start_offset, self.next_offset);
        let mut over = self.batches_from(offset, offset);
        over.next()
            .map_or(offset, |batch| batch.header().base_offset)
    }

    /// Drops everything from `offset` on. Producer states, open transactions and the aborted index
    /// become what the batches that are left say (`ProducerStateManager.truncateAndReload`).
    pub(crate) fn truncate_to(&mut self, offset: i64) {
        let end = self.boundary_below(offset);
        let mut cut = BTreeSet::new();
        while self
            .batches
            .back()
            .is_some_and(|batch| batch.header().base_offset >= end)
        {
            if let Some(batch) = self.batches.pop_back() {
                self.bytes -= batch.bytes().len() as u64;
                cut.insert(batch.header().producer_id);
            }
        }
        self.next_offset = end;
        self.high_watermark_limit = self.high_watermark_limit.map(|limit| limit.min(end));
        self.aborted.retain(|aborted| aborted.last_offset < end);
        let mut lost = self.producers.forget_since(end);
        // One that was forgotten since its marker was written has its transaction open again.
        lost.extend(cut.into_iter().filter(|producer_id| *producer_id >= 0));
        if lost.is_empty() {
            return;
        }
        for batch in &self.batches {
            let header = batch.header();
            if !lost.contains(&header.producer_id) {
                continue;
            }
            match coordinator_epoch(batch) {
                Some(coordinator_epoch) => {
                    self.producers.replay_marker(header, coordinator_epoch);
                }
                None if batch.is_control() => {}
                None => {
                    let transactional = batch.is_transactional();
                    self.producers
                        .appended(header, header.base_offset, transactional);
                }
            }
        }
    }
}

/// Of a marker.
fn coordinator_epoch(batch: &BatchView) -> Option<i32> {
    match batch.control() {
        Ok(Some(
            ControlRecord::Commit { coordinator_epoch }
            | ControlRecord::Abort { coordinator_epoch },
        )) => Some(coordinator_epoch),
        _ => None,
    }
}
