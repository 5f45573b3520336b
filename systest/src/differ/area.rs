//! The areas of the protocol that `--only` names, and what a sequence of each asks.

use super::ask::Step;
use super::asks::admin::{
    AlterConfigs, CreatePartitions, CreateTopics, DeleteTopics, DescribeCluster, DescribeConfigs,
    DescribeTopics, ListReassignments, Metadata,
};
use super::asks::fetch::{DeleteRecords, EpochEnd, Fetch, ListOffsets};
use super::asks::groups::{DescribeGroups, Join, Leave, ListGroups, Sync};
use super::asks::offsets::{
    DeleteGroups, FindCoordinator, OffsetCommit, OffsetDelete, OffsetFetch,
};
use super::asks::produce::Produce;
use super::asks::transactions::{
    AddOffsets, AddPartitions, DescribeProducers, DescribeTransactions, End, Init,
    ListTransactions, TxnOffsetCommit,
};
use super::asks::{consumer, groups};
use super::plan::{MEMBER_LINKS, Plan, step, step_on};

/// Part of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Area {
    Produce,
    Transactions,
    Fetch,
    Offsets,
    Groups,
    ConsumerGroups,
    Admin,
}

impl Area {
    pub(crate) const ALL: &'static [Self] = &[
        Self::Produce,
        Self::Transactions,
        Self::Fetch,
        Self::Offsets,
        Self::Groups,
        Self::ConsumerGroups,
        Self::Admin,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Produce => "produce",
            Self::Transactions => "transactions",
            Self::Fetch => "fetch",
            Self::Offsets => "offsets",
            Self::Groups => "groups",
            Self::ConsumerGroups => "consumer-groups",
            Self::Admin => "admin",
        }
    }

    pub(crate) fn of_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|area| area.name() == name)
    }

    pub(crate) const fn has_producers(self) -> bool {
        matches!(
            self,
            Self::Produce | Self::Transactions | Self::Fetch | Self::Offsets
        )
    }

    pub(crate) const fn has_members(self) -> bool {
        matches!(self, Self::Groups | Self::ConsumerGroups)
    }

    /// The next step, or a few that belong together.
    pub(crate) fn steps(self, random: &mut fastrand::Rng, plan: &Plan) -> Vec<Step> {
        match self {
            Self::Produce => vec![produce(random, plan)],
            Self::Transactions => transactions(random, plan),
            Self::Fetch => vec![fetch(random, plan)],
            Self::Offsets => vec![offsets(random, plan)],
            Self::Groups => groups(random, plan),
            Self::ConsumerGroups => vec![consumer_groups(random, plan)],
            Self::Admin => vec![admin(random)],
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
        // Real Kafka looks for such transactions every second, and the next would race with that.
        steps.push(step(random, Init::new(plan, transaction)));
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

fn offsets(random: &mut fastrand::Rng, plan: &Plan) -> Step {
    let draws = &mut random.fork();
    match random.u32(..20) {
        0..7 => step(random, OffsetCommit::random(draws, plan)),
        7..13 => step(random, OffsetFetch::random(draws, plan)),
        13 => step(random, OffsetDelete::random(draws, plan)),
        14 => step(random, DeleteGroups::random(draws)),
        15 => step(random, FindCoordinator::random(draws)),
        16 => step(random, AddOffsets::random(draws, plan)),
        17 => step(random, TxnOffsetCommit::random(draws, plan)),
        18 => step(random, End::random(draws, plan)),
        _ => step(random, ListGroups::random(draws)),
    }
}

fn groups(random: &mut fastrand::Rng, plan: &Plan) -> Vec<Step> {
    let draws = &mut random.fork();
    let one = match random.u32(..40) {
        0..6 => return rebalance(random),
        6..15 => {
            let join = Join::random(draws, plan);
            step_on(join.member, random, join)
        }
        15..21 => {
            let sync = Sync::random(draws, plan);
            step_on(sync.member().unwrap_or(0) % MEMBER_LINKS, random, sync)
        }
        21..26 => step(random, groups::Heartbeat::random(draws, plan)),
        26..29 => step(random, Leave::random(draws, plan)),
        29..31 => step(random, DescribeGroups::random(draws)),
        31 => step(random, ListGroups::random(draws)),
        32 => step(random, DeleteGroups::random(draws)),
        33 => Step::Pause(800),
        _ => offsets(random, plan),
    };
    vec![one]
}

/// What well-behaved members do: all join, with an id if they are told to have one, and all sync.
fn rebalance(random: &mut fastrand::Rng) -> Vec<Step> {
    let mut steps = Vec::new();
    let members = random.usize(1..4);
    for _ in 0..2 {
        for member in 0..members {
            steps.push(step_on(member, random, Join::new(groups::GROUP, member)));
        }
    }
    for member in (0..members).rev() {
        steps.push(step_on(member, random, Sync::new(groups::GROUP, member)));
    }
    steps
}

fn consumer_groups(random: &mut fastrand::Rng, plan: &Plan) -> Step {
    let draws = &mut random.fork();
    match random.u32(..20) {
        0..5 => step(random, consumer::Heartbeat::join(draws, plan)),
        5..14 => step(random, consumer::Heartbeat::random(draws, plan)),
        14..17 => step(random, consumer::Describe::random(draws)),
        17 => step(random, ListGroups::random(draws)),
        _ => offsets(random, plan),
    }
}

fn admin(random: &mut fastrand::Rng) -> Step {
    let draws = &mut random.fork();
    match random.u32(..30) {
        0..7 => step(random, CreateTopics::random(draws)),
        7..10 => step(random, DeleteTopics::random(draws)),
        10..13 => step(random, CreatePartitions::random(draws)),
        13..19 => step(random, Metadata::random(draws)),
        19 => step(random, DescribeCluster::random(draws)),
        20..23 => step(random, DescribeConfigs::random(draws)),
        23..27 => step(random, AlterConfigs::random(draws)),
        27 => step(random, ListReassignments::random(draws)),
        _ => step(random, DescribeTopics::random(draws)),
    }
}
