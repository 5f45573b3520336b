//! JoinGroup v0-9: waits until the group's next generation begins. Newcomers without an instance id
//! get their member id with MEMBER_ID_REQUIRED from v4 on.
//!
//! Not done: a classic member in a group of the consumer protocol (KIP-848's migration) is refused
//! with INCONSISTENT_GROUP_PROTOCOL; one whose group has become empty makes it a classic one.

use std::sync::Arc;

use bytes::Bytes;
use milena_wire::ErrorCode;
use milena_wire::messages::{JoinGroupRequest, JoinGroupResponse, JoinGroupResponseMember};

use crate::cluster::{Cluster, CoordinatorKind, millis};
use crate::config::Emulate;
use crate::group::classic::{Answer, JoinAnswer, JoinOutcome, Joining, Protocol};
use crate::group::parked::Parked;
use crate::group::{ClassicGroup, Members};
use crate::request::{Context, Reply};

pub(crate) fn handle(
    cluster: &mut Cluster,
    context: &Context<'_>,
    request: &JoinGroupRequest<'_>,
) -> Reply {
    let group = request.group_id;
    let parked = match cluster.parked(context, group) {
        Parked::No => match join(cluster, context, request) {
            Ok(answer) => return answered(context, &answer),
            Err(parked) => parked,
        },
        parked => parked,
    };
    match parked {
        Parked::Answered(Answer::Join(answer)) => answered(context, &answer),
        Parked::Still(reply) => reply,
        Parked::No | Parked::Answered(Answer::Sync(_)) => answered(
            context,
            &JoinAnswer::failed("", ErrorCode::UNKNOWN_SERVER_ERROR),
        ),
    }
}

fn join(
    cluster: &mut Cluster,
    context: &Context<'_>,
    request: &JoinGroupRequest<'_>,
) -> Result<JoinAnswer, Parked> {
    if let Err(refused) = check(cluster, context, request) {
        return Ok(refused);
    }
    let group = cluster.groups.get(request.group_id);
    match group.map(|group| &group.members) {
        // Whoever has an id has it from a group that is gone.
        None if !request.member_id.is_empty() => {
            let error = ErrorCode::UNKNOWN_MEMBER_ID;
            return Ok(JoinAnswer::failed(request.member_id, error));
        }
        Some(Members::Consumer(group)) if !group.is_empty() => {
            let error = ErrorCode::INCONSISTENT_GROUP_PROTOCOL;
            return Ok(JoinAnswer::failed("", error));
        }
        Some(Members::Classic(_)) => {}
        Some(Members::None | Members::Consumer(_)) | None => {
            let created = ClassicGroup::new(cluster.wall_clock());
            let group = cluster.groups.get_or_create(request.group_id);
            group.members = Members::Classic(Box::new(created));
        }
    }
    let joining = joining(cluster, context, request);
    cluster.apply_or_park(context, request.group_id, |group, around| {
        match group.join(around, joining) {
            JoinOutcome::Answer(answer) => Some(answer),
            JoinOutcome::Wait => None,
        }
    })
}

/// The order of the checks, and whether the member id is in the answer, differ by release.
fn check(
    cluster: &Cluster,
    context: &Context<'_>,
    request: &JoinGroupRequest<'_>,
) -> Result<(), JoinAnswer> {
    let member_id = request.member_id;
    let failed = |error| JoinAnswer::failed(member_id, error);
    context.check().map_err(failed)?;
    if request.group_id.is_empty() {
        return Err(failed(ErrorCode::INVALID_GROUP_ID));
    }
    let timeout = millis(request.session_timeout_ms);
    let config = &cluster.config;
    let allowed = config.group_min_session_timeout..=config.group_max_session_timeout;
    let session = if allowed.contains(&timeout) {
        Ok(())
    } else {
        Err(failed(ErrorCode::INVALID_SESSION_TIMEOUT))
    };
    let kind = CoordinatorKind::Group;
    let coordinator = cluster.check_coordinator(context.node, kind, request.group_id);
    if config.emulate == Emulate::V3_9 {
        coordinator.map_err(failed)?;
        session?;
    } else {
        session?;
        coordinator.map_err(|error| JoinAnswer::failed("", error))?;
    }
    if cluster.groups.has_room_for(request.group_id) {
        Ok(())
    } else {
        Err(failed(ErrorCode::COORDINATOR_NOT_AVAILABLE))
    }
}

fn joining(
    cluster: &mut Cluster,
    context: &Context<'_>,
    request: &JoinGroupRequest<'_>,
) -> Joining {
    let client_id = context.client_id.unwrap_or_default();
    let instance_id = request.group_instance_id;
    let new_id = if request.member_id.is_empty() {
        cluster.groups.member_id(instance_id.unwrap_or(client_id))
    } else {
        request.member_id.into()
    };
    let protocols = request.protocols.iter().map(|protocol| Protocol {
        name: protocol.name.into(),
        metadata: Bytes::copy_from_slice(protocol.metadata),
    });
    // Version 0 has no time-out for a rebalance.
    let rebalance_timeout = if context.version == 0 {
        request.session_timeout_ms
    } else {
        request.rebalance_timeout_ms
    };
    Joining {
        request: context.request,
        version: context.version,
        member_id: request.member_id.into(),
        instance_id: instance_id.map(Arc::from),
        new_id,
        client_id: client_id.into(),
        client_host: "/127.0.0.1".into(),
        session_timeout: millis(request.session_timeout_ms),
        rebalance_timeout: millis(rebalance_timeout),
        protocol_type: request.protocol_type.into(),
        protocols: protocols.collect(),
    }
}

fn answered(context: &Context<'_>, answer: &JoinAnswer) -> Reply {
    let protocol = answer.protocol.as_deref().unwrap_or_default();
    let members = answer.members.iter().map(|member| JoinGroupResponseMember {
        member_id: &member.id,
        group_instance_id: member.instance_id.as_deref(),
        metadata: &member.metadata,
    });
    let response = JoinGroupResponse {
        throttle_time_ms: context.throttle_time_ms,
        error_code: context.shown(answer.error),
        generation_id: answer.generation,
        protocol_type: answer.protocol_type.as_deref(),
        // Null and empty are one thing, written as each version can.
        protocol_name: Some(protocol).filter(|name| context.version < 7 || !name.is_empty()),
        leader: &answer.leader,
        skip_assignment: answer.skip_assignment,
        member_id: &answer.member_id,
        members: members.collect(),
    };
    context.answer(&response)
}
