//! Brokers, topics and leaders as far as they are known, and what has to be asked.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use milena_wire::messages::{MetadataResponse, MetadataResponseBroker};
use milena_wire::{ErrorCode, Uuid};

use crate::pace::Pace;
use crate::recovery::{Operation, recover};
use crate::{Backoff, BrokerAddress, LeaderEpoch, NodeId, TopicName, TopicPartition};

mod topic;
pub use topic::{PartitionMetadata, TopicMetadata};

/// Far more brokers than any cluster has (Kafka's largest have hundreds); an answer that names more is read only up to here.
const BROKERS_MAX: usize = 10_000;

/// The settings of [`Metadata`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MetadataConfig {
    /// What is known is asked again after this long, even if nobody complains. Default: 5 minutes.
    pub refresh_age: Duration,
    /// The distance between two requests, when the first did not help.
    pub retry: Backoff,
}

impl Default for MetadataConfig {
    fn default() -> Self {
        Self {
            refresh_age: Duration::from_secs(300),
            retry: Backoff::default(),
        }
    }
}

/// The cache of what the cluster looks like. A sans-IO core.
///
/// Commands: [`want_topic`](Self::want_topic), [`forget_topic`](Self::forget_topic),
/// [`forget_idle_topics`](Self::forget_idle_topics), [`request_refresh`](Self::request_refresh).
/// Output: [`poll_request`](Self::poll_request), after each command, each input and when [`poll_timeout`](Self::poll_timeout) has
/// come. What comes of a request must be told, by [`handle_response`](Self::handle_response) or
/// [`handle_failure`](Self::handle_failure): one is outstanding at a time.
///
/// Requests for a refresh are many when a broker dies, for every partition it led has one. They all end in one request, and
/// two requests are a [`Backoff`] apart, unless the second asks for a topic that the first did not.
#[derive(Debug)]
pub struct Metadata {
    config: MetadataConfig,
    rng: fastrand::Rng,
    /// The topics to ask for.
    wanted: BTreeMap<TopicName, Want>,
    topics: BTreeMap<TopicName, TopicMetadata>,
    names: BTreeMap<Uuid, TopicName>,
    nodes: BTreeMap<NodeId, BrokerAddress>,
    controller: Option<NodeId>,
    cluster_id: Option<Arc<str>>,
    revision: u64,
    outstanding: bool,
    /// Somebody saw that what is known is wrong, or something that is wanted is not known yet.
    stale: bool,
    /// When what is known is too old.
    expires: Option<Instant>,
    pace: Pace,
    /// The last request failed: then even a new topic has to wait.
    failed: bool,
}

#[derive(Debug, Default)]
struct Want {
    /// A request has already asked for it.
    asked: bool,
    /// Since when no broker knows it and nobody has a use for it.
    idle_since: Option<Instant>,
}

impl Metadata {
    /// Nothing known yet; the first request is due at once. `seed` makes the jitter of the waits.
    pub fn new(config: MetadataConfig, seed: u64) -> Self {
        Self {
            config,
            rng: fastrand::Rng::with_seed(seed),
            wanted: BTreeMap::new(),
            topics: BTreeMap::new(),
            names: BTreeMap::new(),
            nodes: BTreeMap::new(),
            controller: None,
            cluster_id: None,
            revision: 0,
            outstanding: false,
            stale: true,
            expires: None,
            pace: Pace::default(),
            failed: false,
        }
    }

    /// Has `topic` asked for from now on.
    pub fn want_topic(&mut self, topic: &TopicName) {
        match self.wanted.get_mut(topic) {
            Some(want) => want.idle_since = None,
            None => drop(self.wanted.insert(topic.clone(), Want::default())),
        }
    }

    /// Forgets the topics that no broker knows and that nobody has used for as long as metadata may age. Each of them would
    /// otherwise be asked for every second until the client closes: a topic that is not there may yet come.
    ///
    /// To be called after an answer. Who uses a topic again has to want it again.
    pub fn forget_idle_topics(&mut self, now: Instant, is_used: impl Fn(&str) -> bool) {
        let mut gone = Vec::new();
        for (name, want) in &mut self.wanted {
            let unknown = self
                .topics
                .get(name)
                .is_some_and(|topic| topic.error == ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
            if !want.asked || !unknown || is_used(name) {
                want.idle_since = None;
                continue;
            }
            let since = *want.idle_since.get_or_insert(now);
            if now.saturating_duration_since(since) >= self.config.refresh_age {
                gone.push(name.clone());
            }
        }
        for name in gone {
            self.forget_topic(&name);
        }
    }

    /// Ends [`Metadata::want_topic`], and forgets what is known of the topic.
    pub fn forget_topic(&mut self, topic: &str) {
        self.wanted.remove(topic);
        if let Some(known) = self.topics.remove(topic) {
            self.names.remove(&known.topic_id);
            self.revision += 1;
        }
    }

    /// What is known has proved wrong: asks again, as soon as the backoff allows.
    pub fn request_refresh(&mut self) {
        self.stale = true;
    }

    /// The topics to ask for now, if a request is due: all that are wanted. None at all asks for the brokers only.
    pub fn poll_request(&mut self, now: Instant) -> Option<Vec<TopicName>> {
        if self.outstanding || !self.is_due(now) {
            return None;
        }
        self.outstanding = true;
        self.stale = false;
        Some(
            self.wanted
                .iter_mut()
                .map(|(topic, want)| {
                    want.asked = true;
                    topic.clone()
                })
                .collect(),
        )
    }

    /// The answer to the request.
    pub fn handle_response(&mut self, now: Instant, response: &MetadataResponse<'_>) {
        let nodes = usable(&response.brokers);
        // A broker that is just starting knows of no broker at all, not even of itself: that is no knowledge.
        if !response.error_code.is_ok() || nodes.is_empty() {
            self.handle_failure(now);
            return;
        }
        let revision = self.revision;
        self.take_cluster(nodes, response);
        let incomplete = self.take_topics(response);
        self.outstanding = false;
        self.failed = false;
        self.stale |= incomplete;
        self.expires = Some(now + self.config.refresh_age);
        if self.revision != revision {
            self.pace.restart();
        }
        self.pace.end(now, &self.config.retry, &mut self.rng);
    }

    /// The request got no answer.
    pub fn handle_failure(&mut self, now: Instant) {
        self.outstanding = false;
        self.failed = true;
        self.stale = true;
        self.pace.end(now, &self.config.retry, &mut self.rng);
    }

    /// A broker refused a request for `tp` and named the new leader (KIP-951). Older knowledge than ours is ignored, and so is a
    /// leader whose address nobody told.
    pub fn handle_leader_hint(
        &mut self,
        tp: &TopicPartition,
        node: NodeId,
        epoch: LeaderEpoch,
        endpoint: Option<BrokerAddress>,
    ) {
        let Some(topic) = self.topics.get_mut(&tp.topic) else {
            return;
        };
        let known = self.nodes.contains_key(&node);
        if node.0 < 0 || (endpoint.is_none() && !known) {
            return;
        }
        // Each hint could name a broker of its own; the next answer says which there are.
        if !known && self.nodes.len() >= BROKERS_MAX {
            return;
        }
        let Some(partition) = usize::try_from(tp.partition)
            .ok()
            .and_then(|index| topic.partitions.get_mut(index))
        else {
            return;
        };
        if epoch <= partition.leader_epoch {
            return;
        }
        *partition = PartitionMetadata {
            leader: Some(node),
            leader_epoch: epoch,
            error: ErrorCode::NONE,
        };
        if let Some(endpoint) = endpoint {
            self.nodes.insert(node, endpoint);
        }
        self.revision += 1;
    }

    /// When [`Metadata::poll_request`] will next have something that it may not have now.
    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.outstanding {
            return None;
        }
        if self.stale || self.has_new_topic() {
            self.pace.not_before()
        } else {
            self.expires.max(self.pace.not_before())
        }
    }

    /// Who leads `tp`, and since which epoch. `None` if nobody is known to, or if nobody knows where that broker listens.
    pub fn leader(&self, tp: &TopicPartition) -> Option<(NodeId, LeaderEpoch)> {
        let partition = self.topics.get(&tp.topic)?.partition(tp.partition)?;
        let leader = partition
            .leader
            .filter(|node| self.nodes.contains_key(node))?;
        Some((leader, partition.leader_epoch))
    }

    /// What is known of a topic: the last that was known, if it has vanished. `None` before the first answer about it.
    pub fn topic(&self, name: &str) -> Option<&TopicMetadata> {
        self.topics.get(name)
    }

    /// The topic that has this id.
    pub fn topic_name(&self, id: Uuid) -> Option<&TopicName> {
        self.names.get(&id)
    }

    /// Where a broker listens.
    pub fn address(&self, node: NodeId) -> Option<&BrokerAddress> {
        self.nodes.get(&node)
    }

    /// The brokers.
    pub fn nodes(&self) -> impl Iterator<Item = (NodeId, &BrokerAddress)> {
        self.nodes.iter().map(|(node, address)| (*node, address))
    }

    /// The broker that takes changes of the cluster.
    pub fn controller(&self) -> Option<NodeId> {
        self.controller
    }

    /// The cluster's own name, if it told one.
    pub fn cluster_id(&self) -> Option<&str> {
        self.cluster_id.as_deref()
    }

    /// Grows with every change: who remembers the number need not look again while it is the same.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    fn is_due(&self, now: Instant) -> bool {
        let allowed = self.pace.allows(now);
        // A new topic does not wait for a request that could not have told of it; after a failure it does, or an application
        // that tries one name after the other would hammer a cluster that is down.
        if self.has_new_topic() && (allowed || !self.failed) {
            return true;
        }
        allowed && (self.stale || self.expires.is_some_and(|at| at <= now))
    }

    fn has_new_topic(&self) -> bool {
        self.wanted.values().any(|want| !want.asked)
    }

    fn take_cluster(
        &mut self,
        nodes: BTreeMap<NodeId, BrokerAddress>,
        response: &MetadataResponse<'_>,
    ) {
        let controller =
            Some(NodeId(response.controller_id)).filter(|node| nodes.contains_key(node));
        let cluster_id = response.cluster_id.or(self.cluster_id.as_deref());
        if nodes != self.nodes
            || controller != self.controller
            || cluster_id != self.cluster_id.as_deref()
        {
            self.cluster_id = cluster_id.map(Arc::from);
            self.nodes = nodes;
            self.controller = controller;
            self.revision += 1;
        }
    }

    /// Takes over what the answer says about wanted topics; says whether something is missing that may yet come.
    fn take_topics(&mut self, response: &MetadataResponse<'_>) -> bool {
        let mut missing: BTreeMap<&str, &TopicName> = self
            .wanted
            .iter()
            .filter(|(_, want)| want.asked)
            .map(|(name, _)| (&**name, name))
            .collect();
        let mut incomplete = false;
        for answer in &response.topics {
            // Topics that nobody asked for would only take memory, and of two answers about one topic the first counts.
            let Some(name) = answer.name.and_then(|name| missing.remove(name)) else {
                continue;
            };
            let known = self
                .topics
                .entry(name.clone())
                .or_insert_with(|| TopicMetadata::unknown(name.clone()));
            let id = known.topic_id;
            if known.merge(answer) {
                self.revision += 1;
            }
            if known.topic_id != id {
                self.names.remove(&id);
                self.names.insert(known.topic_id, name.clone());
            }
            let led =
                |leader: Option<NodeId>| leader.is_some_and(|node| self.nodes.contains_key(&node));
            let leaderless = answer.error_code.is_ok()
                && known
                    .partitions
                    .iter()
                    .any(|partition| !led(partition.leader));
            incomplete |= leaderless || recover(Operation::Metadata, answer.error_code).is_retry();
        }
        for name in missing.into_values() {
            let known = self
                .topics
                .entry(name.clone())
                .or_insert_with(|| TopicMetadata::unknown(name.clone()));
            if known.error != ErrorCode::UNKNOWN_TOPIC_OR_PARTITION {
                known.error = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
                self.revision += 1;
            }
            incomplete = true;
        }
        incomplete
    }
}

/// The brokers that a connection can be made to. Of two with the same id the first counts.
fn usable(brokers: &[MetadataResponseBroker<'_>]) -> BTreeMap<NodeId, BrokerAddress> {
    let mut nodes = BTreeMap::new();
    for broker in brokers
        .iter()
        .take(BROKERS_MAX)
        .filter(|broker| broker.node_id >= 0)
    {
        if let Some(address) = BrokerAddress::advertised(broker.host, broker.port) {
            nodes.entry(NodeId(broker.node_id)).or_insert(address);
        }
    }
    nodes
}

#[cfg(test)]
mod tests;
