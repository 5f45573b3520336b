//! When a request may be repeated.

use std::hash::{Hash, Hasher};
use std::time::Instant;

use super::config::TransactionConfig;

/// The repetitions of one kind of request.
#[derive(Clone, Debug, Default)]
pub(super) struct Retry {
    attempts: u32,
    soon_attempts: u32,
    not_before: Option<Instant>,
}

impl Retry {
    /// Waits the usual time.
    pub(super) fn later(
        &mut self,
        now: Instant,
        config: &TransactionConfig,
        rng: &mut fastrand::Rng,
    ) {
        self.not_before = Some(now + config.retry.delay(self.attempts, rng));
        self.attempts = self.attempts.saturating_add(1);
    }

    /// Waits for the coordinator to complete the transaction before: milliseconds as a rule; if it
    /// takes longer, something is wrong over there and the usual wait is the polite one.
    pub(super) fn soon(
        &mut self,
        now: Instant,
        config: &TransactionConfig,
        rng: &mut fastrand::Rng,
    ) {
        if self.soon_attempts >= SOON_ATTEMPTS_MAX {
            return self.later(now, config, rng);
        }
        self.not_before = Some(now + config.retry_soon.delay(self.soon_attempts, rng));
        self.soon_attempts += 1;
    }

    /// The request was answered for good: the next one starts afresh.
    pub(super) fn reset(&mut self) {
        *self = Self::default();
    }

    pub(super) fn not_before(&self) -> Option<Instant> {
        self.not_before
    }
}

/// About a second of short waits.
const SOON_ATTEMPTS_MAX: u32 = 50;

/// How often something was repeated never changes what happens, only when: two managers that differ
/// in nothing else are the same to the model check.
impl PartialEq for Retry {
    fn eq(&self, _other: &Self) -> bool {
        true
    }
}

impl Eq for Retry {}

impl Hash for Retry {
    fn hash<H: Hasher>(&self, _state: &mut H) {}
}
