//! What the cluster does later, by virtual time. Equal times fire in the order they were set.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use crate::connection::ConnectionId;

/// What to do when a timer fires.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Timer {
    /// A request that waits (long poll, retry, delay) goes on.
    Request(u64),
    /// The markers of this transactional id are written.
    Markers(Arc<str>),
    /// A coordinator has loaded what it took over.
    Loaded,
    /// The open transaction of this transactional id has had its time.
    TransactionTimeout(Arc<str>),
    /// A deadline of this group: a session, a rebalance, a wait for members.
    Group(Arc<str>),
    /// Followers of this partition may have lagged for too long.
    Isr(Arc<str>, i32),
    /// Expired offsets and empty groups are looked for.
    GroupCheck,
    /// Compaction.
    Cleaner,
    /// Retention, expiry: whatever goes by age.
    Housekeeping,
    /// A throttled connection is read again.
    Unmute(ConnectionId),
    /// A node that a fault stopped starts again.
    StartNode(i32),
}

/// Names one timer, for cancelling it.
pub(crate) type TimerKey = (Instant, u64);

#[derive(Debug, Default)]
pub(crate) struct Timers {
    queue: BTreeMap<TimerKey, Timer>,
    set: u64,
    /// How many timers each transactional id has for its markers.
    markers: BTreeMap<Arc<str>, usize>,
}

impl Timers {
    pub(crate) fn set(&mut self, at: Instant, timer: Timer) -> TimerKey {
        self.set += 1;
        let key = (at, self.set);
        if let Timer::Markers(id) = &timer {
            *self.markers.entry(id.clone()).or_default() += 1;
        }
        self.queue.insert(key, timer);
        key
    }

    pub(crate) fn cancel(&mut self, key: TimerKey) {
        if let Some(timer) = self.queue.remove(&key) {
            self.forget(&timer);
        }
    }

    /// A node that a fault stopped does not start by itself any more.
    pub(crate) fn cancel_start(&mut self, node: i32) {
        self.queue
            .retain(|_, timer| *timer != Timer::StartNode(node));
    }

    /// Whether the markers of this transactional id still have their delay before them.
    pub(crate) fn has_markers(&self, id: &str) -> bool {
        self.markers.contains_key(id)
    }

    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<Timer> {
        let first = self.queue.first_entry()?;
        if first.key().0 > now {
            return None;
        }
        let timer = first.remove();
        self.forget(&timer);
        Some(timer)
    }

    /// A timer is no more.
    fn forget(&mut self, timer: &Timer) {
        if let Timer::Markers(id) = timer
            && let Some(count) = self.markers.get_mut(id)
        {
            *count -= 1;
            if *count == 0 {
                self.markers.remove(id);
            }
        }
    }

    pub(crate) fn next(&self) -> Option<Instant> {
        self.queue.first_key_value().map(|((at, _), _)| *at)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    #[expect(
        clippy::disallowed_methods,
        reason = "virtual time has to start somewhere"
    )]
    fn markers_are_waited_for_until_their_last_timer_is_gone() {
        let now = Instant::now();
        let later = now + Duration::from_millis(1);
        let mut timers = Timers::default();
        let marker = || Timer::Markers("x".into());
        timers.set(now, marker());
        let cancelled = timers.set(later, marker());
        timers.set(later, marker());
        assert!(timers.has_markers("x") && !timers.has_markers("y"));
        assert_eq!(timers.pop_due(now), Some(marker()));
        assert_eq!(timers.pop_due(now), None);
        timers.cancel(cancelled);
        timers.cancel(cancelled);
        assert!(timers.has_markers("x"));
        assert_eq!(timers.pop_due(later), Some(marker()));
        assert!(!timers.has_markers("x"));
    }
}
