//! DeleteTopics v1-6, by id from v6. Records go at once.

use milena_wire::messages::{DeletableTopicResult, DeleteTopicsRequest, DeleteTopicsResponse};
use milena_wire::{ErrorCode, Uuid};

use crate::cluster::Cluster;
use crate::request::{Context, Reply};

pub(crate) fn handle(
    cluster: &mut Cluster,
    context: &Context<'_>,
    request: &DeleteTopicsRequest<'_>,
) -> Reply {
    let mut responses = Vec::new();
    if context.version >= 6 {
        for topic in &request.topics {
            responses.push(match topic.name {
                Some(name) => delete(cluster, context, name),
                None => delete_by_id(cluster, context, topic.topic_id),
            });
        }
    } else {
        for name in &request.topic_names {
            responses.push(delete(cluster, context, name));
        }
    }
    // Names found by id live in `responses` only: the topics are gone.
    let responses = responses.iter().map(|deleted| DeletableTopicResult {
        name: deleted.name.as_deref(),
        topic_id: deleted.id,
        error_code: deleted.error,
        ..Default::default()
    });
    let response = DeleteTopicsResponse {
        throttle_time_ms: context.throttle_time_ms,
        responses: responses.collect(),
    };
    context.answer(&response)
}

struct Deleted {
    name: Option<String>,
    id: Uuid,
    error: ErrorCode,
}

fn delete(cluster: &mut Cluster, context: &Context<'_>, name: &str) -> Deleted {
    let id = cluster
        .topics
        .get(name)
        .map_or(Uuid::ZERO, |topic| topic.id);
    let error = match context.check_partition(name, -1) {
        Err(error) => error,
        Ok(()) if cluster.delete_topic(name) => context.shown_partition(name, -1, ErrorCode::NONE),
        Ok(()) => ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
    };
    Deleted {
        name: Some(name.to_owned()),
        id,
        error,
    }
}

fn delete_by_id(cluster: &mut Cluster, context: &Context<'_>, id: Uuid) -> Deleted {
    match cluster.topics.name_of(id).cloned() {
        Some(name) => delete(cluster, context, &name),
        None => Deleted {
            name: None,
            id,
            error: ErrorCode::UNKNOWN_TOPIC_ID,
        },
    }
}
