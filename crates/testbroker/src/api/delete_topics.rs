//! DeleteTopics v1-6, by id from v6. Records go at once.

use std::collections::BTreeMap;

use milena_wire::messages::{DeletableTopicResult, DeleteTopicsRequest, DeleteTopicsResponse};
use milena_wire::{ErrorCode, Uuid};

use crate::cluster::Cluster;
use crate::config::value::parse_bool;
use crate::refusal::{Refusal, parts};
use crate::request::{Context, Reply};

const NO_SUCH_TOPIC: &str = "This server does not host this topic-partition.";
const NO_SUCH_ID: &str = "This server does not host this topic ID.";

struct Deleted {
    name: Option<String>,
    id: Uuid,
    result: Result<(), Refusal>,
}

pub(crate) fn handle(
    cluster: &mut Cluster,
    context: &Context<'_>,
    request: &DeleteTopicsRequest<'_>,
) -> Reply {
    let mut deleted = Vec::new();
    let mut names: BTreeMap<&str, u32> = BTreeMap::new();
    let mut ids: BTreeMap<Uuid, u32> = BTreeMap::new();
    for name in &request.topic_names {
        *names.entry(name).or_default() += 1;
    }
    for topic in &request.topics {
        let refusal = match topic.name {
            None if topic.topic_id.is_zero() => "Neither topic name nor id were specified.",
            None => {
                *ids.entry(topic.topic_id).or_default() += 1;
                continue;
            }
            Some(name) if topic.topic_id.is_zero() => {
                *names.entry(name).or_default() += 1;
                continue;
            }
            Some(_) => "You may not specify both topic name and topic id.",
        };
        deleted.push(Deleted {
            name: topic.name.map(str::to_owned),
            id: topic.topic_id,
            result: Err(Refusal::invalid_request(refusal)),
        });
    }
    for (id, times) in ids {
        deleted.push(delete_by_id(cluster, context, id, times));
    }
    for (name, times) in names {
        deleted.push(delete_by_name(cluster, context, name, times));
    }
    // Nobody waits for partitions that are gone.
    cluster.write_due_markers();
    let responses = deleted.iter().map(|deleted| {
        let (error_code, error_message) = parts(&deleted.result);
        DeletableTopicResult {
            name: deleted.name.as_deref(),
            topic_id: deleted.id,
            error_code: match (&deleted.result, &deleted.name) {
                (Ok(()), Some(name)) => context.shown_partition(name, -1, error_code),
                _ => error_code,
            },
            error_message,
        }
    });
    let response = DeleteTopicsResponse {
        throttle_time_ms: context.throttle_time_ms,
        responses: responses.collect(),
    };
    context.answer(&response)
}

fn delete_by_name(cluster: &mut Cluster, context: &Context<'_>, name: &str, times: u32) -> Deleted {
    let id = cluster.topics.get(name).map(|topic| topic.id);
    let result = match id {
        _ if times > 1 => Err(Refusal::invalid_request("Duplicate topic name.")),
        Some(_) => delete(cluster, context, name),
        None => {
            let refused = context.check_partition(name, -1).map_err(Refusal::forced);
            let unknown = || Refusal::new(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, NO_SUCH_TOPIC);
            refused.and_then(|()| Err(unknown()))
        }
    };
    Deleted {
        name: Some(name.to_owned()),
        id: id.filter(|_| times == 1).unwrap_or(Uuid::ZERO),
        result,
    }
}

fn delete_by_id(cluster: &mut Cluster, context: &Context<'_>, id: Uuid, times: u32) -> Deleted {
    let name = cluster.topics.name_of(id).cloned();
    let refuse = |result| Deleted {
        name: None,
        id,
        result: Err(result),
    };
    match name {
        _ if times > 1 => refuse(Refusal::invalid_request("Duplicate topic id.")),
        None => refuse(Refusal::new(ErrorCode::UNKNOWN_TOPIC_ID, NO_SUCH_ID)),
        Some(name) => Deleted {
            result: delete(cluster, context, &name),
            name: Some(name.to_string()),
            id,
        },
    }
}

fn delete(cluster: &mut Cluster, context: &Context<'_>, name: &str) -> Result<(), Refusal> {
    context.check_partition(name, -1).map_err(Refusal::forced)?;
    let allowed = cluster.broker_value(cluster.first_node(), "delete.topic.enable");
    if allowed.is_some_and(|(value, _)| parse_bool(&value) == Some(false)) {
        let code = match context.version {
            ..3 => ErrorCode::INVALID_REQUEST,
            _ => ErrorCode::TOPIC_DELETION_DISABLED,
        };
        return Err(Refusal::new(code, "Topic deletion is disabled."));
    }
    cluster.delete_topic(name);
    Ok(())
}
