//! Keeps questions of one kind apart.

use std::time::Instant;

use crate::Backoff;

/// Answers further apart than this many longest waits are no row of useless ones: the waits start again with the shortest.
const CALM_AFTER_WAITS: u32 = 4;

/// When the next question may be asked. Every end of a question, answered or not, puts the next one off: by a longer wait
/// each time, unless the question helped or a long time has passed.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    not_before: Option<Instant>,
    last_end: Option<Instant>,
    attempt: u32,
}

impl Pace {
    /// The last question helped: the next wait is the shortest.
    pub(crate) fn restart(&mut self) {
        self.attempt = 0;
    }

    /// What the last question brought has proved good: the next may be asked at once.
    pub(crate) fn confirm(&mut self) {
        self.restart();
        self.not_before = None;
    }

    /// A question is over.
    pub(crate) fn end(&mut self, now: Instant, retry: &Backoff, rng: &mut fastrand::Rng) {
        let calm = retry.max * CALM_AFTER_WAITS;
        if self
            .last_end
            .is_some_and(|last| now.saturating_duration_since(last) > calm)
        {
            self.restart();
        }
        self.not_before = Some(now + retry.delay(self.attempt, rng));
        self.last_end = Some(now);
        self.attempt = self.attempt.saturating_add(1);
    }

    /// Whether the next question may be asked.
    pub(crate) fn allows(&self, now: Instant) -> bool {
        self.not_before.is_none_or(|at| at <= now)
    }

    /// From when on it may; `None` if it always might.
    pub(crate) fn not_before(&self) -> Option<Instant> {
        self.not_before
    }
}
