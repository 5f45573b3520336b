//! One member of a classic group.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

/// A member as it last joined.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub(crate) instance_id: Option<Arc<str>>,
    pub(crate) client_id: Arc<str>,
    pub(crate) client_host: Arc<str>,
    pub(crate) session_timeout: Duration,
    pub(crate) rebalance_timeout: Duration,
    /// In the order of its preference.
    pub(crate) protocols: Vec<Protocol>,
    /// Empty until the leader's assignment is here.
    pub(crate) assignment: Bytes,
    /// Its JoinGroup that waits.
    pub(crate) awaiting_join: Option<u64>,
    /// Its SyncGroup that waits.
    pub(crate) awaiting_sync: Option<u64>,
    /// Has not had an answer to its first JoinGroup: it cannot send heartbeats.
    pub(crate) is_new: bool,
}

/// An assignor, or whatever else the clients agree on by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Protocol {
    pub(crate) name: Arc<str>,
    pub(crate) metadata: Bytes,
}

impl Member {
    /// What it says under this protocol; nothing if it does not speak it.
    pub(crate) fn metadata(&self, protocol: &str) -> Bytes {
        let found = self.protocols.iter().find(|known| *known.name == *protocol);
        found.map_or_else(Bytes::new, |known| known.metadata.clone())
    }

    pub(super) fn speaks(&self, protocol: &str) -> bool {
        self.protocols.iter().any(|known| *known.name == *protocol)
    }

    /// Whether it need not be heard of: it waits for us.
    pub(super) fn has_satisfied_heartbeat(&self) -> bool {
        !self.is_new && (self.awaiting_join.is_some() || self.awaiting_sync.is_some())
    }
}
