//! CreateTopics v2-7, at any node (a KRaft broker passes it on to the controller).
//!
//! Not done: topic settings are taken and forgotten; of a replica assignment only the first
//! replica counts, as the leader.

use std::collections::BTreeMap;

use milena_wire::messages::{
    CreatableTopic, CreatableTopicResult, CreateTopicsRequest, CreateTopicsResponse,
};
use milena_wire::{ErrorCode, Uuid};

use crate::cluster::Cluster;
use crate::request::{Context, Reply};

type Refusal = (ErrorCode, &'static str);

pub(crate) fn handle(
    cluster: &mut Cluster,
    context: &Context<'_>,
    request: &CreateTopicsRequest<'_>,
) -> Reply {
    let mut results = Vec::new();
    for topic in &request.topics {
        results.push(result_of(cluster, context, topic, request.validate_only));
    }
    let response = CreateTopicsResponse {
        throttle_time_ms: context.throttle_time_ms,
        topics: results,
    };
    context.answer(&response)
}

fn result_of<'a>(
    cluster: &mut Cluster,
    context: &Context<'_>,
    topic: &CreatableTopic<'a>,
    validate_only: bool,
) -> CreatableTopicResult<'a> {
    let mut result = CreatableTopicResult {
        name: topic.name,
        error_message: None,
        ..Default::default()
    };
    match create(cluster, context, topic, validate_only) {
        Ok((id, partitions)) => {
            result.error_code = context.shown_partition(topic.name, -1, ErrorCode::NONE);
            result.topic_id = id;
            result.num_partitions = partitions;
            result.replication_factor = i16::try_from(cluster.nodes.len()).unwrap_or(i16::MAX);
            result.configs = Some(Vec::new());
        }
        Err((code, message)) => {
            result.error_code = code;
            result.error_message = Some(message);
        }
    }
    result
}

fn create(
    cluster: &mut Cluster,
    context: &Context<'_>,
    topic: &CreatableTopic<'_>,
    validate_only: bool,
) -> Result<(Uuid, i32), Refusal> {
    context
        .check_partition(topic.name, -1)
        .map_err(|code| (code, "a fault wants it"))?;
    let assignment = assignment_of(cluster, topic)?;
    let partitions = match (topic.num_partitions, assignment.len()) {
        (-1, 0) => cluster.config.default_partitions,
        (-1, assigned) => i32::try_from(assigned).unwrap_or(i32::MAX),
        (count, _) => count,
    };
    let replication = match topic.replication_factor {
        -1 => cluster.default_replication(),
        factor => usize::try_from(factor).unwrap_or(0),
    };
    if replication == 0 || replication > cluster.nodes.len() {
        return Err((
            ErrorCode::INVALID_REPLICATION_FACTOR,
            "there are not so many nodes",
        ));
    }
    if validate_only {
        let checked = cluster.topics.check_new(topic.name, partitions);
        return checked
            .map(|()| (Uuid::ZERO, partitions))
            .map_err(|refused| (refused.code, refused.message));
    }
    let config = cluster.default_topic_config();
    let created = if assignment.is_empty() {
        cluster.create_topic(topic.name, partitions, replication, config)
    } else {
        cluster.create_topic_on(topic.name, partitions, assignment, config)
    };
    created
        .map(|id| (id, partitions))
        .map_err(|refused| (refused.code, refused.message))
}

/// The replicas of each partition, if the request says which.
fn assignment_of(cluster: &Cluster, topic: &CreatableTopic<'_>) -> Result<Vec<Vec<i32>>, Refusal> {
    let refused = |sentence| Err((ErrorCode::INVALID_REPLICA_ASSIGNMENT, sentence));
    let mut assigned = BTreeMap::new();
    for assignment in &topic.assignments {
        let replicas: Vec<i32> = assignment.broker_ids.iter().collect();
        if replicas.is_empty() || replicas.iter().any(|id| cluster.node(*id).is_none()) {
            return refused("no such replica");
        }
        assigned.insert(assignment.partition_index, replicas);
    }
    let consecutive = (0..).zip(assigned.keys()).all(|(index, key)| index == *key);
    if !consecutive {
        return refused("partitions are not numbered from 0");
    }
    Ok(assigned.into_values().collect())
}
