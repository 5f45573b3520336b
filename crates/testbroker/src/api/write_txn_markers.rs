//! WriteTxnMarkers v1-2, as coordinators send it to leaders, and administrators' tools to end a
//! transaction that hangs. Anybody may: there are no ACLs.

use std::collections::BTreeMap;

use milena_wire::ErrorCode;
use milena_wire::messages::{
    WritableTxnMarker, WritableTxnMarkerPartitionResult, WritableTxnMarkerResult,
    WritableTxnMarkerTopicResult, WriteTxnMarkersRequest, WriteTxnMarkersResponse,
};

use crate::cluster::Cluster;
use crate::log::Marker;
use crate::request::{Context, Reply};

/// By topic and partition.
type Results<'a> = BTreeMap<&'a str, BTreeMap<i32, ErrorCode>>;

pub(crate) fn handle(
    cluster: &mut Cluster,
    context: &Context<'_>,
    request: &WriteTxnMarkersRequest<'_>,
) -> Reply {
    // Several markers of one producer have one place in the answer.
    let mut results: BTreeMap<i64, Results<'_>> = BTreeMap::new();
    for marker in &request.markers {
        let producer = results.entry(marker.producer_id).or_default();
        for topic in &marker.topics {
            let partitions = producer.entry(topic.name).or_default();
            for index in &topic.partition_indexes {
                let error = write(cluster, context, marker, topic.name, index);
                partitions.insert(index, error);
            }
        }
    }
    let markers = results.into_iter().map(|(producer_id, topics)| {
        let topics = topics.into_iter().map(topic_result);
        WritableTxnMarkerResult {
            producer_id,
            topics: topics.collect(),
        }
    });
    context.answer(&WriteTxnMarkersResponse {
        markers: markers.collect(),
    })
}

fn write(
    cluster: &mut Cluster,
    context: &Context<'_>,
    marker: &WritableTxnMarker<'_>,
    topic: &str,
    index: i32,
) -> ErrorCode {
    let checked = context.check_partition(topic, index);
    let marker = Marker {
        producer_id: marker.producer_id,
        epoch: marker.producer_epoch,
        coordinator_epoch: marker.coordinator_epoch,
        leader_epoch: 0,
        committed: marker.transaction_result,
        epoch_bump: marker.transaction_version >= 2,
        timestamp: cluster.wall_clock(),
        log_append_time: false,
    };
    let written =
        checked.and_then(|()| cluster.write_marker_at(context.node, topic, index, marker));
    match written {
        Ok(()) => context.shown_partition(topic, index, ErrorCode::NONE),
        Err(error) => error,
    }
}

fn topic_result<'a>(
    (name, partitions): (&'a str, BTreeMap<i32, ErrorCode>),
) -> WritableTxnMarkerTopicResult<'a> {
    let partitions = partitions.into_iter();
    WritableTxnMarkerTopicResult {
        name,
        partitions: partitions
            .map(
                |(partition_index, error_code)| WritableTxnMarkerPartitionResult {
                    partition_index,
                    error_code,
                },
            )
            .collect(),
    }
}
