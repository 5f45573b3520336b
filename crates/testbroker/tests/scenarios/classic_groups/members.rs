//! Members of a classic group, as little of a client as possible.

use std::time::Duration;

use milena_testbroker::{BrokerConfig, ConnectionId};
use milena_wire::messages::{
    ConsumerProtocolAssignment, ConsumerProtocolAssignmentTopicPartition,
    ConsumerProtocolSubscription, HeartbeatRequest, JoinGroupRequest, JoinGroupRequestProtocol,
    JoinGroupResponse, LeaveGroupRequest, LeaveGroupResponse, MemberIdentity, SyncGroupRequest,
    SyncGroupRequestAssignment, SyncGroupResponse,
};
use milena_wire::{ApiVersion, ErrorCode, decode_response, encode_versioned};

use crate::harness::Cluster;

pub(super) const JOIN: i16 = 9;
pub(super) const SYNC: i16 = 5;
pub(super) const SESSION: Duration = Duration::from_secs(10);
pub(super) const REBALANCE: Duration = Duration::from_secs(30);

/// How a member joins.
#[derive(Clone, Debug)]
pub(super) struct Joining<'a> {
    pub(super) version: i16,
    pub(super) group: &'a str,
    pub(super) member_id: &'a str,
    pub(super) instance_id: Option<&'a str>,
    pub(super) session_timeout: Duration,
    pub(super) rebalance_timeout: Duration,
    pub(super) protocol_type: &'a str,
    pub(super) protocols: &'a [(&'a str, &'a [u8])],
}

impl Default for Joining<'_> {
    fn default() -> Self {
        Self {
            version: JOIN,
            group: "g",
            member_id: "",
            instance_id: None,
            session_timeout: SESSION,
            rebalance_timeout: REBALANCE,
            protocol_type: "consumer",
            protocols: &[("range", b"r")],
        }
    }
}

/// JoinGroup's answer as plain values.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Joined {
    pub(super) error: ErrorCode,
    pub(super) generation: i32,
    pub(super) protocol_type: Option<String>,
    pub(super) protocol: Option<String>,
    pub(super) leader: String,
    pub(super) skip_assignment: bool,
    pub(super) member_id: String,
    /// Ids of all members.
    pub(super) members: Vec<String>,
}

impl Joined {
    pub(super) fn leads(&self) -> bool {
        self.leader == self.member_id
    }
}

/// SyncGroup's answer as plain values.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Synced {
    pub(super) error: ErrorCode,
    pub(super) protocol: Option<String>,
    pub(super) assignment: String,
}

/// A member on a connection of its own.
#[derive(Clone, Debug)]
pub(super) struct Member {
    pub(super) conn: ConnectionId,
    pub(super) id: String,
    pub(super) generation: i32,
}

pub(super) fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn millis(duration: Duration) -> i32 {
    i32::try_from(duration.as_millis()).unwrap()
}

/// A consumer's subscription.
pub(super) fn subscribed(topics: &[&str]) -> Vec<u8> {
    let subscription = ConsumerProtocolSubscription {
        topics: topics.to_vec(),
        ..Default::default()
    };
    encode_versioned(&subscription, ApiVersion(0))
        .unwrap()
        .to_vec()
}

/// A consumer's assignment.
pub(super) fn assigned(topic: &str, partitions: &[i32]) -> Vec<u8> {
    let assignment = ConsumerProtocolAssignment {
        assigned_partitions: vec![ConsumerProtocolAssignmentTopicPartition {
            topic,
            partitions: partitions.to_vec().into(),
        }],
        user_data: None,
    };
    encode_versioned(&assignment, ApiVersion(0))
        .unwrap()
        .to_vec()
}

/// One node with topics `t` and `u`.
pub(super) fn cluster() -> Cluster {
    cluster_of(BrokerConfig::default())
}

pub(super) fn cluster_of(config: BrokerConfig) -> Cluster {
    let mut cluster = Cluster::with_topic(config);
    cluster.broker.create_topic("u", 2);
    cluster
}

fn joined(version: i16, frame: &bytes::Bytes) -> Joined {
    let answer: JoinGroupResponse<'_> = decode_response(frame, ApiVersion(version)).unwrap();
    let members = answer
        .members
        .iter()
        .map(|member| member.member_id.to_owned());
    Joined {
        error: answer.error_code,
        generation: answer.generation_id,
        protocol_type: answer.protocol_type.map(str::to_owned),
        protocol: answer.protocol_name.map(str::to_owned),
        leader: answer.leader.to_owned(),
        skip_assignment: answer.skip_assignment,
        member_id: answer.member_id.to_owned(),
        members: members.collect(),
    }
}

impl Cluster {
    /// Sends a JoinGroup without waiting for its answer.
    pub(super) fn send_join(&mut self, conn: ConnectionId, joining: &Joining<'_>) {
        let protocols = joining
            .protocols
            .iter()
            .map(|(name, metadata)| JoinGroupRequestProtocol { name, metadata });
        let request = JoinGroupRequest {
            group_id: joining.group,
            session_timeout_ms: millis(joining.session_timeout),
            rebalance_timeout_ms: millis(joining.rebalance_timeout),
            member_id: joining.member_id,
            group_instance_id: joining.instance_id,
            protocol_type: joining.protocol_type,
            protocols: protocols.collect(),
            reason: None,
        };
        self.send(conn, joining.version, &request);
    }

    /// The answer of a JoinGroup; time passes if it must.
    pub(super) fn join_answer(&mut self, conn: ConnectionId, version: i16) -> Joined {
        let frame = self.await_frame(conn);
        joined(version, &frame)
    }

    /// JoinGroup and its answer; time passes if it must.
    pub(super) fn join(&mut self, conn: ConnectionId, joining: &Joining<'_>) -> Joined {
        self.send_join(conn, joining);
        self.join_answer(conn, joining.version)
    }

    /// A newcomer asks for its id, and sends its JoinGroup with it.
    pub(super) fn newcomer(&mut self, joining: &Joining<'_>) -> Member {
        let conn = self.connect(1);
        let named = self.join(conn, joining);
        assert_eq!(named.error, ErrorCode::MEMBER_ID_REQUIRED);
        let id = named.member_id;
        let joining = Joining {
            member_id: &id,
            ..joining.clone()
        };
        self.send_join(conn, &joining);
        Member {
            conn,
            id,
            generation: -1,
        }
    }

    /// A member's JoinGroup as before.
    pub(super) fn rejoin(&mut self, member: &Member) {
        let joining = Joining {
            member_id: &member.id,
            ..Joining::default()
        };
        self.send_join(member.conn, &joining);
    }

    /// Takes in the answer of a JoinGroup that has to have succeeded.
    pub(super) fn take_join(&mut self, member: &mut Member) -> Joined {
        let joined = self.join_answer(member.conn, JOIN);
        assert_eq!(joined.error, ErrorCode::NONE);
        assert_eq!(joined.member_id, member.id);
        member.generation = joined.generation;
        joined
    }

    pub(super) fn send_sync(&mut self, member: &Member, assignments: &[(&str, &[u8])]) {
        self.send_sync_as(member, None, assignments);
    }

    pub(super) fn send_sync_as(
        &mut self,
        member: &Member,
        instance_id: Option<&str>,
        assignments: &[(&str, &[u8])],
    ) {
        let assignments =
            assignments
                .iter()
                .map(|(member_id, assignment)| SyncGroupRequestAssignment {
                    member_id,
                    assignment,
                });
        let request = SyncGroupRequest {
            group_id: "g",
            generation_id: member.generation,
            member_id: &member.id,
            group_instance_id: instance_id,
            protocol_type: Some("consumer"),
            protocol_name: Some("range"),
            assignments: assignments.collect(),
        };
        self.send(member.conn, SYNC, &request);
    }

    pub(super) fn sync_answer(&mut self, member: &Member) -> Synced {
        let frame = self.await_frame(member.conn);
        let answer: SyncGroupResponse<'_> = decode_response(&frame, ApiVersion(SYNC)).unwrap();
        Synced {
            error: answer.error_code,
            protocol: answer.protocol_name.map(str::to_owned),
            assignment: String::from_utf8_lossy(answer.assignment).into_owned(),
        }
    }

    pub(super) fn beat(&mut self, member: &Member) -> ErrorCode {
        self.beat_as(member, None)
    }

    pub(super) fn beat_as(&mut self, member: &Member, instance_id: Option<&str>) -> ErrorCode {
        let request = HeartbeatRequest {
            group_id: "g",
            generation_id: member.generation,
            member_id: &member.id,
            group_instance_id: instance_id,
        };
        self.ask(1, 4, &request, |response| response.error_code)
    }

    /// LeaveGroup: the error of the whole and of each, by member id and instance id.
    pub(super) fn leave(
        &mut self,
        group: &str,
        leaving: &[(&str, Option<&str>)],
    ) -> (ErrorCode, Vec<ErrorCode>) {
        let members = leaving
            .iter()
            .map(|(member_id, instance_id)| MemberIdentity {
                member_id,
                group_instance_id: *instance_id,
                reason: None,
            });
        let request = LeaveGroupRequest {
            group_id: group,
            members: members.collect(),
            ..Default::default()
        };
        self.ask(1, 5, &request, |response: LeaveGroupResponse<'_>| {
            let members = response.members.iter().map(|member| member.error_code);
            (response.error_code, members.collect())
        })
    }

    pub(super) fn state(&self, group: &str) -> &'static str {
        self.broker.group(group).unwrap().state
    }

    /// A stable group of one member, which reads `topics`.
    pub(super) fn stable(&mut self, topics: &[&str]) -> Member {
        self.stable_with(topics, SESSION)
    }

    pub(super) fn stable_with(&mut self, topics: &[&str], session_timeout: Duration) -> Member {
        let metadata = subscribed(topics);
        let mut member = self.newcomer(&Joining {
            protocols: &[("range", &metadata)],
            session_timeout,
            ..Joining::default()
        });
        self.take_join(&mut member);
        let id = member.id.clone();
        self.send_sync(&member, &[(&id, &assigned("t", &[0]))]);
        assert_eq!(self.sync_answer(&member).error, ErrorCode::NONE);
        member
    }

    /// A stable group of these many members, the leader first.
    pub(super) fn stable_group(&mut self, size: usize) -> Vec<Member> {
        let mut members: Vec<_> = (0..size)
            .map(|_| self.newcomer(&Joining::default()))
            .collect();
        for member in &mut members {
            self.take_join(member);
        }
        self.assign_all(&members);
        members
    }

    /// The first member assigns `a0`, `a1`, .. to all of them.
    pub(super) fn assign_all(&mut self, members: &[Member]) {
        let assignments: Vec<_> = (0..)
            .zip(members)
            .map(|(place, member)| (member.id.clone(), format!("a{place}")))
            .collect();
        let assignments: Vec<(&str, &[u8])> = assignments
            .iter()
            .map(|(id, assignment)| (id.as_str(), assignment.as_bytes()))
            .collect();
        for member in members.iter().rev() {
            let from_leader = member.id == members[0].id;
            self.send_sync(member, if from_leader { &assignments } else { &[] });
        }
        for (place, member) in members.iter().enumerate() {
            let synced = self.sync_answer(member);
            assert_eq!(synced.error, ErrorCode::NONE);
            assert_eq!(synced.assignment, format!("a{place}"));
        }
    }
}
