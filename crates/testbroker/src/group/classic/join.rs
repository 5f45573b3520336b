//! JoinGroup: newcomers, members that come back, static members that replace themselves.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use milena_wire::ErrorCode;

use super::rebalance::NEW_MEMBER_JOIN_TIMEOUT;
use crate::limits::GROUP_MEMBERS_MAX;

use super::{ClassicGroup, JoinAnswer, Member, Protocol, State, Surroundings};

/// A JoinGroup request.
#[derive(Clone, Debug)]
pub(crate) struct Joining {
    pub(crate) request: u64,
    pub(crate) version: i16,
    /// Empty: a newcomer.
    pub(crate) member_id: Arc<str>,
    pub(crate) instance_id: Option<Arc<str>>,
    /// The id a newcomer gets.
    pub(crate) new_id: Arc<str>,
    pub(crate) client_id: Arc<str>,
    pub(crate) client_host: Arc<str>,
    pub(crate) session_timeout: Duration,
    pub(crate) rebalance_timeout: Duration,
    pub(crate) protocol_type: Arc<str>,
    pub(crate) protocols: Vec<Protocol>,
}

/// What becomes of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum JoinOutcome {
    Answer(JoinAnswer),
    /// Its answer comes to the outbox, perhaps it is there already.
    Wait,
}

impl JoinOutcome {
    fn failed(member_id: &str, error: ErrorCode) -> Self {
        Self::Answer(JoinAnswer::failed(member_id, error))
    }
}

impl ClassicGroup {
    /// JoinGroup.
    pub(crate) fn join(&mut self, around: &Surroundings, joining: Joining) -> JoinOutcome {
        let here = self.members.len() + self.pending_joins.len();
        if here >= GROUP_MEMBERS_MAX || !self.accepts(around, &joining.member_id) {
            self.remove(&joining.member_id);
            return JoinOutcome::failed("", ErrorCode::GROUP_MAX_SIZE_REACHED);
        }
        let member_id = joining.member_id.clone();
        if !self.supports(&joining) {
            return JoinOutcome::failed(&member_id, ErrorCode::INCONSISTENT_GROUP_PROTOCOL);
        }
        if member_id.is_empty() {
            self.join_new(around, joining)
        } else {
            self.join_again(around, joining)
        }
    }

    /// While a rebalance is being prepared those count who wait in it: so a group that has grown too
    /// large loses the last to come back.
    fn accepts(&self, around: &Surroundings, member_id: &str) -> bool {
        let member = self.members.get(member_id);
        match self.state {
            State::Empty => true,
            State::PreparingRebalance => {
                let waiting = self.members.values();
                let waiting = waiting.filter(|member| member.awaiting_join.is_some());
                member.is_some_and(|member| member.awaiting_join.is_some())
                    || waiting.count() < around.size_max
            }
            State::CompletingRebalance | State::Stable => {
                member.is_some() || self.members.len() < around.size_max
            }
        }
    }

    /// Whether everybody here speaks one of its protocols.
    fn supports(&self, joining: &Joining) -> bool {
        if self.state == State::Empty {
            return !joining.protocol_type.is_empty() && !joining.protocols.is_empty();
        }
        let all_speak = |protocol: &Protocol| {
            let mut members = self.members.values();
            members.all(|member| member.speaks(&protocol.name))
        };
        self.protocol_type() == Some(&*joining.protocol_type)
            && joining.protocols.iter().any(all_speak)
    }

    fn join_new(&mut self, around: &Surroundings, joining: Joining) -> JoinOutcome {
        let new_id = joining.new_id.clone();
        if let Some(instance_id) = &joining.instance_id {
            return match self.statics.get(instance_id).cloned() {
                Some(old_id) => self.replace_static(around, &old_id, joining),
                None => self.add(around, new_id, joining),
            };
        }
        if joining.version < 4 {
            return self.add(around, new_id, joining);
        }
        // It has to come back with its id, so that one whose answer got lost leaves no member behind
        // that holds up the group (KIP-394).
        let deadline = around.now + joining.session_timeout;
        self.pending_joins.insert(new_id.clone());
        self.sessions.insert(new_id.clone(), deadline);
        JoinOutcome::failed(&new_id, ErrorCode::MEMBER_ID_REQUIRED)
    }

    fn join_again(&mut self, around: &Surroundings, joining: Joining) -> JoinOutcome {
        let member_id = joining.member_id.clone();
        if self.pending_joins.contains(&member_id) {
            if joining.instance_id.is_some() {
                // Kafka takes this for impossible and throws.
                return JoinOutcome::failed("", ErrorCode::UNKNOWN_SERVER_ERROR);
            }
            return self.add(around, member_id, joining);
        }
        if let Err(error) = self.check_member(&member_id, joining.instance_id.as_deref()) {
            return JoinOutcome::failed(&member_id, error);
        }
        let same = self
            .members
            .get(&member_id)
            .is_some_and(|member| member.protocols == joining.protocols);
        match self.state {
            State::Empty => JoinOutcome::failed(&member_id, ErrorCode::UNKNOWN_MEMBER_ID),
            // Its last answer may have been lost: the generation stands.
            State::CompletingRebalance if same => JoinOutcome::Answer(self.joined(&member_id)),
            // A leader that joins again wants a new assignment, though nothing of its own changed.
            State::Stable if same && !self.is_leader(&member_id) => {
                JoinOutcome::Answer(self.joined(&member_id))
            }
            State::PreparingRebalance | State::CompletingRebalance | State::Stable => {
                self.update(&member_id, &joining);
                self.rebalance_or_complete(around);
                JoinOutcome::Wait
            }
        }
    }

    /// Adds a member under this id and starts, or goes on with, a rebalance.
    fn add(&mut self, around: &Surroundings, member_id: Arc<str>, joining: Joining) -> JoinOutcome {
        let waits_for_more = if around.is_3_9 {
            self.generation == 0
        } else {
            self.is_initial
        };
        if self.state == State::PreparingRebalance && waits_for_more {
            self.newcomer = true;
        }
        if self.members.is_empty() {
            self.protocol_type = Some(joining.protocol_type);
        }
        if let Some(instance_id) = &joining.instance_id {
            self.statics.insert(instance_id.clone(), member_id.clone());
        }
        self.leader.get_or_insert_with(|| member_id.clone());
        self.pending_joins.remove(&member_id);
        // It does not know its id and cannot send heartbeats, and a connection that is lost does not
        // show here: its JoinGroup has this long to be answered.
        self.sessions
            .insert(member_id.clone(), around.now + NEW_MEMBER_JOIN_TIMEOUT);
        let member = Member {
            instance_id: joining.instance_id,
            client_id: joining.client_id,
            client_host: joining.client_host,
            session_timeout: joining.session_timeout,
            rebalance_timeout: joining.rebalance_timeout,
            protocols: joining.protocols,
            assignment: Bytes::new(),
            awaiting_join: Some(joining.request),
            awaiting_sync: None,
            is_new: true,
        };
        self.members.insert(member_id, member);
        self.rebalance_or_complete(around);
        JoinOutcome::Wait
    }

    fn update(&mut self, member_id: &str, joining: &Joining) {
        if let Some(member) = self.members.get_mut(member_id) {
            member.protocols.clone_from(&joining.protocols);
            member.session_timeout = joining.session_timeout;
            member.rebalance_timeout = joining.rebalance_timeout;
            member.awaiting_join = Some(joining.request);
        }
    }

    /// A static member has started again: it takes the place of its former self under a new id.
    fn replace_static(
        &mut self,
        around: &Surroundings,
        old_id: &Arc<str>,
        joining: Joining,
    ) -> JoinOutcome {
        let new_id = joining.new_id.clone();
        let old_leader = self.leader.clone();
        self.rename_static(old_id, &new_id);
        self.renew_session(around.now, &new_id);
        self.update(&new_id, &joining);
        match self.state {
            State::Stable if self.protocol.as_deref() == self.select_protocol().as_deref() => {
                self.store(around);
                let mut answer = self.joined(&new_id);
                if joining.version >= 9 {
                    // KIP-814: it is told that it leads, and that there is nothing to assign.
                    answer.skip_assignment = self.is_leader(&new_id);
                } else {
                    // Under the old leader's id it does not take itself for the leader, whose
                    // assignment a stable group would not hand on.
                    answer.leader = old_leader.unwrap_or_else(|| "".into());
                    answer.members = Vec::new();
                }
                self.answer_join(&new_id, answer);
            }
            // The leader may assign to the old id, so everybody has to come again.
            State::Stable | State::CompletingRebalance => self.prepare_rebalance(around),
            State::Empty | State::PreparingRebalance => self.complete_if_all_joined(around),
        }
        JoinOutcome::Wait
    }

    /// Whoever waits under the old id is fenced.
    fn rename_static(&mut self, old_id: &Arc<str>, new_id: &Arc<str>) {
        let fenced = ErrorCode::FENCED_INSTANCE_ID;
        self.answer_join(old_id, JoinAnswer::failed(old_id, fenced));
        self.answer_sync(old_id, super::SyncAnswer::failed(fenced));
        if let Some(member) = self.members.remove(old_id) {
            if let Some(instance_id) = &member.instance_id {
                self.statics.insert(instance_id.clone(), new_id.clone());
            }
            let member = Member {
                is_new: false,
                ..member
            };
            self.members.insert(new_id.clone(), member);
        }
        if self.is_leader(old_id) {
            self.leader = Some(new_id.clone());
        }
        self.sessions.remove(old_id);
    }
}
