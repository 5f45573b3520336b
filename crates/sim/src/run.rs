//! One run: from a seed to a report.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use milena_engine::handles::{IsolationLevel, StopHandle};
use milena_testbroker::PartitionLog;

use crate::app::App;
use crate::check::{self, Truth, readers};
use crate::driver::{Shared, lock};
use crate::failure::{Check, Failure};
use crate::faults::Tally;
use crate::ledger::{Ending, Ledger};
use crate::plan::{
    BANK, BANK_PARTITIONS, BILLING, BRANCHES, INVOICES, ORDERS, ORDERS_PARTITIONS, Plan,
};
use crate::workload::{bank, billing, orders, reading};
use crate::world::World;

/// Once the faults are over, everything that was begun resolves within this.
const LIVENESS_BOUND: Duration = Duration::from_secs(120);
/// How often the run is looked at.
const GLANCE: Duration = Duration::from_millis(50);
/// Nothing to do but long polls, for so long.
const IDLE: Duration = Duration::from_secs(5);
/// Turns of all engines together in a second of it.
const IDLE_VISITS_MAX: u64 = 400;
/// After the last handle is dropped, an engine is finished within this.
const SHUT_DOWN_BOUND: Duration = Duration::from_secs(10);

/// What a run must hold to say anything.
const RECORDS_MIN: usize = 500;
const TRANSACTIONS_MIN: usize = 10;
const FAULTS_MIN: u64 = 5;

/// How a run is made.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Tell it in words, for a reader.
    pub in_words: bool,
    /// Chance that does not come from the seed, mixed in: the negative control of the determinism test.
    pub perturbation: u64,
}

/// What a run was and what was wrong with it.
#[derive(Clone, Debug)]
pub struct Report {
    /// The seed that all of it came from.
    pub seed: u64,
    /// Every event, as one number: equal for equal seeds.
    pub trace_hash: u64,
    /// How many events there were.
    pub events: u64,
    /// Records that the clients accepted.
    pub records: usize,
    /// Transactions that came to an end, the pipeline's committed ones among them.
    pub transactions: usize,
    /// Those of them that were committed.
    pub committed: usize,
    /// The faults that struck.
    pub faults: Tally,
    /// Turns that the engines took.
    pub visits: u64,
    /// How long it took in virtual time.
    pub elapsed: Duration,
    /// The transaction protocol that the brokers spoke: `TV1`, `TV2`, or one after the other.
    pub protocol: &'static str,
    /// How batches in the logs are compressed, in words.
    pub codecs: BTreeSet<String>,
    /// Promises that were broken; none in a good run.
    pub failures: Vec<Failure>,
    /// The run in words, if that was asked for.
    pub lines: Vec<String>,
}

/// Makes the run of a seed. A panic anywhere in it is one of its failures.
#[must_use]
pub fn run(seed: u64, options: Options) -> Report {
    let caught = catch_unwind(AssertUnwindSafe(|| Run::new(seed, options).make()));
    caught.unwrap_or_else(|panic| {
        let text = panic
            .downcast_ref::<String>()
            .cloned()
            .or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
            .unwrap_or_default();
        Report {
            seed,
            trace_hash: 0,
            events: 0,
            records: 0,
            transactions: 0,
            committed: 0,
            faults: Tally::default(),
            visits: 0,
            elapsed: Duration::ZERO,
            protocol: "",
            codecs: BTreeSet::new(),
            failures: vec![Check::Panic.failed(text)],
            lines: Vec::new(),
        }
    })
}

struct Run {
    seed: u64,
    world: World,
    stops: Arc<Mutex<Vec<StopHandle>>>,
    failures: Vec<Failure>,
}

impl Run {
    fn new(seed: u64, options: Options) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        let plan = Arc::new(Plan::new(&mut rng));
        let shared = Shared::new(options.in_words);
        let ledger = Arc::new(Mutex::new(Ledger {
            senders_left: 1 + BRANCHES.len(),
            ..Ledger::default()
        }));
        let stops = Arc::new(Mutex::new(Vec::new()));
        let app_seed = rng.u64(..);
        if options.perturbation != 0 {
            rng = fastrand::Rng::with_seed(rng.u64(..) ^ options.perturbation);
        }
        let mut world = World::new(
            Arc::clone(&shared),
            Arc::clone(&plan),
            Arc::clone(&ledger),
            &mut rng,
            options.in_words,
        );
        world.trace.say(Duration::ZERO, || format!("{plan:#?}"));
        for (topic, partitions) in [
            (ORDERS, ORDERS_PARTITIONS),
            (INVOICES, ORDERS_PARTITIONS),
            (BANK, BANK_PARTITIONS),
        ] {
            world.broker.create_topic(topic, partitions);
        }
        let mut app = App::new(shared, plan, ledger, Arc::clone(&stops), app_seed);
        let mut senders = app.fork();
        if app.plan.one_client {
            senders.share_client();
        }
        drop(senders.spawn("orders".to_owned(), orders::run));
        for branch in 0..BRANCHES.len() {
            let name = format!("bank {branch}");
            drop(senders.spawn(name, move |hands| bank::run(hands, branch)));
        }
        drop(app.spawn("billing".to_owned(), billing::run));
        for (name, isolation) in [
            (readers::COMMITTED, IsolationLevel::ReadCommitted),
            (readers::EVERYTHING, IsolationLevel::ReadUncommitted),
        ] {
            drop(app.spawn(name.to_owned(), move |hands| {
                reading::run(hands, name, isolation)
            }));
        }
        for (name, isolation) in [
            (readers::WANDERING, IsolationLevel::ReadCommitted),
            (
                readers::WANDERING_EVERYTHING,
                IsolationLevel::ReadUncommitted,
            ),
        ] {
            drop(app.spawn(name.to_owned(), move |hands| {
                reading::wander(hands, name, isolation)
            }));
        }
        Self {
            seed,
            world,
            stops,
            failures: Vec::new(),
        }
    }

    fn make(mut self) -> Report {
        let calm_at = self.world.plan.calm_at;
        self.world.run_until(calm_at);
        self.world.calm_down();
        let bound = calm_at + LIVENESS_BOUND;
        let ended = self.reach(bound, "the senders end", Self::senders_ended)
            && self.reach(bound, "the pipeline catches up", Self::has_caught_up)
            && self.wind_down(bound)
            && self.readers_catch_up(bound);
        if ended {
            self.idle();
            self.shut_down();
        }
        if let Some(broken) = self.world.broken.take() {
            self.failures.push(broken);
        }
        self.report(ended)
    }

    /// Goes on until `there`; false, with a failure, if that does not come to pass in time.
    fn reach(&mut self, bound: Duration, what: &str, there: impl Fn(&Self) -> bool) -> bool {
        while !there(self) {
            if self.world.broken.is_some() {
                return false;
            }
            if self.world.elapsed() > bound {
                let unfinished: Vec<&str> = self.world.unfinished().collect();
                self.failures.push(Check::Liveness.failed(format!(
                    "{what} did not happen within {LIVENESS_BOUND:?} after the faults were over; \
                     unfinished: {unfinished:?}\n{}",
                    self.world.describe()
                )));
                return false;
            }
            let until = self.world.elapsed() + GLANCE;
            self.world.run_until(until);
        }
        true
    }

    fn senders_ended(&self) -> bool {
        let ledger = lock(&self.world.ledger);
        ledger.senders_left == 0
            && self.deliveries_left() == 0
            && ledger
                .sending_hosts
                .iter()
                .all(|host| self.world.is_finished(*host))
    }

    fn deliveries_left(&self) -> usize {
        let is_delivery = |name: &&str| name.starts_with("delivery");
        self.world.unfinished().filter(is_delivery).count()
    }

    fn has_caught_up(&self) -> bool {
        let broker = &self.world.broker;
        (0..ORDERS_PARTITIONS).all(|index| {
            let due = broker
                .log(ORDERS, index)
                .map_or(Some(0), PartitionLog::committed_end);
            let offset = broker.committed_offset(BILLING, ORDERS, index);
            due.is_some_and(|due| offset.unwrap_or(0) >= due)
        })
    }

    fn wind_down(&mut self, bound: Duration) -> bool {
        lock(&self.world.ledger).winding_down = true;
        for stop in lock(&self.stops).drain(..) {
            stop.stop();
        }
        self.reach(bound, "the pipelines stop", |run| {
            run.world
                .unfinished()
                .all(|name| name.starts_with("reader"))
        })
    }

    /// Readers that never get there have got something wrong, or stand still: what, is told.
    fn readers_catch_up(&mut self, bound: Duration) -> bool {
        let there = self.reach(bound, "the readers catch up", Self::readers_are_through);
        if !there {
            let truth = Truth::of(&self.world.broker);
            readers::check(&truth, &lock(&self.world.ledger), &mut self.failures);
        }
        there
    }

    fn readers_are_through(&self) -> bool {
        let mut wrong = Vec::new();
        if !readers::are_at_the_end(&self.world.broker, &lock(&self.world.ledger)) {
            return false;
        }
        let truth = Truth::of(&self.world.broker);
        readers::check(&truth, &lock(&self.world.ledger), &mut wrong);
        wrong.is_empty()
    }

    /// With nothing but long polls to do, the engines are quiet.
    fn idle(&mut self) {
        let before = self.world.visits;
        let until = self.world.elapsed() + IDLE;
        self.world.run_until(until);
        let visits = (self.world.visits - before) / IDLE.as_secs();
        if visits > IDLE_VISITS_MAX {
            self.failures.push(Check::Busy.failed(format!(
                "the engines took {visits} turns a second with nothing to do"
            )));
        }
    }

    /// With the last handles gone, every engine ends and leaves nothing open.
    fn shut_down(&mut self) {
        self.world.drop_tasks("reader");
        let until = self.world.elapsed() + SHUT_DOWN_BOUND;
        self.world.run_until(until);
        if self.world.hosts() > 0 {
            self.failures.push(Check::LeftOver.failed(format!(
                "{} engines live on without a handle\n{}",
                self.world.hosts(),
                self.world.describe()
            )));
        }
        if self.world.open_connections() > 0 {
            let open = self.world.open_connections();
            let text = format!("{open} connections are left open");
            self.failures.push(Check::LeftOver.failed(text));
        }
    }

    fn report(mut self, ended: bool) -> Report {
        let ledger = std::mem::take(&mut *lock(&self.world.ledger));
        let truth = Truth::of(&self.world.broker);
        if ended {
            self.failures.extend(check::all(&truth, &ledger));
        } else {
            self.failures.extend(ledger.violations.clone());
            self.failures.extend(check::at_any_time(&truth, &ledger));
        }
        let committed = ledger
            .transactions
            .iter()
            .filter(|transaction| transaction.ending == Ending::Committed)
            .count();
        self.failures.extend(too_small(&ledger));
        let piped = usize::try_from(ledger.pipeline_commits).unwrap_or(usize::MAX);
        for failure in &self.failures {
            let at = self.world.elapsed();
            self.world.trace.say(at, || format!("FAILED {failure}"));
        }
        Report {
            seed: self.seed,
            trace_hash: self.world.trace.hash(),
            events: self.world.trace.events(),
            records: ledger.accepted(),
            transactions: ledger.transactions.len() + piped,
            committed: committed + piped,
            faults: ledger.tally,
            visits: self.world.visits,
            elapsed: self.world.elapsed(),
            protocol: self.world.plan.protocol.name(),
            codecs: truth.codecs,
            failures: self.failures,
            lines: self.world.trace.into_lines(),
        }
    }
}

fn too_small(ledger: &Ledger) -> Option<Failure> {
    let (records, transactions) = (ledger.accepted(), ledger.transactions.len());
    let faults = ledger.tally.total();
    let small = records < RECORDS_MIN || transactions < TRANSACTIONS_MIN || faults < FAULTS_MIN;
    small.then(|| {
        let text = format!("{records} records, {transactions} transactions, {faults} faults");
        Check::TooSmall.failed(text)
    })
}
