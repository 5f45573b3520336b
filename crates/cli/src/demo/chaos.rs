//! Carries out the plan's strikes, and knows which of them have fired.

use std::collections::VecDeque;
use std::sync::Arc;

use milena_testbroker::relay::{ApiKey, RelayAction, RelayRule, RelayRuleId};
use milena_testbroker::{Action, Broker, CoordinatorKind, Rule, RuleId};

use super::names::Names;
use super::plan::{Coordinator, Fired, Kind, Plan, Strike, Victim};
use super::site::{EXPOSED_CLIENT_ID, Site};

/// A fault that has not fired after this part of the run has missed its request: its rule met one whose connection broke for
/// another reason.
const PATIENCE_PARTS: u64 = 25;

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
    armed: Vec<Armed>,
    /// Faults that are due while another one waits for the same kind of request.
    waiting: VecDeque<(Victim, Kind)>,
    /// How much progress a fault may let pass before it is armed anew.
    patience: u64,
    /// Counts leader moves, to take the partitions in turn.
    leader_moves: usize,
}

/// A fault that waits for its request.
struct Armed {
    rule: ArmedRule,
    victim: Victim,
    kind: Kind,
    /// The progress when it was armed.
    since: u64,
}

#[derive(Clone, Copy)]
enum ArmedRule {
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
            waiting: VecDeque::new(),
            patience: payments / PATIENCE_PARTS,
            leader_moves: 0,
        }
    }

    /// Notes what has fired and strikes what is due. Stops at an order, which the caller carries out before it calls again.
    pub(crate) fn advance(&mut self, committed: u64) -> Option<Order> {
        self.collect(committed);
        while let Some(strike) = self.plan.due(committed) {
            match strike {
                Strike::Cut(victim) => self.waiting.push_back((victim, Kind::ConnectionCut)),
                Strike::LoseAnswer(victim) => self.waiting.push_back((victim, Kind::AnswerLost)),
                Strike::MoveLeader => self.move_leader(committed),
                Strike::MoveCoordinator(coordinator) => {
                    self.move_coordinator(coordinator, committed);
                }
                Strike::Drop => return Some(Order::Drop),
                Strike::KeepOld => return Some(Order::KeepOld),
            }
        }
        self.arm(committed);
        None
    }

    /// Notes a fault that the pipeline's owner made.
    pub(crate) fn note(&mut self, kind: Kind, committed: u64) {
        self.fired.note(kind, committed);
    }

    /// Disarms what never found its request, and tells what fired.
    pub(crate) fn finish(mut self, committed: u64) -> Fired {
        self.collect(committed);
        for armed in &self.armed {
            self.site.disarm(armed.rule);
        }
        self.fired
    }

    /// Takes note of the armed faults that have fired. Only the place where a fault is made knows that it happened.
    fn collect(&mut self, committed: u64) {
        for armed in std::mem::take(&mut self.armed) {
            if self.site.fired(armed.rule) > 0 {
                self.fired.note(armed.kind, committed);
                self.site.disarm(armed.rule);
            } else if committed > armed.since + self.patience {
                self.site.disarm(armed.rule);
                self.waiting.push_front((armed.victim, armed.kind));
            } else {
                self.armed.push(armed);
            }
        }
    }

    /// Arms what is due, at most one fault for each kind of request: of two, only one could strike the next request.
    fn arm(&mut self, committed: u64) {
        for (victim, kind) in std::mem::take(&mut self.waiting) {
            if self.armed.iter().any(|armed| armed.victim == victim) {
                self.waiting.push_back((victim, kind));
            } else {
                self.armed.push(Armed {
                    rule: self.site.arm(victim, kind),
                    victim,
                    kind,
                    since: committed,
                });
            }
        }
    }

    fn move_leader(&mut self, committed: u64) {
        let Site::BuiltIn(broker) = &*self.site else {
            return;
        };
        let partitions: Vec<_> = self
            .names
            .topics()
            .into_iter()
            .filter(|(topic, _)| *topic != self.names.refused)
            .flat_map(|(topic, count)| (0..count).map(move |partition| (topic, partition)))
            .collect();
        // Seven has no common factor with the twelve partitions: the turns jump between the two topics and miss none.
        // The refused topic is left out: so little is written there that nobody would notice.
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

impl Site {
    fn arm(&self, victim: Victim, kind: Kind) -> ArmedRule {
        let lost = kind == Kind::AnswerLost;
        match self {
            Self::BuiltIn(broker) => {
                let rule = Rule::on(api(victim)).client_id(EXPOSED_CLIENT_ID).times(1);
                let action = if lost {
                    Action::ApplyThenDrop
                } else {
                    Action::CutConnection
                };
                ArmedRule::Broker(broker.with(|broker| broker.faults().add(rule, action)))
            }
            Self::Users { relay, .. } => {
                let rule = RelayRule::on(api(victim)).times(1);
                let action = if lost {
                    RelayAction::LoseAnswer
                } else {
                    RelayAction::CutNow
                };
                ArmedRule::Relay(relay.add(rule, action))
            }
        }
    }

    fn disarm(&self, rule: ArmedRule) {
        match (rule, self) {
            (ArmedRule::Broker(id), Self::BuiltIn(broker)) => {
                broker.with(|broker| broker.faults().remove(id));
            }
            (ArmedRule::Relay(id), Self::Users { relay, .. }) => relay.remove(id),
            _ => {}
        }
    }

    fn fired(&self, rule: ArmedRule) -> u64 {
        match (rule, self) {
            (ArmedRule::Broker(id), Self::BuiltIn(broker)) => {
                broker.with(|broker| broker.faults().fired(id))
            }
            (ArmedRule::Relay(id), Self::Users { relay, .. }) => relay.fired(id),
            _ => 0,
        }
    }
}

fn api(victim: Victim) -> ApiKey {
    match victim {
        Victim::Produce => ApiKey::PRODUCE,
        Victim::TxnOffsetCommit => ApiKey::TXN_OFFSET_COMMIT,
        Victim::EndTxn => ApiKey::END_TXN,
        Victim::Fetch => ApiKey::FETCH,
    }
}

fn next_node(broker: &Broker, node: i32) -> i32 {
    let nodes = broker.nodes();
    let after = nodes.iter().find(|other| other.id > node);
    after.or_else(|| nodes.first()).map_or(node, |node| node.id)
}
