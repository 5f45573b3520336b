//! Heartbeat v0-4.
//!
//! Not done: classic members in a group of the consumer protocol.

use milena_wire::ErrorCode;
use milena_wire::messages::{HeartbeatRequest, HeartbeatResponse};

use crate::cluster::{Cluster, CoordinatorKind};
use crate::request::{Context, Reply};

pub(crate) fn handle(
    cluster: &mut Cluster,
    context: &Context<'_>,
    request: &HeartbeatRequest<'_>,
) -> Reply {
    let result = heartbeat(cluster, context, request);
    let response = HeartbeatResponse {
        throttle_time_ms: context.throttle_time_ms,
        error_code: match result {
            Ok(()) => context.shown(ErrorCode::NONE),
            Err(error) => error,
        },
    };
    context.answer(&response)
}

fn heartbeat(
    cluster: &mut Cluster,
    context: &Context<'_>,
    request: &HeartbeatRequest<'_>,
) -> Result<(), ErrorCode> {
    context.check()?;
    let group = request.group_id;
    if group.is_empty() {
        return Err(ErrorCode::INVALID_GROUP_ID);
    }
    match cluster.check_coordinator(context.node, CoordinatorKind::Group, group) {
        // Who will know the member soon does not send it away.
        Err(ErrorCode::COORDINATOR_LOAD_IN_PROGRESS) => return Ok(()),
        checked => checked?,
    }
    let (member_id, instance_id) = (request.member_id, request.group_instance_id);
    let beaten = cluster.with_classic(group, |group, around| {
        group.heartbeat(around, member_id, instance_id, request.generation_id)
    });
    beaten.unwrap_or(Err(ErrorCode::UNKNOWN_MEMBER_ID))
}
