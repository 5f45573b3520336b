//! A batch between the caller's task and the wire: closed, then sealed.

use std::time::Instant;

use milena_wire::compress::{Codec, Compressor};
use milena_wire::record::{BatchPayload, SealedBatch};

use crate::budget::Charge;
use crate::completion::{Completion, Settlement};
use crate::error::{DeliveryError, DeliveryErrorKind, Persistence};
use crate::sync::Arc;

/// A batch that takes no more records and has no identity yet.
#[derive(Debug)]
pub struct ClosedBatch {
    pub(crate) payload: BatchPayload,
    pub(crate) share: Share,
    pub(crate) opened_at: Instant,
    pub(crate) generation: u64,
}

impl ClosedBatch {
    /// The transaction it belongs to; 0 outside transactions.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// The cell that its deliveries wait on.
    #[must_use]
    pub fn completion(&self) -> Arc<Completion> {
        Arc::clone(&self.share.completion)
    }

    /// Settles it as failed before any byte of it was offered to a socket.
    pub fn refuse(self, kind: DeliveryErrorKind) {
        self.share.fail(kind, Persistence::NotPersisted);
    }
}

/// A range of a batch's records, to be settled once. Dropped unsettled (the engine ended), it says that the client closed.
#[derive(Debug)]
pub(crate) struct Share {
    completion: Arc<Completion>,
    first: u32,
    count: u32,
    /// What is true of the records if nobody says more.
    persistence: Persistence,
    charge: Arc<Charge>,
}

impl Share {
    pub(crate) fn new(completion: Arc<Completion>, count: u32, charge: Charge) -> Self {
        completion.close(count);
        Self {
            completion,
            first: 0,
            count,
            persistence: Persistence::NotPersisted,
            charge: Arc::new(charge),
        }
    }

    pub(crate) fn completion(&self) -> Arc<Completion> {
        Arc::clone(&self.completion)
    }

    pub(crate) fn settle(&self, settlement: Settlement) {
        self.completion.settle(self.first, self.count, settlement);
    }

    pub(crate) fn fail(&self, kind: DeliveryErrorKind, persistence: Persistence) {
        self.settle(Err(DeliveryError::new(kind, persistence)));
    }

    /// From here on a byte may have left.
    pub(crate) fn mark_started(&mut self) {
        self.persistence = Persistence::PossiblyPersisted;
    }

    /// A leak.
    #[cfg(feature = "plants")]
    pub(crate) fn plant_keep_memory(&self) {
        std::mem::forget(Arc::clone(&self.charge));
    }

    /// Splits the range after its first `count` records.
    pub(crate) fn split(mut self, count: u32) -> (Self, Self) {
        let tail = Self {
            completion: Arc::clone(&self.completion),
            first: self.first + count,
            count: self.count - count,
            persistence: self.persistence,
            charge: Arc::clone(&self.charge),
        };
        self.count = count;
        (self, tail)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.completion.settle(
            self.first,
            self.count,
            Err(DeliveryError::new(
                DeliveryErrorKind::Closed,
                self.persistence,
            )),
        );
    }
}

/// The CPU work between closing and stamping: compression, and the checksum of what comes of it.
///
/// It needs no identity, so it runs before one is known, off the engine's thread if it is large.
#[derive(Debug)]
pub struct SealJob {
    pub(crate) slot: u64,
    pub(crate) payload: BatchPayload,
}

/// A finished [`SealJob`].
#[derive(Debug)]
pub struct SealedJob {
    pub(crate) slot: u64,
    pub(crate) sealed: SealedBatch,
}

impl SealJob {
    /// Does the work. Records that `codec` does not make smaller stay as they are.
    #[must_use]
    pub fn run(self, codec: Codec, compressor: &mut Compressor) -> SealedJob {
        SealedJob {
            slot: self.slot,
            sealed: self.payload.seal_with(codec, compressor),
        }
    }

    /// How many bytes it will go through.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.payload.len()
    }
}
