//! When the next record is due.

use std::time::Duration;

use tokio::time::Instant;

/// So much of what an outage has held up is caught up with; more would be a flood.
const CATCH_UP_MAX: Duration = Duration::from_secs(1);

/// So many records a second, reckoned from one start: a wait that takes a little too long does not add up.
#[derive(Debug)]
pub(super) struct Schedule {
    start: Instant,
    /// `None`: no limit.
    per_second: Option<u64>,
}

/// When a record may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    Now,
    At(Instant),
    /// At no records a second.
    Never,
}

impl Schedule {
    /// Below zero there is no limit.
    pub(super) fn new(start: Instant, per_second: i64) -> Self {
        Self {
            start,
            per_second: u64::try_from(per_second).ok(),
        }
    }

    /// When record `n`, counted from 0, may go. The clock is asked only where there is a limit.
    pub(super) fn due(&mut self, n: u64, clock: impl FnOnce() -> Instant) -> Due {
        let Some(per_second) = self.per_second else {
            return Due::Now;
        };
        if per_second == 0 {
            return Due::Never;
        }
        let offset = u128::from(n) * 1_000_000_000 / u128::from(per_second);
        let offset = Duration::from_nanos(u64::try_from(offset).unwrap_or(u64::MAX));
        let now = clock();
        // What is never reached needs no schedule.
        let Some(due) = self.start.checked_add(offset) else {
            return Due::Never;
        };
        if due > now {
            return Due::At(due);
        }
        let late = now.duration_since(due);
        if let Some(too_late) = late.checked_sub(CATCH_UP_MAX) {
            self.start += too_late;
        }
        Due::Now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_due_at_even_distances_from_the_start() {
        let start = Instant::now();
        let mut schedule = Schedule::new(start, 1_000);
        assert_eq!(schedule.due(0, || start), Due::Now);
        let second = start + Duration::from_secs(1);
        assert_eq!(schedule.due(1_000, || start), Due::At(second));
        assert_eq!(schedule.due(1_000, || second), Due::Now);
        // Half a second late: all of it is caught up with.
        let late = start + Duration::from_millis(2_500);
        assert_eq!(schedule.due(2_000, || late), Due::Now);
        assert_eq!(schedule.due(2_500, || late), Due::Now);
        assert!(matches!(schedule.due(2_501, || late), Due::At(_)));
    }

    #[test]
    fn after_an_outage_one_second_is_caught_up_with() {
        let start = Instant::now();
        let mut schedule = Schedule::new(start, 10);
        let back = start + Duration::from_secs(100);
        for n in 0..=10 {
            assert_eq!(schedule.due(n, || back), Due::Now, "{n}");
        }
        assert!(matches!(schedule.due(11, || back), Due::At(_)));
    }

    #[test]
    fn below_zero_there_is_no_limit_and_at_zero_nothing_goes() {
        let now = Instant::now();
        assert_eq!(Schedule::new(now, -1).due(1 << 40, || now), Due::Now);
        assert_eq!(Schedule::new(now, 0).due(0, || now), Due::Never);
    }
}
