//! The classic protocol: a leader among the clients assigns, the coordinator keeps generations.
//!
//! `ClassicGroup` follows `org.apache.kafka.coordinator.group.classic.ClassicGroup` and the
//! `classicGroup..` methods of `GroupMetadataManager`. It knows no requests but by their number: a
//! JoinGroup or SyncGroup that has to wait leaves its number with the member, and finds its
//! [`Answer`] under it later.

mod answers;
mod join;
mod leave;
mod member;
mod rebalance;
mod stored;
mod sync;
mod votes;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use milena_wire::ErrorCode;

pub(crate) use answers::{Answer, JoinAnswer, SyncAnswer};
pub(crate) use join::{JoinOutcome, Joining};
pub(crate) use leave::Leaving;
pub(crate) use member::{Member, Protocol};
pub(crate) use sync::Syncing;

use stored::Stored;

/// What a group has to know of the cluster around it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Surroundings {
    pub(crate) now: Instant,
    /// Milliseconds since 1970.
    pub(crate) wall_clock: i64,
    /// `group.initial.rebalance.delay.ms`.
    pub(crate) initial_delay: Duration,
    /// `group.max.size`.
    pub(crate) size_max: usize,
    /// Whether to behave as the coordinator of Kafka 3.9 (written in Scala) where it differs.
    pub(crate) is_3_9: bool,
}

/// Where a group stands (`ClassicGroupState`). A dead group is gone from the map of groups.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum State {
    /// No members.
    #[default]
    Empty,
    /// Waits for its members to join again.
    PreparingRebalance,
    /// Waits for the leader's assignment.
    CompletingRebalance,
    /// Everybody has an assignment.
    Stable,
}

impl State {
    /// As DescribeGroups and ListGroups show it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Empty => "Empty",
            Self::PreparingRebalance => "PreparingRebalance",
            Self::CompletingRebalance => "CompletingRebalance",
            Self::Stable => "Stable",
        }
    }
}

/// The members of a group of the classic protocol.
#[derive(Debug, Default)]
pub(crate) struct ClassicGroup {
    state: State,
    /// Whether the rebalance under way started from an empty group.
    is_initial: bool,
    /// Since when it is in its state, in milliseconds since 1970.
    since: i64,
    generation: i32,
    protocol_type: Option<Arc<str>>,
    protocol: Option<Arc<str>>,
    leader: Option<Arc<str>>,
    members: BTreeMap<Arc<str>, Member>,
    /// Member id of each instance id.
    statics: BTreeMap<Arc<str>, Arc<str>>,
    /// Ids that were given out and have not joined yet.
    pending_joins: BTreeSet<Arc<str>>,
    /// Members of this generation that have not asked for their assignment yet.
    pending_syncs: BTreeSet<Arc<str>>,
    /// When a member, or a pending one, is given up.
    sessions: BTreeMap<Arc<str>, Instant>,
    join_timer: Option<JoinTimer>,
    sync_deadline: Option<Instant>,
    /// Whether somebody came while the initial rebalance waits for more.
    newcomer: bool,
    /// Topics its members read; `None` if that cannot be told.
    subscribed: Option<BTreeSet<String>>,
    /// What a coordinator that loads the group finds of it.
    stored: Stored,
    /// Answers for requests that wait, not handed out yet.
    outbox: Vec<(u64, Answer)>,
}

/// What ends the wait for members.
#[derive(Clone, Copy, Debug)]
struct JoinTimer {
    at: Instant,
    kind: JoinTimerKind,
}

#[derive(Clone, Copy, Debug)]
enum JoinTimerKind {
    /// The first rebalance of a group waits a little for more members.
    Initial {
        delay: Duration,
        remaining: Duration,
    },
    /// Who has not come back is out.
    Complete,
}

/// The protocol type of Kafka's consumers.
const CONSUMER: &str = "consumer";

impl ClassicGroup {
    pub(crate) fn new(wall_clock: i64) -> Self {
        Self {
            since: wall_clock,
            ..Self::default()
        }
    }

    pub(crate) fn state(&self) -> State {
        self.state
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.state == State::Empty
    }

    /// Since when it is in its state, in milliseconds since 1970.
    pub(crate) fn since(&self) -> i64 {
        self.since
    }

    pub(crate) fn generation(&self) -> i32 {
        self.generation
    }

    pub(crate) fn protocol_type(&self) -> Option<&str> {
        self.protocol_type.as_deref()
    }

    pub(crate) fn protocol(&self) -> Option<&str> {
        self.protocol.as_deref()
    }

    pub(crate) fn leader(&self) -> Option<&str> {
        self.leader.as_deref()
    }

    pub(crate) fn members(&self) -> impl Iterator<Item = (&Arc<str>, &Member)> {
        self.members.iter()
    }

    pub(crate) fn pending_joins(&self) -> impl Iterator<Item = &Arc<str>> {
        self.pending_joins.iter()
    }

    /// Whether its members are Kafka's consumers.
    pub(crate) fn is_of_consumers(&self) -> bool {
        self.protocol_type() == Some(CONSUMER)
    }

    /// Whether the topics its members read are known.
    pub(crate) fn knows_topics(&self) -> bool {
        self.subscribed.is_some()
    }

    /// If in doubt, consumers are taken to read the topic.
    pub(crate) fn is_subscribed_to(&self, topic: &str) -> bool {
        match &self.subscribed {
            Some(topics) => topics.contains(topic),
            None => self.is_of_consumers(),
        }
    }

    /// `ClassicGroup.validateOffsetCommit`, for both commits.
    pub(crate) fn check_commit(
        &self,
        member_id: &str,
        instance_id: Option<&str>,
        generation: i32,
        transactional: bool,
    ) -> Result<(), ErrorCode> {
        let is_empty = self.state == State::Empty;
        if generation < 0 && is_empty {
            return Ok(());
        }
        if generation >= 0 || !member_id.is_empty() || instance_id.is_some() {
            self.check_member(member_id, instance_id)?;
            if generation != self.generation {
                return Err(ErrorCode::ILLEGAL_GENERATION);
            }
        } else if !transactional && !is_empty {
            return Err(ErrorCode::UNKNOWN_MEMBER_ID);
        }
        // Only now, so that those who are not of this generation are told so.
        if !transactional && self.state == State::CompletingRebalance {
            return Err(ErrorCode::REBALANCE_IN_PROGRESS);
        }
        Ok(())
    }

    /// A commit counts as a heartbeat.
    pub(crate) fn committed(&mut self, surroundings: &Surroundings, member_id: &str) {
        if matches!(self.state, State::Stable | State::PreparingRebalance) {
            self.renew_session(surroundings.now, member_id);
        }
    }

    pub(crate) fn take_answers(&mut self) -> Vec<(u64, Answer)> {
        std::mem::take(&mut self.outbox)
    }

    /// Whether this request waits for an answer.
    pub(crate) fn awaits(&self, request: u64) -> bool {
        self.members.values().any(|member| {
            member.awaiting_join == Some(request) || member.awaiting_sync == Some(request)
        })
    }

    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        let sessions = self.sessions.values().copied().min();
        let join = self.join_timer.map(|timer| timer.at);
        [sessions, join, self.sync_deadline]
            .into_iter()
            .flatten()
            .min()
    }

    /// Does all that is due, in order of time.
    pub(crate) fn handle_timeout(&mut self, surroundings: &Surroundings) {
        while let Some(due) = self.next_deadline().filter(|at| *at <= surroundings.now) {
            let expired = self.sessions.iter().find(|(_, at)| **at == due);
            if let Some(member_id) = expired.map(|(id, _)| id.clone()) {
                self.session_expired(surroundings, &member_id);
            } else if self.sync_deadline == Some(due) {
                self.pending_syncs_expired(surroundings);
            } else if let Some(timer) = self.join_timer.take() {
                self.join_timer_fired(surroundings, timer.kind);
            }
        }
    }

    /// Whether a member of this id, and of this instance id if one is given, is here.
    fn check_member(&self, member_id: &str, instance_id: Option<&str>) -> Result<(), ErrorCode> {
        if let Some(instance_id) = instance_id {
            match self.statics.get(instance_id) {
                None => return Err(ErrorCode::UNKNOWN_MEMBER_ID),
                Some(id) if **id != *member_id => return Err(ErrorCode::FENCED_INSTANCE_ID),
                Some(_) => {}
            }
        }
        if self.members.contains_key(member_id) {
            Ok(())
        } else {
            Err(ErrorCode::UNKNOWN_MEMBER_ID)
        }
    }

    fn is_leader(&self, member_id: &str) -> bool {
        self.leader() == Some(member_id)
    }

    fn go_to(&mut self, surroundings: &Surroundings, state: State) {
        self.state = state;
        self.since = surroundings.wall_clock;
    }

    /// Starts a member's session anew.
    fn renew_session(&mut self, now: Instant, member_id: &str) {
        if let Some((id, member)) = self.members.get_key_value(member_id) {
            self.sessions
                .insert(id.clone(), now + member.session_timeout);
        }
    }

    /// Takes a member, or a pending one, out of all lists.
    fn remove(&mut self, member_id: &str) {
        if let Some(member) = self.members.remove(member_id)
            && let Some(instance_id) = &member.instance_id
        {
            self.statics.remove(instance_id);
        }
        if self.is_leader(member_id) {
            self.leader = self.members.keys().next().cloned();
        }
        self.pending_joins.remove(member_id);
        self.pending_syncs.remove(member_id);
        self.sessions.remove(member_id);
    }
}
