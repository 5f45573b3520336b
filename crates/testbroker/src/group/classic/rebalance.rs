//! From one generation to the next, and the deadlines on the way.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use milena_wire::ErrorCode;

use super::{ClassicGroup, JoinAnswer, JoinTimer, JoinTimerKind, State, Surroundings, SyncAnswer};

/// How long a newcomer's JoinGroup may wait (`CLASSIC_GROUP_NEW_MEMBER_JOIN_TIMEOUT_MS`).
pub(super) const NEW_MEMBER_JOIN_TIMEOUT: Duration = Duration::from_secs(5 * 60);

impl ClassicGroup {
    /// Has everybody join again; `false` if there is nobody, or it is under way.
    pub(crate) fn force_rebalance(&mut self, around: &Surroundings) -> bool {
        let can = matches!(self.state, State::Stable | State::CompletingRebalance);
        if can {
            self.prepare_rebalance(around);
        }
        can
    }

    /// Starts a rebalance, or ends the wait of the one under way if everybody is here.
    pub(super) fn rebalance_or_complete(&mut self, around: &Surroundings) {
        if self.state == State::PreparingRebalance {
            self.complete_if_all_joined(around);
        } else {
            self.prepare_rebalance(around);
        }
    }

    /// The first rebalance of a group has its time, however many are here.
    pub(super) fn complete_if_all_joined(&mut self, around: &Surroundings) {
        if self.state == State::PreparingRebalance && !self.is_initial && self.all_joined() {
            self.complete_join(around);
        }
    }

    pub(super) fn prepare_rebalance(&mut self, around: &Surroundings) {
        if self.state == State::CompletingRebalance {
            for member in self.members.values_mut() {
                member.assignment = Bytes::new();
            }
            self.answer_syncs(around, ErrorCode::REBALANCE_IN_PROGRESS);
        }
        self.pending_syncs.clear();
        self.sync_deadline = None;
        self.is_initial = self.state == State::Empty;
        if self.is_initial {
            // Never at once: those who come together are in one generation, as they are by Kafka.
            let delay = around.initial_delay.max(Duration::from_millis(1));
            let remaining = self.rebalance_timeout().saturating_sub(delay);
            self.join_timer = Some(JoinTimer {
                at: around.now + delay,
                kind: JoinTimerKind::Initial { delay, remaining },
            });
        }
        self.go_to(around, State::PreparingRebalance);
        if self.is_initial {
            return;
        }
        if self.all_joined() {
            self.complete_join(around);
        } else {
            self.wait_for_members(around);
        }
    }

    pub(super) fn join_timer_fired(&mut self, around: &Surroundings, kind: JoinTimerKind) {
        match kind {
            JoinTimerKind::Initial { delay, remaining }
                if self.newcomer && !remaining.is_zero() =>
            {
                self.newcomer = false;
                let next = around.initial_delay.min(remaining);
                self.join_timer = Some(JoinTimer {
                    at: around.now + next,
                    kind: JoinTimerKind::Initial {
                        delay: next,
                        remaining: remaining.saturating_sub(delay),
                    },
                });
            }
            JoinTimerKind::Initial { .. } | JoinTimerKind::Complete => self.complete_join(around),
        }
    }

    /// A session is over: the member is out, unless it waits for us.
    pub(super) fn session_expired(&mut self, around: &Surroundings, member_id: &Arc<str>) {
        self.sessions.remove(member_id);
        if self.pending_joins.contains(member_id) {
            self.remove(member_id);
            self.complete_if_everyone_left_joined(around);
            return;
        }
        let gone = self
            .members
            .get(member_id)
            .is_some_and(|member| !member.has_satisfied_heartbeat());
        if gone {
            self.expel(around, member_id);
        }
    }

    /// Removes a member that did not ask for it.
    pub(super) fn expel(&mut self, around: &Surroundings, member_id: &str) {
        let answer = JoinAnswer::failed("", ErrorCode::UNKNOWN_MEMBER_ID);
        self.answer_join(member_id, answer);
        self.remove(member_id);
        match self.state {
            State::Stable | State::CompletingRebalance => self.prepare_rebalance(around),
            State::PreparingRebalance => self.complete_if_everyone_left_joined(around),
            State::Empty => {}
        }
    }

    /// Unlike a newcomer, a member that is gone also ends the first rebalance's wait (but not in 3.9).
    fn complete_if_everyone_left_joined(&mut self, around: &Surroundings) {
        let may = !(around.is_3_9 && self.is_initial);
        if self.state == State::PreparingRebalance && may && self.all_joined() {
            self.complete_join(around);
        }
    }

    /// Members that did not ask for their assignment in time are out.
    pub(super) fn pending_syncs_expired(&mut self, around: &Surroundings) {
        self.sync_deadline = None;
        let late = std::mem::take(&mut self.pending_syncs);
        if late.is_empty() || !matches!(self.state, State::CompletingRebalance | State::Stable) {
            return;
        }
        for member_id in &late {
            self.remove(member_id);
        }
        self.prepare_rebalance(around);
    }

    /// Answers everybody's SyncGroup: with the assignment, or with an error.
    pub(super) fn answer_syncs(&mut self, around: &Surroundings, error: ErrorCode) {
        let ids: Vec<_> = self.members.keys().cloned().collect();
        for id in ids {
            let answer = if error == ErrorCode::NONE {
                self.synced(&id)
            } else {
                SyncAnswer::failed(error)
            };
            if self.answer_sync(&id, answer) {
                // Its session may have passed, without effect, while it waited.
                self.renew_session(around.now, &id);
            }
        }
    }

    fn all_joined(&self) -> bool {
        let mut members = self.members.values();
        self.pending_joins.is_empty() && members.all(|member| member.awaiting_join.is_some())
    }

    fn rebalance_timeout(&self) -> Duration {
        let all = self.members.values().map(|member| member.rebalance_timeout);
        all.max().unwrap_or_default()
    }

    /// Never for no time: what nobody comes to would be waited for without end at one instant.
    fn wait_for_members(&mut self, around: &Surroundings) {
        let timeout = self.rebalance_timeout().max(Duration::from_millis(1));
        self.join_timer = Some(JoinTimer {
            at: around.now + timeout,
            kind: JoinTimerKind::Complete,
        });
    }

    /// The wait for members is over: the next generation begins with those who are here. Static
    /// members stay in it, though they have not come, until their session ends.
    fn complete_join(&mut self, around: &Surroundings) {
        self.join_timer = None;
        let is_late =
            |member: &super::Member| member.awaiting_join.is_none() && member.instance_id.is_none();
        let late: Vec<_> = self
            .members
            .iter()
            .filter(|(_, member)| is_late(member))
            .map(|(id, _)| id.clone())
            .collect();
        for id in late {
            self.remove(&id);
        }
        if !self.elect_joined_leader() && !self.members.is_empty() {
            // Nobody came. Sessions will remove them one by one.
            return self.wait_for_members(around);
        }
        self.generation += 1;
        self.pending_syncs.clear();
        self.protocol = self.select_protocol();
        self.subscribed = self.subscribed_topics();
        if self.members.is_empty() {
            self.go_to(around, State::Empty);
            self.store(around);
            return;
        }
        self.go_to(around, State::CompletingRebalance);
        let ids: Vec<_> = self.members.keys().cloned().collect();
        for id in ids {
            let answer = self.joined(&id);
            self.answer_join(&id, answer);
            self.renew_session(around.now, &id);
            if let Some(member) = self.members.get_mut(&id) {
                member.is_new = false;
            }
            self.pending_syncs.insert(id);
        }
        self.sync_deadline = Some(around.now + self.rebalance_timeout());
    }

    /// A leader that did not come hands over to one that did. Whether there is one that did.
    fn elect_joined_leader(&mut self) -> bool {
        let has_joined = |member: &super::Member| member.awaiting_join.is_some();
        let leader = self.leader.as_ref().and_then(|id| self.members.get(id));
        if leader.is_some_and(has_joined) {
            return true;
        }
        if self.leader.is_none() {
            return false;
        }
        let joined = self.members.iter().find(|(_, member)| has_joined(member));
        let joined = joined.map(|(id, _)| id.clone());
        let found = joined.is_some();
        if found {
            self.leader = joined;
        }
        found
    }
}
