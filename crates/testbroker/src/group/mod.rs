//! Groups: their members, by either protocol, and their committed offsets.

pub(crate) mod classic;
pub(crate) mod consumer;
pub(crate) mod offsets;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

pub(crate) use classic::ClassicGroup;
pub(crate) use consumer::{ConsumerGroup, GroupConfig};
pub(crate) use offsets::{CommittedOffset, Offsets, TopicPartition, offsets_partition};

use crate::cluster::Cluster;
use crate::limits::GROUPS_MAX;
use crate::log::Producers;
use crate::timers::{Timer, TimerKey};

/// All groups of the cluster.
#[derive(Debug, Default)]
pub(crate) struct Groups {
    by_id: BTreeMap<Arc<str>, Group>,
    /// Of groups that have configs of their own; such a group need not exist.
    configs: BTreeMap<Arc<str>, GroupConfig>,
    /// Producers of each partition of the internal offsets topic: they are fenced there as in any
    /// other partition.
    producers: BTreeMap<i32, Producers>,
    /// Requests that want to know when a group changes; a group need not exist to be waited for.
    waiting: BTreeMap<Arc<str>, BTreeSet<u64>>,
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
    Classic(ClassicGroup),
    /// ConsumerGroupHeartbeat (KIP-848). Stays so when the last member has left.
    Consumer(ConsumerGroup),
}

impl Groups {
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

    /// The configs that a group has of its own.
    pub(crate) fn config(&self, group: &str) -> GroupConfig {
        self.configs.get(group).cloned().unwrap_or_default()
    }

    /// Sets the configs of a group, which need not exist. `false`: there is no room for more.
    pub(crate) fn set_config(&mut self, group: &str, config: GroupConfig) -> bool {
        if config == GroupConfig::default() {
            self.configs.remove(group);
            return true;
        }
        let room = self.configs.len() < GROUPS_MAX || self.configs.contains_key(group);
        if room {
            self.configs.insert(group.into(), config);
        }
        room
    }

    /// The groups that have configs of their own.
    pub(crate) fn configured(&self) -> impl Iterator<Item = &Arc<str>> {
        self.configs.keys()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Arc<str>, &Group)> {
        self.by_id.iter()
    }

    pub(crate) fn has_room_for(&self, group: &str) -> bool {
        self.by_id.len() < GROUPS_MAX || self.by_id.contains_key(group)
    }

    pub(crate) fn wait(&mut self, group: &Arc<str>, request: u64) {
        self.waiting
            .entry(group.clone())
            .or_default()
            .insert(request);
    }

    pub(crate) fn stop_waiting(&mut self, group: &str, request: u64) {
        if let Some(waiting) = self.waiting.get_mut(group) {
            waiting.remove(&request);
            if waiting.is_empty() {
                self.waiting.remove(group);
            }
        }
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
        self.by_id.retain(|_, group| !group.is_nothing());
    }

    pub(crate) fn forget_topic(&mut self, name: &str) {
        for group in self.by_id.values_mut() {
            group.offsets.forget_topic(name);
        }
    }
}

impl Group {
    /// Whether nobody would miss it: no members by any protocol and no offsets.
    fn is_nothing(&self) -> bool {
        matches!(self.members, Members::None) && self.offsets.is_empty()
    }

    fn next_deadline(&self) -> Option<Instant> {
        match &self.members {
            Members::None | Members::Classic(_) => None,
            Members::Consumer(group) => group.next_deadline(),
        }
    }
}

impl Cluster {
    /// To be called when members of a group came, went or did something: lets everybody who waits
    /// for the group look again, and arms its timer for the next deadline.
    pub(crate) fn group_changed(&mut self, group: &str) {
        self.wake_group(group);
        self.arm_group(group);
    }

    /// Lets everybody who waits for this group look again.
    pub(crate) fn wake_group(&mut self, group: &str) {
        if let Some(waiting) = self.groups.waiting.remove(group) {
            self.woken.extend(waiting);
        }
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
        let Some(now) = self.now() else {
            return;
        };
        if let Some(group) = self.groups.get_mut(id) {
            group.timer = None;
            match &mut group.members {
                Members::None | Members::Classic(_) => {}
                Members::Consumer(members) => members.handle_timeout(now),
            }
        }
        self.group_changed(id);
    }

    pub(crate) fn committed_offset(&self, group: &str, topic: &str, partition: i32) -> Option<i64> {
        let group = self.groups.get(group)?;
        let committed = group.offsets.committed_offset(topic, partition);
        committed.map(|committed| committed.offset)
    }
}
