//! WriteTxnMarkers v1-2, as coordinators send it to leaders, and administrators' tools to end a
//! transaction that hangs. Anybody may: there are no ACLs.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use milena_wire::ErrorCode;
use milena_wire::messages::{
    WritableTxnMarker, WritableTxnMarkerPartitionResult, WritableTxnMarkerResult,
    WritableTxnMarkerTopicResult, WriteTxnMarkersRequest, WriteTxnMarkersResponse,
};

use super::produce::reached;
use crate::cluster::{Cluster, OFFSETS_TOPIC};
use crate::log::Marker;
use crate::request::{Context, Reply, WaitOn};

/// How long replicas in sync may take (`request.timeout.ms` of the brokers).
const TIMEOUT: Duration = Duration::from_secs(30);

/// By topic and partition.
type Results = BTreeMap<Arc<str>, BTreeMap<i32, Written>>;

/// What became of a marker.
#[derive(Clone, Copy)]
struct Written {
    error: ErrorCode,
    /// What replicas in sync must have: everything below this offset, written in this leader epoch.
    required: Option<(i64, i32)>,
}

/// A request whose markers are written and whose answer waits.
pub(crate) struct PendingMarkers {
    pub(crate) node: i32,
    deadline: Instant,
    /// By producer id: several markers of one producer have one place in the answer.
    results: BTreeMap<i64, Results>,
}

pub(crate) fn handle(
    cluster: &mut Cluster,
    context: &Context<'_>,
    request: &WriteTxnMarkersRequest<'_>,
) -> Reply {
    let mut pending = match cluster.pending_markers.remove(&context.request) {
        Some(pending) => pending,
        None => write_all(cluster, context, request),
    };
    let on = await_replicas(cluster, context, &mut pending);
    if !on.is_empty() {
        let until = pending.deadline;
        cluster.pending_markers.insert(context.request, pending);
        return Reply::Wait { until, on };
    }
    let markers = pending.results.iter().map(|(producer_id, topics)| {
        let topics = topics.iter().map(topic_result);
        WritableTxnMarkerResult {
            producer_id: *producer_id,
            topics: topics.collect(),
        }
    });
    context.answer(&WriteTxnMarkersResponse {
        markers: markers.collect(),
    })
}

fn write_all(
    cluster: &mut Cluster,
    context: &Context<'_>,
    request: &WriteTxnMarkersRequest<'_>,
) -> PendingMarkers {
    let mut results: BTreeMap<i64, Results> = BTreeMap::new();
    for marker in &request.markers {
        let producer = results.entry(marker.producer_id).or_default();
        for topic in &marker.topics {
            let partitions = producer.entry(topic.name.into()).or_default();
            for index in &topic.partition_indexes {
                let written = write(cluster, context, marker, topic.name, index);
                partitions.insert(index, written);
            }
        }
    }
    PendingMarkers {
        node: context.node,
        deadline: context.now + TIMEOUT,
        results,
    }
}

fn write(
    cluster: &mut Cluster,
    context: &Context<'_>,
    marker: &WritableTxnMarker<'_>,
    topic: &str,
    index: i32,
) -> Written {
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
    let error = match written {
        Ok(()) => context.shown_partition(topic, index, ErrorCode::NONE),
        Err(error) => error,
    };
    // The log of groups takes no time to write.
    let partition = cluster.topics.partition(topic, index);
    let partition = partition.filter(|_| error.is_ok() && topic != OFFSETS_TOPIC);
    Written {
        error,
        required: partition.map(|found| (found.log.log_end_offset(), found.leader_epoch)),
    }
}

/// The partitions whose replicas in sync must go on before the request can be answered: markers are
/// appended with acks=-1 (`TransactionCoordinator.EnforcedRequiredAcks`).
fn await_replicas(
    cluster: &Cluster,
    context: &Context<'_>,
    pending: &mut PendingMarkers,
) -> Vec<WaitOn> {
    let late = context.now >= pending.deadline;
    let mut waiting = Vec::new();
    let topics = pending.results.values_mut().flatten();
    for (topic, partitions) in topics {
        for (index, written) in partitions {
            let Some(required) = written.required else {
                continue;
            };
            match reached(cluster, context.node, topic, *index, required) {
                Some(result) => written.error = result.err().unwrap_or_default(),
                None if late => written.error = ErrorCode::REQUEST_TIMED_OUT,
                None => {
                    waiting.push(WaitOn::Partition(topic.clone(), *index));
                    continue;
                }
            }
            written.required = None;
        }
    }
    waiting
}

fn topic_result<'a>(
    (name, partitions): (&'a Arc<str>, &BTreeMap<i32, Written>),
) -> WritableTxnMarkerTopicResult<'a> {
    let partitions = partitions
        .iter()
        .map(|(index, written)| WritableTxnMarkerPartitionResult {
            partition_index: *index,
            error_code: written.error,
        });
    WritableTxnMarkerTopicResult {
        name,
        partitions: partitions.collect(),
    }
}
