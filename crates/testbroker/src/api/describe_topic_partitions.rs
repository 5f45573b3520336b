//! DescribeTopicPartitions v0: topics in the order of their names, cut after a number of partitions.
//!
//! Not done: eligible leader replicas are always none (KIP-966).

use std::collections::BTreeSet;

use milena_wire::messages::{
    DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse,
    DescribeTopicPartitionsResponseCursor, DescribeTopicPartitionsResponsePartition,
    DescribeTopicPartitionsResponseTopic,
};
use milena_wire::{ErrorCode, Uuid};

use super::metadata::TOPIC_OPERATIONS;
use crate::cluster::{Cluster, Partition, check_topic_name, is_internal};
use crate::request::{Context, Reply};

/// `max.request.partition.size.limit`.
const PARTITIONS_MAX: i32 = 2_000;

pub(crate) fn handle(
    cluster: &mut Cluster,
    context: &Context<'_>,
    request: &DescribeTopicPartitionsRequest<'_>,
) -> Reply {
    let cluster = &*cluster;
    let asked = request.topics.iter().map(|topic| topic.name);
    let everything = request.topics.is_empty();
    let mut names: BTreeSet<&str> = if everything {
        cluster.topics.iter().map(|(name, _)| &**name).collect()
    } else {
        asked.collect()
    };
    let (from, first) = match &request.cursor {
        Some(cursor) => (cursor.topic_name, cursor.partition_index),
        None => ("", 0),
    };
    names.retain(|name| *name >= from);
    let astray = request.cursor.is_some() && !everything && !names.contains(from);
    if astray || first < 0 {
        return refuse(context, request);
    }
    let limit = request.response_partition_limit.clamp(1, PARTITIONS_MAX);
    let mut room = usize::try_from(limit).unwrap_or(1);
    let mut topics = Vec::new();
    let mut next = None;
    for name in names {
        let start = if name == from { first } else { 0 };
        let known = cluster.topics.get(name).map_or(0, |it| it.partitions.len());
        let start = usize::try_from(start).unwrap_or(0).min(known);
        // A topic that does not exist needs no room, and yet waits for the next answer.
        if room == 0 {
            next = Some((name, start));
            break;
        }
        let end = known.min(start + room);
        room -= end - start;
        topics.push(topic(cluster, context, name, start, end));
        if end < known {
            next = Some((name, end));
            break;
        }
    }
    let next_cursor = next.map(
        |(topic_name, index)| DescribeTopicPartitionsResponseCursor {
            topic_name,
            partition_index: i32::try_from(index).unwrap_or(i32::MAX),
        },
    );
    context.answer(&DescribeTopicPartitionsResponse {
        throttle_time_ms: context.throttle_time_ms,
        topics,
        next_cursor,
    })
}

/// A cursor that points nowhere: every topic asked for says so.
fn refuse(context: &Context<'_>, request: &DescribeTopicPartitionsRequest<'_>) -> Reply {
    let topics = request.topics.iter();
    let topics = topics.map(|topic| DescribeTopicPartitionsResponseTopic {
        error_code: ErrorCode::INVALID_REQUEST,
        name: Some(topic.name),
        ..Default::default()
    });
    context.answer(&DescribeTopicPartitionsResponse {
        throttle_time_ms: context.throttle_time_ms,
        topics: topics.collect(),
        ..Default::default()
    })
}

fn topic<'a>(
    cluster: &Cluster,
    context: &Context<'_>,
    name: &'a str,
    start: usize,
    end: usize,
) -> DescribeTopicPartitionsResponseTopic<'a> {
    let found = cluster.topics.get(name);
    let error_code = match (context.check_partition(name, -1), found) {
        (Err(code), _) => code,
        (Ok(()), Some(_)) => ErrorCode::NONE,
        (Ok(()), None) => match check_topic_name(name) {
            Ok(()) => ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
            Err(refusal) => refusal.code,
        },
    };
    let all = found.map_or(&[][..], |topic| &topic.partitions);
    let wanted = all.get(start..end).unwrap_or_default();
    let wanted = if error_code.is_ok() { wanted } else { &[] };
    let indexes = i32::try_from(start).unwrap_or(i32::MAX)..;
    let partitions = indexes
        .zip(wanted)
        .map(|(index, partition)| partition_of(cluster, context, name, index, partition));
    DescribeTopicPartitionsResponseTopic {
        error_code,
        name: Some(name),
        topic_id: found.map_or(Uuid::ZERO, |topic| topic.id),
        is_internal: is_internal(name),
        partitions: partitions.collect(),
        topic_authorized_operations: TOPIC_OPERATIONS,
    }
}

fn partition_of(
    cluster: &Cluster,
    context: &Context<'_>,
    name: &str,
    index: i32,
    partition: &Partition,
) -> DescribeTopicPartitionsResponsePartition<'static> {
    let led = cluster.is_up(partition.leader);
    let state = if led {
        ErrorCode::NONE
    } else {
        ErrorCode::LEADER_NOT_AVAILABLE
    };
    let down = partition.replicas.iter().filter(|id| !cluster.is_up(**id));
    let down: Vec<i32> = down.copied().collect();
    DescribeTopicPartitionsResponsePartition {
        error_code: context.check_partition(name, index).err().unwrap_or(state),
        partition_index: index,
        leader_id: if led { partition.leader } else { -1 },
        leader_epoch: partition.leader_epoch,
        replica_nodes: partition.replicas.clone().into(),
        isr_nodes: partition.isr.clone().into(),
        eligible_leader_replicas: Some(Vec::new().into()),
        last_known_elr: Some(Vec::new().into()),
        offline_replicas: down.into(),
    }
}
