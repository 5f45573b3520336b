//! A step of a sequence: what is asked, with what only an earlier answer can tell left open.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use milena_wire::messages::AnyRequest;
use milena_wire::{ApiKey, ApiVersion, CorrelationId, EncodeError};

use super::tree::Value;
use super::vars::Vars;

/// A request that is the same on both sides but for the ids.
pub(crate) trait Ask: fmt::Debug + Send + Sync {
    fn key(&self) -> ApiKey;

    /// The request as this side is to get it.
    fn write(&self, vars: &Vars, pen: &Pen) -> Result<Sent, EncodeError>;

    /// What to remember of the answer.
    fn absorb(&self, answer: &Value, vars: &mut Vars) {
        let _ = (answer, vars);
    }

    /// The transactional id that is on its way from Prepare to Complete after this.
    fn ends_transaction(&self) -> Option<usize> {
        None
    }

    /// Whether the answer may wait for what others do: it is then looked for later.
    fn may_wait(&self) -> bool {
        false
    }

    /// Whether it only reads what reaches a broker a little after the answer to who changed it.
    fn reads_metadata(&self) -> bool {
        false
    }

    /// Takes what belongs to others out of an answer about the whole cluster.
    fn narrow(&self, answer: &mut Value, vars: &Vars) {
        let _ = (answer, vars);
    }

    fn version_max(&self) -> i16 {
        i16::MAX
    }
}

/// Writes a request in the version that was drawn.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pen {
    pub(crate) version: i16,
    pub(crate) correlation: i32,
}

/// A request as it goes out.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) bytes: Bytes,
    /// For the reader of a report.
    pub(crate) text: String,
}

impl Pen {
    pub(crate) fn write<'a>(
        &self,
        request: impl Into<AnyRequest<'a>>,
    ) -> Result<Sent, EncodeError> {
        let request = request.into();
        let frame = request.to_frame(
            ApiVersion(self.version),
            CorrelationId(self.correlation),
            Some("differ"),
        )?;
        Ok(Sent {
            bytes: frame.to_bytes(),
            text: format!("{request:?}"),
        })
    }
}

/// One thing to do.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Ask {
        ask: Arc<dyn Ask>,
        /// Over which connection.
        link: usize,
        /// Picks the version among those that both sides serve.
        version: u32,
    },
    /// Wait until an open transaction's time is over and it is aborted.
    AwaitTimeout(usize),
    Pause(u64),
}
