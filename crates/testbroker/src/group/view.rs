//! Groups as tests read them.

use std::collections::BTreeMap;
use std::fmt;

use bytes::Bytes;
use milena_wire::messages::ConsumerProtocolAssignment;
use milena_wire::{ApiVersion, Decode, Reader};

use super::classic::Member;
use super::{Group, Members, consumer};
use crate::cluster::Topics;

/// A group as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupView {
    /// Its id.
    pub id: String,
    /// "classic" or "consumer"; a group that only keeps offsets is classic.
    pub group_type: &'static str,
    /// As DescribeGroups, or ConsumerGroupDescribe, calls it.
    pub state: &'static str,
    /// Generation of a classic group, group epoch of the consumer protocol.
    pub generation: i32,
    /// "consumer" for Kafka's consumers; empty for a group that only keeps offsets.
    pub protocol_type: String,
    /// The protocol (assignor) that a classic group's members agreed on.
    pub protocol: Option<String>,
    /// Member id of a classic group's leader.
    pub leader: Option<String>,
    /// Members by id.
    pub members: Vec<GroupMemberView>,
    /// Member ids that were given out by JoinGroup and have not joined yet.
    pub pending_members: Vec<String>,
    /// Committed offsets, by topic and partition.
    pub offsets: Vec<GroupOffsetView>,
    /// What open transactions will commit.
    pub pending_offsets: Vec<GroupOffsetView>,
}

/// A member of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupMemberView {
    /// Its id.
    pub id: String,
    /// Its `group.instance.id`, if it is static.
    pub instance_id: Option<String>,
    /// Client id of its last JoinGroup or ConsumerGroupHeartbeat.
    pub client_id: String,
    /// The protocols it speaks, in its order; none in the consumer protocol.
    pub protocols: Vec<String>,
    /// The bytes the leader of a classic group assigned.
    pub assignment: Bytes,
    /// The same read as a consumer's assignment, by topic; empty if it is none. In the consumer
    /// protocol what the member holds, also what it has to give back.
    pub partitions: Vec<(String, Vec<i32>)>,
    /// Whether its JoinGroup or SyncGroup waits, or it is not where the target has it yet.
    pub waits: bool,
}

/// An offset of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupOffsetView {
    /// Topic.
    pub topic: String,
    /// Partition.
    pub partition: i32,
    /// The offset to go on from.
    pub offset: i64,
    /// Leader epoch of the record before it, -1 if unknown.
    pub leader_epoch: i32,
    /// What the committer wrote with it.
    pub metadata: String,
    /// Whose transaction will commit it; `None`: it is committed.
    pub producer_id: Option<i64>,
}

impl Group {
    pub(crate) fn view(&self, id: &str, topics: &Topics) -> GroupView {
        let classic = match &self.members {
            Members::Classic(group) => Some(group),
            Members::None | Members::Consumer(_) => None,
        };
        let consumer = match &self.members {
            Members::Consumer(group) => Some(group),
            Members::None | Members::Classic(_) => None,
        };
        let members = classic.into_iter().flat_map(|group| group.members());
        let members = members.map(|(id, member)| member_view(id, member));
        let consumers = consumer.into_iter().flat_map(|group| {
            let members = group.members();
            members.map(|member| consumer_view(member, group.target_epoch, topics))
        });
        let pending = classic.into_iter().flat_map(|group| group.pending_joins());
        let offsets = self.offsets.committed();
        let pending_offsets = self.offsets.pending();
        GroupView {
            id: id.to_owned(),
            group_type: self.group_type(),
            state: self.state(),
            generation: classic
                .map(|group| group.generation())
                .or_else(|| consumer.map(|group| group.epoch))
                .unwrap_or_default(),
            protocol_type: self.protocol_type().to_owned(),
            protocol: classic.and_then(|group| group.protocol().map(str::to_owned)),
            leader: classic.and_then(|group| group.leader().map(str::to_owned)),
            members: members.chain(consumers).collect(),
            pending_members: pending.map(ToString::to_string).collect(),
            offsets: offsets
                .map(|(key, offset)| offset_view(None, key, offset))
                .collect(),
            pending_offsets: pending_offsets
                .map(|(producer_id, key, offset)| offset_view(Some(producer_id), key, offset))
                .collect(),
        }
    }
}

fn member_view(id: &str, member: &Member) -> GroupMemberView {
    let protocols = member.protocols.iter();
    GroupMemberView {
        id: id.to_owned(),
        instance_id: member.instance_id.as_deref().map(str::to_owned),
        client_id: member.client_id.to_string(),
        protocols: protocols
            .map(|protocol| protocol.name.to_string())
            .collect(),
        assignment: member.assignment.clone(),
        partitions: assigned(&member.assignment).unwrap_or_default(),
        waits: member.awaiting_join.is_some() || member.awaiting_sync.is_some(),
    }
}

/// What it has to give back is its own until it has done so.
fn consumer_view(member: &consumer::Member, target_epoch: i32, topics: &Topics) -> GroupMemberView {
    let mut held: BTreeMap<String, Vec<i32>> = BTreeMap::new();
    for (topic, partition) in member.held() {
        if let Some(name) = topics.name_of(topic) {
            held.entry(name.to_string()).or_default().push(partition);
        }
    }
    for partitions in held.values_mut() {
        partitions.sort_unstable();
    }
    GroupMemberView {
        id: member.id.to_string(),
        instance_id: member.instance_id.as_deref().map(str::to_owned),
        client_id: member.client_id.clone(),
        protocols: Vec::new(),
        assignment: Bytes::new(),
        partitions: held.into_iter().collect(),
        waits: !member.is_reconciled_to(target_epoch),
    }
}

fn offset_view(
    producer_id: Option<i64>,
    (topic, partition): &super::offsets::TopicPartition,
    offset: &super::CommittedOffset,
) -> GroupOffsetView {
    GroupOffsetView {
        topic: topic.to_string(),
        partition: *partition,
        offset: offset.offset,
        leader_epoch: offset.leader_epoch,
        metadata: offset.metadata.clone(),
        producer_id,
    }
}

/// A consumer's assignment, if it is one: its version, then what version 0 had.
fn assigned(assignment: &Bytes) -> Option<Vec<(String, Vec<i32>)>> {
    let mut reader = Reader::new(assignment);
    reader.i16("version").ok()?;
    let read = ConsumerProtocolAssignment::decode(&mut reader, ApiVersion(0)).ok()?;
    let topics = read.assigned_partitions.into_iter();
    Some(
        topics
            .map(|it| (it.topic.to_owned(), it.partitions.to_vec()))
            .collect(),
    )
}

/// A line for the group, one for each member and offset.
impl fmt::Display for GroupView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "group {}: {} {}", self.id, self.group_type, self.state)?;
        if self.generation > 0 {
            write!(f, " generation {}", self.generation)?;
        }
        if let Some(protocol) = &self.protocol {
            write!(f, " {}/{protocol}", self.protocol_type)?;
        }
        writeln!(f)?;
        for member in &self.members {
            let leads = self.leader.as_ref() == Some(&member.id);
            writeln!(f, "  {}{member}", if leads { "leader " } else { "member " })?;
        }
        for id in &self.pending_members {
            writeln!(f, "  {id} was named and has not joined")?;
        }
        for offset in self.offsets.iter().chain(&self.pending_offsets) {
            writeln!(f, "  {offset}")?;
        }
        Ok(())
    }
}

impl fmt::Display for GroupMemberView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.id)?;
        if let Some(instance_id) = &self.instance_id {
            write!(f, " (static {instance_id})")?;
        }
        if self.waits {
            f.write_str(" waits")?;
        }
        for (topic, partitions) in &self.partitions {
            write!(f, " {topic} {partitions:?}")?;
        }
        Ok(())
    }
}

impl fmt::Display for GroupOffsetView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{} at {}", self.topic, self.partition, self.offset)?;
        if let Some(producer_id) = self.producer_id {
            write!(f, " when producer {producer_id} commits")?;
        }
        if !self.metadata.is_empty() {
            write!(f, " {:?}", self.metadata)?;
        }
        Ok(())
    }
}
