//! Groups and their committed offsets, as a test sets and reads them.

use super::Broker;
use crate::group::CommittedOffset;

impl Broker {
    /// Commits an offset for a group, outside any transaction, as a test's starting point.
    pub fn commit_offset(&mut self, group: &str, topic: &str, partition: i32, offset: i64) {
        let committed = CommittedOffset {
            offset,
            leader_epoch: -1,
            metadata: String::new(),
        };
        let group = self.cluster.groups.get_or_create(group);
        group.offsets.commit((topic.into(), partition), committed);
    }

    /// What a group has committed, without what an open transaction may commit.
    pub fn committed_offset(&self, group: &str, topic: &str, partition: i32) -> Option<i64> {
        self.cluster.committed_offset(group, topic, partition)
    }
}
