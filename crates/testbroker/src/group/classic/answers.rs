//! What requests that wait are answered in the end.

use std::sync::Arc;

use bytes::Bytes;
use milena_wire::ErrorCode;

use super::ClassicGroup;

/// The answer of a request that waited, or could have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Join(JoinAnswer),
    Sync(SyncAnswer),
}

/// JoinGroup's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct JoinAnswer {
    pub(crate) error: ErrorCode,
    pub(crate) generation: i32,
    pub(crate) protocol_type: Option<Arc<str>>,
    pub(crate) protocol: Option<Arc<str>>,
    pub(crate) leader: Arc<str>,
    pub(crate) skip_assignment: bool,
    pub(crate) member_id: Arc<str>,
    /// For the leader, empty for the others.
    pub(crate) members: Vec<JoinedMember>,
}

/// A member as the leader sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct JoinedMember {
    pub(crate) id: Arc<str>,
    pub(crate) instance_id: Option<Arc<str>>,
    pub(crate) metadata: Bytes,
}

/// SyncGroup's answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct SyncAnswer {
    pub(crate) error: ErrorCode,
    pub(crate) protocol_type: Option<Arc<str>>,
    pub(crate) protocol: Option<Arc<str>>,
    pub(crate) assignment: Bytes,
}

impl JoinAnswer {
    /// Generation and all else is left at what Kafka's message has by default.
    pub(crate) fn failed(member_id: &str, error: ErrorCode) -> Self {
        Self {
            error,
            generation: -1,
            protocol_type: None,
            protocol: None,
            leader: "".into(),
            skip_assignment: false,
            member_id: member_id.into(),
            members: Vec::new(),
        }
    }
}

impl SyncAnswer {
    pub(crate) fn failed(error: ErrorCode) -> Self {
        Self {
            error,
            ..Self::default()
        }
    }
}

impl ClassicGroup {
    /// The current generation as `member_id` is told of it.
    pub(super) fn joined(&self, member_id: &str) -> JoinAnswer {
        let members = if self.is_leader(member_id) {
            self.joined_members()
        } else {
            Vec::new()
        };
        JoinAnswer {
            error: ErrorCode::NONE,
            generation: self.generation,
            protocol_type: self.protocol_type.clone(),
            protocol: self.protocol.clone(),
            leader: self.leader.clone().unwrap_or_else(|| "".into()),
            skip_assignment: false,
            member_id: member_id.into(),
            members,
        }
    }

    fn joined_members(&self) -> Vec<JoinedMember> {
        let protocol = self.protocol().unwrap_or_default();
        let all = self.members.iter().map(|(id, member)| JoinedMember {
            id: id.clone(),
            instance_id: member.instance_id.clone(),
            metadata: member.metadata(protocol),
        });
        all.collect()
    }

    /// Answers a member's JoinGroup, if one waits.
    pub(super) fn answer_join(&mut self, member_id: &str, answer: JoinAnswer) {
        let member = self.members.get_mut(member_id);
        if let Some(request) = member.and_then(|member| member.awaiting_join.take()) {
            self.outbox.push((request, Answer::Join(answer)));
        }
    }

    /// Answers a member's SyncGroup, if one waits.
    pub(super) fn answer_sync(&mut self, member_id: &str, answer: SyncAnswer) -> bool {
        let member = self.members.get_mut(member_id);
        let request = member.and_then(|member| member.awaiting_sync.take());
        if let Some(request) = request {
            self.outbox.push((request, Answer::Sync(answer)));
        }
        request.is_some()
    }
}
