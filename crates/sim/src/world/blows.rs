//! Faults strike the cluster and the network, and end.

use std::time::Duration;

use milena_testbroker::CoordinatorKind;

use super::{Event, World, lock};
use crate::faults::Fault;
use crate::plan::{
    BANK, BANK_PARTITIONS, BILLING, Blow, INVOICES, MANUAL, ORDERS, ORDERS_PARTITIONS,
    transactional_id,
};

/// `i16::MAX` itself is kept for fencing.
const EPOCH_LAST: i16 = i16::MAX - 1;

impl World {
    pub(super) fn strike(&mut self, number: usize) {
        if self.calm {
            return;
        }
        let at = self.elapsed();
        let Some((_, blow)) = self.plan.blows.get(number).cloned() else {
            return;
        };
        self.trace.event(at, "blow", number as u64, &[]);
        self.trace.say(at, || format!("FAULT {blow:?}"));
        match blow {
            Blow::Rule(fault, rule, action) => {
                // Which of them act is up to the run; `ledger.tally` counts.
                let id = self.broker.faults().add(rule.optional(), action);
                self.rules.push((id, fault));
            }
            Blow::Cut(way, after) => {
                self.network.cut_somewhere(way, after);
            }
            Blow::FillSocket(full, of_batches) => self.network.fill_next(full, of_batches),
            Blow::MoveLeader => self.move_leader(),
            Blow::MoveCoordinator(load) => self.move_coordinator(load),
            Blow::StopNode(down) => {
                let node = self.rng.i32(1..=self.plan.broker.nodes);
                let others_down = self.broker.nodes().iter().any(|node| !node.up);
                if !others_down {
                    lock(&self.ledger).fired(Fault::NodeDown);
                    self.broker.stop_node(node);
                    self.put(at + down, Event::StartNode(node));
                }
            }
            Blow::UseUpEpochs(id, left) => {
                let known = self.broker.transaction_state(id);
                // Epochs only grow, and in Prepare* the coordinator is about to write its own.
                if known.is_some_and(|known| {
                    known.producer_epoch < EPOCH_LAST - left && !known.state.is_prepared()
                }) {
                    lock(&self.ledger).fired(Fault::EpochsUsedUp);
                    self.broker.set_producer_epoch(id, EPOCH_LAST - left);
                }
            }
            Blow::RaiseProtocol => {
                lock(&self.ledger).fired(Fault::ProtocolRaised);
                self.broker.set_transaction_version(2);
            }
            Blow::HoldMarkers(held) => {
                lock(&self.ledger).fired(Fault::MarkersHeld);
                self.broker.pause_markers(true);
                self.put(at + held, Event::ReleaseMarkers);
            }
        }
        self.serve();
    }

    fn up_node(&mut self) -> i32 {
        let up: Vec<i32> = self
            .broker
            .nodes()
            .iter()
            .filter(|node| node.up)
            .map(|node| node.id)
            .collect();
        up[self.rng.usize(..up.len())]
    }

    fn move_leader(&mut self) {
        let partitions: Vec<(&str, i32)> = (0..ORDERS_PARTITIONS)
            .flat_map(|partition| [(ORDERS, partition), (INVOICES, partition)])
            .chain((0..BANK_PARTITIONS).map(|partition| (BANK, partition)))
            .collect();
        let (topic, partition) = partitions[self.rng.usize(..partitions.len())];
        let node = self.up_node();
        if self.broker.leader(topic, partition) != node {
            lock(&self.ledger).fired(Fault::LeaderMoved);
            self.broker.move_leader(topic, partition, node);
        }
    }

    fn move_coordinator(&mut self, load: Duration) {
        let (kind, id) = match self.rng.u32(0..4) {
            0 => (CoordinatorKind::Group, BILLING),
            1 => (CoordinatorKind::Group, MANUAL),
            _ => (
                CoordinatorKind::Transaction,
                transactional_id(&mut self.rng),
            ),
        };
        let node = self.up_node();
        lock(&self.ledger).fired(Fault::CoordinatorMoved);
        self.broker.move_coordinator_loading(kind, id, node, load);
    }

    /// The faults are over: what the rules did is counted, and everything works from now on.
    pub(crate) fn calm_down(&mut self) {
        self.calm = true;
        let at = self.elapsed();
        self.trace.say(at, || "the faults are over".to_owned());
        let mut ledger = lock(&self.ledger);
        ledger.calm = true;
        for (id, fault) in self.rules.drain(..) {
            ledger.tally.add(fault, self.broker.faults().fired(id));
        }
        drop(ledger);
        self.broker.faults().clear();
        self.broker.pause_markers(false);
        self.network.calm_down();
        let nodes: Vec<i32> = self.broker.nodes().iter().map(|node| node.id).collect();
        for node in nodes {
            self.broker.start_node(node);
        }
        self.serve();
    }
}
