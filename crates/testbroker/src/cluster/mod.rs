//! What all nodes share: topics and their logs, coordinators, transactions, offsets, timers.

mod cleaning;
mod coordinators;
pub(crate) mod fetch_sessions;
mod internal;
mod markers;
mod quotas;
mod reassignments;
mod replicas;
mod topic_config;
mod topics;
mod transactions;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

pub use coordinators::CoordinatorKind;
pub(crate) use coordinators::{Coordinators, spread};
use fetch_sessions::FetchSessions;
pub(crate) use internal::is_internal;
pub(crate) use quotas::{Entity, Quotas};
pub(crate) use reassignments::Reassignments;
pub use replicas::Keep;
pub(crate) use topic_config::TopicConfig;
pub(crate) use topics::{Partition, Topics, check_topic_name};
pub(crate) use transactions::{JoinMode, millis, offsets_participant};

use milena_wire::compress::{Compressor, Decompressor};

use crate::api::{PendingDeletion, PendingMarkers, PendingProduce};
use crate::config::BrokerConfig;
use crate::config::store::Configs;
use crate::features::{Features, GROUP_VERSION, TRANSACTION_VERSION};
use crate::group::Groups;
use crate::sasl::{Sasl, ScramUsers};
use crate::timers::Timers;
use crate::transaction::Transactions;

/// Kafka's internal topic of committed offsets. Its partitions take part in transactions, whether
/// the topic is there to be seen or not.
pub(crate) const OFFSETS_TOPIC: &str = "__consumer_offsets";

/// The state of the cluster. Connections and requests are the `Broker`'s.
pub(crate) struct Cluster {
    pub(crate) config: BrokerConfig,
    pub(crate) nodes: Vec<Node>,
    pub(crate) topics: Topics,
    pub(crate) coordinators: Coordinators,
    pub(crate) transactions: Transactions,
    pub(crate) groups: Groups,
    pub(crate) sasl: Sasl,
    pub(crate) scram: ScramUsers,
    pub(crate) fetch_sessions: FetchSessions,
    pub(crate) timers: Timers,
    pub(crate) codecs: Codecs,
    housekeeping_armed: bool,
    cleaner_armed: bool,
    /// Produce requests whose answer waits for replicas, by request.
    pub(crate) pending_produce: BTreeMap<u64, PendingProduce>,
    /// WriteTxnMarkers requests whose answers wait for replicas in sync.
    pub(crate) pending_markers: BTreeMap<u64, PendingMarkers>,
    /// The same of DeleteRecords.
    pub(crate) pending_deletions: BTreeMap<u64, PendingDeletion>,
    /// Requests that wait for something that has just happened.
    pub(crate) woken: BTreeSet<u64>,
    pub(crate) features: Features,
    /// Settings altered since the start, but those of topics.
    pub(crate) configs: Configs,
    pub(crate) quotas: Quotas,
    pub(crate) reassignments: Reassignments,
    /// First `now` seen: where the wall clock starts.
    started: Option<Instant>,
    /// Last `now` seen, for commands that carry none.
    now: Option<Instant>,
}

/// What compresses and decompresses, with memory that is used again.
#[derive(Default)]
pub(crate) struct Codecs {
    pub(crate) compressor: Compressor,
    pub(crate) decompressor: Decompressor,
}

/// One node of the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Its id, from 1.
    pub id: i32,
    /// Advertised host.
    pub host: String,
    /// Advertised port.
    pub port: u16,
    /// Its rack, if it is in one.
    pub rack: Option<String>,
    /// Whether it accepts connections.
    pub up: bool,
}

impl Cluster {
    pub(crate) fn new(config: BrokerConfig) -> Self {
        let nodes = (1..=config.nodes.max(1))
            .map(|id| {
                let index = usize::try_from(id - 1).expect("ids start at 1");
                let (host, port) = config.addresses.get(index).cloned().unwrap_or_else(|| {
                    let offset = u16::try_from(id).unwrap_or(u16::MAX);
                    ("127.0.0.1".to_owned(), 9_091_u16.saturating_add(offset))
                });
                Node {
                    id,
                    host,
                    port,
                    rack: config
                        .racks
                        .get(index)
                        .filter(|rack| !rack.is_empty())
                        .cloned(),
                    up: true,
                }
            })
            .collect();
        Self {
            topics: Topics::new(config.seed),
            nodes,
            coordinators: Coordinators::new(config.nodes),
            transactions: Transactions::default(),
            groups: Groups::new(config.seed),
            sasl: Sasl::new(&config),
            scram: ScramUsers::of_config(&config),
            fetch_sessions: FetchSessions::new(config.seed),
            timers: Timers::default(),
            codecs: Codecs::default(),
            housekeeping_armed: false,
            cleaner_armed: false,
            pending_produce: BTreeMap::new(),
            pending_markers: BTreeMap::new(),
            pending_deletions: BTreeMap::new(),
            woken: BTreeSet::new(),
            features: Features::new(config.emulate, config.transaction_version),
            configs: Configs::new(&config),
            quotas: Quotas::default(),
            reassignments: Reassignments::default(),
            started: None,
            now: None,
            config,
        }
    }

    /// Time goes forward only: an older `now` counts as the last one seen.
    pub(crate) fn set_now(&mut self, now: Instant) -> Instant {
        self.started.get_or_insert(now);
        let now = self.now.map_or(now, |last| last.max(now));
        self.now = Some(now);
        now
    }

    pub(crate) fn now(&self) -> Option<Instant> {
        self.now
    }

    /// Milliseconds since 1970, as the cluster's wall clock has it.
    pub(crate) fn wall_clock(&self) -> i64 {
        let elapsed = match (self.started, self.now) {
            (Some(started), Some(now)) => now.saturating_duration_since(started),
            _ => Duration::ZERO,
        };
        self.config.wall_clock_start + i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX / 2)
    }

    pub(crate) fn node(&self, id: i32) -> Option<&Node> {
        self.nodes.iter().find(|node| node.id == id)
    }

    pub(crate) fn is_up(&self, id: i32) -> bool {
        self.node(id).is_some_and(|node| node.up)
    }

    pub(crate) fn up_nodes(&self) -> impl Iterator<Item = &Node> {
        self.nodes.iter().filter(|node| node.up)
    }

    /// The node that takes over from a stopped one: the next one up, round the ring.
    pub(crate) fn successor(&self, stopped: i32) -> Option<i32> {
        let after = self.up_nodes().find(|node| node.id > stopped);
        after.or_else(|| self.up_nodes().next()).map(|node| node.id)
    }

    /// Whether the broker itself speaks TV2 (for aborts that no client asked for).
    pub(crate) fn raises_epochs(&self) -> bool {
        self.features.level(TRANSACTION_VERSION) >= 2
    }

    /// Whether there are groups of the consumer protocol (KIP-848).
    pub(crate) fn speaks_consumer_protocol(&self) -> bool {
        self.features.level(GROUP_VERSION) >= 1
    }

    /// Whatever goes by age: called by [`Timer::Housekeeping`](crate::timers::Timer).
    pub(crate) fn keep_house(&mut self) {
        self.housekeeping_armed = false;
        self.clean_logs();
        if self.topics.log_bytes > 0 {
            self.arm_housekeeping();
            // A topic may have come to be compacted since it was written to.
            self.arm_cleaner();
        }
    }

    /// Marks a node as stopped or started and moves what it led, as configured.
    pub(crate) fn set_up(&mut self, id: i32, up: bool) {
        let Some(node) = self.nodes.iter_mut().find(|node| node.id == id) else {
            return;
        };
        let started = up && !node.up;
        node.up = up;
        // What it was asked went with its connections.
        self.pending_produce
            .retain(|_, pending| up || pending.node != id);
        self.pending_markers
            .retain(|_, pending| up || pending.node != id);
        self.pending_deletions
            .retain(|_, pending| up || pending.node != id);
        if started {
            self.transactions.forget_block(id);
            // What it coordinated and nobody took over, it has to load again.
            self.move_coordinators(id, id);
        }
        let stopped = (!up).then_some(id);
        let groups = self.groups_of(stopped.unwrap_or(-1));
        self.replicas_after(stopped);
        if up || self.config.elect_on_stop {
            self.move_coordinators_from(stopped);
        }
        let loaded = self.now.map(|now| now + self.config.coordinator_load);
        self.reload_groups(&groups, loaded);
        if started {
            // What it did not give away when it stopped.
            let groups = self.groups_of(id);
            self.reload_groups(&groups, loaded);
        }
        self.write_due_markers();
    }

    /// A node crashes: unlike one that stops, it may lose what its logs held last.
    pub(crate) fn crash(&mut self, id: i32, keep: Keep) {
        self.lose_tail(id, keep);
        self.set_up(id, false);
    }

    /// What `stopped`, or nobody, coordinates goes to a node that is up.
    fn move_coordinators_from(&mut self, stopped: Option<i32>) {
        let from = stopped.unwrap_or(-1);
        let successor = self.successor(from).unwrap_or(-1);
        self.move_coordinators(from, successor);
    }
}
