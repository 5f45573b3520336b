//! DeleteRecords v0-2. The answer waits until every replica whose node is up has dropped them too,
//! or for the request's time-out (`ReplicaManager.deleteRecords`).

use std::collections::BTreeMap;
use std::time::Instant;

use milena_wire::ErrorCode;
use milena_wire::messages::{
    DeleteRecordsPartition, DeleteRecordsPartitionResult, DeleteRecordsRequest,
    DeleteRecordsResponse, DeleteRecordsTopicResult,
};

use crate::cluster::{Cluster, millis};
use crate::request::{Context, Reply, WaitOn};

/// A request that waits for replicas.
pub(crate) struct PendingDeletion {
    pub(crate) node: i32,
    deadline: Instant,
    /// What each partition must reach, or why it was refused.
    results: BTreeMap<(String, i32), Result<i64, ErrorCode>>,
}

pub(crate) fn handle(
    cluster: &mut Cluster,
    context: &Context<'_>,
    request: &DeleteRecordsRequest<'_>,
) -> Reply {
    let pending = match cluster.pending_deletions.remove(&context.request) {
        Some(pending) => pending,
        None => delete(cluster, context, request),
    };
    let waiting = |(topic, index): &(String, i32), result: &Result<i64, ErrorCode>| {
        let wanted = (*result).ok()?;
        let lacking = low_watermark(cluster, context.node, topic, *index).ok()? < wanted;
        lacking.then(|| WaitOn::Partition(topic.as_str().into(), *index))
    };
    let on: Vec<_> = pending
        .results
        .iter()
        .filter_map(|(partition, result)| waiting(partition, result))
        .collect();
    if !on.is_empty() && context.now < pending.deadline {
        let until = pending.deadline;
        cluster.pending_deletions.insert(context.request, pending);
        return Reply::Wait { until, on };
    }
    answer(cluster, context, request, &pending)
}

fn delete(
    cluster: &mut Cluster,
    context: &Context<'_>,
    request: &DeleteRecordsRequest<'_>,
) -> PendingDeletion {
    let mut results = BTreeMap::new();
    for topic in &request.topics {
        for asked in &topic.partitions {
            let result = delete_one(cluster, context, topic.name, asked);
            results.insert((topic.name.to_owned(), asked.partition_index), result);
        }
    }
    PendingDeletion {
        node: context.node,
        deadline: context.now + millis(request.timeout_ms),
        results,
    }
}

fn delete_one(
    cluster: &mut Cluster,
    context: &Context<'_>,
    topic: &str,
    asked: &DeleteRecordsPartition,
) -> Result<i64, ErrorCode> {
    let index = asked.partition_index;
    context.check()?;
    context.check_partition(topic, index)?;
    cluster.check_leader(context.node, topic, index, -1)?;
    let offset = cluster.delete_records(topic, index, asked.offset)?;
    match context.shown_partition(topic, index, ErrorCode::NONE) {
        ErrorCode::NONE => Ok(offset),
        error => Err(error),
    }
}

/// Where the replica starts that has dropped least, of those whose nodes are up.
fn low_watermark(cluster: &Cluster, node: i32, topic: &str, index: i32) -> Result<i64, ErrorCode> {
    let partition = cluster.check_leader(node, topic, index, -1)?;
    Ok(partition.low_watermark(|id| cluster.is_up(id)))
}

fn answer(
    cluster: &Cluster,
    context: &Context<'_>,
    request: &DeleteRecordsRequest<'_>,
    pending: &PendingDeletion,
) -> Reply {
    let result_of = |topic: &str, index: i32| {
        let wanted = pending.results.get(&(topic.to_owned(), index));
        let reached = wanted.copied().unwrap_or(Ok(0)).and_then(|wanted| {
            let low = low_watermark(cluster, context.node, topic, index)?;
            Ok((low, low >= wanted))
        });
        let (low_watermark, error_code) = match reached {
            Ok((low, true)) => (low, ErrorCode::NONE),
            Ok((low, false)) => (low, ErrorCode::REQUEST_TIMED_OUT),
            Err(error) => (-1, error),
        };
        DeleteRecordsPartitionResult {
            partition_index: index,
            low_watermark,
            error_code,
        }
    };
    let topics = request.topics.iter().map(|topic| {
        let asked = topic.partitions.iter();
        let results = asked.map(|asked| result_of(topic.name, asked.partition_index));
        DeleteRecordsTopicResult {
            name: topic.name,
            partitions: results.collect(),
        }
    });
    let response = DeleteRecordsResponse {
        throttle_time_ms: context.throttle_time_ms,
        topics: topics.collect(),
    };
    context.answer(&response)
}
