//! A member of the consumer protocol that does as it is told, and one that does not.

use std::collections::{BTreeMap, BTreeSet};

use milena_testbroker::{BrokerConfig, ErrorCode};
use milena_wire::messages::{
    ConsumerGroupDescribeRequest, ConsumerGroupHeartbeatRequest,
    ConsumerGroupHeartbeatRequestTopicPartitions,
};
use milena_wire::{Numbers, Uuid};

use crate::harness::Cluster;

pub(crate) const GROUP: &str = "g";

/// Partitions by topic id.
pub(crate) type Partitions = BTreeMap<Uuid, BTreeSet<i32>>;

/// What a heartbeat is answered with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) error: ErrorCode,
    pub(crate) message: Option<String>,
    pub(crate) member_id: Option<String>,
    pub(crate) epoch: i32,
    pub(crate) interval_ms: i32,
    pub(crate) assignment: Option<Partitions>,
}

/// A member that holds what it was told to hold.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub(crate) id: String,
    pub(crate) epoch: i32,
    pub(crate) instance: Option<String>,
    pub(crate) names: Vec<String>,
    pub(crate) regex: Option<String>,
    pub(crate) assignor: Option<String>,
    pub(crate) owned: Partitions,
}

/// A heartbeat that says nothing but who it is from.
pub(crate) fn bare<'a>(member_id: &'a str, epoch: i32) -> ConsumerGroupHeartbeatRequest<'a> {
    ConsumerGroupHeartbeatRequest {
        group_id: GROUP,
        member_id,
        member_epoch: epoch,
        instance_id: None,
        rack_id: None,
        rebalance_timeout_ms: -1,
        subscribed_topic_names: None,
        subscribed_topic_regex: None,
        server_assignor: None,
        topic_partitions: None,
    }
}

/// The heartbeat of a member that wants in and subscribes to `t`.
pub(crate) fn joining(member_id: &str) -> ConsumerGroupHeartbeatRequest<'_> {
    ConsumerGroupHeartbeatRequest {
        rebalance_timeout_ms: 60_000,
        subscribed_topic_names: Some(vec!["t"]),
        topic_partitions: Some(Vec::new()),
        ..bare(member_id, 0)
    }
}

pub(crate) fn beat(cluster: &mut Cluster, request: &ConsumerGroupHeartbeatRequest<'_>) -> Answer {
    beat_in(cluster, 1, request)
}

pub(crate) fn beat_in(
    cluster: &mut Cluster,
    version: i16,
    request: &ConsumerGroupHeartbeatRequest<'_>,
) -> Answer {
    cluster.ask(1, version, request, |response| Answer {
        error: response.error_code,
        message: response.error_message.map(str::to_owned),
        member_id: response.member_id.map(str::to_owned),
        epoch: response.member_epoch,
        interval_ms: response.heartbeat_interval_ms,
        assignment: response.assignment.map(|assignment| {
            let topics = assignment.topic_partitions.iter();
            topics
                .map(|topic| (topic.topic_id, topic.partitions.iter().collect()))
                .collect()
        }),
    })
}

/// One node, topic `t` of so many partitions, and no wait between two assignments.
pub(crate) fn eager(partitions: i32) -> Cluster {
    let mut cluster = Cluster::new(BrokerConfig {
        consumer_assignment_interval: std::time::Duration::ZERO,
        ..BrokerConfig::default()
    });
    assert!(cluster.broker.create_topic("t", partitions));
    cluster
}

impl Member {
    /// Not in the group yet.
    pub(crate) fn new(id: &str, names: &[&str]) -> Self {
        Self {
            id: id.to_owned(),
            epoch: 0,
            instance: None,
            names: names.iter().map(|name| (*name).to_owned()).collect(),
            regex: None,
            assignor: None,
            owned: Partitions::new(),
        }
    }

    pub(crate) fn named(mut self, instance: &str) -> Self {
        self.instance = Some(instance.to_owned());
        self
    }

    /// Sends a heartbeat that says all and takes the answer, without giving anything back.
    pub(crate) fn ask(&self, cluster: &mut Cluster) -> Answer {
        let owned = self.owned.iter().map(|(topic_id, partitions)| {
            ConsumerGroupHeartbeatRequestTopicPartitions {
                topic_id: *topic_id,
                partitions: partitions.iter().copied().collect::<Numbers<'_, i32>>(),
            }
        });
        let request = ConsumerGroupHeartbeatRequest {
            instance_id: self.instance.as_deref(),
            rebalance_timeout_ms: 60_000,
            subscribed_topic_names: Some(self.names.iter().map(String::as_str).collect()),
            subscribed_topic_regex: self.regex.as_deref(),
            server_assignor: self.assignor.as_deref(),
            topic_partitions: Some(owned.collect()),
            ..bare(&self.id, self.epoch)
        };
        beat(cluster, &request)
    }

    /// Sends a heartbeat and does at once what the answer says.
    pub(crate) fn beat(&mut self, cluster: &mut Cluster) -> &Self {
        let answer = self.ask(cluster);
        assert_eq!(answer.error, ErrorCode::NONE, "{answer:?}");
        self.follow(&answer)
    }

    pub(crate) fn follow(&mut self, answer: &Answer) -> &Self {
        self.epoch = answer.epoch;
        if let Some(assignment) = &answer.assignment {
            self.owned.clone_from(assignment);
        }
        self
    }

    pub(crate) fn leave(&mut self, cluster: &mut Cluster, epoch: i32) -> Answer {
        let request = ConsumerGroupHeartbeatRequest {
            instance_id: self.instance.as_deref(),
            ..bare(&self.id, epoch)
        };
        self.epoch = 0;
        self.owned.clear();
        beat(cluster, &request)
    }

    /// All that it holds, whatever the topic.
    pub(crate) fn partitions(&self) -> Vec<i32> {
        self.owned.values().flatten().copied().collect()
    }

    /// How many partitions it holds.
    pub(crate) fn load(&self) -> usize {
        self.owned.values().map(BTreeSet::len).sum()
    }
}

/// The group's state, epoch and target epoch.
pub(crate) fn standing(cluster: &mut Cluster) -> (String, i32, i32) {
    let request = ConsumerGroupDescribeRequest {
        group_ids: vec![GROUP],
        include_authorized_operations: false,
    };
    cluster.ask(1, 1, &request, |response| {
        let group = &response.groups[0];
        assert_eq!(group.error_code, ErrorCode::NONE);
        (
            group.group_state.to_owned(),
            group.group_epoch,
            group.assignment_epoch,
        )
    })
}
