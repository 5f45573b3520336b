//! Waiting after errors.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use milena_cluster::recovery::{Operation, Recovery, recover};
use milena_cluster::{Backoff, TopicPartition};
use milena_wire::ErrorCode;

use super::{Fetcher, Leaderless};
use crate::FetchError;

/// The waits that one answer causes: partitions that failed together come back together, in one request.
#[derive(Debug)]
pub(crate) struct Waits {
    now: Instant,
    by_attempt: BTreeMap<u32, Instant>,
}

impl Waits {
    pub(crate) const fn new(now: Instant) -> Self {
        Self {
            now,
            by_attempt: BTreeMap::new(),
        }
    }

    fn until(&mut self, attempt: u32, retry: &Backoff, rng: &mut fastrand::Rng) -> Instant {
        *self
            .by_attempt
            .entry(attempt)
            .or_insert_with(|| self.now + retry.delay(attempt, rng))
    }
}

/// What an error code asks for, as far as reading is concerned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Remedy {
    /// None: it is not an error.
    Ok,
    /// To wait.
    Wait,
    /// To wait, and learn anew who leads.
    Refresh,
    /// To find another position.
    Reset,
    /// To tell the user.
    Fail(FetchError),
}

impl Remedy {
    pub(crate) fn of(operation: Operation, code: ErrorCode) -> Self {
        match recover(operation, code) {
            Recovery::Ok => Self::Ok,
            Recovery::Retry | Recovery::RetrySoon => Self::Wait,
            Recovery::RefreshMetadata | Recovery::FindCoordinator => Self::Refresh,
            Recovery::Reset => Self::Reset,
            Recovery::Fatal(_) if code == ErrorCode::TOPIC_AUTHORIZATION_FAILED => {
                Self::Fail(FetchError::TopicAuthorization)
            }
            _ => Self::Fail(FetchError::Broker { code }),
        }
    }
}

impl Fetcher {
    /// Makes `tp` wait to be asked again, after a wait that grows with each failure in a row.
    pub(super) fn back_off(&mut self, waits: &mut Waits, tp: &TopicPartition) {
        let Some(partition) = self.partitions.get_mut(tp) else {
            return;
        };
        let until = waits.until(partition.attempt, &self.config.retry, &mut self.rng);
        partition.attempt = partition.attempt.saturating_add(1);
        partition.stage = partition.start().stage();
        // It was just asked, so it waits for nothing yet.
        partition.retry_at = Some(until);
        self.timers.insert((until, tp.clone()));
        self.idle.insert(tp.clone());
    }

    /// Makes `tp` wait to be asked again, at once the first time in a row.
    pub(super) fn back_off_if_repeated(&mut self, waits: &mut Waits, tp: &TopicPartition) {
        let Some(partition) = self.partitions.get_mut(tp) else {
            return;
        };
        if partition.attempt > 0 {
            return self.back_off(waits, tp);
        }
        partition.attempt = 1;
        partition.stage = partition.start().stage();
        self.idle.insert(tp.clone());
    }

    /// Ends the waits that are over.
    pub(super) fn expire_waits(&mut self, now: Instant) {
        while let Some((at, tp)) = self.timers.first().cloned()
            && at <= now
        {
            self.timers.pop_first();
            if let Some(partition) = self.partitions.get_mut(&tp) {
                partition.retry_at = None;
            }
        }
    }

    pub(super) fn clear_timer(&mut self, tp: &TopicPartition, retry_at: Option<Instant>) {
        if let Some(at) = retry_at {
            self.timers.remove(&(at, tp.clone()));
        }
    }

    /// Asks for new metadata while a partition has no leader, each time after a longer wait. Not at once: at the start they
    /// are on their way.
    pub(super) fn note_leaderless(&mut self, now: Instant, found: bool) {
        let next = |attempt, fetcher: &mut Self| {
            let wait: Duration = fetcher.config.retry.delay(attempt, &mut fetcher.rng);
            Some(Leaderless {
                refresh_at: now + wait,
                attempt,
            })
        };
        self.leaderless = match self.leaderless {
            _ if !found => None,
            None => next(0, self),
            Some(leaderless) if leaderless.refresh_at <= now => {
                self.refresh_wanted = true;
                next(leaderless.attempt.saturating_add(1), self)
            }
            waiting => waiting,
        };
    }
}
