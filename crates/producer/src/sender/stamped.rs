//! A batch with identity and sequence: what it is now is what it stays.

use std::time::{Duration, Instant};

use milena_cluster::ProducerIdentity;
use milena_wire::Payload;
use milena_wire::record::{SealedBatch, Stamp};

use super::BatchId;
use crate::batch::Share;
use crate::error::Persistence;
use crate::sequence::SequenceTracker;

#[derive(Debug)]
pub(super) struct Stamped {
    pub(super) id: BatchId,
    pub(super) sealed: SealedBatch,
    pub(super) share: Share,
    pub(super) opened_at: Instant,
    identity: ProducerIdentity,
    pub(super) base: i64,
    pub(super) standing: Standing,
    /// When it was handed to its link, the last time.
    pub(super) sent_at: Instant,
    pub(super) attempts: u32,
    /// A byte of it was offered to a socket, in some attempt.
    pub(super) ever_started: bool,
    /// An attempt ended without an answer: the broker may have written it, or may yet.
    pub(super) unsure: bool,
    /// The caller was told that it timed out.
    pub(super) expired: bool,
    /// A later batch was acknowledged first: if the broker does not take this one for a repeated one, its place is gone.
    pub(super) overtaken: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    InFlight,
    Waiting { until: Instant },
}

impl Stamped {
    pub(super) fn new(
        id: BatchId,
        sealed: SealedBatch,
        share: Share,
        opened_at: Instant,
        identity: ProducerIdentity,
        base: i64,
        now: Instant,
    ) -> Self {
        Self {
            id,
            sealed,
            share,
            opened_at,
            identity,
            base,
            standing: Standing::InFlight,
            sent_at: now,
            attempts: 1,
            ever_started: false,
            unsure: false,
            expired: false,
            overtaken: false,
        }
    }

    pub(super) fn payload(&self, transactional: bool) -> Payload {
        self.sealed.stamp(&Stamp {
            producer_id: self.identity.producer_id.0,
            producer_epoch: self.identity.epoch.0,
            base_sequence: SequenceTracker::on_wire(self.base),
            transactional,
        })
    }

    pub(super) fn is_in_flight(&self) -> bool {
        self.standing == Standing::InFlight
    }

    pub(super) fn is_due(&self, now: Instant) -> bool {
        matches!(self.standing, Standing::Waiting { until } if until <= now)
    }

    pub(super) fn mark_started(&mut self) {
        self.ever_started = true;
        self.share.mark_started();
    }

    pub(super) fn send_again(&mut self, now: Instant) {
        self.sent_at = now;
        self.standing = Standing::InFlight;
        self.attempts = self.attempts.saturating_add(1);
    }

    pub(super) fn wait_until(&mut self, until: Instant, unsure: bool) {
        self.standing = Standing::Waiting { until };
        self.unsure |= unsure;
    }

    pub(super) fn persistence(&self) -> Persistence {
        if self.unsure {
            Persistence::PossiblyPersisted
        } else {
            Persistence::NotPersisted
        }
    }

    /// When the caller is told that it timed out.
    pub(super) fn expiry(&self, delivery_timeout: Duration) -> Option<Instant> {
        (!self.expired).then(|| self.opened_at + delivery_timeout)
    }

    /// When it may be sent again.
    pub(super) fn due_at(&self) -> Option<Instant> {
        match self.standing {
            Standing::Waiting { until } => Some(until),
            Standing::InFlight => None,
        }
    }

    pub(super) fn split(
        self,
        halves: (SealedBatch, SealedBatch),
        ids: [BatchId; 2],
        now: Instant,
    ) -> [Self; 2] {
        let (low, high) = halves;
        let count = low.record_count();
        let behind = i64::from(count);
        #[cfg(feature = "plants")]
        let behind = super::plants::behind_a_half(behind);
        let (low_share, high_share) = self.share.split(count);
        let half = |id, sealed, share, base| Self {
            id,
            sealed,
            share,
            opened_at: self.opened_at,
            identity: self.identity,
            base,
            standing: Standing::Waiting { until: now },
            sent_at: now,
            attempts: self.attempts,
            ever_started: self.ever_started,
            unsure: self.unsure,
            expired: self.expired,
            overtaken: self.overtaken,
        };
        [
            half(ids[0], low, low_share, self.base),
            half(ids[1], high, high_share, self.base + behind),
        ]
    }
}
