//! The cluster on loopback sockets, for any Kafka client. Feature `tcp`.

mod server;
mod shared;

use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::oneshot;

use crate::broker::Broker;
use crate::config::{BrokerConfig, Emulate};
use shared::Shared;

/// A running cluster: one listener a node, all on a thread of its own. Dropping it stops it.
///
/// ```no_run
/// # use milena_testbroker::TestBroker;
/// let cluster = TestBroker::builder().nodes(3).start()?;
/// cluster.with(|broker| broker.create_topic("orders", 6));
/// println!("connect to {}", cluster.bootstrap());
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct TestBroker {
    shared: Arc<Shared>,
    addresses: Vec<String>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// Settings of a [`TestBroker`].
#[derive(Clone, Debug)]
pub struct TestBrokerBuilder {
    config: BrokerConfig,
    host: String,
    port: Option<u16>,
}

impl TestBroker {
    /// One node like Kafka 4.3 on a port of the system's choice, unless told otherwise.
    pub fn builder() -> TestBrokerBuilder {
        TestBrokerBuilder {
            config: BrokerConfig {
                wall_clock_start: shared::wall_clock(),
                refuse_trailing_bytes: false,
                ..BrokerConfig::default()
            },
            host: "127.0.0.1".to_owned(),
            port: None,
        }
    }

    /// `host:port` of the first node.
    pub fn bootstrap(&self) -> String {
        self.addresses.first().cloned().unwrap_or_default()
    }

    /// `host:port` of every node, in the order of their ids.
    pub fn addresses(&self) -> &[String] {
        &self.addresses
    }

    /// Looks at the cluster or changes it. Nothing else happens to it meanwhile; what follows from
    /// the changes (answers, closed connections, timers) goes its way when `look` returns.
    pub fn with<R>(&self, look: impl FnOnce(&mut Broker) -> R) -> R {
        self.shared.with(look)
    }

    /// Waits until `look` finds something, asking again after everything that happens. Blocks the
    /// thread; `None` after `timeout`.
    pub fn wait_for<R>(
        &self,
        timeout: Duration,
        look: impl FnMut(&mut Broker) -> Option<R>,
    ) -> Option<R> {
        self.shared.wait_for(timeout, look)
    }
}

impl Drop for TestBroker {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            // A panic of the thread was printed where it happened.
            let _ = thread.join();
        }
    }
}

impl TestBrokerBuilder {
    /// Number of nodes. Default 1.
    pub fn nodes(mut self, nodes: i32) -> Self {
        self.config.nodes = nodes;
        self
    }

    /// The finalized `transaction.version`. Default 2.
    pub fn transaction_version(mut self, version: i16) -> Self {
        self.config.transaction_version = version;
        self
    }

    /// Which Kafka to look like. Default 4.3.
    pub fn emulate(mut self, emulate: Emulate) -> Self {
        self.config.emulate = emulate;
        self
    }

    /// Whether Metadata creates topics. Default false.
    pub fn auto_create_topics(mut self, create: bool) -> Self {
        self.config.auto_create_topics = create;
        self
    }

    /// Partitions of a topic created without a count. Default 1.
    pub fn default_partitions(mut self, partitions: i32) -> Self {
        self.config.default_partitions = partitions;
        self
    }

    /// Time between the answer to EndTxn and the markers. Default 1 ms.
    pub fn marker_delay(mut self, delay: Duration) -> Self {
        self.config.marker_delay = delay;
        self
    }

    /// Seed of topic ids and probability rules. Default 0.
    pub fn seed(mut self, seed: u64) -> Self {
        self.config.seed = seed;
        self
    }

    /// Any other setting. Addresses are overwritten at the start.
    pub fn config(mut self, change: impl FnOnce(&mut BrokerConfig)) -> Self {
        change(&mut self.config);
        self
    }

    /// The address to listen at and to advertise. Default 127.0.0.1.
    pub fn host(mut self, host: &str) -> Self {
        host.clone_into(&mut self.host);
        self
    }

    /// The port of the first node; the others take those behind it. Default: the system chooses.
    pub fn port(mut self, port: u16) -> Self {
        self.port = Some(port);
        self
    }

    /// Binds the ports and starts the cluster; it can be connected to when this returns.
    pub fn start(mut self) -> io::Result<TestBroker> {
        let mut listeners = Vec::new();
        let mut addresses = Vec::new();
        for index in 0..self.config.nodes.max(1) {
            let offset = u16::try_from(index).unwrap_or(u16::MAX);
            let port = self.port.map_or(0, |port| port.saturating_add(offset));
            let listener = TcpListener::bind((self.host.as_str(), port))?;
            listener.set_nonblocking(true)?;
            addresses.push((self.host.clone(), listener.local_addr()?.port()));
            listeners.push(listener);
        }
        self.config.addresses.clone_from(&addresses);
        let shared = Arc::new(Shared::new(Broker::new(self.config)));
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let (stop, stopped) = oneshot::channel();
        let served = shared.clone();
        let thread = std::thread::Builder::new()
            .name("milena-testbroker".to_owned())
            .spawn(move || runtime.block_on(server::run(&served, listeners, stopped)))?;
        let addresses = addresses
            .iter()
            .map(|(host, port)| format!("{host}:{port}"))
            .collect();
        Ok(TestBroker {
            shared,
            addresses,
            stop: Some(stop),
            thread: Some(thread),
        })
    }
}
