//! Groups and their committed offsets, as a test sets and reads them.

use super::Broker;
use crate::group::{CommittedOffset, GroupView, Members};

impl Broker {
    /// Every group, by id.
    pub fn groups(&self) -> Vec<GroupView> {
        let groups = self.cluster.groups.iter();
        groups
            .map(|(id, group)| group.view(id, &self.cluster.topics))
            .collect()
    }

    /// State, members and offsets of a group.
    pub fn group(&self, id: &str) -> Option<GroupView> {
        let group = self.cluster.groups.get(id)?;
        Some(group.view(id, &self.cluster.topics))
    }

    /// Commits an offset for a group, outside any transaction, as a test's starting point.
    pub fn commit_offset(&mut self, group: &str, topic: &str, partition: i32, offset: i64) {
        let topic_id = self.cluster.topics.get(topic).map(|topic| topic.id);
        let committed = CommittedOffset {
            offset,
            leader_epoch: -1,
            topic_id: topic_id.unwrap_or_default(),
            committed_at: self.cluster.wall_clock(),
            ..CommittedOffset::default()
        };
        let offsets = &mut self.cluster.groups.get_or_create(group).offsets;
        offsets.commit((topic.into(), partition), committed);
        self.cluster.group_changed(group);
    }

    /// What a group has committed, without what an open transaction may commit.
    pub fn committed_offset(&self, group: &str, topic: &str, partition: i32) -> Option<i64> {
        self.cluster.committed_offset(group, topic, partition)
    }

    /// Ends the session of a member of a classic group now; `false` if there is none of this id.
    pub fn expire_member(&mut self, group: &str, member_id: &str) -> bool {
        let expired = self.cluster.with_classic(group, |group, around| {
            group.expire_member(around, member_id)
        });
        self.pump();
        expired == Some(true)
    }

    /// Has the members of a classic group join again; `false` if it has none, or they do already.
    pub fn force_rebalance(&mut self, group: &str) -> bool {
        let forced = self
            .cluster
            .with_classic(group, |group, around| group.force_rebalance(around));
        self.pump();
        forced == Some(true)
    }

    /// Removes a group with its offsets, if it has no members.
    pub fn delete_group(&mut self, group: &str) -> bool {
        let found = self.cluster.groups.get(group);
        let may = found.is_some_and(|group| group.is_empty());
        may && self.cluster.remove_group(group)
    }

    /// Forgets offsets that have expired and groups without members and offsets, now instead of at
    /// the next `BrokerConfig::offsets_retention_check`.
    pub fn expire_offsets(&mut self) {
        self.cluster.check_groups();
    }

    /// Whether a group has members.
    pub fn has_members(&self, group: &str) -> bool {
        let found = self.cluster.groups.get(group);
        found.is_some_and(|group| !matches!(group.members, Members::None) && !group.is_empty())
    }
}
