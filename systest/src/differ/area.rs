//! The areas of the protocol that `--only` names, and what a sequence of each asks.

use super::ask::Step;
use super::asks::fetch::{DeleteRecords, EpochEnd, Fetch, ListOffsets};
use super::asks::produce::Produce;
use super::asks::transactions::{
    AddOffsets, AddPartitions, DescribeProducers, DescribeTransactions, End, Init,
    ListTransactions, TxnOffsetCommit,
};
use super::plan::{Plan, step};

/// Part of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Area {
    Produce,
    Transactions,
    Fetch,
}

impl Area {
    pub(crate) const ALL: &'static [Self] = &[Self::Produce, Self::Transactions, Self::Fetch];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Produce => "produce",
            Self::Transactions => "transactions",
            Self::Fetch => "fetch",
        }
    }

    pub(crate) fn of_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|area| area.name() == name)
    }

    pub(crate) const fn has_producers(self) -> bool {
        matches!(self, Self::Produce | Self::Transactions | Self::Fetch)
    }

    pub(crate) const fn has_members(self) -> bool {
        false
    }

    /// The next step, or a few that belong together.
    pub(crate) fn steps(self, random: &mut fastrand::Rng, plan: &Plan) -> Vec<Step> {
        match self {
            Self::Produce => vec![produce(random, plan)],
            Self::Transactions => transactions(random, plan),
            Self::Fetch => vec![fetch(random, plan)],
        }
    }
}

fn produce(random: &mut fastrand::Rng, plan: &Plan) -> Step {
    let draws = &mut random.fork();
    match random.u32(..20) {
        0..10 => step(random, Produce::random(draws, plan)),
        10..13 => step(random, Produce::plain(draws, plan)),
        13..17 => step(random, Produce::broken(draws, plan)),
        17 => step(random, Init::random(draws, plan)),
        18 => step(random, DescribeProducers::random(draws, plan)),
        _ => fetch(random, plan),
    }
}

fn transactions(random: &mut fastrand::Rng, plan: &Plan) -> Vec<Step> {
    let draws = &mut random.fork();
    let next = match random.u32(..40) {
        0..13 => step(random, Produce::random(draws, plan)),
        13..18 => step(random, AddPartitions::random(draws, plan)),
        18..21 => step(random, AddOffsets::random(draws, plan)),
        21..25 => step(random, TxnOffsetCommit::random(draws, plan)),
        25..33 => step(random, End::random(draws, plan)),
        33..35 => step(random, Init::random(draws, plan)),
        35 => step(random, DescribeTransactions::random(draws)),
        36 => step(random, ListTransactions::random(draws, plan)),
        37 => step(random, DescribeProducers::random(draws, plan)),
        _ => fetch(random, plan),
    };
    let mut steps = vec![next];
    if random.u32(..150) == 0 {
        let transaction = plan.transactional(random);
        let mut init = Init::new(plan, transaction);
        init.timeout_ms = 50;
        steps.push(step(random, init));
        let add = AddPartitions::random(draws, plan);
        steps.push(step(random, add));
        steps.push(Step::AwaitTimeout(transaction));
    }
    steps
}

fn fetch(random: &mut fastrand::Rng, plan: &Plan) -> Step {
    let draws = &mut random.fork();
    match random.u32(..20) {
        0..11 => step(random, Fetch::random(draws, plan)),
        11..15 => step(random, ListOffsets::random(draws, plan)),
        15 => step(random, EpochEnd::random(draws, plan)),
        16 => step(random, DeleteRecords::random(draws, plan)),
        _ => step(random, Produce::plain(draws, plan)),
    }
}
