//! Nodes and coordinators: which are up, and who coordinates what.

use std::time::Duration;

use super::Broker;
use crate::cluster::{CoordinatorKind, Keep, Node};

impl Broker {
    /// Stops a node: its connections close, new ones are refused, and what it led moves away if
    /// `BrokerConfig::elect_on_stop` says so. Requests it was serving are lost.
    pub fn stop_node(&mut self, node: i32) {
        self.drop_node(node);
        self.cluster.set_up(node, false);
    }

    /// Stops a node that loses what its logs held last, as a machine without power. Where it is the
    /// last one in sync, that is lost for good.
    pub fn crash_node(&mut self, node: i32, keep: Keep) {
        self.drop_node(node);
        self.cluster.crash(node, keep);
    }

    fn drop_node(&mut self, node: i32) {
        // Who stops it now wants it down, whatever a fault planned before.
        self.cluster.timers.cancel_start(node);
        self.forget_requests_of(node);
        self.cluster.fetch_sessions.forget_node(node);
        let stopped: Vec<_> = self
            .connections
            .iter()
            .filter(|(_, connection)| connection.node == node)
            .map(|(id, _)| *id)
            .collect();
        for id in stopped {
            self.close(id, "the node stops");
        }
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

    /// Makes `node` the coordinator of an id. It answers COORDINATOR_LOAD_IN_PROGRESS for as long
    /// as `BrokerConfig::coordinator_load` says.
    pub fn move_coordinator(&mut self, kind: CoordinatorKind, id: &str, node: i32) {
        let load = self.cluster.config.coordinator_load;
        self.cluster.move_coordinator(kind, id, node, load);
        self.pump();
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
        self.pump();
    }

    /// The coordinator of an id, -1 without one.
    pub fn coordinator(&self, kind: CoordinatorKind, id: &str) -> i32 {
        self.cluster.coordinators.node(kind, id)
    }
}
