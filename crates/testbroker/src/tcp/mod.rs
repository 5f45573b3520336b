//! The cluster on loopback sockets, for any Kafka client. Feature `tcp`.

mod server;
mod shared;
#[cfg(feature = "tls")]
mod tls;

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, ToSocketAddrs};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::oneshot;

use crate::broker::Broker;
use crate::config::{BrokerConfig, ConfigError, Emulate};
use crate::sasl::SaslMechanism;
use shared::Shared;

/// A running cluster: one listener a node, all on a thread of its own. Dropping it stops it.
///
/// Dropped while its thread panics, as when an assertion of a test fails, it prints what the
/// cluster was asked and what it holds ([`Broker::dump`]). Dropped with fault rules that never
/// acted, it prints that too and panics: see [`Faults`](crate::Faults).
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
    advertised_host: Option<String>,
    port: Option<u16>,
    topics: Vec<(String, i32, Option<i16>)>,
    #[cfg(feature = "tls")]
    tls: Option<tls::TlsFiles>,
    properties: Vec<(String, String)>,
}

/// Connections that the front keeps unless told otherwise. Tests of other clients open them by the
/// thousand; what bounds them then is the descriptors that the system gives a process.
const CONNECTIONS_MAX: usize = 20_000;

impl TestBroker {
    /// One node like Kafka 4.3 on a port of the system's choice, unless told otherwise.
    pub fn builder() -> TestBrokerBuilder {
        TestBrokerBuilder {
            config: BrokerConfig {
                wall_clock_start: shared::wall_clock(),
                refuse_trailing_bytes: false,
                connections_max: CONNECTIONS_MAX,
                ..BrokerConfig::default()
            },
            host: "127.0.0.1".to_owned(),
            advertised_host: None,
            port: None,
            topics: Vec::new(),
            #[cfg(feature = "tls")]
            tls: None,
            properties: Vec::new(),
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
        let unfired = self.shared.take_unfired();
        let for_a_test = self.shared.with(|broker| broker.is_for_a_test());
        if std::thread::panicking() && for_a_test {
            let dump = self.shared.with(|broker| broker.dump());
            eprintln!("the test broker at the end:\n{dump}");
        } else if let Some(unfired) = unfired {
            let dump = self.shared.with(|broker| broker.dump());
            eprintln!("the test broker at the end:\n{dump}");
            panic!("{unfired}");
        }
    }
}

impl TestBrokerBuilder {
    /// Number of nodes. Default 1.
    pub fn nodes(mut self, nodes: i32) -> Self {
        self.config.nodes = nodes;
        self
    }

    /// The finalized `transaction.version`. Default: that of the release.
    pub fn transaction_version(mut self, version: i16) -> Self {
        self.config.transaction_version = Some(version);
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

    /// A user, by every mechanism; with one, every client has to authenticate. By all mechanisms,
    /// unless [`sasl`](Self::sasl) says otherwise.
    pub fn sasl_user(mut self, name: &str, password: &str) -> Self {
        let users = &mut self.config.sasl_users;
        users.insert(name.to_owned(), password.to_owned());
        if self.config.sasl.is_empty() {
            self.config.sasl = SaslMechanism::ALL.to_vec();
        }
        self
    }

    /// How clients may authenticate, and that they have to. Default: they need not.
    pub fn sasl(mut self, mechanisms: &[SaslMechanism]) -> Self {
        self.config.sasl = mechanisms.to_vec();
        self
    }

    /// TLS on all listeners (1.2 and 1.3): the certificate, with those that lead to its authority
    /// behind it, and its key (PKCS #8, SEC 1 or PKCS #1), in PEM. Feature `tls`.
    #[cfg(feature = "tls")]
    pub fn tls(mut self, certificates: &[u8], key: &[u8]) -> Self {
        let client_authority = self.tls.take().and_then(|files| files.client_authority);
        self.tls = Some(tls::TlsFiles {
            certificates: certificates.to_vec(),
            key: key.to_vec(),
            client_authority,
        });
        self
    }

    /// With TLS, whoever has no certificate signed by this authority (PEM) is turned away. Feature
    /// `tls`.
    #[cfg(feature = "tls")]
    pub fn tls_clients(mut self, authority: &[u8]) -> Self {
        let files = self.tls.get_or_insert_with(Default::default);
        files.client_authority = Some(authority.to_vec());
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

    /// The address to listen at, and to advertise unless it stands for all of the machine's.
    /// Default 127.0.0.1.
    pub fn host(mut self, host: &str) -> Self {
        host.clone_into(&mut self.host);
        self
    }

    /// The name that clients are told to connect to. Default: where it listens.
    pub fn advertised_host(mut self, host: &str) -> Self {
        self.advertised_host = Some(host.to_owned());
        self
    }

    /// A topic that is there from the start, with as many replicas, or the cluster's default.
    pub fn topic(mut self, name: &str, partitions: i32, replicas: Option<i16>) -> Self {
        self.topics.push((name.to_owned(), partitions, replicas));
        self
    }

    /// A broker's setting by Kafka's name, such as `num.partitions`; see
    /// [`BrokerConfig::set`](crate::BrokerConfig::set).
    pub fn broker_config(mut self, name: &str, value: &str) -> Self {
        self.properties.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The racks of the nodes, in the order of their ids. Default none.
    pub fn racks<R: Into<String>>(mut self, racks: impl IntoIterator<Item = R>) -> Self {
        self.config.racks = racks.into_iter().map(Into::into).collect();
        self
    }

    /// The port of the first node; the others take those behind it. Default: the system chooses.
    pub fn port(mut self, port: u16) -> Self {
        self.port = Some(port);
        self
    }

    /// Binds the ports and starts the cluster; it can be connected to when this returns.
    ///
    /// # Errors
    /// A port is not to be had, or (`InvalidInput`) one of the topics cannot be, or no Kafka could
    /// have these settings ([`ConfigError`](crate::ConfigError)).
    pub fn start(mut self) -> io::Result<TestBroker> {
        let properties = std::mem::take(&mut self.properties);
        let mut set = properties.iter();
        let set = set.try_for_each(|(name, value)| self.config.set(name, value));
        let checked = set.and_then(|()| self.config.check());
        let checked = checked.and_then(|()| self.check_ports());
        checked.map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        #[cfg(feature = "tls")]
        let acceptor = self.tls.as_ref().map(tls::TlsFiles::acceptor).transpose()?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let (listeners, addresses, broker) = match self.prepare(&runtime) {
            Ok(prepared) => prepared,
            Err(error) => {
                // Within another runtime, where tests often are, dropping one panics.
                runtime.shutdown_background();
                return Err(error);
            }
        };
        #[cfg_attr(not(feature = "tls"), expect(unused_mut, reason = "TLS is set there"))]
        let mut shared = Shared::new(broker);
        #[cfg(feature = "tls")]
        {
            shared.tls = acceptor;
        }
        let shared = Arc::new(shared);
        let (stop, stopped) = oneshot::channel();
        let served = shared.clone();
        let thread = std::thread::Builder::new()
            .name("milena-testbroker".to_owned())
            .spawn(move || runtime.block_on(server::run(&served, listeners, stopped)))?;
        Ok(TestBroker {
            shared,
            addresses,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// The cluster and where it listens.
    fn prepare(
        &mut self,
        runtime: &Runtime,
    ) -> io::Result<(Vec<TcpListener>, Vec<String>, Broker)> {
        let listeners = self.bind(runtime)?;
        let advertised = self.advertised();
        self.config.addresses.clear();
        for listener in &listeners {
            let port = listener.local_addr()?.port();
            self.config.addresses.push((advertised.clone(), port));
        }
        let addresses = self.config.addresses.iter();
        let addresses = addresses.map(|(host, port)| address(host, *port)).collect();
        let mut broker = Broker::new(self.config.clone());
        for (name, partitions, replicas) in &self.topics {
            if !broker.create_topic_replicated(name, *partitions, *replicas) {
                let sentence =
                    format!("topic {name} with {partitions} partitions cannot be created");
                return Err(io::Error::new(io::ErrorKind::InvalidInput, sentence));
            }
        }
        Ok((listeners, addresses, broker))
    }

    fn check_ports(&self) -> Result<(), ConfigError> {
        let nodes = self.config.nodes;
        match self.port {
            Some(port) if port != 0 && i64::from(port) + i64::from(nodes) - 1 > 65_535 => {
                Err(ConfigError::Ports { port, nodes })
            }
            _ => Ok(()),
        }
    }

    fn bind(&self, runtime: &Runtime) -> io::Result<Vec<TcpListener>> {
        let _within = runtime.enter();
        let nodes = 0..self.config.nodes.max(1);
        nodes
            .map(|index| {
                let offset = u16::try_from(index).unwrap_or(u16::MAX);
                let port = self.port.map_or(0, |port| port.saturating_add(offset));
                self.listen(port)
            })
            .collect()
    }

    /// At the first address of the host that can be had.
    fn listen(&self, port: u16) -> io::Result<TcpListener> {
        let mut error = io::Error::from(io::ErrorKind::AddrNotAvailable);
        for address in (self.host.as_str(), port).to_socket_addrs()? {
            match server::listen(address) {
                Ok(listener) => return Ok(listener),
                Err(wrong) => error = wrong,
            }
        }
        Err(error)
    }

    /// The host that clients are told. Nobody can connect to "all addresses", so that is this one.
    fn advertised(&self) -> String {
        let all = match self.host.parse::<IpAddr>() {
            Ok(address) if address.is_unspecified() => Some(match address {
                IpAddr::V4(_) => Ipv4Addr::LOCALHOST.to_string(),
                IpAddr::V6(_) => Ipv6Addr::LOCALHOST.to_string(),
            }),
            _ => None,
        };
        let told = self.advertised_host.clone().or(all);
        told.unwrap_or_else(|| self.host.clone())
    }
}

/// As clients take it: an address of IPv6 stands in brackets.
fn address(host: &str, port: u16) -> String {
    match host.contains(':') {
        true => format!("[{host}]:{port}"),
        false => format!("{host}:{port}"),
    }
}
