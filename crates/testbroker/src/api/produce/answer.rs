//! What a Produce answer says of each partition.

use std::collections::BTreeMap;

use milena_wire::ErrorCode;
use milena_wire::messages::{
    BatchIndexAndErrorMessage, PartitionProduceResponse, ProduceLeaderIdAndEpoch,
    ProduceNodeEndpoint, ProduceRequest, ProduceResponse, TopicProduceResponse,
};

use super::Write;
use crate::cluster::Cluster;
use crate::request::{Context, Reply};

pub(super) fn answer(
    cluster: &Cluster,
    context: &Context<'_>,
    request: &ProduceRequest<'_>,
    writes: &[Write],
) -> Reply {
    let mut by_topic: BTreeMap<usize, Vec<_>> = BTreeMap::new();
    let mut leaders = BTreeMap::new();
    for write in writes {
        let partitions = by_topic.entry(write.named_at).or_default();
        if context.leaves_out(&write.topic, write.index) {
            continue;
        }
        let response = partition_response(cluster, context, write);
        if let Some(node) = cluster.node(response.current_leader.leader_id) {
            leaders.insert(node.id, node);
        }
        partitions.push(response);
    }
    // A topic named twice is one in the answer, and one without partitions is none.
    let responses = by_topic.into_iter().filter_map(|(named_at, partitions)| {
        let topic = request.topic_data.get(named_at)?;
        Some(TopicProduceResponse {
            name: topic.name,
            topic_id: topic.topic_id,
            partition_responses: partitions,
        })
    });
    let endpoints = leaders.values().map(|node| ProduceNodeEndpoint {
        node_id: node.id,
        host: &node.host,
        port: i32::from(node.port),
        ..Default::default()
    });
    let response = ProduceResponse {
        responses: responses.collect(),
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
    let mut response = PartitionProduceResponse {
        index: write.index,
        error_code: write.error,
        base_offset: write.base_offset,
        log_append_time_ms: write.append_time,
        log_start_offset: write.log_start_offset,
        ..Default::default()
    };
    if let Some(refusal) = &write.refusal {
        response.error_message = refusal.message;
        response.record_errors = refusal.record_errors();
    }
    if let Some(batch_index) = context.blamed_record(&write.topic, write.index) {
        response.record_errors.push(BatchIndexAndErrorMessage {
            batch_index,
            batch_index_error_message: Some("a fault wants it"),
        });
    }
    // KIP-951: the client need not ask for metadata to find the new leader.
    if write.error == ErrorCode::NOT_LEADER_OR_FOLLOWER
        && context.version >= 10
        && let Some(partition) = cluster.topics.partition(&write.topic, write.index)
    {
        response.current_leader = ProduceLeaderIdAndEpoch {
            leader_id: partition.leader,
            leader_epoch: partition.leader_epoch,
        };
    }
    response
}
