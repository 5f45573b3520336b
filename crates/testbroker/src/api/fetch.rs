//! Fetch v4-18 for consumers, by topic id from v13; long poll with min_bytes and max_wait, byte
//! limits, read_committed with the aborted index, leader epoch checks with leader hints (v16+).
//!
//! Not done: fetch sessions (every answer says session 0, so clients send full requests), reading
//! from followers, diverging epochs (logs never diverge here), racks, replica fetches.

mod read;

use std::collections::BTreeMap;
use std::sync::Arc;

use milena_wire::messages::{
    AbortedTransaction, FetchLeaderIdAndEpoch, FetchNodeEndpoint, FetchRequest, FetchResponse,
    FetchableTopicResponse, PartitionData,
};
use milena_wire::{ErrorCode, Payload};

use crate::cluster::{Cluster, millis};
use crate::request::{Context, Reply, WaitOn};
use read::{Read, Room};

pub(crate) fn handle(
    cluster: &mut Cluster,
    context: &Context<'_>,
    request: &FetchRequest<'_>,
) -> Reply {
    if let Some(error) = session_error(context, request) {
        let response = FetchResponse {
            throttle_time_ms: context.throttle_time_ms,
            error_code: error,
            ..Default::default()
        };
        return context.answer(&response);
    }
    let bytes_max = usize::try_from(request.max_bytes).unwrap_or(0);
    let mut room = Room::new(bytes_max.min(cluster.config.fetch_bytes_max));
    let committed_only = request.isolation_level == 1;
    let mut reads = Vec::new();
    for topic in &request.topics {
        let name: Option<Arc<str>> = if context.version >= 13 {
            cluster.topics.name_of(topic.topic_id).cloned()
        } else {
            Some(topic.topic.into())
        };
        for asked in &topic.partitions {
            let name = name.clone();
            reads.push(read::partition(
                cluster,
                context,
                name,
                asked,
                committed_only,
                &mut room,
            ));
        }
    }
    let bytes_min = usize::try_from(request.min_bytes)
        .unwrap_or(0)
        .min(room.bytes_max);
    let deadline = context.received + millis(request.max_wait_ms);
    let failed = reads.iter().any(|read| !read.error.is_ok());
    if room.taken < bytes_min && !failed && !reads.is_empty() && context.now < deadline {
        let partitions = reads
            .into_iter()
            .filter_map(|read| Some(WaitOn::Partition(read.topic?, read.index)));
        return Reply::Wait {
            until: deadline,
            on: partitions.collect(),
        };
    }
    answer(cluster, context, request, reads)
}

/// A session that a client believes to have cannot be here.
fn session_error(context: &Context<'_>, request: &FetchRequest<'_>) -> Option<ErrorCode> {
    const SESSION_ERRORS: [ErrorCode; 2] = [
        ErrorCode::FETCH_SESSION_ID_NOT_FOUND,
        ErrorCode::INVALID_FETCH_SESSION_EPOCH,
    ];
    match context.check() {
        Err(error) if SESSION_ERRORS.contains(&error) => Some(error),
        _ if request.session_id != 0 && request.session_epoch > 0 => {
            Some(ErrorCode::FETCH_SESSION_ID_NOT_FOUND)
        }
        _ => None,
    }
}

fn answer(
    cluster: &Cluster,
    context: &Context<'_>,
    request: &FetchRequest<'_>,
    reads: Vec<Read>,
) -> Reply {
    let mut leaders = BTreeMap::new();
    let mut responses = Vec::new();
    let mut reads = reads.into_iter();
    for topic in &request.topics {
        let here = reads.by_ref().take(topic.partitions.len());
        let partitions = here.map(|read| {
            let data = partition_data(cluster, context, read);
            if let Some(node) = cluster.node(data.current_leader.leader_id) {
                leaders.insert(node.id, node);
            }
            data
        });
        responses.push(FetchableTopicResponse {
            topic: topic.topic,
            topic_id: topic.topic_id,
            partitions: partitions.collect(),
        });
    }
    let endpoints = leaders.values().map(|node| FetchNodeEndpoint {
        node_id: node.id,
        host: &node.host,
        port: i32::from(node.port),
        ..Default::default()
    });
    let response = FetchResponse {
        throttle_time_ms: context.throttle_time_ms,
        responses,
        node_endpoints: endpoints.collect(),
        ..Default::default()
    };
    context.answer(&response)
}

fn partition_data(cluster: &Cluster, context: &Context<'_>, read: Read) -> PartitionData {
    let partition = read
        .topic
        .as_deref()
        .and_then(|topic| cluster.topics.partition(topic, read.index));
    let aborted = read.aborted.map(|aborted| {
        let entries = aborted.into_iter().map(|aborted| AbortedTransaction {
            producer_id: aborted.producer_id,
            first_offset: aborted.first_offset,
        });
        entries.collect()
    });
    let mut data = PartitionData {
        partition_index: read.index,
        error_code: read.error,
        high_watermark: read.high_watermark,
        last_stable_offset: read.last_stable_offset,
        log_start_offset: read.log_start_offset,
        aborted_transactions: aborted,
        records: Some(Payload::new(read.records)),
        ..Default::default()
    };
    let moved = [
        ErrorCode::NOT_LEADER_OR_FOLLOWER,
        ErrorCode::FENCED_LEADER_EPOCH,
    ]
    .contains(&read.error);
    if let Some(partition) = partition.filter(|_| moved && context.version >= 16) {
        data.current_leader = FetchLeaderIdAndEpoch {
            leader_id: partition.leader,
            leader_epoch: partition.leader_epoch,
        };
    }
    data
}
