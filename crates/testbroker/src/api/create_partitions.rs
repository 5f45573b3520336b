//! CreatePartitions v0-3, at any node.

use std::collections::BTreeMap;

use milena_wire::ErrorCode;
use milena_wire::messages::{
    CreatePartitionsRequest, CreatePartitionsResponse, CreatePartitionsTopic,
    CreatePartitionsTopicResult,
};

use super::create_topics::check_count;
use crate::cluster::Cluster;
use crate::refusal::{Refusal, parts};
use crate::request::{Context, Reply};

pub(crate) fn handle(
    cluster: &mut Cluster,
    context: &Context<'_>,
    request: &CreatePartitionsRequest<'_>,
) -> Reply {
    let mut by_name: BTreeMap<&str, Vec<&CreatePartitionsTopic<'_>>> = BTreeMap::new();
    for topic in &request.topics {
        by_name.entry(topic.name).or_default().push(topic);
    }
    let mut results = Vec::new();
    for (name, topics) in by_name {
        let result = match topics[..] {
            [topic] => create(cluster, context, topic, request.validate_only),
            _ => Err(Refusal::invalid_request("Duplicate topic name.")),
        };
        results.push((name, result));
    }
    let results = results.iter().map(|(name, result)| {
        let (error_code, error_message) = parts(result);
        CreatePartitionsTopicResult {
            name,
            error_code: match result {
                Ok(()) => context.shown_partition(name, -1, error_code),
                Err(_) => error_code,
            },
            error_message,
        }
    });
    let response = CreatePartitionsResponse {
        throttle_time_ms: context.throttle_time_ms,
        results: results.collect(),
    };
    context.answer(&response)
}

fn create(
    cluster: &mut Cluster,
    context: &Context<'_>,
    asked: &CreatePartitionsTopic<'_>,
    validate_only: bool,
) -> Result<(), Refusal> {
    let name = asked.name;
    context.check_partition(name, -1).map_err(Refusal::forced)?;
    let Some(topic) = cluster.topics.get(name) else {
        return Err(Refusal::bare(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION));
    };
    let before = topic.partitions.len();
    let wanted = usize::try_from(asked.count).unwrap_or(0);
    if wanted == before {
        let message = format!("Topic already has {before} partition(s).");
        return Err(Refusal::new(ErrorCode::INVALID_PARTITIONS, message));
    }
    let Some(more) = wanted.checked_sub(before) else {
        let message = format!(
            "The topic {name} currently has {before} partition(s); {} would not be an increase.",
            asked.count
        );
        return Err(Refusal::new(ErrorCode::INVALID_PARTITIONS, message));
    };
    // Before anything is made for each of them.
    cluster.topics.check_room(before, more)?;
    let replication = topic.partitions.first().map_or(1, |it| it.replicas.len());
    let assignment = match &asked.assignments {
        None => {
            let count = i32::try_from(more).unwrap_or(i32::MAX);
            cluster.spread(before, count, replication)?
        }
        Some(assignments) if assignments.len() != more => {
            return Err(Refusal::new(
                ErrorCode::INVALID_REPLICA_ASSIGNMENT,
                format!(
                    "Attempted to add {more} additional partition(s), but only {} assignment(s) \
                     were specified.",
                    assignments.len()
                ),
            ));
        }
        Some(assignments) => {
            let all = assignments
                .iter()
                .map(|one| one.broker_ids.iter().collect());
            let all: Vec<Vec<i32>> = all.collect();
            let first = topic.partitions.first().map(|it| it.replicas.clone());
            for replicas in &all {
                cluster.check_replicas(replicas)?;
                check_count(first.as_ref(), replicas.len())?;
            }
            all
        }
    };
    if !validate_only {
        cluster.add_partitions(name, assignment);
    }
    Ok(())
}
