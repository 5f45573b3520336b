//! Offsets that nobody has used for long, and groups that have nothing left.

use std::sync::Arc;

use super::classic::State;
use super::{CommittedOffset, Group, Members};
use crate::cluster::Cluster;
use crate::config::Emulate;
use crate::timers::Timer;

impl Cluster {
    /// Looks for expired offsets and empty groups, as each coordinator does every
    /// `offsets.retention.check.interval.ms`.
    pub(crate) fn check_groups(&mut self) {
        self.groups.next_check = None;
        let now = self.wall_clock();
        let retention = self.config.offsets_retention.as_millis();
        let retention = i64::try_from(retention).unwrap_or(i64::MAX);
        self.groups
            .by_id
            .retain(|_, group| !group.expire(now, retention));
        self.arm_group_check();
    }

    pub(super) fn arm_group_check(&mut self) {
        let interval = self.config.offsets_retention_check;
        if self.groups.next_check.is_some() || self.groups.by_id.is_empty() || interval.is_zero() {
            return;
        }
        if let Some(now) = self.now() {
            let timer = self.timers.set(now + interval, Timer::GroupCheck);
            self.groups.next_check = Some(timer);
        }
    }

    /// A topic is gone, and all that was committed for it.
    pub(crate) fn forget_offsets_of(&mut self, topic: &str) {
        for group in self.groups.by_id.values_mut() {
            group.offsets.forget_topic(topic);
        }
        let ids: Vec<_> = self.groups.by_id.keys().cloned().collect();
        for id in ids {
            self.drop_if_forsaken(&id);
        }
    }

    /// Kafka 3.9 removes a group that has neither members nor offsets whenever it has looked for
    /// offsets to remove from it; Kafka 4 leaves that to the next check.
    pub(crate) fn drop_if_forsaken(&mut self, id: &str) {
        let group = self.groups.get(id);
        let forsaken = group.is_some_and(|group| group.is_empty() && group.offsets.is_empty());
        if forsaken && self.config.emulate == Emulate::V3_9 {
            self.remove_group(id);
        }
    }

    /// Removes a group with its offsets.
    pub(crate) fn remove_group(&mut self, id: &str) -> bool {
        let Some(group) = self.groups.by_id.remove(id) else {
            return false;
        };
        if let Some(timer) = group.timer {
            self.timers.cancel(timer);
        }
        true
    }
}

impl Group {
    /// Drops what has expired; true if the group itself has nothing left.
    fn expire(&mut self, now: i64, retention: i64) -> bool {
        if let Some(since) = self.expires_since() {
            let (offsets, members) = (&mut self.offsets, &self.members);
            let read = |topic: &Arc<str>| match members {
                Members::None => false,
                Members::Classic(group) => group.is_subscribed_to(topic),
                Members::Consumer(group) => group.is_subscribed_to(topic),
            };
            offsets.expire(|(topic, _), offset: &CommittedOffset| {
                let expired = match offset.expires {
                    Some(at) => now >= at,
                    None => now - since.unwrap_or(offset.committed_at) >= retention,
                };
                expired && !read(topic)
            });
        }
        self.offsets.is_empty() && self.is_empty()
    }

    /// From when the retention counts: `Some(None)` is each offset's own commit, `None` is never.
    fn expires_since(&self) -> Option<Option<i64>> {
        match &self.members {
            Members::None | Members::Consumer(_) => Some(None),
            Members::Classic(group) if group.protocol_type().is_none() => Some(None),
            // KIP-211: while the group had members, its offsets were in use.
            Members::Classic(group) if group.is_empty() => Some(Some(group.since())),
            Members::Classic(group) => {
                let known = group.is_of_consumers() && group.knows_topics();
                (known && group.state() == State::Stable).then_some(None)
            }
        }
    }
}
