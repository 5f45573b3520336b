//! Carries out the plan's strikes, and knows which of them have fired.

use std::sync::Arc;

use milena_testbroker::relay::{Relay, RelayAction, RelayRule, RelayRuleId};
use milena_testbroker::{Action, ApiKey, Broker, CoordinatorKind, Rule, RuleId, TestBroker};

use super::names::Names;
use super::plan::{Coordinator, Fired, Kind, Plan, Strike, Victim};
use super::site::Site;

/// What only the pipeline's owner can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// Drop the pipeline in mid-transaction and start it again.
    Drop,
    /// Start a new pipeline while the old one has an open transaction.
    KeepOld,
}

/// The plan at work.
pub(crate) struct Chaos {
    site: Arc<Site>,
    names: Names,
    plan: Plan,
    fired: Fired,
    armed: Vec<(Armed, Kind)>,
    /// Counts leader moves, to take the partitions in turn.
    leader_moves: usize,
}

/// A fault that waits for its request.
enum Armed {
    Broker(RuleId),
    Relay(RelayRuleId),
}

impl Chaos {
    /// Nothing is armed until [`advance`](Self::advance) says how far the run is.
    pub(crate) fn new(site: Arc<Site>, names: Names, payments: u64) -> Self {
        Self {
            plan: Plan::new(payments, site.moves()),
            site,
            names,
            fired: Fired::default(),
            armed: Vec::new(),
            leader_moves: 0,
        }
    }

    /// Notes what has fired and strikes what is due. Stops at an order, which the caller carries out before it calls again.
    pub(crate) fn advance(&mut self, committed: u64) -> Option<Order> {
        self.collect(committed);
        while let Some(strike) = self.plan.due(committed) {
            match strike {
                Strike::Cut(victim) => self.arm(victim, Kind::ConnectionCut),
                Strike::LoseAnswer(victim) => self.arm(victim, Kind::AnswerLost),
                Strike::MoveLeader => self.move_leader(committed),
                Strike::MoveCoordinator(coordinator) => {
                    self.move_coordinator(coordinator, committed);
                }
                Strike::Drop => return Some(Order::Drop),
                Strike::KeepOld => return Some(Order::KeepOld),
            }
        }
        None
    }

    /// Notes a fault that the pipeline's owner made.
    pub(crate) fn note(&mut self, kind: Kind, committed: u64) {
        self.fired.note(kind, committed);
    }

    /// Disarms what never found its request, and tells what fired.
    pub(crate) fn finish(mut self, committed: u64) -> Fired {
        self.collect(committed);
        for (armed, _) in &self.armed {
            match (armed, &*self.site) {
                (Armed::Broker(id), Site::BuiltIn(broker)) => {
                    broker.with(|broker| broker.faults().remove(*id));
                }
                (Armed::Relay(id), Site::Users { relay, .. }) => relay.remove(*id),
                _ => {}
            }
        }
        self.fired
    }

    /// Moves the faults that have fired from `armed` to `fired`. Only the place where the fault is made knows that it happened.
    fn collect(&mut self, committed: u64) {
        let (site, fired) = (&self.site, &mut self.fired);
        self.armed.retain(|(armed, kind)| {
            let count = match (armed, &**site) {
                (Armed::Broker(id), Site::BuiltIn(broker)) => {
                    broker.with(|broker| broker.faults().fired(*id))
                }
                (Armed::Relay(id), Site::Users { relay, .. }) => relay.fired(*id),
                _ => 0,
            };
            if count > 0 {
                fired.note(*kind, committed);
            }
            count == 0
        });
    }

    fn arm(&mut self, victim: Victim, kind: Kind) {
        let armed = match &*self.site {
            Site::BuiltIn(broker) => Armed::Broker(arm_in_broker(broker, victim, kind)),
            Site::Users { relay, .. } => Armed::Relay(arm_in_relay(relay, victim, kind)),
        };
        self.armed.push((armed, kind));
    }

    fn move_leader(&mut self, committed: u64) {
        let Site::BuiltIn(broker) = &*self.site else {
            return;
        };
        let partitions: Vec<_> = self
            .names
            .topics()
            .into_iter()
            .flat_map(|(topic, count)| (0..count).map(move |partition| (topic, partition)))
            .collect();
        // Seven has no common factor with the fifteen partitions: the turns jump between the topics and miss none.
        let (topic, partition) = partitions[self.leader_moves * 7 % partitions.len()];
        self.leader_moves += 1;
        let moved = broker.with(|broker| {
            let before = broker.leader(topic, partition);
            broker.move_leader(topic, partition, next_node(broker, before));
            broker.leader(topic, partition) != before
        });
        if moved {
            self.fired.note(Kind::LeaderMoved, committed);
        }
    }

    fn move_coordinator(&mut self, coordinator: Coordinator, committed: u64) {
        let Site::BuiltIn(broker) = &*self.site else {
            return;
        };
        let (kind, id) = match coordinator {
            Coordinator::Transaction => {
                (CoordinatorKind::Transaction, &self.names.transactional_id)
            }
            Coordinator::Group => (CoordinatorKind::Group, &self.names.group),
        };
        let moved = broker.with(|broker| {
            let before = broker.coordinator(kind, id);
            broker.move_coordinator(kind, id, next_node(broker, before));
            broker.coordinator(kind, id) != before
        });
        if moved {
            self.fired.note(Kind::CoordinatorMoved, committed);
        }
    }
}

fn arm_in_broker(broker: &TestBroker, victim: Victim, kind: Kind) -> RuleId {
    let action = match kind {
        Kind::AnswerLost => Action::ApplyThenDrop,
        _ => Action::CutConnection,
    };
    broker.with(|broker| broker.faults().add(Rule::on(api(victim)).nth(1), action))
}

fn arm_in_relay(relay: &Relay, victim: Victim, kind: Kind) -> RelayRuleId {
    let action = match kind {
        Kind::AnswerLost => RelayAction::LoseAnswer,
        _ => RelayAction::CutNow,
    };
    relay.add(RelayRule::on(api(victim)).nth(1), action)
}

fn api(victim: Victim) -> ApiKey {
    match victim {
        Victim::Produce => ApiKey::PRODUCE,
        Victim::TxnOffsetCommit => ApiKey::TXN_OFFSET_COMMIT,
        Victim::EndTxn => ApiKey::END_TXN,
    }
}

fn next_node(broker: &Broker, node: i32) -> i32 {
    let mut nodes: Vec<i32> = broker.nodes().collect();
    nodes.sort_unstable();
    let after = nodes.iter().find(|&&other| other > node);
    after.or_else(|| nodes.first()).copied().unwrap_or(node)
}
