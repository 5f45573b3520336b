//! The golden run: a small and complete day of a client, whose end is known exactly, for sweeps over everything that can be
//! dropped or cut in it.
//!
//! Four tasks over three nodes: an idempotent producer and a transactional one on one client, an exactly-once pipeline, and a
//! reader of what was committed. The script does after a drop what the documentation of the future says it may do, and does
//! work that was aborted once more: so the end is the same in every run of a sweep.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use milena_testbroker::{BrokerConfig, Emulate};

use crate::app::App;
use crate::driver::{Shared, lock};
use crate::failure::{Check, Failure};
use crate::ledger::Ledger;
use crate::network::{AtByte, Weather};
use crate::plan::{BANK, BANK_PARTITIONS, INVOICES, ORDERS, ORDERS_PARTITIONS, Plan, Protocol};
use crate::world::World;

mod bank;
mod billing;
mod hands;
mod judge;
mod orders;
mod reading;
pub(crate) mod watch;

use hands::Hands;
pub(crate) use hands::Manners;
use watch::{Await, Cut, Watch};

/// Partitions that are written to.
const PARTITIONS: i32 = 2;
const LINGER: Duration = Duration::from_millis(2);
const BATCH_BYTES_MAX: usize = 1 << 10;
const COMMIT_INTERVAL: Duration = Duration::from_millis(20);
/// What the reader gets: the committed transactions' records, and an invoice for each order.
const COMMITTED_RECORDS: usize = bank::COMMITTED_RECORDS + (orders::EACH * PARTITIONS) as usize;

/// A request that is not answered by then costs its connection.
pub(crate) const REQUEST_TIMEOUT: Duration = Duration::from_millis(500);
const OPERATION_TIMEOUT: Duration = Duration::from_secs(10);

/// With everything done, nothing but long polls, for so long.
const IDLE: Duration = Duration::from_secs(1);
/// Turns of all engines together in it.
const IDLE_VISITS_MAX: u64 = 400;
/// After the last handle is dropped, an engine is finished within this.
const SHUT_DOWN_BOUND: Duration = Duration::from_secs(10);

/// One run over the script.
#[derive(Clone, Debug)]
pub(crate) struct Script {
    pub(crate) protocol: Protocol,
    /// Orders what is due at the same time.
    pub(crate) seed: u64,
    pub(crate) cuts: Vec<Cut>,
    pub(crate) fault: Option<AtByte>,
    pub(crate) manners: Manners,
    /// Everything is done within this.
    pub(crate) bound: Duration,
    /// Note which futures are pending after each event.
    pub(crate) records: bool,
    pub(crate) in_words: bool,
}

/// What a run was.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) failures: Vec<Failure>,
    /// Whether everything that was to strike did.
    pub(crate) struck: bool,
    pub(crate) awaits: Vec<Await>,
    /// Each event with each future that was pending after it.
    pub(crate) pending: Vec<(u64, usize)>,
    /// Bytes that each connection has passed: towards the broker, and towards the client.
    pub(crate) passed: Vec<[usize; 2]>,
    pub(crate) events: u64,
    /// After how many of them the last future was dropped.
    pub(crate) dropped_at: u64,
    /// When everything was done, in virtual time.
    pub(crate) done_at: Duration,
    pub(crate) lines: Vec<String>,
}

impl Script {
    pub(crate) fn new(protocol: Protocol, seed: u64) -> Self {
        Self {
            protocol,
            seed,
            cuts: Vec::new(),
            fault: None,
            manners: Manners::default(),
            bound: Duration::from_secs(10),
            records: false,
            in_words: false,
        }
    }

    /// Makes the run. A panic anywhere in it is one of its failures.
    pub(crate) fn make(&self) -> Outcome {
        let caught = catch_unwind(AssertUnwindSafe(|| Run::new(self).make()));
        caught.unwrap_or_else(|panic| {
            let text = panic
                .downcast_ref::<String>()
                .cloned()
                .or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
                .unwrap_or_default();
            Outcome {
                failures: vec![Check::Panic.failed(text)],
                struck: true,
                ..Outcome::default()
            }
        })
    }

    fn plan(&self) -> Plan {
        let mut rng = fastrand::Rng::with_seed(self.seed);
        let plan = Plan::new(&mut rng);
        let (weather, marker_delay) = weather(self.seed, &mut rng);
        Plan {
            protocol: self.protocol,
            broker: BrokerConfig {
                emulate: match self.protocol {
                    Protocol::Old => Emulate::V3_9,
                    Protocol::New | Protocol::Raised => Emulate::V4_3,
                },
                transaction_version: Some(if self.protocol == Protocol::New { 2 } else { 0 }),
                marker_delay,
                message_bytes_max: 1 << 20,
                ..plan.broker
            },
            weather,
            blows: Vec::new(),
            calm_at: Duration::ZERO,
            request_timeout: REQUEST_TIMEOUT,
            operation_timeout: OPERATION_TIMEOUT,
            ..plan
        }
    }
}

/// The first seed has a network without moods. The others have some of their own, and other times between an EndTxn and its
/// markers: other futures wait at other places.
fn weather(seed: u64, rng: &mut fastrand::Rng) -> (Weather, Duration) {
    let mut weather = Weather {
        latency_min: Duration::from_micros(100),
        latency_max: Duration::from_micros(100),
        fragments: 0.0,
        connect_failures: 0.0,
    };
    if seed == 1 {
        return (weather, Duration::from_millis(2));
    }
    weather.latency_max = Duration::from_micros(rng.u64(100..3_000));
    weather.fragments = [0.0, 0.05, 0.3][rng.usize(0..3)];
    let marker_delay = [0, 1, 5, 30][rng.usize(0..4)];
    (weather, Duration::from_millis(marker_delay))
}

struct Run<'s> {
    script: &'s Script,
    world: World,
    watch: Arc<Watch>,
    events: u64,
    pending: Vec<(u64, usize)>,
    failures: Vec<Failure>,
}

impl<'s> Run<'s> {
    fn new(script: &'s Script) -> Self {
        let plan = Arc::new(script.plan());
        let shared = Shared::new(script.in_words);
        let ledger = Arc::new(Mutex::new(Ledger {
            // The reader.
            senders_left: 1,
            calm: true,
            ..Ledger::default()
        }));
        let mut rng = fastrand::Rng::with_seed(script.seed);
        let mut world = World::new(
            Arc::clone(&shared),
            Arc::clone(&plan),
            Arc::clone(&ledger),
            &mut rng,
            script.in_words,
        );
        for (topic, partitions) in [
            (ORDERS, ORDERS_PARTITIONS),
            (INVOICES, ORDERS_PARTITIONS),
            (BANK, BANK_PARTITIONS),
        ] {
            world.broker.create_topic(topic, partitions);
        }
        if let Some(fault) = script.fault {
            world.network.bytewise.plan(fault);
        }
        let watch = Watch::new(script.cuts.clone());
        let mut app = App::new(shared, plan, ledger, Arc::default(), rng.u64(..));
        let writing = app.client();
        let (piping, reading) = if script.seed.is_multiple_of(2) {
            (writing.clone(), writing.clone())
        } else {
            (app.client(), app.client())
        };
        let mut hands = Hands {
            app,
            watch: Arc::clone(&watch),
            manners: script.manners,
        };
        let writing_too = writing.clone();
        drop(hands.spawn("orders".to_owned(), |hands| orders::run(hands, writing_too)));
        drop(hands.spawn("bank".to_owned(), |hands| bank::run(hands, writing)));
        drop(hands.spawn("billing".to_owned(), |hands| billing::run(hands, piping)));
        drop(hands.spawn("reader".to_owned(), |hands| reading::run(hands, reading)));
        Self {
            script,
            world,
            watch,
            events: 0,
            pending: Vec::new(),
            failures: Vec::new(),
        }
    }

    fn make(mut self) -> Outcome {
        let ended = self.go_on();
        let done_at = self.world.elapsed();
        if ended || self.script.manners.forgiving {
            self.idle();
            self.shut_down();
        }
        if let Some(broken) = self.world.broken.take() {
            self.failures.push(broken);
        }
        let struck = self.watch.dropped() == self.script.cuts.len()
            && (self.script.fault.is_none() || self.world.network.bytewise.has_struck());
        let ledger = std::mem::take(&mut *lock(&self.world.ledger));
        let broker = &self.world.broker;
        let judged = if self.script.manners.forgiving {
            judge::damaged(&ledger)
        } else if ended {
            judge::whole(broker, &ledger)
        } else {
            judge::halted(broker, &ledger)
        };
        self.failures.extend(judged);
        for failure in &self.failures {
            let at = self.world.elapsed();
            self.world.trace.say(at, || format!("FAILED {failure}"));
        }
        Outcome {
            failures: self.failures,
            struck,
            awaits: self.watch.awaits(),
            pending: self.pending,
            passed: self.world.network.bytewise.passed().to_vec(),
            events: self.events,
            dropped_at: self.watch.dropped_at(),
            done_at,
            lines: self.world.trace.into_lines(),
        }
    }

    /// Event after event, until the script is at its end; false, with a failure, if that does not come in time.
    fn go_on(&mut self) -> bool {
        while !self.is_done() {
            if !self.world.step(self.script.bound) {
                if self.world.broken.is_none() {
                    self.stands_still();
                }
                return false;
            }
            self.events += 1;
            self.watch.after_event(self.events);
            if self.script.records {
                let pending = self.watch.pending();
                let events = self.events;
                self.pending
                    .extend(pending.into_iter().map(|number| (events, number)));
            }
        }
        true
    }

    fn is_done(&self) -> bool {
        let written = self.world.unfinished().all(|name| name == "reader");
        written && lock(&self.world.ledger).senders_left == 0
    }

    /// Where errors are forgiven, what waits for records may wait for ever: the records are not there, or not found.
    fn stands_still(&mut self) {
        let awaits = self.watch.awaits();
        let waiting: Vec<&str> = (self.watch.pending().into_iter())
            .map(|number| awaits[number].label)
            .collect();
        let for_records = ["next_batch", "pipeline next"];
        if self.script.manners.forgiving && waiting.iter().all(|label| for_records.contains(label))
        {
            return;
        }
        let unfinished: Vec<&str> = self.world.unfinished().collect();
        self.failures.push(Check::Liveness.failed(format!(
            "not done after {:?}; unfinished: {unfinished:?}, waiting for {waiting:?}\n{}",
            self.script.bound,
            self.world.describe()
        )));
    }

    /// With nothing but long polls to do, the engines are quiet.
    fn idle(&mut self) {
        let before = self.world.visits;
        let until = self.world.elapsed() + IDLE;
        self.world.run_until(until);
        let visits = self.world.visits - before;
        if visits > IDLE_VISITS_MAX && !self.script.manners.forgiving {
            let text = format!("the engines took {visits} turns in {IDLE:?} with nothing to do");
            self.failures.push(Check::Busy.failed(text));
        }
    }

    /// With the last handles gone, every engine ends and leaves nothing open.
    fn shut_down(&mut self) {
        self.world.drop_tasks("");
        let until = self.world.elapsed() + SHUT_DOWN_BOUND;
        self.world.run_until(until);
        let (engines, open) = (self.world.hosts(), self.world.open_connections());
        if engines > 0 {
            let text = format!(
                "{engines} engines live on without a handle\n{}",
                self.world.describe()
            );
            self.failures.push(Check::LeftOver.failed(text));
        }
        if open > 0 {
            let text = format!("{open} connections are left open");
            self.failures.push(Check::LeftOver.failed(text));
        }
    }
}
