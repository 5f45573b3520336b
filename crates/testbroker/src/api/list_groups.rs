//! ListGroups v0-5: the groups this node coordinates; filters by state from v4, by type from v5.

use milena_wire::ErrorCode;
use milena_wire::messages::{ListGroupsRequest, ListGroupsResponse, ListedGroup};

use crate::cluster::{Cluster, CoordinatorKind};
use crate::config::Emulate;
use crate::group::Group;
use crate::request::{Context, Reply};

pub(crate) fn handle(
    cluster: &mut Cluster,
    context: &Context<'_>,
    request: &ListGroupsRequest<'_>,
) -> Reply {
    let mut response = ListGroupsResponse {
        throttle_time_ms: context.throttle_time_ms,
        ..Default::default()
    };
    match list(cluster, context, request) {
        Ok(groups) => {
            response.groups = groups;
            response.error_code = context.shown(ErrorCode::NONE);
        }
        Err(error) => response.error_code = error,
    }
    context.answer(&response)
}

fn list<'a>(
    cluster: &'a Cluster,
    context: &Context<'_>,
    request: &ListGroupsRequest<'_>,
) -> Result<Vec<ListedGroup<'a>>, ErrorCode> {
    context.check()?;
    let mut listed = Vec::new();
    for (id, group) in cluster.groups.iter() {
        match cluster.check_coordinator(context.node, CoordinatorKind::Group, id) {
            Err(ErrorCode::NOT_COORDINATOR) => continue,
            checked => checked?,
        }
        if is_wanted(cluster, request, group) {
            listed.push(ListedGroup {
                group_id: id,
                protocol_type: group.protocol_type(),
                group_state: group.state(),
                group_type: group.group_type(),
            });
        }
    }
    Ok(listed)
}

/// Letters of either case are the same; 4.x also does without the blanks round a state.
fn is_wanted(cluster: &Cluster, request: &ListGroupsRequest<'_>, group: &Group) -> bool {
    let trims = cluster.config.emulate == Emulate::V4_3;
    let states = &request.states_filter;
    let is_state = |state: &&str| {
        let state = if trims { state.trim() } else { state };
        state.eq_ignore_ascii_case(group.state())
    };
    let types = &request.types_filter;
    let is_type = |wanted: &&str| wanted.eq_ignore_ascii_case(group.group_type());
    (states.is_empty() || states.iter().any(is_state))
        && (types.is_empty() || types.iter().any(is_type))
}
