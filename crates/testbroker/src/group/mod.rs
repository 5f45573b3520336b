//! Groups: their members, by either protocol, and their committed offsets.

pub(crate) mod classic;
pub(crate) mod consumer;
mod expiry;
pub(crate) mod offsets;
pub(crate) mod parked;
mod view;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use milena_wire::ErrorCode;

pub(crate) use classic::{ClassicGroup, Surroundings};
pub(crate) use consumer::ConsumerGroup;
pub(crate) use offsets::{CommittedOffset, Offsets, offsets_partition};
pub use view::{GroupMemberView, GroupOffsetView, GroupView};

use classic::Answer;

use crate::cluster::{Cluster, CoordinatorKind};
use crate::config::Emulate;
use crate::limits::GROUPS_MAX;
use crate::log::Producers;
use crate::timers::{Timer, TimerKey};

/// All groups of the cluster.
#[derive(Debug)]
pub(crate) struct Groups {
    by_id: BTreeMap<Arc<str>, Group>,
    /// Producers of each partition of the internal offsets topic: they are fenced there as in any
    /// other partition.
    producers: BTreeMap<i32, Producers>,
    /// JoinGroups and SyncGroups that wait, and their answers once they are known.
    parked: BTreeMap<u64, Option<Answer>>,
    /// When expired offsets and empty groups are looked for.
    next_check: Option<TimerKey>,
    random: fastrand::Rng,
}

/// One group.
#[derive(Debug, Default)]
pub(crate) struct Group {
    pub(crate) offsets: Offsets,
    pub(crate) members: Members,
    /// The timer of the members' next deadline.
    timer: Option<TimerKey>,
}

/// By which protocol a group's members live together.
#[derive(Debug, Default)]
pub(crate) enum Members {
    /// There never were any: the group only keeps offsets (a "simple" group).
    #[default]
    None,
    /// JoinGroup, SyncGroup, Heartbeat, LeaveGroup. Stays so when the last member has left.
    Classic(Box<ClassicGroup>),
    /// ConsumerGroupHeartbeat (KIP-848). Stays so when the last member has left.
    Consumer(Box<ConsumerGroup>),
}

impl Groups {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            by_id: BTreeMap::new(),
            producers: BTreeMap::new(),
            parked: BTreeMap::new(),
            next_check: None,
            // Not the sequence the topic ids are made of.
            random: fastrand::Rng::with_seed(seed ^ 0x6772_6f75_7073),
        }
    }

    pub(crate) fn get(&self, group: &str) -> Option<&Group> {
        self.by_id.get(group)
    }

    pub(crate) fn get_mut(&mut self, group: &str) -> Option<&mut Group> {
        self.by_id.get_mut(group)
    }

    /// The group, made if need be; ask [`has_room_for`](Self::has_room_for) first.
    pub(crate) fn get_or_create(&mut self, group: &str) -> &mut Group {
        self.by_id.entry(group.into()).or_default()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Arc<str>, &Group)> {
        self.by_id.iter()
    }

    pub(crate) fn has_room_for(&self, group: &str) -> bool {
        self.by_id.len() < GROUPS_MAX || self.by_id.contains_key(group)
    }

    /// The producers of the offsets partition that holds `group`.
    pub(crate) fn producers_mut(&mut self, partition: i32) -> &mut Producers {
        self.producers.entry(partition).or_default()
    }

    /// The marker of a producer's transaction reached an offsets partition.
    pub(crate) fn end_transaction(&mut self, partition: i32, producer_id: i64, committed: bool) {
        for (id, group) in &mut self.by_id {
            if offsets_partition(id) == partition {
                group.offsets.end_transaction(producer_id, committed);
            }
        }
    }

    /// `prefix-` and a random UUID, as Kafka names members.
    pub(crate) fn member_id(&mut self, prefix: &str) -> Arc<str> {
        format!("{prefix}-{}", self.random_uuid()).into()
    }

    /// A random UUID (version 4) in its usual form.
    fn random_uuid(&mut self) -> String {
        let bits = self.random.u128(..) & !(0xf000 << 64) & !(0xc << 60);
        let hex = format!("{:032x}", bits | (0x4000 << 64) | (0x8 << 60));
        let parts = [
            &hex[..8],
            &hex[8..12],
            &hex[12..16],
            &hex[16..20],
            &hex[20..],
        ];
        parts.join("-")
    }
}

impl Group {
    /// Whether it has no members, in the sense of DeleteGroups.
    pub(crate) fn is_empty(&self) -> bool {
        match &self.members {
            Members::None => true,
            Members::Classic(group) => group.is_empty(),
            Members::Consumer(group) => group.is_empty(),
        }
    }

    /// As DescribeGroups and ListGroups show it.
    pub(crate) fn state(&self) -> &'static str {
        match &self.members {
            Members::None => "Empty",
            Members::Classic(group) => group.state().name(),
            Members::Consumer(group) => group.state(),
        }
    }

    /// As ListGroups shows it.
    pub(crate) fn group_type(&self) -> &'static str {
        match &self.members {
            Members::None | Members::Classic(_) => "classic",
            Members::Consumer(_) => "consumer",
        }
    }

    /// Empty for a simple group.
    pub(crate) fn protocol_type(&self) -> &str {
        match &self.members {
            Members::None => "",
            Members::Classic(group) => group.protocol_type().unwrap_or_default(),
            Members::Consumer(_) => "consumer",
        }
    }

    pub(crate) fn is_subscribed_to(&self, topic: &str) -> bool {
        match &self.members {
            Members::None => false,
            Members::Classic(group) => group.is_subscribed_to(topic),
            Members::Consumer(group) => group.is_subscribed_to(topic),
        }
    }

    fn next_deadline(&self) -> Option<Instant> {
        match &self.members {
            Members::None => None,
            Members::Classic(group) => group.next_deadline(),
            Members::Consumer(group) => group.next_deadline(),
        }
    }
}

impl Cluster {
    /// To be called when members of a group came, went or did something, or offsets were committed:
    /// hands out answers, and arms the timer for its next deadline.
    pub(crate) fn group_changed(&mut self, group: &str) {
        self.hand_out_answers(group);
        self.arm_group(group);
        self.arm_group_check();
    }

    /// Sets the group's timer to the next deadline of its members.
    pub(crate) fn arm_group(&mut self, id: &str) {
        let Some((id, _)) = self.groups.by_id.get_key_value(id) else {
            return;
        };
        let id = id.clone();
        let group = self.groups.by_id.get_mut(&id).expect("just found");
        let next = group.next_deadline();
        if group.timer.map(|(at, _)| at) == next {
            return;
        }
        if let Some(timer) = group.timer.take() {
            self.timers.cancel(timer);
        }
        group.timer = next.map(|at| self.timers.set(at, Timer::Group(id)));
    }

    /// A deadline of a group has passed.
    pub(crate) fn handle_group_timeout(&mut self, id: &str) {
        // Without a coordinator nobody looks at the clock; the next one starts all sessions anew.
        let coordinator = self.coordinators.node(CoordinatorKind::Group, id);
        let looked_at = self.is_up(coordinator);
        let Some(around) = self.surroundings() else {
            return;
        };
        let Some(group) = self.groups.get_mut(id) else {
            return;
        };
        group.timer = None;
        if !looked_at {
            return;
        }
        match &mut group.members {
            Members::None => {}
            Members::Classic(members) => members.handle_timeout(&around),
            Members::Consumer(members) => members.handle_timeout(around.now, &self.topics),
        }
        self.group_changed(id);
    }

    /// Whether `node` may act for this group, and has room for it if it is new.
    pub(crate) fn check_group(&self, node: i32, id: &str) -> Result<(), ErrorCode> {
        self.check_coordinator(node, CoordinatorKind::Group, id)?;
        if self.groups.has_room_for(id) {
            Ok(())
        } else {
            Err(ErrorCode::COORDINATOR_NOT_AVAILABLE)
        }
    }

    /// Runs something on a classic group that exists.
    pub(crate) fn with_classic<T>(
        &mut self,
        id: &str,
        run: impl FnOnce(&mut ClassicGroup, &Surroundings) -> T,
    ) -> Option<T> {
        let around = self.surroundings()?;
        let result = match &mut self.groups.get_mut(id)?.members {
            Members::Classic(group) => Some(run(group, &around)),
            Members::None | Members::Consumer(_) => None,
        };
        self.group_changed(id);
        result
    }

    /// What classic groups have to know; `None` before the first `now`.
    pub(crate) fn surroundings(&self) -> Option<Surroundings> {
        Some(Surroundings {
            now: self.now()?,
            wall_clock: self.wall_clock(),
            initial_delay: self.config.group_initial_rebalance_delay,
            size_max: self.config.group_max_size,
            is_3_9: self.config.emulate == Emulate::V3_9,
        })
    }

    /// Groups whose coordinator is this node.
    pub(crate) fn groups_of(&self, node: i32) -> Vec<Arc<str>> {
        let kind = CoordinatorKind::Group;
        let here = |id: &&Arc<str>| self.coordinators.node(kind, id) == node;
        self.groups.by_id.keys().filter(here).cloned().collect()
    }

    /// A coordinator loads these groups from their log and is done with it at `loaded`.
    pub(crate) fn reload_groups(&mut self, ids: &[Arc<str>], loaded: Option<Instant>) {
        let Some(around) = self.surroundings() else {
            return;
        };
        let around = Surroundings {
            now: loaded.map_or(around.now, |loaded| loaded.max(around.now)),
            ..around
        };
        for id in ids {
            let node = self.coordinators.node(CoordinatorKind::Group, id);
            let settings = self.consumer_settings(node, id);
            match self.groups.get_mut(id).map(|group| &mut group.members) {
                Some(Members::Classic(members)) => members.reload(&around),
                Some(Members::Consumer(members)) => {
                    members.reload(around.now, settings.session_timeout);
                }
                Some(Members::None) | None => {}
            }
            self.group_changed(id);
        }
    }

    pub(crate) fn committed_offset(&self, group: &str, topic: &str, partition: i32) -> Option<i64> {
        let group = self.groups.get(group)?;
        let committed = group.offsets.committed_offset(topic, partition);
        committed.map(|committed| committed.offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn member_ids_end_in_a_uuid_of_version_4_and_repeat_with_the_seed() {
        let id = Groups::new(7).member_id("app");
        assert_eq!(id, Groups::new(7).member_id("app"));
        assert_ne!(id, Groups::new(8).member_id("app"));
        let uuid = id.strip_prefix("app-").unwrap();
        let lengths: Vec<_> = uuid.split('-').map(str::len).collect();
        assert_eq!(lengths, [8, 4, 4, 4, 12]);
        assert_eq!(&uuid[14..15], "4");
        assert!("89ab".contains(&uuid[19..20]));
    }
}
