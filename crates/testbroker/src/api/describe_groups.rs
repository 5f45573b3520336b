//! DescribeGroups v0-6. A group that is not there is "Dead"; v6 adds GROUP_ID_NOT_FOUND. Groups of
//! the consumer protocol are not there for it.

use milena_wire::ErrorCode;
use milena_wire::messages::{
    DescribeGroupsDescribedGroup as DescribedGroup, DescribeGroupsRequest, DescribeGroupsResponse,
    DescribedGroupMember,
};

use crate::cluster::{Cluster, CoordinatorKind};
use crate::config::Emulate;
use crate::group::classic::State;
use crate::group::{ClassicGroup, Group, Members};
use crate::request::{Context, Reply};

/// READ, DELETE and DESCRIBE as bits: all that could be done to a group in 3.9, where nobody is
/// forbidden anything. DESCRIBE_CONFIGS and ALTER_CONFIGS came then.
const OPERATIONS_3_9: i32 = 1 << 3 | 1 << 6 | 1 << 8;
const OPERATIONS: i32 = OPERATIONS_3_9 | 1 << 10 | 1 << 11;

pub(crate) fn handle(
    cluster: &mut Cluster,
    context: &Context<'_>,
    request: &DescribeGroupsRequest<'_>,
) -> Reply {
    let cluster = &*cluster;
    let is_3_9 = cluster.config.emulate == Emulate::V3_9;
    let messages: Vec<_> = request
        .groups
        .iter()
        .map(|id| missing(cluster, id))
        .collect();
    let groups = request.groups.iter().zip(&messages).map(|(id, missing)| {
        let mut described = match check(cluster, context, id) {
            Err(error) => DescribedGroup {
                error_code: error,
                ..Default::default()
            },
            Ok(()) => match cluster.groups.get(id) {
                Some(group) if missing.is_empty() => describe(group, is_3_9),
                _ => dead(context, missing),
            },
        };
        described.group_id = id;
        if request.include_authorized_operations && described.error_code == ErrorCode::NONE {
            described.authorized_operations = if is_3_9 { OPERATIONS_3_9 } else { OPERATIONS };
        }
        described
    });
    let response = DescribeGroupsResponse {
        throttle_time_ms: context.throttle_time_ms,
        groups: groups.collect(),
    };
    context.answer(&response)
}

fn check(cluster: &Cluster, context: &Context<'_>, id: &str) -> Result<(), ErrorCode> {
    context.check()?;
    cluster.check_coordinator(context.node, CoordinatorKind::Group, id)
}

/// Why there is no classic group of this id; empty if there is.
fn missing(cluster: &Cluster, id: &str) -> String {
    match cluster.groups.get(id).map(|group| &group.members) {
        None => format!("Group {id} not found."),
        Some(Members::Consumer(_)) => format!("Group {id} is not a classic group."),
        Some(Members::None | Members::Classic(_)) => String::new(),
    }
}

fn dead<'a>(context: &Context<'_>, missing: &'a str) -> DescribedGroup<'a> {
    let tells = context.version >= 6;
    DescribedGroup {
        group_state: "Dead",
        error_code: if tells {
            ErrorCode::GROUP_ID_NOT_FOUND
        } else {
            ErrorCode::NONE
        },
        error_message: tells.then_some(missing),
        ..Default::default()
    }
}

fn describe(group: &Group, is_3_9: bool) -> DescribedGroup<'_> {
    let described = DescribedGroup {
        group_state: group.state(),
        protocol_type: group.protocol_type(),
        ..Default::default()
    };
    match &group.members {
        Members::Classic(classic) => with_members(described, classic, is_3_9),
        Members::None | Members::Consumer(_) => described,
    }
}

/// Protocol and metadata are only told of a stable group, in 3.9 assignments too.
fn with_members<'a>(
    described: DescribedGroup<'a>,
    group: &'a ClassicGroup,
    is_3_9: bool,
) -> DescribedGroup<'a> {
    let stable = group.state() == State::Stable;
    let protocol = group.protocol().filter(|_| stable).unwrap_or_default();
    let members = group.members().map(|(id, member)| {
        let mut protocols = member.protocols.iter();
        let spoken = protocols.find(|spoken| stable && *spoken.name == *protocol);
        DescribedGroupMember {
            member_id: id,
            group_instance_id: member.instance_id.as_deref(),
            client_id: &member.client_id,
            client_host: &member.client_host,
            member_metadata: spoken.map_or(&[], |spoken| &spoken.metadata),
            member_assignment: if is_3_9 && !stable {
                &[]
            } else {
                &member.assignment
            },
        }
    });
    DescribedGroup {
        protocol_data: protocol,
        members: members.collect(),
        ..described
    }
}
