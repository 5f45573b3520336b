//! SyncGroup and Heartbeat.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use milena_wire::ErrorCode;

use super::{ClassicGroup, State, Surroundings, SyncAnswer};

/// A SyncGroup request.
#[derive(Clone, Debug)]
pub(crate) struct Syncing<'a> {
    pub(crate) request: u64,
    pub(crate) generation: i32,
    pub(crate) member_id: &'a str,
    pub(crate) instance_id: Option<&'a str>,
    pub(crate) protocol_type: Option<&'a str>,
    pub(crate) protocol: Option<&'a str>,
    /// Who gets what; from the leader.
    pub(crate) assignments: BTreeMap<Arc<str>, Bytes>,
}

impl ClassicGroup {
    /// SyncGroup. `None`: its answer comes to the outbox, perhaps it is there already.
    pub(crate) fn sync(
        &mut self,
        around: &Surroundings,
        syncing: Syncing<'_>,
    ) -> Option<SyncAnswer> {
        if let Err(error) = self.check_sync(&syncing) {
            return Some(SyncAnswer::failed(error));
        }
        let member_id = syncing.member_id;
        match self.state {
            State::Empty => Some(SyncAnswer::failed(ErrorCode::UNKNOWN_MEMBER_ID)),
            State::PreparingRebalance => Some(SyncAnswer::failed(ErrorCode::REBALANCE_IN_PROGRESS)),
            State::CompletingRebalance => {
                if let Some(member) = self.members.get_mut(member_id) {
                    member.awaiting_sync = Some(syncing.request);
                }
                self.has_synced(member_id);
                if self.is_leader(member_id) {
                    self.assign(around, syncing.assignments);
                }
                None
            }
            State::Stable => {
                self.has_synced(member_id);
                if around.is_3_9 {
                    self.renew_session(around.now, member_id);
                }
                Some(self.synced(member_id))
            }
        }
    }

    /// Heartbeat.
    pub(crate) fn heartbeat(
        &mut self,
        around: &Surroundings,
        member_id: &str,
        instance_id: Option<&str>,
        generation: i32,
    ) -> Result<(), ErrorCode> {
        self.check_member(member_id, instance_id)?;
        if generation != self.generation {
            return Err(ErrorCode::ILLEGAL_GENERATION);
        }
        self.renew_session(around.now, member_id);
        match self.state {
            State::Empty => Err(ErrorCode::UNKNOWN_MEMBER_ID),
            State::PreparingRebalance => Err(ErrorCode::REBALANCE_IN_PROGRESS),
            State::CompletingRebalance | State::Stable => Ok(()),
        }
    }

    /// A member's assignment.
    pub(super) fn synced(&self, member_id: &str) -> SyncAnswer {
        let member = self.members.get(member_id);
        SyncAnswer {
            error: ErrorCode::NONE,
            protocol_type: self.protocol_type.clone(),
            protocol: self.protocol.clone(),
            assignment: member.map_or_else(Bytes::new, |member| member.assignment.clone()),
        }
    }

    fn check_sync(&self, syncing: &Syncing<'_>) -> Result<(), ErrorCode> {
        self.check_member(syncing.member_id, syncing.instance_id)?;
        if syncing.generation != self.generation {
            return Err(ErrorCode::ILLEGAL_GENERATION);
        }
        let differs = |said: Option<&str>, known: Option<&str>| said.is_some() && said != known;
        if differs(syncing.protocol_type, self.protocol_type())
            || differs(syncing.protocol, self.protocol())
        {
            return Err(ErrorCode::INCONSISTENT_GROUP_PROTOCOL);
        }
        Ok(())
    }

    fn has_synced(&mut self, member_id: &str) {
        self.pending_syncs.remove(member_id);
        if self.pending_syncs.is_empty() {
            self.sync_deadline = None;
        }
    }

    /// The leader has spoken. Who is not in its list gets an empty assignment.
    fn assign(&mut self, around: &Surroundings, mut assignments: BTreeMap<Arc<str>, Bytes>) {
        for (id, member) in &mut self.members {
            member.assignment = assignments.remove(id).unwrap_or_default();
        }
        self.answer_syncs(around, ErrorCode::NONE);
        self.go_to(around, State::Stable);
        self.store(around);
    }
}
