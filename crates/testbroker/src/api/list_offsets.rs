//! ListOffsets v1-11: latest (-1), earliest (-2), largest time-stamp (-3), earliest local (-4),
//! latest tiered (-5: there is none), and by time-stamp. read_committed ends at the last stable
//! offset.

use milena_wire::ErrorCode;
use milena_wire::messages::{
    ListOffsetsPartition, ListOffsetsPartitionResponse, ListOffsetsRequest, ListOffsetsResponse,
    ListOffsetsTopicResponse,
};

use crate::cluster::{Cluster, Partition};
use crate::log::PartitionLog;
use crate::request::{Context, Reply};

pub(crate) fn handle(
    cluster: &mut Cluster,
    context: &Context<'_>,
    request: &ListOffsetsRequest<'_>,
) -> Reply {
    let cluster = &*cluster;
    let committed_only = request.isolation_level == 1;
    let topics = request.topics.iter().map(|topic| {
        let partitions = topic
            .partitions
            .iter()
            .map(|asked| answer_one(cluster, context, topic.name, asked, committed_only));
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
    committed_only: bool,
) -> ListOffsetsPartitionResponse {
    let index = asked.partition_index;
    let found = context
        .check_partition(topic, index)
        .and_then(|()| cluster.check_leader(context.node, topic, index, asked.current_leader_epoch))
        .and_then(|partition| find(partition, context.version, asked.timestamp, committed_only));
    match found {
        Ok((offset, timestamp, leader_epoch)) => ListOffsetsPartitionResponse {
            partition_index: index,
            offset,
            timestamp,
            leader_epoch,
            ..Default::default()
        },
        Err(error_code) => ListOffsetsPartitionResponse {
            partition_index: index,
            error_code,
            ..Default::default()
        },
    }
}

/// Offset, time-stamp and leader epoch; -1 each where there is nothing.
fn find(
    partition: &Partition,
    version: i16,
    timestamp: i64,
    committed_only: bool,
) -> Result<(i64, i64, i32), ErrorCode> {
    const NOTHING: (i64, i64, i32) = (-1, -1, -1);
    let log = &partition.log;
    let end = if committed_only {
        log.last_stable_offset()
    } else {
        log.high_watermark()
    };
    let supported = match timestamp {
        -3 => version >= 7,
        -4 => version >= 8,
        -5 => version >= 9,
        other => other >= -2,
    };
    if !supported {
        return Err(ErrorCode::UNSUPPORTED_VERSION);
    }
    Ok(match timestamp {
        -1 => (end, -1, partition.leader_epoch),
        -2 | -4 => {
            let start = log.log_start_offset();
            (start, -1, partition.epoch_at(start))
        }
        -5 => NOTHING,
        -3 => newest(log).map_or(NOTHING, |(offset, at)| {
            (offset, at, partition.epoch_at(offset))
        }),
        at => match log.offset_for_timestamp(at) {
            Some((offset, at)) if offset < end => (offset, at, partition.epoch_at(offset)),
            _ => NOTHING,
        },
    })
}

/// The record with the largest time-stamp.
fn newest(log: &PartitionLog) -> Option<(i64, i64)> {
    let data = log.batches().filter(|batch| !batch.is_control());
    let largest = data.map(|batch| batch.header().max_timestamp).max()?;
    log.offset_for_timestamp(largest)
}
