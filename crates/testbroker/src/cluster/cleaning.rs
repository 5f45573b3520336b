//! What goes by age or size: retention, compaction, producers that were not heard of for long
//! (`LogManager`, `LogCleaner`, `ProducerStateManager`).

use std::sync::Arc;
use std::time::Duration;

use milena_wire::ErrorCode;

use super::Cluster;
use crate::log::Compaction;
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

    /// Retention, compaction and expiry of all logs.
    pub(super) fn clean_logs(&mut self) {
        self.apply_retention();
        for (topic, index) in self.partition_names() {
            self.compact_if(&topic, index, |config_says| config_says);
        }
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
        self.compact_if(topic, index, |_| true)
    }

    fn compact_if(&mut self, topic: &str, index: i32, wanted: impl Fn(bool) -> bool) -> bool {
        let now = self.wall_clock();
        let codecs = &mut self.codecs;
        let Some((config, partition)) = self.topics.partition_to_write(topic, index) else {
            return false;
        };
        if !wanted(config.compacted) {
            return true;
        }
        let how = Compaction {
            now,
            delete_retention: config.delete_retention,
            lag_min: config.compaction_lag_min,
        };
        let before = partition.log.bytes();
        partition.log.compact(how, codecs);
        let after = partition.log.bytes();
        // A time that is set for tombstones can make a batch longer.
        self.topics.log_bytes = self.topics.log_bytes + after - before;
        true
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
