//! ConsumerGroupHeartbeat v0-1: members of the consumer protocol (KIP-848).
//!
//! Not done: a group whose members speak the classic protocol is not turned into one of this
//! protocol, as `group.consumer.migration.policy` allows by default: it answers GROUP_ID_NOT_FOUND
//! while it has members. A regular expression is one of the `regex-lite` crate, which has no Unicode
//! classes, and the reason in the message of INVALID_REGULAR_EXPRESSION is in its words.

use milena_wire::messages::{
    ConsumerGroupHeartbeatAssignment, ConsumerGroupHeartbeatRequest,
    ConsumerGroupHeartbeatResponse, ConsumerGroupHeartbeatResponseTopicPartitions,
};
use milena_wire::{ErrorCode, Numbers, Uuid};

use crate::cluster::{Cluster, CoordinatorKind};
use crate::group::consumer::{
    ASSIGNORS, Beat, Beating, Held, JOINING, LEAVING, LEAVING_FOR_NOW, Refusal,
};
use crate::group::{ConsumerGroup, Members};
use crate::limits::SUBSCRIBED_NAMES_MAX;
use crate::request::{Context, Reply};

/// Where all clients seem to come from: the state machine knows no addresses.
const CLIENT_HOST: &str = "/127.0.0.1";

/// From this version on a member has to bring its id.
const OWN_MEMBER_ID_VERSION: i16 = 1;

pub(crate) fn handle(
    cluster: &mut Cluster,
    context: &Context<'_>,
    request: &ConsumerGroupHeartbeatRequest<'_>,
) -> Reply {
    if !cluster.speaks_consumer_protocol() {
        return answer(context, Err(ErrorCode::UNSUPPORTED_VERSION), None);
    }
    if let Err(error) = context.check() {
        return answer(context, Err(error), None);
    }
    if let Err(refusal) = check(request, context.version) {
        return answer(context, Err(refusal.error), Some(&refusal.message));
    }
    let group = request.group_id;
    if let Err(error) = cluster.check_coordinator(context.node, CoordinatorKind::Group, group) {
        return answer(context, Err(error), default_message(error));
    }
    match apply(cluster, context, request) {
        Ok(beat) => {
            cluster.group_changed(group);
            answer(context, Ok(&beat), None)
        }
        Err(refusal) => answer(context, Err(refusal.error), Some(&refusal.message)),
    }
}

fn answer(context: &Context<'_>, result: Result<&Beat, ErrorCode>, message: Option<&str>) -> Reply {
    let error = context.shown(result.err().unwrap_or_default());
    let beat = result.ok().filter(|_| error == ErrorCode::NONE);
    context.answer(&ConsumerGroupHeartbeatResponse {
        throttle_time_ms: context.throttle_time_ms,
        error_code: error,
        error_message: message,
        member_id: beat.map(|beat| &*beat.member_id),
        member_epoch: beat.map_or(0, |beat| beat.epoch),
        heartbeat_interval_ms: beat.map_or(0, |beat| beat.interval_ms),
        assignment: beat.and_then(|beat| beat.assignment.as_ref().map(assignment)),
    })
}

fn assignment(held: &Held) -> ConsumerGroupHeartbeatAssignment<'static> {
    let topics = held.iter().map(|(topic_id, partitions)| {
        let partitions: Vec<i32> = partitions.keys().copied().collect();
        ConsumerGroupHeartbeatResponseTopicPartitions {
            topic_id: *topic_id,
            partitions: Numbers::from(partitions),
        }
    });
    ConsumerGroupHeartbeatAssignment {
        topic_partitions: topics.collect(),
    }
}

/// What can be said of a request without looking at the group.
fn check(request: &ConsumerGroupHeartbeatRequest<'_>, version: i16) -> Result<(), Refusal> {
    let refuse = |message: &str| Err(Refusal::new(ErrorCode::INVALID_REQUEST, message));
    let epoch = request.member_epoch;
    // Kafka takes blanks for nothing.
    let is_blank = |text: &str| text.trim().is_empty();
    let needs_id = version >= OWN_MEMBER_ID_VERSION || epoch > JOINING || epoch == LEAVING;
    if needs_id && is_blank(request.member_id) {
        return refuse("MemberId can't be empty.");
    }
    if is_blank(request.group_id) {
        return refuse("GroupId can't be empty.");
    }
    if request.instance_id.is_some_and(is_blank) {
        return refuse("InstanceId can't be empty.");
    }
    if request.rack_id.is_some_and(is_blank) {
        return refuse("RackId can't be empty.");
    }
    if epoch == JOINING {
        if request.rebalance_timeout_ms == -1 {
            return refuse("RebalanceTimeoutMs must be provided in first request.");
        }
        if request
            .topic_partitions
            .as_ref()
            .is_none_or(|topics| !topics.is_empty())
        {
            return refuse("TopicPartitions must be empty when (re-)joining.");
        }
        if request.subscribed_topic_names.is_none() && request.subscribed_topic_regex.is_none() {
            return refuse(
                "Either SubscribedTopicNames or SubscribedTopicRegex must be non-null when \
                 (re-)joining.",
            );
        }
    } else if epoch == LEAVING_FOR_NOW && request.instance_id.is_none() {
        return refuse("InstanceId can't be null.");
    } else if epoch < LEAVING_FOR_NOW {
        return refuse("MemberEpoch is invalid.");
    }
    let names = request.subscribed_topic_names.as_ref();
    if names.is_some_and(|names| names.len() > SUBSCRIBED_NAMES_MAX) {
        return refuse("The test broker has no room for so many subscribed topics.");
    }
    match request.server_assignor {
        Some(assignor) if !ASSIGNORS.contains(&assignor) => {
            let supported = ASSIGNORS.join(", ");
            let message = format!(
                "ServerAssignor {assignor} is not supported. Supported assignors: {supported}."
            );
            Err(Refusal::new(ErrorCode::UNSUPPORTED_ASSIGNOR, message))
        }
        _ => Ok(()),
    }
}

fn apply(
    cluster: &mut Cluster,
    context: &Context<'_>,
    request: &ConsumerGroupHeartbeatRequest<'_>,
) -> Result<Beat, Refusal> {
    let id = request.group_id;
    let joining = request.member_epoch == JOINING;
    if joining && !cluster.groups.has_room_for(id) {
        let error = ErrorCode::COORDINATOR_NOT_AVAILABLE;
        return Err(Refusal::new(
            error,
            "The test broker has no room for more groups.",
        ));
    }
    let fresh_id = fresh_member_id(cluster, context);
    let beating = Beating {
        now: context.now,
        topics: &cluster.topics,
        settings: cluster.consumer_settings(context.node, id),
        client_id: context.client_id.unwrap_or_default(),
        client_host: CLIENT_HOST,
        fresh_id: &fresh_id,
    };
    let leaving = matches!(request.member_epoch, LEAVING | LEAVING_FOR_NOW);
    let why = match cluster.groups.get_mut(id).map(|group| &mut group.members) {
        Some(Members::Consumer(members)) => return members.heartbeat(&beating, request),
        None if leaving => format!("Group {id} not found."),
        None if !joining => format!("Consumer group {id} not found."),
        Some(_) if !joining => format!("Group {id} is not a consumer group."),
        Some(Members::Classic(members)) if !members.is_empty() => {
            let why = if members.is_of_consumers() {
                "online upgrade is disabled"
            } else {
                "the group does not use the consumer embedded protocol"
            };
            format!("Cannot upgrade classic group {id} to consumer group because {why}.")
        }
        // One without members, or that never had any, becomes one of this protocol.
        None | Some(Members::None | Members::Classic(_)) => String::new(),
    };
    if !why.is_empty() {
        return Err(Refusal::new(ErrorCode::GROUP_ID_NOT_FOUND, why));
    }
    // Nothing is left of a first heartbeat that is refused, not even the group.
    let mut members = ConsumerGroup::default();
    let beat = members.heartbeat(&beating, request)?;
    cluster.groups.get_or_create(id).members = Members::Consumer(Box::new(members));
    Ok(beat)
}

/// The id of a member that brings none, which up to version 0 it need not.
fn fresh_member_id(cluster: &Cluster, context: &Context<'_>) -> String {
    let seed = cluster.config.seed ^ context.request.rotate_left(32);
    let id = fastrand::Rng::with_seed(seed).u128(1..);
    Uuid(id.to_be_bytes()).to_string()
}

/// What Kafka says where it has no more to say than the error itself.
fn default_message(error: ErrorCode) -> Option<&'static str> {
    match error {
        ErrorCode::NOT_COORDINATOR => Some("This is not the correct coordinator."),
        ErrorCode::COORDINATOR_LOAD_IN_PROGRESS => {
            Some("The coordinator is loading and hence can't process requests.")
        }
        _ => None,
    }
}
