//! The cluster as its drivers and tests see it.

mod admin;
mod dump;
mod features;
mod groups;
mod nodes;
mod replicas;
mod topics;
mod transactions;
mod users;

pub use admin::TopicSpec;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::time::Instant;

use crate::cluster::Cluster;
use crate::config::{BrokerConfig, Emulate};
use crate::connection::{Connection, ConnectionId, Output};
use crate::faults::Faults;
use crate::history::{Entry, History, Outcome};
use crate::request::InFlight;

/// A whole Kafka cluster as one state machine: bytes in, bytes out, `now` in.
///
/// Inputs are [`connect`](Self::connect), [`handle_bytes`](Self::handle_bytes),
/// [`handle_disconnect`](Self::handle_disconnect) and [`handle_timeout`](Self::handle_timeout).
/// After each of them, and after each command, drain [`poll_output`](Self::poll_output), then arm
/// [`poll_timeout`](Self::poll_timeout). Followers copy at once unless a test
/// pauses or stops them.
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
    /// Requests that wait for others to be applied.
    pub(crate) counting: usize,
}

impl Broker {
    /// A cluster whose nodes are all up and hold nothing.
    pub fn new(config: BrokerConfig) -> Self {
        Self {
            faults: Faults::new(config.seed),
            history: History::new(
                config.history_max,
                config.history_bytes_max,
                config.history_frame_bytes_max,
            ),
            cluster: Cluster::new(config),
            connections: BTreeMap::new(),
            in_flight: BTreeMap::new(),
            ready: BTreeSet::new(),
            outputs: VecDeque::new(),
            connections_made: 0,
            requests_seen: 0,
            counting: 0,
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
        self.cluster.begin_sasl(id);
        let outcome = Outcome::Connected;
        self.history
            .push(Entry::of_connection(now, node, id, outcome));
        Some(id)
    }

    /// Bytes arrived on a connection. Bytes of an unknown or closed one are dropped.
    pub fn handle_bytes(&mut self, now: Instant, conn: ConnectionId, bytes: &[u8]) {
        self.cluster.set_now(now);
        if let Some(connection) = self.connections.get_mut(&conn)
            && !connection.is_hole
        {
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

    /// What was asked and done lately.
    pub fn history(&self) -> &History {
        &self.history
    }

    /// How many clients are connected.
    pub fn connections(&self) -> usize {
        self.connections.len()
    }

    /// Which Kafka it looks like.
    pub fn emulates(&self) -> Emulate {
        self.cluster.config.emulate
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
