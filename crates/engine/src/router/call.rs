//! One request, and what became of it.

use std::fmt;
use std::time::{Duration, Instant};

use bytes::Bytes;
use milena_cluster::Outcome;
use milena_wire::{ApiKey, ApiVersion, CorrelationId, EncodeError, Frame, VersionRange};

use crate::driver::LinkId;

/// One request, from submission to outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct CallId(pub(crate) u64);

/// Writes a request in the version that its link negotiated.
pub(crate) type EncodeCall =
    Box<dyn FnOnce(ApiVersion, CorrelationId, &str) -> Result<Frame, EncodeError> + Send>;

/// A request that is not encoded yet.
pub(crate) struct Call {
    pub(crate) id: CallId,
    pub(crate) key: ApiKey,
    pub(crate) versions: VersionRange,
    pub(crate) encode: EncodeCall,
    /// How long the broker may take, on top of nothing: a long poll adds its own wait.
    pub(crate) timeout: Duration,
    /// Until when it may wait for a link.
    pub(crate) deadline: Instant,
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call")
            .field("id", &self.id)
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}

/// The answer to a call, or why there is none.
pub(crate) type CallOutcome = Outcome<Answer>;

/// An answer's frame, the version it is written in, and the link that brought it.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) version: ApiVersion,
    pub(crate) frame: Bytes,
    pub(crate) link: LinkId,
}
