//! FindCoordinator v0-6: transactional ids and groups, several keys from v4. The first one creates
//! the internal topic, and is not sent away until that is there, as Kafka's is.
//!
//! Not done: share groups (key type 2).

use milena_wire::ErrorCode;
use milena_wire::messages::{Coordinator, FindCoordinatorRequest, FindCoordinatorResponse};

use crate::cluster::{Cluster, CoordinatorKind, Node};
use crate::request::{Context, Reply};

pub(crate) fn handle(
    cluster: &mut Cluster,
    context: &Context<'_>,
    request: &FindCoordinatorRequest<'_>,
) -> Reply {
    if context.check().is_ok()
        && let Ok(kind) = kind_of(request.key_type)
    {
        cluster.create_internal_topic(kind);
    }
    let cluster = &*cluster;
    let find = |key: &str| find(cluster, context, request.key_type, key);
    if context.version < 4 {
        let found = find(request.key);
        let message = match &found {
            // What Kafka says where nothing is wrong.
            Ok(_) => "NONE".to_owned(),
            Err(error) => error.to_string(),
        };
        let response = FindCoordinatorResponse {
            throttle_time_ms: context.throttle_time_ms,
            error_code: found.err().unwrap_or_default(),
            error_message: Some(&message),
            node_id: found.map_or(-1, |node| node.id),
            host: found.map_or("", |node| &node.host),
            port: found.map_or(-1, |node| i32::from(node.port)),
            ..Default::default()
        };
        return context.answer(&response);
    }
    let coordinators = request.coordinator_keys.iter().map(|key| {
        let found = find(key);
        Coordinator {
            key,
            node_id: found.map_or(-1, |node| node.id),
            host: found.map_or("", |node| &node.host),
            port: found.map_or(-1, |node| i32::from(node.port)),
            error_code: found.err().unwrap_or_default(),
            ..Default::default()
        }
    });
    let response = FindCoordinatorResponse {
        throttle_time_ms: context.throttle_time_ms,
        coordinators: coordinators.collect(),
        ..Default::default()
    };
    context.answer(&response)
}

fn find<'a>(
    cluster: &'a Cluster,
    context: &Context<'_>,
    key_type: i8,
    key: &str,
) -> Result<&'a Node, ErrorCode> {
    context.check()?;
    let kind = kind_of(key_type)?;
    let node = cluster.node(cluster.coordinators.node(kind, key));
    node.filter(|node| node.up)
        .ok_or(ErrorCode::COORDINATOR_NOT_AVAILABLE)
}

fn kind_of(key_type: i8) -> Result<CoordinatorKind, ErrorCode> {
    match key_type {
        0 => Ok(CoordinatorKind::Group),
        1 => Ok(CoordinatorKind::Transaction),
        _ => Err(ErrorCode::INVALID_REQUEST),
    }
}
