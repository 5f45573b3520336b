//! Which faults strike when, and which of them really struck.
//!
//! The plan goes by progress (payments committed), not by time: a fast machine meets the same faults as a slow one.

use std::collections::VecDeque;

/// How often each kind must have fired for the run to prove anything.
pub(crate) const FIRED_MIN: usize = 10;
/// The same for dropped pipelines.
pub(crate) const DROPPED_MIN: usize = 3;

/// How many of each kind are planned: some more than needed, since an armed fault may find nothing to strike.
const PLANNED: u64 = 13;
const DROPS_PLANNED: u64 = 4;
/// "Spread over the run" means: at least one in each of so many equal parts of it.
const PARTS: u64 = 5;

/// The kinds as the report counts them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A connection closed under a request.
    ConnectionCut,
    /// A request applied, its answer never sent.
    AnswerLost,
    /// A partition led by another node.
    LeaderMoved,
    /// A transactional id or group coordinated by another node.
    CoordinatorMoved,
    /// The pipeline dropped in mid-transaction.
    PipelineDropped,
}

impl Kind {
    /// All of them, in the report's order.
    pub(crate) const ALL: [Self; 5] = [
        Self::ConnectionCut,
        Self::AnswerLost,
        Self::LeaderMoved,
        Self::CoordinatorMoved,
        Self::PipelineDropped,
    ];

    /// The key in JSON.
    pub(crate) fn key(self) -> &'static str {
        match self {
            Self::ConnectionCut => "connection_cut",
            Self::AnswerLost => "answer_lost",
            Self::LeaderMoved => "leader_moved",
            Self::CoordinatorMoved => "coordinator_moved",
            Self::PipelineDropped => "pipeline_dropped",
        }
    }

    /// The words in the table.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::ConnectionCut => "connections cut",
            Self::AnswerLost => "answers lost after being applied",
            Self::LeaderMoved => "leaders moved",
            Self::CoordinatorMoved => "coordinators moved",
            Self::PipelineDropped => "pipelines dropped in mid-transaction",
        }
    }

    fn required(self) -> usize {
        match self {
            Self::PipelineDropped => DROPPED_MIN,
            _ => FIRED_MIN,
        }
    }
}

/// A request whose connection is cut or whose answer is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Victim {
    /// Records on their way into the transaction.
    Produce,
    /// The positions that join the transaction.
    TxnOffsetCommit,
    /// The end of the transaction.
    EndTxn,
    /// A request for more orders. Its answer may be lost without harm, so only its connection is cut.
    Fetch,
}

impl Victim {
    const CUT_IN_TURN: [Self; 4] = [
        Self::Produce,
        Self::EndTxn,
        Self::Fetch,
        Self::TxnOffsetCommit,
    ];
    const LOST_IN_TURN: [Self; 3] = [Self::Produce, Self::EndTxn, Self::TxnOffsetCommit];
}

/// Whose coordinator moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Coordinator {
    /// The transactional id's.
    Transaction,
    /// The group's.
    Group,
}

/// What is to be done to the pipeline or its cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Strike {
    /// Cut the connection under the next such request.
    Cut(Victim),
    /// Apply the next such request and lose its answer.
    LoseAnswer(Victim),
    /// Move the leader of the next partition in turn.
    MoveLeader,
    /// Move this coordinator.
    MoveCoordinator(Coordinator),
    /// Drop the pipeline in mid-transaction.
    Drop,
    /// Keep the pipeline alive with an open transaction while a new one starts.
    KeepOld,
}

/// The strikes still to come.
pub(crate) struct Plan {
    strikes: VecDeque<(u64, Strike)>,
}

impl Plan {
    /// The plan for a run of so many payments; `moves` where leaders and coordinators are ours to move.
    pub(crate) fn new(payments: u64, moves: bool) -> Self {
        let mut strikes = Vec::new();
        for turn in 0..PLANNED {
            let cut = Victim::CUT_IN_TURN[(turn % 4) as usize];
            let lost = Victim::LOST_IN_TURN[(turn % 3) as usize];
            strikes.push((at(payments, turn, PLANNED, 10), Strike::Cut(cut)));
            strikes.push((at(payments, turn, PLANNED, 35), Strike::LoseAnswer(lost)));
            if moves {
                let coordinator = match turn % 2 {
                    0 => Coordinator::Transaction,
                    _ => Coordinator::Group,
                };
                strikes.push((at(payments, turn, PLANNED, 60), Strike::MoveLeader));
                strikes.push((
                    at(payments, turn, PLANNED, 85),
                    Strike::MoveCoordinator(coordinator),
                ));
            }
        }
        for turn in 0..DROPS_PLANNED {
            strikes.push((at(payments, turn, DROPS_PLANNED, 50), Strike::Drop));
        }
        // Not the first strike, so that the pipeline that takes over has had restarts before.
        strikes.push((payments * 2 / 5, Strike::KeepOld));
        strikes.sort_by_key(|&(at, _)| at);
        Self {
            strikes: strikes.into(),
        }
    }

    /// The next strike that is due when so many payments are committed.
    pub(crate) fn due(&mut self, committed: u64) -> Option<Strike> {
        let &(at, strike) = self.strikes.front()?;
        if at > committed {
            return None;
        }
        self.strikes.pop_front();
        Some(strike)
    }
}

/// Where strike `turn` of `turns` falls: evenly over the first 95 % of the run, `percent` of a turn behind its beginning,
/// so that the last ones still find requests to strike.
fn at(payments: u64, turn: u64, turns: u64, percent: u64) -> u64 {
    payments * 95 * (turn * 100 + percent) / (turns * 100 * 100)
}

/// The faults that really fired, each with the progress at which it was seen.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fired {
    seen: Vec<(Kind, u64)>,
}

impl Fired {
    /// Notes a fault that fired.
    pub(crate) fn note(&mut self, kind: Kind, committed: u64) {
        self.seen.push((kind, committed));
    }

    /// How many of this kind fired.
    pub(crate) fn count(&self, kind: Kind) -> usize {
        self.of(kind).count()
    }

    /// What this kind lacks, in words; `None` if it fired often enough and over the whole run.
    pub(crate) fn shortfall(&self, kind: Kind, payments: u64) -> Option<String> {
        let (count, required) = (self.count(kind), kind.required());
        if count < required {
            return Some(format!(
                "{} fired {count} times, not {required}",
                kind.key()
            ));
        }
        let parts = (0..PARTS)
            .filter(|&part| self.of(kind).any(|at| part_of(at, payments) == part))
            .count();
        let wanted = required.min(PARTS as usize);
        (parts < wanted).then(|| {
            format!(
                "{} fired in {parts} of the run's {PARTS} parts, not in {wanted}",
                kind.key()
            )
        })
    }

    fn of(&self, kind: Kind) -> impl Iterator<Item = u64> {
        self.seen
            .iter()
            .filter(move |(seen, _)| *seen == kind)
            .map(|&(_, at)| at)
    }
}

fn part_of(committed: u64, payments: u64) -> u64 {
    (committed * PARTS / payments.max(1)).min(PARTS - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strikes_of(payments: u64, moves: bool) -> Vec<(u64, Strike)> {
        let mut plan = Plan::new(payments, moves);
        let mut strikes = Vec::new();
        for committed in 0..=payments {
            while let Some(strike) = plan.due(committed) {
                strikes.push((committed, strike));
            }
        }
        assert_eq!(plan.due(u64::MAX), None, "all are due by the end");
        strikes
    }

    fn kind_of(strike: Strike) -> Option<Kind> {
        match strike {
            Strike::Cut(_) => Some(Kind::ConnectionCut),
            Strike::LoseAnswer(_) => Some(Kind::AnswerLost),
            Strike::MoveLeader => Some(Kind::LeaderMoved),
            Strike::MoveCoordinator(_) => Some(Kind::CoordinatorMoved),
            Strike::Drop => Some(Kind::PipelineDropped),
            Strike::KeepOld => None,
        }
    }

    #[test]
    fn a_plan_carried_out_leaves_no_shortfall() {
        for payments in [200, 2_000, 20_000] {
            let mut fired = Fired::default();
            for (at, strike) in strikes_of(payments, true) {
                if let Some(kind) = kind_of(strike) {
                    fired.note(kind, at);
                }
            }
            for kind in Kind::ALL {
                assert_eq!(fired.shortfall(kind, payments), None, "{payments}");
            }
        }
    }

    #[test]
    fn answers_are_lost_of_each_request_in_turn_and_both_coordinators_move() {
        let strikes: Vec<_> = strikes_of(20_000, true)
            .into_iter()
            .map(|(_, s)| s)
            .collect();
        for victim in Victim::LOST_IN_TURN {
            let lost = strikes.iter().filter(|s| **s == Strike::LoseAnswer(victim));
            assert!(lost.count() >= 4);
        }
        for victim in Victim::CUT_IN_TURN {
            let cut = strikes.iter().filter(|s| **s == Strike::Cut(victim));
            assert!(cut.count() >= 3);
        }
        for coordinator in [Coordinator::Transaction, Coordinator::Group] {
            let moves = strikes
                .iter()
                .filter(|s| **s == Strike::MoveCoordinator(coordinator));
            assert!(moves.count() >= 5);
        }
    }

    #[test]
    fn the_old_pipeline_is_kept_once_and_the_last_strikes_leave_room_behind_them() {
        let strikes = strikes_of(20_000, true);
        let kept = strikes.iter().filter(|(_, s)| *s == Strike::KeepOld);
        assert_eq!(kept.count(), 1);
        assert!(strikes.iter().all(|&(at, _)| (50..19_200).contains(&at)));
    }

    #[test]
    fn on_a_cluster_that_is_not_ours_nothing_is_moved() {
        let strikes = strikes_of(20_000, false);
        let moved = |s: &Strike| matches!(s, Strike::MoveLeader | Strike::MoveCoordinator(_));
        assert!(!strikes.iter().any(|(_, s)| moved(s)));
        assert!(strikes.len() > 2 * FIRED_MIN + DROPPED_MIN);
    }

    #[test]
    fn faults_that_did_not_fire_or_fired_all_at_once_are_a_shortfall() {
        let mut fired = Fired::default();
        for turn in 0..9 {
            fired.note(Kind::AnswerLost, turn * 100);
        }
        let few = fired
            .shortfall(Kind::AnswerLost, 1_000)
            .expect("nine are too few");
        assert_eq!(few, "answer_lost fired 9 times, not 10");

        for _ in 0..30 {
            fired.note(Kind::ConnectionCut, 950);
        }
        let bunched = fired
            .shortfall(Kind::ConnectionCut, 1_000)
            .expect("all at the end");
        assert_eq!(
            bunched,
            "connection_cut fired in 1 of the run's 5 parts, not in 5"
        );

        for at in [100, 500, 900] {
            fired.note(Kind::PipelineDropped, at);
        }
        assert_eq!(fired.shortfall(Kind::PipelineDropped, 1_000), None);
    }
}
