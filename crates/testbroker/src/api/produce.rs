//! Produce v3-13, by topic id from v13; acks 0, 1 and -1 (which are the same: replication is
//! instant).
//!
//! The way of a request: each partition's batch is validated; transactional ones join their
//! transaction (v12+) or are verified to be in it, and the request waits inside the broker while
//! that answers CONCURRENT_TRANSACTIONS (v12+); then each batch is appended.
//!
//! Not done: topics with a compression of their own (batches stay as their producer made them), log
//! append time, per-record errors, message formats before v2, quotas.

mod batch;
mod join;

use std::collections::BTreeMap;
use std::sync::Arc;

use milena_wire::ErrorCode;
use milena_wire::messages::{
    PartitionProduceResponse, ProduceLeaderIdAndEpoch, ProduceNodeEndpoint, ProduceRequest,
    ProduceResponse, TopicProduceData, TopicProduceResponse,
};
use milena_wire::record::BatchView;

use crate::cluster::Cluster;
use crate::request::{Context, Reply};

pub(crate) fn handle(
    cluster: &mut Cluster,
    context: &Context<'_>,
    request: &ProduceRequest<'_>,
) -> Reply {
    let mut writes = Vec::new();
    for topic in &request.topic_data {
        collect(cluster, context, request.acks, topic, &mut writes);
    }
    match join::join(cluster, context, request.transactional_id, &mut writes) {
        join::Joined::Done => {}
        join::Joined::Later(until) => {
            return Reply::Wait {
                until,
                on: Vec::new(),
            };
        }
    }
    for write in &mut writes {
        append(cluster, context, write);
    }
    if request.acks == 0 {
        // Without an answer, closing the connection is the only way to say that something failed.
        return match writes.iter().find_map(|write| write.outcome.err()) {
            Some(error) => Reply::Close(format!("acks=0 and {error}")),
            None => Reply::Nothing,
        };
    }
    answer(cluster, context, request, &writes)
}

/// One partition of a request.
struct Write {
    topic: Arc<str>,
    index: i32,
    /// What is to be written; `None` if it is refused already.
    batch: Option<BatchView>,
    /// Whether the transaction coordinator has agreed.
    verified: bool,
    /// The base offset, or why not.
    outcome: Result<i64, ErrorCode>,
    /// Of a copy: the time-stamp of what was written before. Kafka answers it so.
    append_time: i64,
    /// -1 for what is refused before the log has looked at it.
    log_start_offset: i64,
}

fn collect(
    cluster: &Cluster,
    context: &Context<'_>,
    acks: i16,
    topic: &TopicProduceData<'_>,
    writes: &mut Vec<Write>,
) {
    let by_id = context.version >= 13;
    let name: Option<Arc<str>> = if by_id {
        cluster.topics.name_of(topic.topic_id).cloned()
    } else {
        Some(topic.name.into())
    };
    for data in &topic.partition_data {
        let checked = match &name {
            None => Err(ErrorCode::UNKNOWN_TOPIC_ID),
            Some(name) => check(cluster, context, acks, name, data.index)
                .and_then(|()| batch::of(context.version, data.records.as_ref())),
        };
        writes.push(Write {
            topic: name.clone().unwrap_or_else(|| topic.name.into()),
            index: data.index,
            outcome: checked.as_ref().map(|_| -1).map_err(|error| *error),
            batch: checked.ok(),
            verified: false,
            append_time: -1,
            log_start_offset: -1,
        });
    }
}

fn check(
    cluster: &Cluster,
    context: &Context<'_>,
    acks: i16,
    topic: &str,
    index: i32,
) -> Result<(), ErrorCode> {
    if !(-1..=1).contains(&acks) {
        return Err(ErrorCode::INVALID_REQUIRED_ACKS);
    }
    if cluster.topics.partition(topic, index).is_none() {
        return Err(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
    }
    context.check_partition(topic, index)
}

fn append(cluster: &mut Cluster, context: &Context<'_>, write: &mut Write) {
    let Some(batch) = &write.batch else {
        return;
    };
    if let Err(error) = check_log(cluster, context, write, batch) {
        write.outcome = Err(error);
        return;
    }
    let retention = cluster.config.retention_bytes;
    let topics = &mut cluster.topics;
    let Some(partition) = topics.partition_mut(&write.topic, write.index) else {
        return;
    };
    let log = &mut partition.log;
    let before = log.bytes();
    let appended = batch::check(batch)
        .and_then(|()| log.append(batch, write.verified, partition.leader_epoch));
    if let Some(bytes_max) = retention {
        log.retain_bytes(bytes_max);
    }
    write.log_start_offset = log.log_start_offset();
    let after = log.bytes();
    topics.log_bytes = topics.log_bytes + after - before;
    write.outcome = appended.and_then(|appended| {
        match appended.copy_of {
            Some(timestamp) => write.append_time = timestamp,
            None => cluster.wake(&write.topic, write.index),
        }
        match context.shown_partition(&write.topic, write.index, ErrorCode::NONE) {
            ErrorCode::NONE => Ok(appended.base_offset),
            error => Err(error),
        }
    });
}

/// What is refused before the log looks at the batch's inside.
fn check_log(
    cluster: &Cluster,
    context: &Context<'_>,
    write: &Write,
    batch: &BatchView,
) -> Result<(), ErrorCode> {
    cluster.check_leader(context.node, &write.topic, write.index, -1)?;
    let len = batch.bytes().len();
    if len > cluster.config.message_bytes_max {
        return Err(ErrorCode::MESSAGE_TOO_LARGE);
    }
    if cluster.topics.log_bytes + len as u64 > cluster.config.log_bytes_max {
        return Err(ErrorCode::KAFKA_STORAGE_ERROR);
    }
    batch.verify_crc().map_err(|_| ErrorCode::CORRUPT_MESSAGE)
}

fn answer(
    cluster: &Cluster,
    context: &Context<'_>,
    request: &ProduceRequest<'_>,
    writes: &[Write],
) -> Reply {
    let mut responses = Vec::new();
    let mut leaders = BTreeMap::new();
    let mut rest = writes;
    for topic in &request.topic_data {
        let (here, behind) = rest.split_at(topic.partition_data.len());
        rest = behind;
        let told = |write: &&Write| !context.leaves_out(&write.topic, write.index);
        let partitions = here.iter().filter(told).map(|write| {
            let response = partition_response(cluster, context, write);
            if let Some(node) = cluster.node(response.current_leader.leader_id) {
                leaders.insert(node.id, node);
            }
            response
        });
        responses.push(TopicProduceResponse {
            name: topic.name,
            topic_id: topic.topic_id,
            partition_responses: partitions.collect(),
        });
    }
    let endpoints = leaders.values().map(|node| ProduceNodeEndpoint {
        node_id: node.id,
        host: &node.host,
        port: i32::from(node.port),
        ..Default::default()
    });
    let response = ProduceResponse {
        responses,
        throttle_time_ms: context.throttle_time_ms,
        node_endpoints: endpoints.collect(),
    };
    context.answer(&response)
}

fn partition_response<'a>(
    cluster: &Cluster,
    context: &Context<'_>,
    write: &Write,
) -> PartitionProduceResponse<'a> {
    let partition = cluster.topics.partition(&write.topic, write.index);
    let mut response = PartitionProduceResponse {
        index: write.index,
        error_code: write.outcome.err().unwrap_or_default(),
        base_offset: write.outcome.unwrap_or(-1),
        log_append_time_ms: write.append_time,
        log_start_offset: write.log_start_offset,
        ..Default::default()
    };
    // KIP-951: the client need not ask for metadata to find the new leader.
    let moved = response.error_code == ErrorCode::NOT_LEADER_OR_FOLLOWER;
    if let Some(partition) = partition.filter(|_| moved && context.version >= 10) {
        response.current_leader = ProduceLeaderIdAndEpoch {
            leader_id: partition.leader,
            leader_epoch: partition.leader_epoch,
        };
    }
    response
}
