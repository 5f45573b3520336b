//! The manager, a coordinator and a faulty network, in every order in which things can happen.
//!
//! A breadth-first search over all states that two consecutive transactions can get into with a
//! bounded number of faults. In every state: no transaction is torn, none is said to be what it is
//! not, none commits what another left, and no older instance fences a newer one. From every state
//! an end can be reached. Two planted defects must be found, or all this would prove nothing.

mod action;
mod check;
mod coordinator;
mod world;

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::hash::{DefaultHasher, Hash, Hasher};

use rustc_hash::FxHashMap;

use self::action::Action;
use self::coordinator::Rules;
use self::world::World;
use super::Sabotage;
use super::rig::start;

/// Lost, delayed and doubled messages, failed sends, time-outs, newer instances, callers that go
/// away: as many in all, of any kind and at any time.
const FAULTS: u8 = 3;

const V1: Rules = Rules {
    v2: false,
    verify: true,
    switches: false,
};
const V1_UNVERIFIED: Rules = Rules {
    verify: false,
    ..V1
};
const V2: Rules = Rules { v2: true, ..V1 };
const UPGRADE: Rules = Rules {
    switches: true,
    ..V1
};
const DOWNGRADE: Rules = Rules {
    switches: true,
    ..V2
};

#[test]
fn tv1_no_order_of_events_tears_a_transaction() {
    assert_whole(V1, FAULTS);
}

#[test]
fn tv1_without_verification_no_order_of_events_tears_a_transaction() {
    assert_whole(V1_UNVERIFIED, FAULTS - 1);
}

#[test]
fn tv2_no_order_of_events_tears_a_transaction() {
    assert_whole(V2, FAULTS);
}

#[test]
fn a_change_of_the_transaction_version_tears_no_transaction() {
    assert_whole(UPGRADE, FAULTS - 1);
    assert_whole(DOWNGRADE, FAULTS - 1);
}

#[test]
fn without_faults_everything_ends_as_asked() {
    for rules in [V1, V1_UNVERIFIED, V2, UPGRADE, DOWNGRADE] {
        let ends =
            explore(rules, 0, Sabotage::None).unwrap_or_else(|violation| panic!("{violation}"));
        assert!(!ends.is_empty() && ends.iter().all(World::all_went_well));
    }
}

#[test]
fn control_tv1_with_the_same_epoch_after_an_unanswered_end_txn_is_found() {
    // KAFKA-17754: the late EndTxn ends the next transaction half way.
    let found = violation(V1, Sabotage::NoBump);
    assert!(
        found.contains("transaction 1") && found.contains("Late Markers"),
        "{found}"
    );
}

#[test]
fn control_a_commit_in_spite_of_a_failed_send_is_found() {
    for rules in [V1, V2] {
        let found = violation(rules, Sabotage::CommitDespiteFailure);
        assert!(found.contains("in spite of a failed send"), "{found}");
    }
}

#[test]
fn control_an_unresolved_batch_that_is_not_fenced_out_is_found() {
    let found = violation(V1, Sabotage::NoFence);
    assert!(found.contains("LateBatch"), "{found}");
}

#[test]
fn control_a_claim_to_the_epoch_of_a_newer_instance_is_found() {
    let found = violation(V2, Sabotage::ClaimAlways);
    assert!(
        found.contains("an older instance fenced a newer one"),
        "{found}"
    );
}

/// With `MILENA_LONG=1` two faults more, which takes minutes.
fn assert_whole(rules: Rules, faults: u8) {
    let more = if std::env::var_os("MILENA_LONG").is_some() {
        2
    } else {
        0
    };
    if let Err(violation) = explore(rules, faults + more, Sabotage::None) {
        panic!("{rules:?}: {violation}");
    }
}

fn violation(rules: Rules, sabotage: Sabotage) -> String {
    match explore(rules, FAULTS, sabotage) {
        Ok(_) => panic!("{sabotage:?} was not found"),
        Err(violation) => violation,
    }
}

/// All states from the start, breadth first.
struct Search {
    /// Index by hash: 64 bits suffice for the few hundred thousand states there are.
    known: FxHashMap<u64, usize>,
    /// How each state was first reached.
    origin: Vec<Option<(usize, Action)>>,
    /// Predecessors of each state but for faults: what an end is reached by must need none.
    before: Vec<Vec<usize>>,
    frontier: VecDeque<(usize, World)>,
}

fn explore(rules: Rules, faults: u8, sabotage: Sabotage) -> Result<Vec<World>, String> {
    let mut search = Search {
        known: FxHashMap::default(),
        origin: Vec::new(),
        before: Vec::new(),
        frontier: VecDeque::new(),
    };
    search.reach(World::new(rules, faults, sabotage, start()), None)?;
    let mut ends = Vec::new();
    let mut worlds = Vec::new();
    while let Some((index, world)) = search.frontier.pop_front() {
        if world.is_over() {
            world
                .check_over()
                .map_err(|violation| search.tell(index, &violation))?;
            ends.push(index);
            worlds.push(world.clone());
        }
        for action in world.actions() {
            let mut next = world.clone();
            next.act(action);
            let at = search.reach(next, Some((index, action)))?;
            if !world.is_fault(action) {
                search.before[at].push(index);
            }
        }
    }
    search.every_state_reaches(&ends)?;
    Ok(worlds)
}

impl Search {
    fn reach(&mut self, world: World, origin: Option<(usize, Action)>) -> Result<usize, String> {
        let mut hasher = DefaultHasher::new();
        world.hash(&mut hasher);
        let next = self.origin.len();
        let index = *self.known.entry(hasher.finish()).or_insert(next);
        if index == next {
            self.origin.push(origin);
            self.before.push(Vec::new());
            world
                .check()
                .map_err(|violation| self.tell(index, &violation))?;
            self.frontier.push_back((index, world));
        }
        Ok(index)
    }

    /// No state may be a dead end.
    fn every_state_reaches(&self, ends: &[usize]) -> Result<(), String> {
        let mut decided = vec![false; self.origin.len()];
        let mut queue: Vec<usize> = ends.to_vec();
        while let Some(index) = queue.pop() {
            if !std::mem::replace(&mut decided[index], true) {
                queue.extend(&self.before[index]);
            }
        }
        match decided.iter().position(|decided| !decided) {
            Some(index) => Err(self.tell(index, "from here no end can be reached")),
            None => Ok(()),
        }
    }

    /// A violation, and the shortest way to it.
    fn tell(&self, index: usize, violation: &str) -> String {
        let mut way = Vec::new();
        let mut at = index;
        while let Some((from, action)) = self.origin[at] {
            way.push(action);
            at = from;
        }
        let mut told = format!("{violation}; found after {} states by", self.origin.len());
        for action in way.iter().rev() {
            let _ = write!(told, " {action:?}");
        }
        told
    }
}
