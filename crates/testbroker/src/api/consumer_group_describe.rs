//! ConsumerGroupDescribe v0-1: groups of the consumer protocol, their members and assignments.
//!
//! Done as a whole.

use std::collections::BTreeMap;

use milena_wire::messages::{
    ConsumerGroupDescribeAssignment, ConsumerGroupDescribeDescribedGroup,
    ConsumerGroupDescribeMember, ConsumerGroupDescribeRequest, ConsumerGroupDescribeResponse,
    ConsumerGroupDescribeTopicPartitions,
};
use milena_wire::{ErrorCode, Numbers, Uuid};

use crate::cluster::{Cluster, CoordinatorKind, Topics};
use crate::group::Members;
use crate::group::consumer::{ConsumerGroup, Member, Wanted};
use crate::request::{Context, Reply};

/// READ, DELETE, DESCRIBE, DESCRIBE_CONFIGS, ALTER_CONFIGS: all that one may do with a group.
const ALL_OPERATIONS: i32 = 1 << 3 | 1 << 6 | 1 << 8 | 1 << 10 | 1 << 11;

/// `authorized_operations` where nobody asked.
const NOT_ASKED: i32 = i32::MIN;

pub(crate) fn handle(
    cluster: &mut Cluster,
    context: &Context<'_>,
    request: &ConsumerGroupDescribeRequest<'_>,
) -> Reply {
    let cluster = &*cluster;
    let messages: Vec<String> = request
        .group_ids
        .iter()
        .map(|id| message(cluster, id))
        .collect();
    let groups = request
        .group_ids
        .iter()
        .zip(&messages)
        .map(|(id, message)| {
            let described = describe(cluster, context, id);
            let asked = request.include_authorized_operations;
            match described.and_then(|group| shown(context).map(|()| group)) {
                Ok(group) => ConsumerGroupDescribeDescribedGroup {
                    authorized_operations: if asked { ALL_OPERATIONS } else { NOT_ASKED },
                    ..group
                },
                Err(error) => {
                    let speaks = error == ErrorCode::GROUP_ID_NOT_FOUND;
                    refused(id, error, speaks.then_some(message))
                }
            }
        });
    context.answer(&ConsumerGroupDescribeResponse {
        throttle_time_ms: context.throttle_time_ms,
        groups: groups.collect(),
    })
}

fn shown(context: &Context<'_>) -> Result<(), ErrorCode> {
    match context.shown(ErrorCode::NONE) {
        ErrorCode::NONE => Ok(()),
        error => Err(error),
    }
}

/// What is said of a group that is none of this protocol.
fn message(cluster: &Cluster, id: &str) -> String {
    if cluster.groups.get(id).is_some() {
        format!("Group {id} is not a consumer group.")
    } else {
        format!("Group {id} not found.")
    }
}

fn describe<'a>(
    cluster: &'a Cluster,
    context: &Context<'_>,
    id: &'a str,
) -> Result<ConsumerGroupDescribeDescribedGroup<'a>, ErrorCode> {
    if !cluster.speaks_consumer_protocol() {
        return Err(ErrorCode::UNSUPPORTED_VERSION);
    }
    context.check()?;
    if id.is_empty() {
        return Err(ErrorCode::INVALID_GROUP_ID);
    }
    cluster.check_coordinator(context.node, CoordinatorKind::Group, id)?;
    let Some(Members::Consumer(group)) = cluster.groups.get(id).map(|group| &group.members) else {
        return Err(ErrorCode::GROUP_ID_NOT_FOUND);
    };
    let members = group.members();
    Ok(ConsumerGroupDescribeDescribedGroup {
        error_code: ErrorCode::NONE,
        error_message: None,
        group_id: id,
        group_state: group.state(),
        group_epoch: group.epoch,
        assignment_epoch: group.target_epoch,
        assignor_name: group.assignor(),
        members: members
            .map(|member| describe_member(&cluster.topics, group, member))
            .collect(),
        authorized_operations: NOT_ASKED,
    })
}

fn refused<'a>(
    group_id: &'a str,
    error_code: ErrorCode,
    error_message: Option<&'a String>,
) -> ConsumerGroupDescribeDescribedGroup<'a> {
    ConsumerGroupDescribeDescribedGroup {
        error_code,
        error_message: error_message.map(String::as_str),
        group_id,
        group_state: "",
        group_epoch: 0,
        assignment_epoch: 0,
        assignor_name: "",
        members: Vec::new(),
        authorized_operations: NOT_ASKED,
    }
}

fn describe_member<'a>(
    topics: &'a Topics,
    group: &'a ConsumerGroup,
    member: &'a Member,
) -> ConsumerGroupDescribeMember<'a> {
    // What it has to give back is its own until it has done so.
    let mut held = Wanted::new();
    for (topic, partition) in member.held() {
        held.entry(topic).or_default().insert(partition);
    }
    let target = group.target(&member.id).cloned().unwrap_or_default();
    ConsumerGroupDescribeMember {
        member_id: &member.id,
        instance_id: member.instance_id.as_deref(),
        rack_id: member.rack_id.as_deref(),
        member_epoch: member.epoch,
        client_id: &member.client_id,
        client_host: &member.client_host,
        subscribed_topic_names: member.names.iter().map(|name| &**name).collect(),
        subscribed_topic_regex: Some(&member.regex),
        assignment: describe_assignment(topics, &held),
        target_assignment: describe_assignment(topics, &target),
        member_type: 1,
    }
}

/// Only topics that still exist, by name.
fn describe_assignment<'a>(
    topics: &'a Topics,
    wanted: &Wanted,
) -> ConsumerGroupDescribeAssignment<'a> {
    let named: BTreeMap<&str, (&Uuid, Vec<i32>)> = wanted
        .iter()
        .filter_map(|(topic, partitions)| {
            let name = topics.name_of(*topic)?;
            Some((&**name, (topic, partitions.iter().copied().collect())))
        })
        .collect();
    let topics = named
        .into_iter()
        .map(
            |(topic_name, (topic_id, partitions))| ConsumerGroupDescribeTopicPartitions {
                topic_id: *topic_id,
                topic_name,
                partitions: Numbers::from(partitions),
            },
        );
    ConsumerGroupDescribeAssignment {
        topic_partitions: topics.collect(),
    }
}
