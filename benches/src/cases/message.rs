//! Messages: a Produce request around a batch, a large Metadata response.

use bytes::Bytes;
use kafka_protocol::messages::MetadataResponse as TheirMetadataResponse;
use milena_wire::messages::{
    MetadataResponse, MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
    PartitionProduceData, ProduceRequest, TopicProduceData,
};
use milena_wire::{
    ApiVersion, CorrelationId, ErrorCode, Frame, Payload, Uuid, decode_response, encode_request,
    encode_response,
};

use super::theirs;

/// The version of Produce that is measured.
pub const PRODUCE_VERSION: ApiVersion = ApiVersion(12);
/// The version of Metadata that is measured.
pub const METADATA_VERSION: ApiVersion = ApiVersion(12);
/// The topics in a Metadata response.
pub const TOPICS: usize = 1_000;
/// The partitions of each.
pub const PARTITIONS: i32 = 12;
/// A response's header: the correlation id, and no tagged fields.
const RESPONSE_HEADER_LEN: usize = 5;

/// A request for one batch, as the client makes it.
pub fn produce_request(batch: Payload) -> ProduceRequest<'static> {
    ProduceRequest {
        transactional_id: None,
        acks: -1,
        timeout_ms: 30_000,
        topic_data: vec![TopicProduceData {
            name: "payments",
            topic_id: Uuid::ZERO,
            partition_data: vec![PartitionProduceData {
                index: 3,
                records: Some(batch),
            }],
        }],
    }
}

/// The request's frame. None of the batch may be copied.
///
/// # Panics
/// If it cannot be written.
pub fn encode_produce(request: &ProduceRequest<'_>) -> Frame {
    encode_request(request, PRODUCE_VERSION, CorrelationId(7), Some("milena"))
        .expect("fits the version")
}

/// A Metadata response of a large cluster, as it comes over a connection, without its length.
///
/// # Panics
/// If it cannot be written.
pub fn metadata_frame() -> Bytes {
    let names: Vec<_> = (0..TOPICS)
        .map(|topic| format!("topic-{topic:04}"))
        .collect();
    let response = MetadataResponse {
        throttle_time_ms: 0,
        brokers: (0..6)
            .map(|node_id| MetadataResponseBroker {
                node_id,
                host: "broker.example.org",
                port: 9092,
                rack: Some("a"),
            })
            .collect(),
        cluster_id: Some("L0ZEQUJCREVGR0hJSktMTQ"),
        controller_id: 1,
        topics: names.iter().map(|name| topic(name)).collect(),
        cluster_authorized_operations: i32::MIN,
        error_code: ErrorCode::NONE,
    };
    let frame = encode_response(&response, METADATA_VERSION, CorrelationId(7)).expect("fits");
    frame.to_bytes().slice(4..)
}

fn topic(name: &str) -> MetadataResponseTopic<'_> {
    let nodes = |first: i32| {
        let nodes: Vec<i32> = (0..3).map(|node| (first + node) % 6).collect();
        nodes.into()
    };
    let partitions = (0..PARTITIONS).map(|partition_index| MetadataResponsePartition {
        error_code: ErrorCode::NONE,
        partition_index,
        leader_id: partition_index % 6,
        leader_epoch: 17,
        replica_nodes: nodes(partition_index),
        isr_nodes: nodes(partition_index),
        offline_replicas: Vec::new().into(),
    });
    MetadataResponseTopic {
        error_code: ErrorCode::NONE,
        name: Some(name),
        topic_id: Uuid::ZERO,
        is_internal: false,
        partitions: partitions.collect(),
        topic_authorized_operations: i32::MIN,
    }
}

/// Reads [`metadata_frame`].
///
/// # Panics
/// If it is not well formed.
pub fn decode_metadata(frame: &Bytes) -> MetadataResponse<'_> {
    decode_response(frame, METADATA_VERSION).expect("well formed")
}

/// The same by kafka-protocol, which gets the frame without its header.
///
/// # Panics
/// If it is not well formed.
pub fn decode_metadata_theirs(frame: &Bytes) -> TheirMetadataResponse {
    theirs::decode_metadata(&frame.slice(RESPONSE_HEADER_LEN..), METADATA_VERSION.0)
}
