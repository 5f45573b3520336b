//! Settings of a client.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use milena_engine::EngineConfig;

use crate::{BrokerAddress, Client, ConnectError, driver};

/// How connections are protected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Security {
    /// Not at all.
    #[default]
    Plaintext,
    /// TLS. Not supported yet: building is refused with a sentence that says so.
    Tls,
    /// SASL, with or without TLS. Not supported yet: building is refused with a sentence that says so.
    Sasl,
}

/// Settings of a [`Client`]. Only the bootstrap addresses must be given.
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until build() is awaited"]
pub struct ClientBuilder {
    bootstrap: Vec<String>,
    connect_deadline: Duration,
    security: Security,
    config: EngineConfig,
}

impl ClientBuilder {
    pub(crate) fn new() -> Self {
        Self {
            bootstrap: Vec::new(),
            connect_deadline: Duration::from_secs(10),
            security: Security::Plaintext,
            config: EngineConfig::default(),
        }
    }

    /// Brokers to ask first, `host:port` each. One that answers is enough; the others are found through it.
    pub fn bootstrap<S: AsRef<str>>(mut self, addresses: impl IntoIterator<Item = S>) -> Self {
        self.bootstrap.extend(
            addresses
                .into_iter()
                .map(|address| address.as_ref().to_owned()),
        );
        self
    }

    /// The name that brokers log and count quotas by. Default `milena`.
    pub fn client_id(mut self, client_id: &str) -> Self {
        self.config.client_id = client_id.into();
        self
    }

    /// Rewrites every broker address before it is connected to, those given here and those that the cluster advertises: for
    /// proxies and port forwards. It is called on the engine's thread, so it should be quick.
    pub fn address_map(
        mut self,
        map: impl Fn(BrokerAddress) -> BrokerAddress + Send + Sync + 'static,
    ) -> Self {
        self.config.address_map = Some(Arc::new(map));
        self
    }

    /// How long [`ClientBuilder::build`] waits for the first broker. Default 10 s.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_deadline = timeout;
        self
    }

    /// How long a broker may take to answer one request, before its connection is given up and what was on it counts as
    /// unsure. WARNING: shorter than what brokers need under load it makes things worse. Default 30 s.
    pub fn request_timeout(mut self, timeout: Duration) -> Self {
        self.config.request_timeout = timeout;
        self
    }

    /// How long one attempt to reach a broker may take: the connection itself and the first exchange on it. Then it is given
    /// up, and the next one waits for [`ClientBuilder::retry_backoff`]. Default 5 s.
    pub fn connection_setup_timeout(mut self, timeout: Duration) -> Self {
        self.config.connect_timeout = timeout;
        self
    }

    /// How long to wait before a broker is tried again, and before a request is repeated: `initial` after the first failure,
    /// twice as long after each one more, at most `max`, each 20 % longer or shorter by chance. Default 50 ms to 1 s.
    /// WARNING: much shorter waits turn an outage into a storm of connections. Both are held between 1 ms and one hour, and
    /// a `max` below `initial` counts as `initial`.
    pub fn retry_backoff(mut self, initial: Duration, max: Duration) -> Self {
        const LEAST: Duration = Duration::from_millis(1);
        const MOST: Duration = Duration::from_secs(3_600);
        let initial = initial.clamp(LEAST, MOST);
        self.config.retry.initial = initial;
        self.config.retry.max = max.clamp(initial, MOST);
        self
    }

    /// After how long metadata is asked for anew, with nothing else calling for it. Moved leaders are noticed without it;
    /// new partitions are not. Default 5 min, at least 100 ms.
    pub fn metadata_age_max(mut self, age: Duration) -> Self {
        self.config.metadata_age_max = age.max(Duration::from_millis(100));
        self
    }

    /// How connections are protected. Default: not at all, which is all there is so far.
    pub fn security(mut self, security: Security) -> Self {
        self.security = security;
        self
    }

    /// Starts the engine's thread and waits until one broker has answered.
    ///
    /// # Errors
    /// [`ConnectError`], with what the last attempt met.
    ///
    /// # Cancel safety
    /// Dropped, nothing is left behind.
    pub async fn build(mut self) -> Result<Client, ConnectError> {
        match self.security {
            Security::Plaintext => {}
            Security::Tls => return Err(ConnectError::NotYet { what: "TLS" }),
            Security::Sasl => return Err(ConnectError::NotYet { what: "SASL" }),
        }
        let parsed = self.bootstrap.iter().map(|address| {
            address.parse().map_err(|_| ConnectError::BadAddress {
                address: address.clone(),
            })
        });
        self.config.bootstrap = parsed.collect::<Result<Vec<BrokerAddress>, _>>()?;
        if self.config.bootstrap.is_empty() {
            return Err(ConnectError::NoAddress);
        }
        // The one place where chance comes from outside: jitter must differ between processes.
        let seed = RandomState::new().build_hasher().finish();
        let handle = driver::start(self.config, seed)?;
        handle
            .connect(&self.bootstrap.join(","), self.connect_deadline)
            .await?;
        Ok(Client::new(handle))
    }
}
