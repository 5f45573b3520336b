//! Settings of the client as a whole; those of a role stand with the role's builder.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use milena_cluster::{Backoff, BrokerAddress};

/// A rewriting of broker addresses; see [`EngineConfig::address_map`].
pub type AddressMap = Arc<dyn Fn(BrokerAddress) -> BrokerAddress + Send + Sync>;

/// What every role of a client shares.
#[derive(Clone)]
pub struct EngineConfig {
    /// Where to ask first. Any one of them that answers is enough.
    pub bootstrap: Vec<BrokerAddress>,
    /// The name that brokers log and count quotas by. Default `milena`.
    pub client_id: Arc<str>,
    /// Rewrites each address before it is connected to (proxies, port forwards). Default: none.
    pub address_map: Option<AddressMap>,
    /// How long one connection attempt may take, the first exchange included. Default 5 s.
    pub connect_timeout: Duration,
    /// How long a broker may take to answer one request; the connection is given up then. Default 30 s.
    pub request_timeout: Duration,
    /// The wait between attempts to reach a broker, and between repetitions of a request. Default 50 ms to 1 s.
    pub retry: Backoff,
    /// The largest frame that is read. Default 100 MiB, Kafka's own limit for requests.
    pub frame_bytes_max: usize,
    /// After how long metadata is asked for anew with nothing else calling for it. Default 5 min.
    pub metadata_age_max: Duration,
}

/// Longer than anybody waits, and still a time that can be added to another: `Duration::MAX` would overflow every clock.
const FAR: Duration = Duration::from_secs(30 * 365 * 24 * 3600);

/// `duration`, or the longest that can be reckoned with.
pub(crate) fn bounded(duration: Duration) -> Duration {
    duration.min(FAR)
}

impl EngineConfig {
    pub(crate) fn bounded(self) -> Self {
        Self {
            connect_timeout: bounded(self.connect_timeout),
            request_timeout: bounded(self.request_timeout),
            metadata_age_max: bounded(self.metadata_age_max),
            ..self
        }
    }
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self {
            bootstrap: Vec::new(),
            client_id: Arc::from("milena"),
            address_map: None,
            connect_timeout: Duration::from_secs(5),
            request_timeout: Duration::from_secs(30),
            retry: Backoff {
                initial: Duration::from_millis(50),
                max: Duration::from_secs(1),
                ..Backoff::default()
            },
            frame_bytes_max: 100 << 20,
            metadata_age_max: Duration::from_secs(300),
        }
    }
}

impl fmt::Debug for EngineConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EngineConfig")
            .field("bootstrap", &self.bootstrap)
            .field("client_id", &self.client_id)
            .field("address_map", &self.address_map.is_some())
            .field("connect_timeout", &self.connect_timeout)
            .field("request_timeout", &self.request_timeout)
            .field("retry", &self.retry)
            .field("frame_bytes_max", &self.frame_bytes_max)
            .field("metadata_age_max", &self.metadata_age_max)
            .finish()
    }
}
