//! ElectLeaders v0-2, at any node.

use milena_wire::ErrorCode;
use milena_wire::messages::{
    ElectLeadersRequest, ElectLeadersResponse, PartitionResult, ReplicaElectionResult,
};

use crate::cluster::Cluster;
use crate::refusal::{Refusal, parts};
use crate::request::{Context, Reply};

const PREFERRED: i8 = 0;
const UNCLEAN: i8 = 1;

type Elected = Vec<(String, Vec<(i32, Result<(), Refusal>)>)>;

pub(crate) fn handle(
    cluster: &mut Cluster,
    context: &Context<'_>,
    request: &ElectLeadersRequest<'_>,
) -> Reply {
    let mut error_code = ErrorCode::NONE;
    let elected: Elected = match &request.topic_partitions {
        _ if context.check().is_err() => {
            error_code = context.check().err().unwrap_or_default();
            Vec::new()
        }
        None => elect_all(cluster, request.election_type),
        Some(topics) => {
            let mut elected = Vec::new();
            for topic in topics {
                let mut results = Vec::new();
                for index in topic.partitions.iter() {
                    let result = elect(cluster, context, request.election_type, topic.topic, index);
                    results.push((index, result));
                }
                elected.push((topic.topic.to_owned(), results));
            }
            elected
        }
    };
    cluster.write_due_markers();
    if !(PREFERRED..=UNCLEAN).contains(&request.election_type) && error_code.is_ok() {
        error_code = ErrorCode::INVALID_REQUEST;
    }
    let topics = elected.iter().map(|(topic, results)| {
        let results = results.iter().map(|(index, result)| {
            let (error_code, error_message) = parts(result);
            PartitionResult {
                partition_id: *index,
                error_code: context.shown_partition(topic, *index, error_code),
                error_message,
            }
        });
        ReplicaElectionResult {
            topic,
            partition_result: results.collect(),
        }
    });
    let response = ElectLeadersResponse {
        throttle_time_ms: context.throttle_time_ms,
        error_code,
        replica_election_results: topics.collect(),
    };
    context.answer(&response)
}

/// Every partition that needs it. Those that do not are not told, their topics are.
fn elect_all(cluster: &mut Cluster, kind: i8) -> Elected {
    let partitions = cluster.topics.partitions();
    let all: Vec<_> = partitions
        .map(|(name, index, _)| (name.clone(), index))
        .collect();
    let mut elected: Elected = Vec::new();
    for (name, index) in all {
        if elected.last().is_none_or(|(last, _)| **last != *name) {
            elected.push((name.to_string(), Vec::new()));
        }
        let result = act(cluster, kind, &name, index);
        let needless = |it: &Refusal| it.code == ErrorCode::ELECTION_NOT_NEEDED;
        if result.as_ref().err().is_some_and(needless) {
            continue;
        }
        if let Some((_, results)) = elected.last_mut() {
            results.push((index, result));
        }
    }
    elected
}

fn elect(
    cluster: &mut Cluster,
    context: &Context<'_>,
    kind: i8,
    topic: &str,
    index: i32,
) -> Result<(), Refusal> {
    let forced = context.check_partition(topic, index);
    forced.map_err(Refusal::forced)?;
    if !(PREFERRED..=UNCLEAN).contains(&kind) {
        let message = format!("Unknown election type {kind}");
        return Err(Refusal::invalid_request(message));
    }
    let unknown = |message| Refusal::new(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, message);
    if cluster.topics.get(topic).is_none() {
        return Err(unknown(format!("No such topic as {topic}")));
    }
    if cluster.topics.partition(topic, index).is_none() {
        return Err(unknown(format!("No such partition as {topic}-{index}")));
    }
    act(cluster, kind, topic, index)
}

fn act(cluster: &mut Cluster, kind: i8, topic: &str, index: i32) -> Result<(), Refusal> {
    let result = match kind {
        UNCLEAN => cluster.elect_unclean(topic, index),
        _ => cluster.elect_preferred(topic, index),
    };
    result.map_err(|code| {
        let message = match code {
            ErrorCode::ELECTION_NOT_NEEDED => "Leader election not needed for topic partition.",
            ErrorCode::PREFERRED_LEADER_NOT_AVAILABLE => "The preferred leader was not available.",
            _ => "Eligible topic partition leaders are not available.",
        };
        Refusal::new(code, message)
    })
}
