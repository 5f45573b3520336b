//! DeleteGroups v0-2: groups without members, by either protocol, with their offsets.

use std::collections::BTreeSet;

use milena_wire::ErrorCode;
use milena_wire::messages::{DeletableGroupResult, DeleteGroupsRequest, DeleteGroupsResponse};

use crate::cluster::{Cluster, CoordinatorKind};
use crate::request::{Context, Reply};

pub(crate) fn handle(
    cluster: &mut Cluster,
    context: &Context<'_>,
    request: &DeleteGroupsRequest<'_>,
) -> Reply {
    let mut results: Vec<DeletableGroupResult<'_>> = Vec::new();
    let mut seen = BTreeSet::new();
    for id in request.groups_names.iter().filter(|id| seen.insert(**id)) {
        let deleted = delete(cluster, context, id);
        results.push(DeletableGroupResult {
            group_id: id,
            error_code: match deleted {
                Ok(()) => context.shown(ErrorCode::NONE),
                Err(error) => error,
            },
        });
    }
    let response = DeleteGroupsResponse {
        throttle_time_ms: context.throttle_time_ms,
        results,
    };
    context.answer(&response)
}

fn delete(cluster: &mut Cluster, context: &Context<'_>, id: &str) -> Result<(), ErrorCode> {
    context.check()?;
    cluster.check_coordinator(context.node, CoordinatorKind::Group, id)?;
    let group = cluster.groups.get(id);
    let group = group.ok_or(ErrorCode::GROUP_ID_NOT_FOUND)?;
    if !group.is_empty() {
        return Err(ErrorCode::NON_EMPTY_GROUP);
    }
    cluster.remove_group(id);
    Ok(())
}
