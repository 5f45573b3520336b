//! LeaveGroup v0-5: one member before v3, many since, by member id or instance id.
//!
//! Not done: classic members in a group of the consumer protocol; reasons are not kept.

use milena_wire::ErrorCode;
use milena_wire::messages::{LeaveGroupRequest, LeaveGroupResponse, MemberResponse};

use crate::cluster::{Cluster, CoordinatorKind};
use crate::group::classic::Leaving;
use crate::request::{Context, Reply};

pub(crate) fn handle(
    cluster: &mut Cluster,
    context: &Context<'_>,
    request: &LeaveGroupRequest<'_>,
) -> Reply {
    let leaving = leaving(context, request);
    let left = leave(cluster, context, request.group_id, &leaving);
    let mut response = LeaveGroupResponse {
        throttle_time_ms: context.throttle_time_ms,
        ..Default::default()
    };
    match left {
        Err(error) => response.error_code = error,
        Ok(results) => {
            let members = leaving.iter().zip(results);
            let members = members.map(|(leaving, result)| MemberResponse {
                member_id: leaving.member_id,
                group_instance_id: leaving.instance_id,
                error_code: result.err().unwrap_or_default(),
            });
            let members: Vec<_> = members.collect();
            if context.version >= 3 {
                response.members = members;
            } else if let Some(only) = members.first() {
                response.error_code = only.error_code;
            }
            response.error_code = context.shown(response.error_code);
        }
    }
    context.answer(&response)
}

fn leaving<'a>(context: &Context<'_>, request: &LeaveGroupRequest<'a>) -> Vec<Leaving<'a>> {
    if context.version < 3 {
        return vec![Leaving {
            member_id: request.member_id,
            instance_id: None,
        }];
    }
    let members = request.members.iter().map(|member| Leaving {
        member_id: member.member_id,
        instance_id: member.group_instance_id,
    });
    members.collect()
}

fn leave(
    cluster: &mut Cluster,
    context: &Context<'_>,
    group: &str,
    leaving: &[Leaving<'_>],
) -> Result<Vec<Result<(), ErrorCode>>, ErrorCode> {
    context.check()?;
    if group.is_empty() {
        return Err(ErrorCode::INVALID_GROUP_ID);
    }
    cluster.check_coordinator(context.node, CoordinatorKind::Group, group)?;
    let left = cluster.with_classic(group, |group, around| group.leave(around, leaving));
    let unknown = || vec![Err(ErrorCode::UNKNOWN_MEMBER_ID); leaving.len()];
    Ok(left.unwrap_or_else(unknown))
}
