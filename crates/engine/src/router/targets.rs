//! The brokers that can be tried, and how each has fared.

use std::collections::BTreeMap;
use std::time::Instant;

use milena_cluster::{Backoff, BrokerAddress, NodeId};

/// A broker: one that metadata names, or one of the addresses given at the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Target {
    Node(NodeId),
    Bootstrap(usize),
}

/// What a connection is for. A broker serves one request per connection at a time, so what may take long has its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Purpose {
    /// Metadata, coordinators, transactions, offsets.
    Rest,
    /// Produce: waits for the replicas.
    Produce,
    /// Fetch: waits for records. Each consumer has its own, so that one's long poll does not delay another's, and two of
    /// them, so that its idle partitions do not delay its busy ones.
    Fetch { consumer: usize, slot: u8 },
}

#[derive(Clone, Copy, Debug, Default)]
struct Record {
    failures: u32,
    retry_at: Option<Instant>,
}

#[derive(Debug)]
pub(super) struct Targets {
    bootstrap: Vec<BrokerAddress>,
    nodes: BTreeMap<NodeId, BrokerAddress>,
    records: BTreeMap<Target, Record>,
    retry: Backoff,
    rng: fastrand::Rng,
}

impl Targets {
    pub(super) fn new(bootstrap: Vec<BrokerAddress>, retry: Backoff, seed: u64) -> Self {
        Self {
            bootstrap,
            nodes: BTreeMap::new(),
            records: BTreeMap::new(),
            retry,
            rng: fastrand::Rng::with_seed(seed),
        }
    }

    pub(super) fn set_nodes(&mut self, nodes: impl Iterator<Item = (NodeId, BrokerAddress)>) {
        self.nodes = nodes.collect();
        let nodes = &self.nodes;
        self.records.retain(|target, _| match target {
            Target::Node(node) => nodes.contains_key(node),
            Target::Bootstrap(_) => true,
        });
    }

    pub(super) fn address(&self, target: Target) -> Option<&BrokerAddress> {
        match target {
            Target::Node(node) => self.nodes.get(&node),
            Target::Bootstrap(index) => self.bootstrap.get(index),
        }
    }

    /// The most promising broker: of those that may be tried now one that failed least, by chance among equals. The
    /// addresses given at the start come in again once every known broker has failed (KIP-899).
    pub(super) fn choose(&mut self, now: Instant) -> Option<Target> {
        let all_failed = self
            .nodes
            .keys()
            .all(|node| self.record(Target::Node(*node)).failures > 0);
        let nodes = self.nodes.keys().map(|node| Target::Node(*node));
        let bootstrap = (0..self.bootstrap.len())
            .map(Target::Bootstrap)
            .filter(|_| all_failed);
        let mut candidates: Vec<Target> = nodes.chain(bootstrap).collect();
        self.rng.shuffle(&mut candidates);
        candidates.into_iter().min_by_key(|target| {
            let record = self.record(*target);
            (record.retry_at.is_some_and(|at| at > now), record.failures)
        })
    }

    /// When a target that failed may be tried again.
    pub(super) fn retry_at(&self, target: Target) -> Option<Instant> {
        self.record(target).retry_at
    }

    pub(super) fn succeeded(&mut self, target: Target) {
        self.records.remove(&target);
    }

    pub(super) fn failed(&mut self, now: Instant, target: Target) {
        let attempt = self.record(target).failures + 1;
        let retry_at = Some(now + self.retry.delay(attempt, &mut self.rng));
        self.records.insert(
            target,
            Record {
                failures: attempt,
                retry_at,
            },
        );
    }

    /// A connection that had worked is gone: the next attempt may come soon, but not at once and not without end.
    pub(super) fn lost(&mut self, now: Instant, target: Target) {
        let record = self.record(target);
        let retry_at = Some(now + self.retry.delay(1, &mut self.rng) / 4);
        self.records.insert(
            target,
            Record {
                failures: record.failures,
                retry_at,
            },
        );
    }

    fn record(&self, target: Target) -> Record {
        self.records.get(&target).copied().unwrap_or_default()
    }
}
