//! What a cluster is made of and how it behaves.

pub(crate) mod alter;
mod check;
mod properties;
pub(crate) mod registry;
pub(crate) mod sources;
pub(crate) mod store;
mod topic_table;
pub(crate) mod value;

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use milena_wire::ApiKey;

use crate::features::transaction_version_max;
use crate::limits::GROUP_MEMBERS_MAX;
use crate::sasl::SaslMechanism;

/// The Apache Kafka release whose versions and features the cluster shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Emulate {
    /// Kafka 3.9: Produce up to 11, EndTxn and TxnOffsetCommit up to 4, no finalized
    /// `transaction.version`, so every client speaks the older transaction protocol (TV1).
    V3_9,
    /// Kafka 4.3: EndTxn v5 is advertised whatever `transaction.version` is; only the finalized
    /// feature says whether the newer transaction protocol (TV2, KIP-890) is on.
    V4_3,
}

/// `3.9` and `4.3`; the last digit of a release (`4.3.1`) may be there.
impl FromStr for Emulate {
    type Err = UnknownRelease;

    fn from_str(text: &str) -> Result<Self, UnknownRelease> {
        let is_of = |release: &str| {
            let rest = text.strip_prefix(release);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        match text {
            _ if is_of("3.9") => Ok(Self::V3_9),
            _ if is_of("4.3") => Ok(Self::V4_3),
            _ => Err(UnknownRelease(text.to_owned())),
        }
    }
}

impl fmt::Display for Emulate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V3_9 => "3.9",
            Self::V4_3 => "4.3",
        })
    }
}

/// There is no such Kafka here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} is no release that can be emulated: 3.9 or 4.3")]
pub struct UnknownRelease(pub String);

/// Settings that no Kafka could have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// The release does not know this `transaction.version`.
    #[error("Kafka {emulate} has no transaction.version {level}: {max} at most")]
    TransactionVersion {
        /// The release.
        emulate: Emulate,
        /// What was asked for.
        level: i16,
        /// The highest one it knows.
        max: i16,
    },
    /// A cluster has one node or more.
    #[error("a cluster has one node or more, not {0}")]
    Nodes(i32),
    /// No broker knows a property of this name.
    #[error("{0} is no setting of a Kafka broker")]
    UnknownProperty(String),
    /// The nodes of a `TestBroker` listen at one port after the other.
    #[error("{nodes} nodes from port {port} on need a port above 65535")]
    Ports {
        /// That of the first node.
        port: u16,
        /// How many there are.
        nodes: i32,
    },
    /// A property cannot have this value.
    #[error("{0}")]
    Property(String),
    /// The cluster did not take it, as CreateTopics or IncrementalAlterConfigs would say.
    #[error("{0}")]
    Refused(String),
}

/// The settings of a [`Broker`](crate::Broker). `BrokerConfig::default()` is one node like Kafka 4.3.
#[derive(Clone, Debug)]
pub struct BrokerConfig {
    /// Number of nodes; their ids are `1..=nodes`. Default 1.
    pub nodes: i32,
    /// Advertised address of node 1, 2, ...; a node without one is `127.0.0.1:9091 + id`.
    pub addresses: Vec<(String, u16)>,
    /// Partitions of a topic created without a count. Default 1.
    pub default_partitions: i32,
    /// Replicas of a partition of a topic created without a count
    /// (`default.replication.factor`). Default: three, or as many as there are nodes.
    pub default_replication_factor: Option<i16>,
    /// Other settings by Kafka's names; see [`BrokerConfig::set`]. Default none.
    pub properties: BTreeMap<String, String>,
    /// Whether Metadata creates the topics it is asked for. Default false.
    pub auto_create_topics: bool,
    /// Which Kafka to look like. Default 4.3.
    pub emulate: Emulate,
    /// The finalized `transaction.version` (0, 1 or 2; 3.9 has none). Default: that of the release,
    /// which is 2 in 4.3.
    pub transaction_version: Option<i16>,
    /// Time between Prepare* (when EndTxn is answered) and Complete* (when the markers are in the
    /// logs). Until then the transactional id answers CONCURRENT_TRANSACTIONS. Zero completes
    /// before the answer leaves. Default 1 ms.
    pub marker_delay: Duration,
    /// How often a Produce v12+ that meets CONCURRENT_TRANSACTIONS is tried again inside the
    /// broker (`add.partitions.to.txn.retry.backoff.ms`). Default 20 ms.
    pub concurrent_retry: Duration,
    /// After how long such a Produce is answered with the error
    /// (`add.partitions.to.txn.retry.backoff.max.ms`). Default 100 ms.
    pub concurrent_retry_max: Duration,
    /// `transaction.max.timeout.ms`. Default 15 minutes.
    pub transaction_timeout_max: Duration,
    /// How often coordinators look for open transactions whose time is over
    /// (`transaction.abort.timed.out.transaction.cleanup.interval.ms`, 10 s in Kafka). Default
    /// zero: they are aborted exactly when it is.
    pub transaction_timeout_interval: Duration,
    /// How long a transactional id without an open transaction is remembered
    /// (`transactional.id.expiration.ms`). Default 7 days.
    pub transactional_id_expiration: Duration,
    /// How long a coordinator answers COORDINATOR_LOAD_IN_PROGRESS after a move. Default 0.
    pub coordinator_load: Duration,
    /// How long the first rebalance of a classic group waits for more members
    /// (`group.initial.rebalance.delay.ms`). Default 0, where Kafka has 3 s: tests would wait for it.
    pub group_initial_rebalance_delay: Duration,
    /// `group.min.session.timeout.ms`. Default 6 s.
    pub group_min_session_timeout: Duration,
    /// `group.max.session.timeout.ms`. Default 30 minutes.
    pub group_max_session_timeout: Duration,
    /// `group.max.size`, of classic groups. Default none.
    pub group_max_size: usize,
    /// How long offsets stay that nobody uses (`offsets.retention.minutes`). Default 7 days.
    pub offsets_retention: Duration,
    /// How often offsets and empty groups are looked through
    /// (`offsets.retention.check.interval.ms`); never if it is zero. Default 10 minutes.
    pub offsets_retention_check: Duration,
    /// Whether partitions and coordinators of a stopped node move to another (replicated topics),
    /// or wait for it without a leader (replication factor 1). Default true.
    pub elect_on_stop: bool,
    /// Whether a request with bytes behind its last field costs the connection. Kafka does not look,
    /// and librdkafka leaves some behind its Metadata requests, so the TCP front lets them pass.
    /// Default true.
    pub refuse_trailing_bytes: bool,
    /// Whether a Fetch is cut in the middle of its last batch when it reaches its byte limit, as
    /// Kafka does. Default true.
    pub truncate_fetches: bool,
    /// After how long a follower that lacks something leaves the ISR (`replica.lag.time.max.ms`).
    /// Default 30 s.
    pub replica_lag_max: Duration,
    /// How often logs are looked at for what is too old (`log.retention.check.interval.ms`);
    /// never if it is zero. Default 5 minutes.
    pub retention_check: Duration,
    /// How often compacted topics are compacted (`log.cleaner.backoff.ms`), without their newest
    /// segments. Default 15 s; zero for never.
    pub cleaner_backoff: Duration,
    /// After how long a partition forgets a producer (`producer.id.expiration.ms`). Default a day.
    pub producer_id_expiration: Duration,
    /// How long a member of the consumer protocol may be silent
    /// (`group.consumer.session.timeout.ms`). Default 45 s.
    pub consumer_session_timeout: Duration,
    /// How often a member of the consumer protocol is told to send a heartbeat
    /// (`group.consumer.heartbeat.interval.ms`). Default 5 s.
    pub consumer_heartbeat_interval: Duration,
    /// How much time passes at least between two assignments of a group of the consumer protocol
    /// (`group.consumer.assignment.interval.ms`, KIP-1263). Default 1 s.
    pub consumer_assignment_interval: Duration,
    /// Members of a group of the consumer protocol (`group.consumer.max.size`); 10,000 at most.
    /// Default 10,000.
    pub consumer_group_max_size: usize,
    /// Versions capped below what `emulate` has. Default none.
    pub version_caps: BTreeMap<ApiKey, i16>,
    /// Largest batch (`max.message.bytes`). Default 1,048,588.
    pub message_bytes_max: usize,
    /// Largest request frame; a longer one closes its connection. Default 100 MiB.
    pub frame_bytes_max: usize,
    /// Largest Fetch answer (`fetch.max.bytes`). Default 55 MiB.
    pub fetch_bytes_max: usize,
    /// Fetch sessions a node keeps (`max.incremental.fetch.session.cache.slots`); 0 for none.
    /// Default 1,000.
    pub fetch_session_slots: usize,
    /// Racks of node 1, 2, ...; a node without one, or with an empty one, is in none. A consumer
    /// that says its rack is sent to a replica there (`RackAwareReplicaSelector`). Default none.
    pub racks: Vec<String>,
    /// Open connections; further ones are refused. Default 1,000.
    pub connections_max: usize,
    /// Entries kept by [`History`](crate::History). Default 10,000.
    pub history_max: usize,
    /// Bytes of requests and answers that the history keeps. Default 8 MiB.
    pub history_bytes_max: usize,
    /// The largest request or answer whose bytes it keeps. Default 64 KiB.
    pub history_frame_bytes_max: usize,
    /// Whether a [`Broker`](crate::Broker) that is dropped with fault rules that never acted panics
    /// (see [`Faults`](crate::Faults)), and whether a `TestBroker` that is dropped by a panic prints
    /// its [`dump`](crate::Broker::dump). Off for a broker that is not there for a test. Default true.
    pub unfired_rules_fail: bool,
    /// Bytes of all logs together; beyond it Produce answers KAFKA_STORAGE_ERROR. Default 4 GiB.
    pub log_bytes_max: u64,
    /// Bytes a partition keeps; older batches go and the log start offset grows. Default none.
    pub retention_bytes: Option<u64>,
    /// How clients may authenticate (`sasl.enabled.mechanisms`); with none they need not, and cannot.
    /// Default none.
    pub sasl: Vec<SaslMechanism>,
    /// Users of every mechanism with their passwords. Default none.
    pub sasl_users: BTreeMap<String, String>,
    /// After how long a client has to authenticate again (`connections.max.reauth.ms`). Default
    /// never.
    pub sasl_session: Option<Duration>,
    /// Milliseconds since 1970 at the first `now` the cluster sees, for markers and time-stamps.
    pub wall_clock_start: i64,
    /// Seed of topic ids and of the probability rules.
    pub seed: u64,
}

impl BrokerConfig {
    /// Whether a Kafka could have these settings. `TestBrokerBuilder::start` asks; a
    /// [`Broker`](crate::Broker) made without asking shows what comes nearest.
    pub fn check(&self) -> Result<(), ConfigError> {
        if self.nodes < 1 {
            return Err(ConfigError::Nodes(self.nodes));
        }
        self.check_fields()?;
        let max = transaction_version_max(self.emulate);
        match self.transaction_version {
            Some(level) if !(0..=max).contains(&level) => Err(ConfigError::TransactionVersion {
                emulate: self.emulate,
                level,
                max,
            }),
            _ => Ok(()),
        }
    }
}

impl Default for BrokerConfig {
    fn default() -> Self {
        Self {
            nodes: 1,
            addresses: Vec::new(),
            default_partitions: 1,
            default_replication_factor: None,
            properties: BTreeMap::new(),
            auto_create_topics: false,
            emulate: Emulate::V4_3,
            transaction_version: None,
            marker_delay: Duration::from_millis(1),
            concurrent_retry: Duration::from_millis(20),
            concurrent_retry_max: Duration::from_millis(100),
            transaction_timeout_max: Duration::from_secs(15 * 60),
            transaction_timeout_interval: Duration::ZERO,
            transactional_id_expiration: Duration::from_secs(7 * 24 * 60 * 60),
            coordinator_load: Duration::ZERO,
            group_initial_rebalance_delay: Duration::ZERO,
            group_min_session_timeout: Duration::from_secs(6),
            group_max_session_timeout: Duration::from_secs(30 * 60),
            group_max_size: usize::MAX,
            offsets_retention: Duration::from_secs(7 * 24 * 3_600),
            offsets_retention_check: Duration::from_secs(600),
            elect_on_stop: true,
            refuse_trailing_bytes: true,
            truncate_fetches: true,
            replica_lag_max: Duration::from_secs(30),
            retention_check: Duration::from_secs(5 * 60),
            cleaner_backoff: Duration::from_secs(15),
            producer_id_expiration: Duration::from_secs(24 * 60 * 60),
            consumer_session_timeout: Duration::from_secs(45),
            consumer_heartbeat_interval: Duration::from_secs(5),
            consumer_assignment_interval: Duration::from_secs(1),
            consumer_group_max_size: GROUP_MEMBERS_MAX,
            version_caps: BTreeMap::new(),
            message_bytes_max: 1_048_588,
            frame_bytes_max: 100 * 1024 * 1024,
            fetch_bytes_max: 55 * 1024 * 1024,
            fetch_session_slots: 1_000,
            racks: Vec::new(),
            connections_max: 1_000,
            history_max: 10_000,
            history_bytes_max: 8 * 1024 * 1024,
            history_frame_bytes_max: 64 * 1024,
            unfired_rules_fail: true,
            log_bytes_max: 4 * 1024 * 1024 * 1024,
            retention_bytes: None,
            sasl: Vec::new(),
            sasl_users: BTreeMap::new(),
            sasl_session: None,
            wall_clock_start: 1_750_000_000_000,
            seed: 0,
        }
    }
}
