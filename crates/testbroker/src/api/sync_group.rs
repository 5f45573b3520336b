//! SyncGroup v0-5: followers wait for the leader's assignment.
//!
//! Not done: classic members in a group of the consumer protocol.

use bytes::Bytes;
use milena_wire::ErrorCode;
use milena_wire::messages::{SyncGroupRequest, SyncGroupResponse};

use crate::cluster::{Cluster, CoordinatorKind};
use crate::config::Emulate;
use crate::group::Members;
use crate::group::classic::{Answer, SyncAnswer, Syncing};
use crate::group::parked::Parked;
use crate::request::{Context, Reply};

pub(crate) fn handle(
    cluster: &mut Cluster,
    context: &Context<'_>,
    request: &SyncGroupRequest<'_>,
) -> Reply {
    let parked = match cluster.parked(context, request.group_id) {
        Parked::No => match sync(cluster, context, request) {
            Ok(answer) => return answered(context, &answer),
            Err(parked) => parked,
        },
        parked => parked,
    };
    match parked {
        Parked::Answered(Answer::Sync(answer)) => answered(context, &answer),
        Parked::Still(reply) => reply,
        Parked::No | Parked::Answered(Answer::Join(_)) => answered(
            context,
            &SyncAnswer::failed(ErrorCode::UNKNOWN_SERVER_ERROR),
        ),
    }
}

fn sync(
    cluster: &mut Cluster,
    context: &Context<'_>,
    request: &SyncGroupRequest<'_>,
) -> Result<SyncAnswer, Parked> {
    if let Err(error) = check(cluster, context, request) {
        return Ok(SyncAnswer::failed(error));
    }
    let group = cluster.groups.get(request.group_id);
    if !group.is_some_and(|group| matches!(group.members, Members::Classic(_))) {
        return Ok(SyncAnswer::failed(ErrorCode::UNKNOWN_MEMBER_ID));
    }
    let assignments = request.assignments.iter().map(|assigned| {
        let assignment = Bytes::copy_from_slice(assigned.assignment);
        (assigned.member_id.into(), assignment)
    });
    let syncing = Syncing {
        request: context.request,
        generation: request.generation_id,
        member_id: request.member_id,
        instance_id: request.group_instance_id,
        protocol_type: request.protocol_type,
        protocol: request.protocol_name,
        assignments: assignments.collect(),
    };
    cluster.apply_or_park(context, request.group_id, |group, around| {
        group.sync(around, syncing)
    })
}

fn check(
    cluster: &Cluster,
    context: &Context<'_>,
    request: &SyncGroupRequest<'_>,
) -> Result<(), ErrorCode> {
    context.check()?;
    let unnamed = request.protocol_type.is_none() || request.protocol_name.is_none();
    if context.version >= 5 && unnamed {
        return Err(ErrorCode::INCONSISTENT_GROUP_PROTOCOL);
    }
    if request.group_id.is_empty() {
        return Err(ErrorCode::INVALID_GROUP_ID);
    }
    let kind = CoordinatorKind::Group;
    let checked = cluster.check_coordinator(context.node, kind, request.group_id);
    // The rebalance is lost with the coordinator before; in 3.9 the member is sent to join again.
    match checked {
        Err(ErrorCode::COORDINATOR_LOAD_IN_PROGRESS) if cluster.config.emulate == Emulate::V3_9 => {
            Err(ErrorCode::REBALANCE_IN_PROGRESS)
        }
        checked => checked,
    }
}

fn answered(context: &Context<'_>, answer: &SyncAnswer) -> Reply {
    let response = SyncGroupResponse {
        throttle_time_ms: context.throttle_time_ms,
        error_code: context.shown(answer.error),
        protocol_type: answer.protocol_type.as_deref(),
        protocol_name: answer.protocol.as_deref(),
        assignment: &answer.assignment,
    };
    context.answer(&response)
}
