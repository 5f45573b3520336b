//! Each heartbeat that is refused, with what Kafka says.

use milena_testbroker::{Action, ApiKey, BrokerConfig, Emulate, ErrorCode, Rule};
use milena_wire::messages::{ConsumerGroupDescribeRequest, ConsumerGroupHeartbeatRequest};

use super::member::{Answer, Member, bare, beat, beat_in, eager, joining};
use crate::harness::Cluster;

/// Refused with this error and message, and nothing else in the answer.
#[track_caller]
fn refused(answer: &Answer, error: ErrorCode, message: &str) {
    let expected = Answer {
        error,
        message: Some(message.to_owned()),
        member_id: None,
        epoch: 0,
        interval_ms: 0,
        assignment: None,
    };
    assert_eq!(*answer, expected);
}

#[test]
fn a_request_that_cannot_be_meant_is_invalid() {
    let mut cluster = eager(1);
    let rows: Vec<(ConsumerGroupHeartbeatRequest<'_>, &str)> = vec![
        (joining(""), "MemberId can't be empty."),
        (bare("", -1), "MemberId can't be empty."),
        (
            ConsumerGroupHeartbeatRequest {
                group_id: "",
                ..joining("a")
            },
            "GroupId can't be empty.",
        ),
        (
            ConsumerGroupHeartbeatRequest {
                instance_id: Some(""),
                ..joining("a")
            },
            "InstanceId can't be empty.",
        ),
        (
            ConsumerGroupHeartbeatRequest {
                rack_id: Some(" "),
                ..joining("a")
            },
            "RackId can't be empty.",
        ),
        (
            ConsumerGroupHeartbeatRequest {
                rebalance_timeout_ms: -1,
                ..joining("a")
            },
            "RebalanceTimeoutMs must be provided in first request.",
        ),
        (
            ConsumerGroupHeartbeatRequest {
                topic_partitions: None,
                ..joining("a")
            },
            "TopicPartitions must be empty when (re-)joining.",
        ),
        (
            ConsumerGroupHeartbeatRequest {
                subscribed_topic_names: None,
                ..joining("a")
            },
            "Either SubscribedTopicNames or SubscribedTopicRegex must be non-null when \
             (re-)joining.",
        ),
        (bare("a", -2), "InstanceId can't be null."),
        (bare("a", -3), "MemberEpoch is invalid."),
    ];
    for (request, message) in rows {
        refused(
            &beat(&mut cluster, &request),
            ErrorCode::INVALID_REQUEST,
            message,
        );
    }
    let old = beat_in(&mut cluster, 0, &bare("", 1));
    refused(&old, ErrorCode::INVALID_REQUEST, "MemberId can't be empty.");
}

#[test]
fn an_assignor_that_there_is_not_is_refused() {
    let mut cluster = eager(1);
    let request = ConsumerGroupHeartbeatRequest {
        server_assignor: Some("sticky"),
        ..joining("a")
    };
    refused(
        &beat(&mut cluster, &request),
        ErrorCode::UNSUPPORTED_ASSIGNOR,
        "ServerAssignor sticky is not supported. Supported assignors: uniform, range.",
    );
}

#[test]
fn only_a_joining_member_makes_a_group() {
    let mut cluster = eager(1);
    refused(
        &beat(&mut cluster, &bare("a", 1)),
        ErrorCode::GROUP_ID_NOT_FOUND,
        "Consumer group g not found.",
    );
    refused(
        &beat(&mut cluster, &bare("a", -1)),
        ErrorCode::GROUP_ID_NOT_FOUND,
        "Group g not found.",
    );
    cluster.broker.commit_offset("g", "t", 0, 7);
    refused(
        &beat(&mut cluster, &bare("a", 1)),
        ErrorCode::GROUP_ID_NOT_FOUND,
        "Group g is not a consumer group.",
    );
    let joined = beat(&mut cluster, &joining("a"));
    assert_eq!(joined.error, ErrorCode::NONE);
    assert_eq!(cluster.broker.committed_offset("g", "t", 0), Some(7));
}

#[test]
fn members_and_epochs_have_to_be_known() {
    let mut cluster = eager(1);
    Member::new("a", &["t"]).beat(&mut cluster);
    refused(
        &beat(&mut cluster, &bare("b", 2)),
        ErrorCode::UNKNOWN_MEMBER_ID,
        "Member b is not a member of group g.",
    );
    refused(
        &beat(&mut cluster, &bare("b", -1)),
        ErrorCode::UNKNOWN_MEMBER_ID,
        "Member b is not a member of group g.",
    );
    refused(
        &beat(&mut cluster, &bare("a", 3)),
        ErrorCode::FENCED_MEMBER_EPOCH,
        "The consumer group member has a greater member epoch (3) than the one known by the group \
         coordinator (2). The member must abandon all its partitions and rejoin.",
    );
    refused(
        &beat(&mut cluster, &bare("a", 1)),
        ErrorCode::FENCED_MEMBER_EPOCH,
        "The consumer group member has a smaller member epoch (1) than the one known by the group \
         coordinator (2). The member must abandon all its partitions and rejoin.",
    );
}

#[test]
fn a_full_group_takes_nobody_else() {
    let mut cluster = Cluster::with_topic(BrokerConfig {
        consumer_group_max_size: 1,
        ..BrokerConfig::default()
    });
    Member::new("a", &["t"]).beat(&mut cluster);
    refused(
        &beat(&mut cluster, &joining("b")),
        ErrorCode::GROUP_MAX_SIZE_REACHED,
        "The consumer group has reached its maximum capacity of 1 members.",
    );
    assert_eq!(beat(&mut cluster, &joining("a")).error, ErrorCode::NONE);
}

#[test]
fn another_node_is_not_the_coordinator() {
    let mut cluster = Cluster::with_topic(BrokerConfig {
        nodes: 2,
        ..BrokerConfig::default()
    });
    let answers = [1, 2].map(|node| {
        cluster.ask(node, 1, &joining("a"), |response| {
            let message = response.error_message.map(str::to_owned);
            (response.error_code, message)
        })
    });
    let wrong = (
        ErrorCode::NOT_COORDINATOR,
        Some("This is not the correct coordinator.".to_owned()),
    );
    assert_eq!(answers.iter().filter(|answer| **answer == wrong).count(), 1);
}

#[test]
fn kafka_3_9_has_no_such_groups() {
    let mut cluster = Cluster::with_topic(BrokerConfig {
        emulate: Emulate::V3_9,
        ..BrokerConfig::default()
    });
    let answer = beat_in(&mut cluster, 0, &joining(""));
    assert_eq!(answer.error, ErrorCode::UNSUPPORTED_VERSION);
    assert_eq!(answer.message, None);
    let request = ConsumerGroupDescribeRequest {
        group_ids: vec!["g"],
        include_authorized_operations: true,
    };
    let error = cluster.ask(1, 0, &request, |response| response.groups[0].error_code);
    assert_eq!(error, ErrorCode::UNSUPPORTED_VERSION);
}

#[test]
fn groups_that_are_none_of_this_protocol_are_not_described() {
    let mut cluster = eager(1);
    cluster.broker.commit_offset("simple", "t", 0, 7);
    let request = ConsumerGroupDescribeRequest {
        group_ids: vec!["nobody", "simple", ""],
        include_authorized_operations: true,
    };
    let answers = cluster.ask(1, 1, &request, |response| {
        let groups = response.groups.iter();
        let shown = groups.map(|group| {
            let message = group.error_message.map(str::to_owned);
            (group.error_code, message, group.authorized_operations)
        });
        shown.collect::<Vec<_>>()
    });
    let message = |text: &str| Some(text.to_owned());
    assert_eq!(
        answers,
        [
            (
                ErrorCode::GROUP_ID_NOT_FOUND,
                message("Group nobody not found."),
                i32::MIN
            ),
            (
                ErrorCode::GROUP_ID_NOT_FOUND,
                message("Group simple is not a consumer group."),
                i32::MIN
            ),
            (ErrorCode::INVALID_GROUP_ID, None, i32::MIN),
        ]
    );
}

#[test]
fn a_rule_by_group_meets_its_heartbeats() {
    let mut cluster = eager(1);
    let rule = Rule::on(ApiKey::CONSUMER_GROUP_HEARTBEAT)
        .group("g")
        .times(1);
    cluster
        .broker
        .faults()
        .add(rule, Action::Error(ErrorCode::COORDINATOR_NOT_AVAILABLE));
    let answer = beat(&mut cluster, &joining("a"));
    assert_eq!(answer.error, ErrorCode::COORDINATOR_NOT_AVAILABLE);
    assert_eq!(
        beat(&mut cluster, &bare("a", 1)).error,
        ErrorCode::GROUP_ID_NOT_FOUND
    );
    assert_eq!(beat(&mut cluster, &joining("a")).epoch, 2);
}
