//! The consumer protocol of KIP-848: the coordinator assigns, members converge one by one.
//!
//! Each change of members, subscriptions or topics raises the group epoch. The next heartbeat makes
//! a target assignment for it, and each member goes there at its own pace: it gives up what it
//! loses, then moves to the new epoch, then gets what others have given up (Kafka's
//! `GroupMetadataManager`, `ConsumerGroup`).
//!
//! ```text
//!             target differs                 all given back, nothing to wait for
//!   STABLE ------------------> UNREVOKED ------------------------------------> STABLE
//!     |  '--- others still hold it ---.  '------ others still hold it ----.
//!     v                               v                                   v
//!   (next epoch)                 UNRELEASED <------------------------- UNRELEASED
//! ```

mod assignor;
mod heartbeat;
mod leave;
mod member;
mod settings;
mod subscription;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use milena_wire::{ErrorCode, Uuid};

pub(crate) use assignor::ASSIGNORS;
pub(crate) use heartbeat::{Beat, Beating};
pub(crate) use member::{Held, JOINING, LEAVING, LEAVING_FOR_NOW, Member, Wanted};
pub(crate) use settings::Settings;
use subscription::Expressions;

/// The members of a group of the consumer protocol.
#[derive(Debug)]
pub(crate) struct ConsumerGroup {
    /// Raised by each change of members, subscriptions or topics.
    pub(crate) epoch: i32,
    /// The group epoch that the target assignment is for.
    pub(crate) target_epoch: i32,
    members: BTreeMap<Arc<str>, Member>,
    /// Static members: instance id to member id.
    instances: BTreeMap<Arc<str>, Arc<str>>,
    targets: BTreeMap<Arc<str>, Wanted>,
    targets_made: Option<Instant>,
    deadlines: BTreeMap<Arc<str>, Deadlines>,
    expressions: Expressions,
    /// The subscribed topics and their sizes that the group epoch was last raised for.
    metadata: BTreeMap<Uuid, i32>,
}

/// Until when a member has to be heard of.
#[derive(Clone, Copy, Debug, Default)]
struct Deadlines {
    session: Option<Instant>,
    /// By when it must have given back what it has to, and its epoch then.
    rebalance: Option<(Instant, i32)>,
}

/// Why a request is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) error: ErrorCode,
    pub(crate) message: String,
}

impl Refusal {
    pub(crate) fn new(error: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            error,
            message: message.into(),
        }
    }
}

impl Default for ConsumerGroup {
    fn default() -> Self {
        Self {
            // A group that nobody has subscribed in needs no target, so the first real one need not
            // wait for its turn.
            epoch: 1,
            target_epoch: 1,
            members: BTreeMap::new(),
            instances: BTreeMap::new(),
            targets: BTreeMap::new(),
            targets_made: None,
            deadlines: BTreeMap::new(),
            expressions: Expressions::default(),
            metadata: BTreeMap::new(),
        }
    }
}

impl ConsumerGroup {
    /// "Empty", "Assigning", "Reconciling" or "Stable".
    pub(crate) fn state(&self) -> &'static str {
        let mut members = self.members.values();
        if self.members.is_empty() {
            "Empty"
        } else if self.epoch > self.target_epoch {
            "Assigning"
        } else if members.any(|member| !member.is_reconciled_to(self.target_epoch)) {
            "Reconciling"
        } else {
            "Stable"
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// The members by id.
    pub(crate) fn members(&self) -> impl Iterator<Item = &Member> {
        self.members.values()
    }

    /// What a member is meant to hold in the end.
    pub(crate) fn target(&self, member_id: &str) -> Option<&Wanted> {
        self.targets.get(member_id)
    }

    /// The assignor that most members ask for.
    pub(crate) fn assignor(&self) -> &str {
        let mut votes: BTreeMap<&str, usize> = BTreeMap::new();
        for assignor in self.members.values().filter_map(|m| m.assignor.as_deref()) {
            *votes.entry(assignor).or_default() += 1;
        }
        let most = votes.into_iter().max_by_key(|(_, votes)| *votes);
        most.map_or(ASSIGNORS[0], |(assignor, _)| assignor)
    }

    /// Whether offsets may be fetched in this member's name.
    pub(crate) fn check_fetch(&self, member_id: &str, epoch: i32) -> Result<(), ErrorCode> {
        match self.members.get(member_id) {
            None => Err(ErrorCode::UNKNOWN_MEMBER_ID),
            Some(member) if member.epoch != epoch => Err(ErrorCode::STALE_MEMBER_EPOCH),
            Some(_) => Ok(()),
        }
    }

    /// Whether offsets may be committed in this member's name. With an epoch that is over, each
    /// partition has to pass [`check_partition`](Self::check_partition) as well.
    pub(crate) fn check_commit(&self, member_id: &str, epoch: i32) -> Result<(), ErrorCode> {
        match self.members.get(member_id) {
            None => Err(ErrorCode::UNKNOWN_MEMBER_ID),
            Some(member) if epoch > member.epoch => Err(ErrorCode::STALE_MEMBER_EPOCH),
            Some(_) => Ok(()),
        }
    }

    /// Whether a member that [may commit](Self::check_commit) may do so for this partition: it is
    /// of the current epoch, or has had the partition ever since its own (KIP-1251).
    pub(crate) fn check_partition(
        &self,
        member_id: &str,
        epoch: i32,
        topic: Uuid,
        partition: i32,
    ) -> Result<(), ErrorCode> {
        let Some(member) = self.members.get(member_id) else {
            // Who names nobody was let through.
            return Ok(());
        };
        let since = member.assignment_epoch(topic, partition);
        if epoch == member.epoch || since.is_some_and(|since| epoch >= since) {
            Ok(())
        } else {
            Err(ErrorCode::STALE_MEMBER_EPOCH)
        }
    }

    /// When the next member has had its time.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        let all = self.deadlines.values().flat_map(|deadlines| {
            let rebalance = deadlines.rebalance.map(|(at, _)| at);
            [deadlines.session, rebalance]
        });
        all.flatten().min()
    }

    fn raise_epoch(&mut self, metadata: BTreeMap<Uuid, i32>) {
        self.epoch = self.epoch.saturating_add(1);
        self.metadata = metadata;
    }
}
