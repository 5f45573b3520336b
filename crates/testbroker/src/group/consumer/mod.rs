//! The consumer protocol of KIP-848: the coordinator assigns, members converge one by one.

use std::time::Instant;

use milena_wire::ErrorCode;

/// The members of a group of the consumer protocol.
#[derive(Debug, Default)]
pub(crate) struct ConsumerGroup {}

impl ConsumerGroup {
    /// "Empty", "Assigning", "Reconciling" or "Stable".
    pub(crate) fn state(&self) -> &'static str {
        "Empty"
    }

    pub(crate) fn is_empty(&self) -> bool {
        true
    }

    /// Whether a commit or fetch of offsets in this member's name is allowed.
    pub(crate) fn check_commit(&self, _member_id: &str, _epoch: i32) -> Result<(), ErrorCode> {
        Err(ErrorCode::UNKNOWN_MEMBER_ID)
    }

    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        None
    }

    pub(crate) fn handle_timeout(&mut self, _now: Instant) {}

    pub(crate) fn is_subscribed_to(&self, _topic: &str) -> bool {
        false
    }
}
