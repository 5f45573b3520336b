//! Connections as the broker sees them: bytes in, frames out.

use std::fmt;

use bytes::{Bytes, BytesMut};

use crate::faults::RuleId;
use crate::limits::ANSWER_BYTES_WAITING_MAX;

/// Names a connection; never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u64);

impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "connection {}", self.0)
    }
}

/// What the broker wants done with a connection, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// These bytes belong on the connection, behind those before.
    Bytes {
        /// Which connection.
        conn: ConnectionId,
        /// A frame or a part of one.
        bytes: Bytes,
    },
    /// The broker writes no more on this connection, but still reads it: what was not written yet
    /// still is, then the broker's half of the connection ends.
    HalfClose {
        /// Which connection.
        conn: ConnectionId,
    },
    /// The broker has closed the connection: what was not written yet may still be, then it ends.
    Close {
        /// Which connection.
        conn: ConnectionId,
    },
}

/// The reading side of one connection.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) node: i32,
    pub(crate) buffer: BytesMut,
    /// The request being served: like Kafka, the next is not looked at before its answer is queued.
    pub(crate) busy: Option<u64>,
    /// Bytes of answers that were not polled yet.
    pub(crate) unpolled: usize,
    /// The driver has more to write than it wants to hold.
    pub(crate) congested: bool,
    /// Throttled: until its timer fires, nothing of it is looked at.
    pub(crate) muted: bool,
    /// Everything that comes is swallowed.
    pub(crate) is_hole: bool,
    /// The broker's half of it is closed.
    pub(crate) half_closed: bool,
    /// What the rules that cut half requests say of the request that comes in; outer `None`: it
    /// was not looked at yet.
    pub(crate) cut: Option<Option<(RuleId, usize)>>,
}

impl Connection {
    /// Whether its next request has to wait.
    pub(crate) fn is_waiting(&self) -> bool {
        self.busy.is_some()
            || self.congested
            || self.muted
            || self.unpolled >= ANSWER_BYTES_WAITING_MAX
    }

    pub(crate) fn new(node: i32) -> Self {
        Self {
            node,
            buffer: BytesMut::new(),
            busy: None,
            unpolled: 0,
            congested: false,
            muted: false,
            is_hole: false,
            half_closed: false,
            cut: None,
        }
    }
}
