//! What a log drops at its start (`UnifiedLog.deleteOldSegments`; a batch stands for a segment).

use milena_wire::record::BatchView;

use super::PartitionLog;

impl PartitionLog {
    /// Drops whole batches below `offset`; the log start offset becomes `offset`.
    pub(crate) fn delete_until(&mut self, offset: i64) {
        let offset = offset.clamp(self.log_start_offset, self.next_offset);
        if offset == self.log_start_offset {
            return;
        }
        while self
            .batches
            .front()
            .is_some_and(|batch| batch.last_offset() < offset)
        {
            self.drop_oldest();
        }
        self.log_start_offset = offset;
        self.aborted.retain(|aborted| aborted.last_offset >= offset);
    }

    /// Where the log starts once the batches are gone whose newest record is older than this;
    /// `None`: nothing is too old.
    pub(crate) fn start_by_age(&self, oldest: Option<i64>) -> i64 {
        let Some(oldest) = oldest else {
            return self.log_start_offset;
        };
        self.start_behind(|batch| {
            let newest = batch.header().max_timestamp;
            (0..oldest).contains(&newest)
        })
    }

    /// Where the log starts once it has no batch too many for this size.
    pub(crate) fn start_by_bytes(&self, bytes_max: Option<u64>) -> i64 {
        let Some(mut excess) = bytes_max.and_then(|max| self.bytes.checked_sub(max)) else {
            return self.log_start_offset;
        };
        self.start_behind(|batch| {
            let left = excess.checked_sub(batch.bytes().len() as u64);
            excess = left.unwrap_or(excess);
            left.is_some()
        })
    }

    /// The start without the oldest batches that may go. What replicas in sync may not have stays.
    fn start_behind(&self, mut goes: impl FnMut(&BatchView) -> bool) -> i64 {
        let reached = self.high_watermark();
        let mut start = self.log_start_offset;
        for batch in &self.batches {
            if batch.next_offset() > reached || !goes(batch) {
                break;
            }
            start = batch.next_offset();
        }
        // Compaction may have left a gap in front of what stays.
        let first = self
            .batches
            .iter()
            .find(|batch| batch.last_offset() >= start);
        match first {
            Some(first) if start > self.log_start_offset => start.max(first.header().base_offset),
            _ => start,
        }
    }

    /// Drops the oldest batches beyond `bytes_max`, never below the last stable offset.
    pub(crate) fn retain_bytes(&mut self, bytes_max: u64) {
        if self.bytes <= bytes_max {
            return;
        }
        let stable = self.last_stable_offset();
        while self.bytes > bytes_max
            && self.batches.len() > 1
            && self
                .batches
                .front()
                .is_some_and(|batch| batch.last_offset() < stable)
        {
            self.drop_oldest();
            self.log_start_offset = self
                .batches
                .front()
                .map_or(self.next_offset, |batch| batch.header().base_offset);
        }
        let start = self.log_start_offset;
        self.aborted.retain(|aborted| aborted.last_offset >= start);
    }

    fn drop_oldest(&mut self) {
        if let Some(batch) = self.batches.pop_front() {
            self.bytes -= batch.bytes().len() as u64;
        }
    }
}
