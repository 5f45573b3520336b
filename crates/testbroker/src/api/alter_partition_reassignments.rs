//! AlterPartitionReassignments v0-1, at any node. A reassignment is done at once, unless
//! `Broker::hold_reassignments` keeps it under way.

use milena_wire::ErrorCode;
use milena_wire::messages::{
    AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse, ReassignablePartition,
    ReassignablePartitionResponse, ReassignableTopicResponse,
};

use crate::cluster::Cluster;
use crate::refusal::{Refusal, parts};
use crate::request::{Context, Reply};

pub(crate) fn handle(
    cluster: &mut Cluster,
    context: &Context<'_>,
    request: &AlterPartitionReassignmentsRequest<'_>,
) -> Reply {
    if let Err(error_code) = context.check() {
        return context.answer(&AlterPartitionReassignmentsResponse {
            throttle_time_ms: context.throttle_time_ms,
            error_code,
            ..Default::default()
        });
    }
    let mut altered = Vec::new();
    for topic in &request.topics {
        let mut results = Vec::new();
        for partition in &topic.partitions {
            let keeps_count = context.version >= 1 && !request.allow_replication_factor_change;
            let result = alter(cluster, context, topic.name, partition, keeps_count);
            results.push((partition.partition_index, result));
        }
        altered.push((topic.name, results));
    }
    let responses = altered.iter().map(|(name, results)| {
        let partitions = results.iter().map(|(index, result)| {
            let (error_code, error_message) = parts(result);
            ReassignablePartitionResponse {
                partition_index: *index,
                error_code: context.shown_partition(name, *index, error_code),
                error_message,
            }
        });
        ReassignableTopicResponse {
            name,
            partitions: partitions.collect(),
        }
    });
    let mut response = AlterPartitionReassignmentsResponse {
        throttle_time_ms: context.throttle_time_ms,
        // Kafka leaves the field as it is when there is nothing to do.
        error_message: request.topics.is_empty().then_some(""),
        responses: responses.collect(),
        ..Default::default()
    };
    if context.version >= 1 {
        response.allow_replication_factor_change = request.allow_replication_factor_change;
    }
    context.answer(&response)
}

fn alter(
    cluster: &mut Cluster,
    context: &Context<'_>,
    topic: &str,
    asked: &ReassignablePartition<'_>,
    keeps_count: bool,
) -> Result<(), Refusal> {
    let index = asked.partition_index;
    let forced = context.check_partition(topic, index);
    forced.map_err(Refusal::forced)?;
    let unknown = |message| Refusal::new(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, message);
    if cluster.topics.get(topic).is_none() {
        return Err(unknown(format!("Unable to find a topic named {topic}.")));
    }
    let Some(partition) = cluster.topics.partition(topic, index) else {
        return Err(unknown(format!(
            "Unable to find partition {topic}:{index}."
        )));
    };
    let before = partition.replicas.len();
    let Some(replicas) = &asked.replicas else {
        return match cluster.cancel_reassignment(topic, index) {
            true => Ok(()),
            false => Err(Refusal::bare(ErrorCode::NO_REASSIGNMENT_IN_PROGRESS)),
        };
    };
    let replicas: Vec<i32> = replicas.iter().collect();
    cluster.check_replicas(&replicas)?;
    if keeps_count && replicas.len() != before {
        return Err(Refusal::new(
            ErrorCode::INVALID_REPLICATION_FACTOR,
            format!(
                "The replication factor is changed from {before} to {}",
                replicas.len()
            ),
        ));
    }
    cluster.reassign(topic, index, replicas);
    Ok(())
}
