//! The cluster as its drivers and tests see it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::time::{Duration, Instant};

use crate::cluster::{Cluster, CommittedOffset, CoordinatorKind, Node};
use crate::config::{BrokerConfig, Emulate};
use crate::connection::{Connection, ConnectionId, Output};
use crate::faults::Faults;
use crate::history::{Entry, History, Outcome};
use crate::log::PartitionLog;
use crate::request::InFlight;
use crate::transaction::TransactionStateView;

/// A whole Kafka cluster as one state machine: bytes in, bytes out, `now` in.
///
/// Inputs are [`connect`](Self::connect), [`handle_bytes`](Self::handle_bytes),
/// [`handle_disconnect`](Self::handle_disconnect) and [`handle_timeout`](Self::handle_timeout).
/// After each of them, and after each command, drain [`poll_output`](Self::poll_output), then arm
/// [`poll_timeout`](Self::poll_timeout). All nodes share one log per partition: replication takes
/// no time and loses nothing.
///
/// Equal inputs give equal outputs: there is no clock, and all randomness comes from the seed.
pub struct Broker {
    pub(crate) cluster: Cluster,
    pub(crate) connections: BTreeMap<ConnectionId, Connection>,
    pub(crate) in_flight: BTreeMap<u64, InFlight>,
    /// Connections that may have a frame to look at.
    pub(crate) ready: BTreeSet<ConnectionId>,
    pub(crate) outputs: VecDeque<Output>,
    pub(crate) faults: Faults,
    pub(crate) history: History,
    pub(crate) connections_made: u64,
    pub(crate) requests_seen: u64,
}

impl Broker {
    /// A cluster whose nodes are all up and hold nothing.
    pub fn new(config: BrokerConfig) -> Self {
        Self {
            faults: Faults::new(config.seed),
            history: History::new(config.history_max),
            cluster: Cluster::new(config),
            connections: BTreeMap::new(),
            in_flight: BTreeMap::new(),
            ready: BTreeSet::new(),
            outputs: VecDeque::new(),
            connections_made: 0,
            requests_seen: 0,
        }
    }

    /// A client connects to a node. `None`: refused, the node is down or there are too many.
    pub fn connect(&mut self, now: Instant, node: i32) -> Option<ConnectionId> {
        let now = self.cluster.set_now(now);
        let full = self.connections.len() >= self.cluster.config.connections_max;
        if full || !self.cluster.is_up(node) {
            return None;
        }
        self.connections_made += 1;
        let id = ConnectionId(self.connections_made);
        self.connections.insert(id, Connection::new(node));
        let outcome = Outcome::Connected;
        self.history.push(Entry {
            at: now,
            node,
            connection: Some(id),
            request: None,
            outcome,
        });
        Some(id)
    }

    /// Bytes arrived on a connection. Bytes of an unknown or closed one are dropped.
    pub fn handle_bytes(&mut self, now: Instant, conn: ConnectionId, bytes: &[u8]) {
        self.cluster.set_now(now);
        if let Some(connection) = self.connections.get_mut(&conn) {
            connection.buffer.extend_from_slice(bytes);
            self.ready.insert(conn);
            self.pump();
            self.close_if_flooded(conn);
        }
    }

    /// The client closed a connection. The request being served is still applied; those behind it
    /// are not.
    pub fn handle_disconnect(&mut self, now: Instant, conn: ConnectionId) {
        self.cluster.set_now(now);
        self.drop_connection(conn, Outcome::Disconnected);
        self.pump();
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        let now = self.cluster.set_now(now);
        self.fire_timers(now);
        self.pump();
    }

    /// The next thing to do with a connection, in order.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.pump();
        let output = self.outputs.pop_front()?;
        if let Output::Bytes { conn, bytes } = &output
            && let Some(connection) = self.connections.get_mut(conn)
        {
            connection.unpolled -= bytes.len().min(connection.unpolled);
            self.ready.insert(*conn);
        }
        Some(output)
    }

    /// Tells that a driver holds more unwritten bytes of a connection than it wants to: until it
    /// takes that back, the connection's next request is not looked at.
    pub fn set_congested(&mut self, conn: ConnectionId, congested: bool) {
        if let Some(connection) = self.connections.get_mut(&conn) {
            connection.congested = congested;
            self.ready.insert(conn);
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) should be called next.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.cluster.timers.next()
    }

    /// Bytes of this connection that wait behind a request being served or answers to be written: a
    /// driver with many of them stops reading.
    pub fn backlog(&self, conn: ConnectionId) -> usize {
        match self.connections.get(&conn) {
            Some(connection) if connection.is_waiting() => connection.buffer.len(),
            _ => 0,
        }
    }

    /// The fault rules.
    pub fn faults(&mut self) -> &mut Faults {
        &mut self.faults
    }

    /// Creates a topic led by the nodes in turn; false if it exists or cannot be.
    pub fn create_topic(&mut self, name: &str, partitions: i32) -> bool {
        self.cluster
            .create_topic(name, partitions, &BTreeMap::new())
            .is_ok()
    }

    /// Deletes a topic with its records.
    pub fn delete_topic(&mut self, name: &str) -> bool {
        self.cluster.delete_topic(name)
    }

    /// Makes `node` the leader (-1: nobody) and raises the leader epoch; false without such a
    /// partition.
    pub fn move_leader(&mut self, topic: &str, partition: i32, node: i32) -> bool {
        let moved = self.cluster.set_leader(topic, partition, node);
        self.cluster.write_due_markers();
        moved
    }

    /// Makes `node` the coordinator of an id. It answers COORDINATOR_LOAD_IN_PROGRESS for as long
    /// as `BrokerConfig::coordinator_load` says.
    pub fn move_coordinator(&mut self, kind: CoordinatorKind, id: &str, node: i32) {
        let load = self.cluster.config.coordinator_load;
        self.cluster.move_coordinator(kind, id, node, load);
    }

    /// The same with a loading time of its own.
    pub fn move_coordinator_loading(
        &mut self,
        kind: CoordinatorKind,
        id: &str,
        node: i32,
        load: Duration,
    ) {
        self.cluster.move_coordinator(kind, id, node, load);
    }

    /// Stops a node: its connections close, new ones are refused, and what it led moves away if
    /// `BrokerConfig::elect_on_stop` says so. Requests it was serving are lost.
    pub fn stop_node(&mut self, node: i32) {
        self.forget_requests_of(node);
        let stopped: Vec<_> = self
            .connections
            .iter()
            .filter(|(_, connection)| connection.node == node)
            .map(|(id, _)| *id)
            .collect();
        for id in stopped {
            self.close(id, "the node stops");
        }
        self.cluster.set_up(node, false);
    }

    /// Starts a stopped node again. Leaders do not move back by themselves.
    pub fn start_node(&mut self, node: i32) {
        self.cluster.set_up(node, true);
    }

    /// Closes every connection to a node; it stays up.
    pub fn disconnect_clients(&mut self, node: i32) {
        let ids: Vec<_> = self
            .connections
            .iter()
            .filter(|(_, connection)| connection.node == node)
            .map(|(id, _)| *id)
            .collect();
        for id in ids {
            self.close(id, "the test wants it");
        }
    }

    /// Holds back all markers, so that ended transactions stay in Prepare*; `false` writes them.
    pub fn pause_markers(&mut self, paused: bool) {
        self.cluster.markers_paused = paused;
        if !paused {
            self.cluster.write_due_markers();
        }
    }

    /// Finalizes another `transaction.version`, as an administrator would in a running cluster.
    pub fn set_transaction_version(&mut self, version: i16) {
        self.cluster.config.transaction_version = version;
        self.cluster.features_epoch += 1;
    }

    /// Sets the producer epoch of a transactional id, to come near the end of the epochs quickly.
    /// False if there is no such id.
    pub fn set_producer_epoch(&mut self, transactional_id: &str, epoch: i16) -> bool {
        let found = self.cluster.transactions.by_id.get_mut(transactional_id);
        found.map(|transaction| transaction.epoch = epoch).is_some()
    }

    /// Makes a partition forget a producer, as expiry would; false if it did not know it or its
    /// transaction is open.
    pub fn forget_producer(&mut self, topic: &str, partition: i32, producer_id: i64) -> bool {
        let partition = self.cluster.topics.partition_mut(topic, partition);
        partition.is_some_and(|found| found.log.producers_mut().forget(producer_id))
    }

    /// Makes the coordinator forget a transactional id, as expiry would: INVALID_PRODUCER_ID_MAPPING
    /// follows.
    pub fn forget_transactional_id(&mut self, transactional_id: &str) -> bool {
        self.cluster
            .transactions
            .by_id
            .remove(transactional_id)
            .is_some()
    }

    /// Deletes the records below `offset`, as DeleteRecords or retention would.
    pub fn delete_records(&mut self, topic: &str, partition: i32, offset: i64) {
        if let Some(found) = self.cluster.topics.partition_mut(topic, partition) {
            let before = found.log.bytes();
            found.log.delete_until(offset);
            let freed = before - found.log.bytes();
            self.cluster.topics.log_bytes -= freed;
        }
    }

    /// Commits an offset for a group, outside any transaction, as a test's starting point.
    pub fn commit_offset(&mut self, group: &str, topic: &str, partition: i32, offset: i64) {
        let committed = CommittedOffset {
            offset,
            leader_epoch: -1,
            metadata: String::new(),
        };
        self.cluster
            .groups
            .commit(group, [((topic.into(), partition), committed)]);
    }

    /// Changes the address a node advertises, for a front that learns its ports late.
    pub fn set_address(&mut self, node: i32, host: &str, port: u16) {
        if let Some(found) = self.cluster.nodes.iter_mut().find(|found| found.id == node) {
            host.clone_into(&mut found.host);
            found.port = port;
        }
    }

    /// The nodes, up or not.
    pub fn nodes(&self) -> &[Node] {
        &self.cluster.nodes
    }

    /// The leader of a partition, -1 without one or without such a partition.
    pub fn leader(&self, topic: &str, partition: i32) -> i32 {
        self.cluster
            .topics
            .partition(topic, partition)
            .map_or(-1, |found| found.leader)
    }

    /// The leader epoch of a partition, -1 without such a partition.
    pub fn leader_epoch(&self, topic: &str, partition: i32) -> i32 {
        self.cluster
            .topics
            .partition(topic, partition)
            .map_or(-1, |found| found.leader_epoch)
    }

    /// The coordinator of an id, -1 without one.
    pub fn coordinator(&self, kind: CoordinatorKind, id: &str) -> i32 {
        self.cluster.coordinators.node(kind, id)
    }

    /// The names of the topics and how many partitions each has.
    pub fn topics(&self) -> impl Iterator<Item = (&str, i32)> {
        self.cluster.topics.iter().map(|(name, topic)| {
            (
                &**name,
                i32::try_from(topic.partitions.len()).unwrap_or(i32::MAX),
            )
        })
    }

    /// The log of a partition: the truth that answers are held against.
    pub fn log(&self, topic: &str, partition: i32) -> Option<&PartitionLog> {
        self.cluster
            .topics
            .partition(topic, partition)
            .map(|found| &found.log)
    }

    /// What a group has committed, without what an open transaction may commit.
    pub fn committed_offset(&self, group: &str, topic: &str, partition: i32) -> Option<i64> {
        self.cluster.committed_offset(group, topic, partition)
    }

    /// Where a transactional id stands.
    pub fn transaction_state(&self, transactional_id: &str) -> Option<TransactionStateView> {
        let found = self.cluster.transactions.by_id.get(transactional_id);
        found.map(crate::transaction::Transaction::view)
    }

    /// What was asked and done lately.
    pub fn history(&self) -> &History {
        &self.history
    }

    /// Which Kafka it looks like.
    pub fn emulates(&self) -> Emulate {
        self.cluster.config.emulate
    }

    /// Everything at once, for the message of a failed test.
    pub fn dump(&self) -> String {
        self.to_string()
    }
}

impl fmt::Debug for Broker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Broker")
            .field("nodes", &self.cluster.nodes)
            .field("connections", &self.connections.len())
            .finish_non_exhaustive()
    }
}

/// Nodes, transactions, offsets, logs and the history, as text.
impl fmt::Display for Broker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for node in self.nodes() {
            let state = if node.up { "up" } else { "down" };
            writeln!(f, "node {} {}:{} {state}", node.id, node.host, node.port)?;
        }
        for (id, transaction) in &self.cluster.transactions.by_id {
            writeln!(f, "transactional id {id}: {:?}", transaction.view())?;
        }
        for id in self.cluster.groups.ids() {
            writeln!(f, "group {id}: {:?}", self.cluster.groups.get(id))?;
        }
        for (name, index, partition) in self.cluster.topics.partitions() {
            write!(f, "{name}-{index} leader {} ", partition.leader)?;
            write!(f, "epoch {} {}", partition.leader_epoch, partition.log)?;
        }
        for (id, rule, action) in self.faults.unfired() {
            writeln!(f, "rule {} never fired: {rule}: {action:?}", id.0)?;
        }
        write!(f, "{}", self.history)
    }
}
