//! ListOffsets v1-11: latest (-1), earliest (-2), largest time-stamp (-3, v7+), earliest local (-4,
//! v8+), latest tiered (-5, v9+) and earliest pending upload (-6, v11+), of which there is none
//! without remote storage, and by time-stamp. read_committed ends at the last stable offset; after
//! an election OFFSET_NOT_AVAILABLE until the high watermark has reached what the leader had.
//!
//! Markers have time-stamps as well and are found by them, as in Kafka's logs.

use std::collections::BTreeMap;

use milena_wire::ErrorCode;
use milena_wire::messages::{
    ListOffsetsPartition, ListOffsetsPartitionResponse, ListOffsetsRequest, ListOffsetsResponse,
    ListOffsetsTopicResponse,
};
use milena_wire::record::BatchView;

use crate::cluster::{Cluster, Partition};
use crate::log::PartitionLog;
use crate::request::{Context, Reply};

/// The replica ids of a consumer, and of a tool that reads any replica.
const CONSUMER: i32 = -1;
const DEBUGGING: i32 = -2;

/// What all partitions of a request have in common.
struct Asking<'a> {
    version: i16,
    replica_id: i32,
    committed_only: bool,
    /// How often each partition is named.
    named: BTreeMap<(&'a str, i32), usize>,
}

/// Offset, time-stamp and leader epoch; -1 each where there is nothing.
type Found = (i64, i64, i32);

const NOTHING: Found = (-1, -1, -1);

pub(crate) fn handle(
    cluster: &mut Cluster,
    context: &Context<'_>,
    request: &ListOffsetsRequest<'_>,
) -> Reply {
    let cluster = &*cluster;
    let mut named = BTreeMap::new();
    for topic in &request.topics {
        for asked in &topic.partitions {
            *named
                .entry((topic.name, asked.partition_index))
                .or_insert(0) += 1;
        }
    }
    let asking = Asking {
        version: context.version,
        replica_id: request.replica_id,
        committed_only: request.isolation_level == 1,
        named,
    };
    let topics = request.topics.iter().map(|topic| {
        let partitions = topic
            .partitions
            .iter()
            .map(|asked| answer_one(cluster, context, topic.name, asked, &asking));
        ListOffsetsTopicResponse {
            name: topic.name,
            partitions: partitions.collect(),
        }
    });
    let response = ListOffsetsResponse {
        throttle_time_ms: context.throttle_time_ms,
        topics: topics.collect(),
    };
    context.answer(&response)
}

fn answer_one(
    cluster: &Cluster,
    context: &Context<'_>,
    topic: &str,
    asked: &ListOffsetsPartition,
    asking: &Asking<'_>,
) -> ListOffsetsPartitionResponse {
    let index = asked.partition_index;
    let found = context
        .check_partition(topic, index)
        .and_then(|()| asking.check(topic, asked))
        .and_then(|()| {
            let leaders_only = asking.replica_id != DEBUGGING;
            let believed_epoch = asked.current_leader_epoch;
            cluster.check_replica(context.node, topic, index, believed_epoch, leaders_only)
        })
        .and_then(|partition| asking.find(partition, asked.timestamp));
    match found {
        Ok((offset, timestamp, leader_epoch)) => ListOffsetsPartitionResponse {
            partition_index: index,
            offset,
            timestamp,
            // Earlier versions cannot say it.
            leader_epoch: if context.version >= 4 {
                leader_epoch
            } else {
                -1
            },
            ..Default::default()
        },
        Err(error_code) => ListOffsetsPartitionResponse {
            partition_index: index,
            error_code,
            ..Default::default()
        },
    }
}

impl Asking<'_> {
    fn check(&self, topic: &str, asked: &ListOffsetsPartition) -> Result<(), ErrorCode> {
        if self.named.get(&(topic, asked.partition_index)) > Some(&1) {
            return Err(ErrorCode::INVALID_REQUEST);
        }
        let supported = match asked.timestamp {
            -3 => self.version >= 7,
            -4 => self.version >= 8,
            -5 => self.version >= 9,
            -6 => self.version >= 11,
            other => other >= -2,
        };
        if !supported {
            return Err(ErrorCode::UNSUPPORTED_VERSION);
        }
        Ok(())
    }

    /// `Partition.fetchOffsetForTimestamp`.
    fn find(&self, partition: &Partition, timestamp: i64) -> Result<Found, ErrorCode> {
        let log = &partition.log;
        let end = match (self.replica_id == CONSUMER, self.committed_only) {
            (true, true) => log.last_stable_offset(),
            (true, false) => log.high_watermark(),
            (false, _) => log.log_end_offset(),
        };
        let found = match timestamp {
            -1 => {
                self.check_caught_up(partition)?;
                return Ok((end, -1, partition.leader_epoch));
            }
            -2 | -4 => return Ok(earliest(partition)),
            -5 | -6 => return Ok(NOTHING),
            -3 => newest(log),
            at => first_at(log, at),
        };
        match found {
            Some(found) if found.0 < end => Ok(found),
            _ => self.check_caught_up(partition).map(|()| NOTHING),
        }
    }

    /// A new leader does not tell ends before its high watermark has reached where its epoch began:
    /// they could lie behind those that the last leader told.
    fn check_caught_up(&self, partition: &Partition) -> Result<(), ErrorCode> {
        let began = partition.epoch_starts.get(&partition.leader_epoch);
        let lags = began.is_some_and(|began| *began > partition.log.high_watermark());
        if !lags || self.replica_id != CONSUMER {
            return Ok(());
        }
        Err(match self.version {
            ..5 => ErrorCode::LEADER_NOT_AVAILABLE,
            _ => ErrorCode::OFFSET_NOT_AVAILABLE,
        })
    }
}

fn earliest(partition: &Partition) -> Found {
    let start = partition.log.log_start_offset();
    let first = partition.epoch_starts.first_key_value();
    let epoch = first.filter(|(_, began)| **began <= start);
    (start, -1, epoch.map_or(-1, |(epoch, _)| *epoch))
}

/// The first record with the largest time-stamp.
fn newest(log: &PartitionLog) -> Option<Found> {
    let mut newest: Option<&BatchView> = None;
    for batch in log.batches() {
        let at = |batch: &BatchView| batch.header().max_timestamp;
        if newest.is_none_or(|newest| at(batch) > at(newest)) {
            newest = Some(batch);
        }
    }
    let newest = newest?;
    let largest = newest.header().max_timestamp;
    record_in(newest, |_, timestamp| timestamp == largest)
}

/// The first record that is not older. Compaction may have taken those out for which a batch looks
/// young enough.
fn first_at(log: &PartitionLog, at: i64) -> Option<Found> {
    let young = |batch: &&BatchView| batch.header().max_timestamp >= at;
    let start = log.log_start_offset();
    let mut batches = log.batches().filter(young);
    // The first batch may hold records that DeleteRecords has taken away.
    batches.find_map(|batch| record_in(batch, |offset, time| time >= at && offset >= start))
}

/// The first record of this offset and time-stamp; the batch itself where its records cannot be read (a test
/// has put them there), or are a marker, which is one record.
fn record_in(batch: &BatchView, wanted: impl Fn(i64, i64) -> bool) -> Option<Found> {
    let header = batch.header();
    let epoch = header.partition_leader_epoch;
    let whole = (header.base_offset, header.max_timestamp, epoch);
    if batch.is_control() {
        return Some(whole);
    }
    let Ok(records) = batch.clone().into_records() else {
        return Some(whole);
    };
    let mut records = records.records();
    let found = records.find(|record| wanted(record.offset(), record.timestamp()))?;
    Some((found.offset(), found.timestamp(), epoch))
}
