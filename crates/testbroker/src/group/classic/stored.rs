//! What is in the log of a group, and what a coordinator makes of it that loads it.

use std::collections::BTreeMap;
use std::sync::Arc;

use milena_wire::ErrorCode;

use super::{ClassicGroup, JoinAnswer, Member, Protocol, State, Surroundings, SyncAnswer};

/// The last `GroupMetadataValue` written: by a leader's assignment, a static member that replaced
/// itself, or the last member's leaving. Nothing of a rebalance under way is in it.
#[derive(Clone, Debug, Default)]
pub(super) struct Stored {
    generation: i32,
    protocol_type: Option<Arc<str>>,
    protocol: Option<Arc<str>>,
    leader: Option<Arc<str>>,
    members: BTreeMap<Arc<str>, Member>,
    since: i64,
}

impl ClassicGroup {
    /// Writes the group to its log.
    pub(super) fn store(&mut self, around: &Surroundings) {
        let protocol = self.protocol.clone().unwrap_or_else(|| "".into());
        let keep = |member: &Member| Member {
            // Only what the chosen protocol needs is kept.
            protocols: vec![Protocol {
                name: protocol.clone(),
                metadata: member.metadata(&protocol),
            }],
            awaiting_join: None,
            awaiting_sync: None,
            is_new: false,
            ..member.clone()
        };
        let members = self.members.iter();
        self.stored = Stored {
            generation: self.generation,
            protocol_type: self.protocol_type.clone(),
            protocol: self.protocol.clone(),
            leader: self.leader.clone(),
            members: members
                .map(|(id, member)| (id.clone(), keep(member)))
                .collect(),
            since: around.wall_clock,
        };
    }

    /// Another coordinator, or the same after a restart, has read the log. Whoever waits is told by
    /// the old one to look for it; sessions start anew.
    pub(crate) fn reload(&mut self, around: &Surroundings) {
        let error = ErrorCode::NOT_COORDINATOR;
        let ids: Vec<_> = self.members.keys().cloned().collect();
        for id in &ids {
            self.answer_join(id, JoinAnswer::failed(id, error));
            self.answer_sync(id, SyncAnswer::failed(error));
        }
        let stored = self.stored.clone();
        let statics = stored.members.iter().filter_map(|(id, member)| {
            let instance_id = member.instance_id.clone()?;
            Some((instance_id, id.clone()))
        });
        *self = Self {
            state: if stored.members.is_empty() {
                State::Empty
            } else {
                State::Stable
            },
            since: stored.since,
            generation: stored.generation,
            protocol_type: stored.protocol_type.clone(),
            protocol: stored.protocol.clone(),
            leader: stored.leader.clone(),
            statics: statics.collect(),
            members: stored.members.clone(),
            outbox: std::mem::take(&mut self.outbox),
            stored,
            ..Self::default()
        };
        self.subscribed = self.subscribed_topics();
        let ids: Vec<_> = self.members.keys().cloned().collect();
        for id in ids {
            self.renew_session(around.now, &id);
        }
        if self.members.len() > around.size_max {
            self.prepare_rebalance(around);
        }
    }
}
