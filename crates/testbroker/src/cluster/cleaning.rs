//! What goes by age or size: retention, compaction, producers that were not heard of for long
//! (`LogManager`, `LogCleaner`, `ProducerStateManager`).

use std::sync::Arc;
use std::time::Duration;

use milena_wire::ErrorCode;

use super::Cluster;
use crate::log::{Compaction, Segments};
use crate::timers::Timer;

impl Cluster {
    /// Sets the next look at all that goes by age, if it is not set: there is something now.
    pub(crate) fn arm_housekeeping(&mut self) {
        let interval = self.config.retention_check;
        if let Some(now) = self.now()
            && !self.housekeeping_armed
            && !interval.is_zero()
        {
            self.housekeeping_armed = true;
            self.timers.set(now + interval, Timer::Housekeeping);
        }
    }

    /// The same for compaction, which is a thread of its own in Kafka (`LogCleaner`).
    pub(crate) fn arm_cleaner(&mut self) {
        let interval = self.config.cleaner_backoff;
        if let Some(now) = self.now()
            && !self.cleaner_armed
            && !interval.is_zero()
        {
            self.cleaner_armed = true;
            self.timers.set(now + interval, Timer::Cleaner);
        }
    }

    /// Compacts the topics that want it, without their newest segments.
    pub(crate) fn run_cleaner(&mut self) {
        self.cleaner_armed = false;
        let mut again = false;
        for (topic, index) in self.partition_names() {
            again |= self.compact_as(&topic, index, false) == Some(true);
        }
        if again {
            self.arm_cleaner();
        }
    }

    /// Retention and expiry of all logs.
    pub(super) fn clean_logs(&mut self) {
        self.apply_retention();
        let (now, age_max) = (self.wall_clock(), self.config.producer_id_expiration);
        for partition in self.topics.partitions_mut() {
            partition.log.producers_mut().expire(now, age_max);
        }
    }

    /// Drops what is too old or too much, by each topic's settings.
    pub(crate) fn apply_retention(&mut self) {
        let now = self.wall_clock();
        for (topic, index) in self.partition_names() {
            let Some((config, partition)) = self.topics.partition_to_write(&topic, index) else {
                continue;
            };
            if !config.deleted {
                continue;
            }
            let before = partition.log.bytes();
            let oldest = config.retention.map(|age| earlier(now, age));
            let start = partition.log.start_by_age(oldest);
            partition.delete_until(start);
            let start = partition.log.start_by_bytes(config.retention_bytes);
            partition.delete_until(start);
            let freed = before - partition.log.bytes();
            self.topics.log_bytes -= freed;
        }
    }

    /// Compacts a partition whatever its topic's settings say; false without such a partition.
    pub(crate) fn compact(&mut self, topic: &str, index: i32) -> bool {
        self.compact_as(topic, index, true).is_some()
    }

    /// Whether it was compacted and holds something; `None` without such a partition. `forced`:
    /// whatever its settings say, to the end.
    fn compact_as(&mut self, topic: &str, index: i32, forced: bool) -> Option<bool> {
        let now = self.wall_clock();
        let codecs = &mut self.codecs;
        let (config, partition) = self.topics.partition_to_write(topic, index)?;
        if !forced && !config.compacted {
            return Some(false);
        }
        let segments = Segments {
            bytes_max: config.segment_bytes,
            age_max: config.segment_age,
        };
        let how = Compaction {
            now,
            delete_retention: config.delete_retention,
            lag_min: config.compaction_lag_min,
            segments: (!forced).then_some(segments),
        };
        let before = partition.log.bytes();
        partition.log.compact(how, codecs);
        let after = partition.log.bytes();
        // A time that is set for tombstones can make a batch longer.
        self.topics.log_bytes = self.topics.log_bytes + after - before;
        Some(after > 0)
    }

    /// DeleteRecords of a partition whose leader was asked: everything below `offset`, -1 for the
    /// high watermark. The offset that replicas must reach (`Partition.deleteRecordsOnLeader`).
    pub(crate) fn delete_records(
        &mut self,
        topic: &str,
        index: i32,
        offset: i64,
    ) -> Result<i64, ErrorCode> {
        let Some((config, partition)) = self.topics.partition_to_write(topic, index) else {
            return Err(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
        };
        if config.compacted && !config.deleted {
            return Err(ErrorCode::POLICY_VIOLATION);
        }
        let reached = partition.log.high_watermark();
        let offset = if offset == -1 { reached } else { offset };
        if offset < 0 || offset > reached {
            return Err(ErrorCode::OFFSET_OUT_OF_RANGE);
        }
        let before = partition.log.bytes();
        partition.delete_until(offset);
        let freed = before - partition.log.bytes();
        self.topics.log_bytes -= freed;
        Ok(offset)
    }

    fn partition_names(&self) -> Vec<(Arc<str>, i32)> {
        let all = self.topics.partitions();
        all.map(|(topic, index, _)| (topic.clone(), index))
            .collect()
    }
}

fn earlier(now: i64, age: Duration) -> i64 {
    now.saturating_sub(i64::try_from(age.as_millis()).unwrap_or(i64::MAX))
}
