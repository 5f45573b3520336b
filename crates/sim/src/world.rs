//! The world of a run: one agenda in virtual time, on which tasks, engines, the network and the brokers take their turns.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::task::Context;
use std::time::Duration;

use milena_engine::Engine;
use milena_engine::driver::{Action, BoxFuture, JobDone, LinkId};
use milena_engine::handles::BrokerAddress;
use milena_testbroker::{Broker, ConnectionId, RuleId};

use crate::driver::{Alarm, Asked, HostId, Shared, TaskId, TaskWaker, lock};
use crate::failure::{Check, Failure};
use crate::faults::Fault;
use crate::ledger::Ledger;
use crate::network::{Network, Way};
use crate::plan::Plan;
use crate::trace::Trace;

mod blows;
mod traffic;

/// Turns that one engine may take in one second of virtual time: far above what work needs, far below a busy loop.
const VISITS_MAX: u64 = 40_000;

/// Whose turn it is.
enum Event {
    Task(TaskId),
    Ring(Arc<Alarm>),
    Visit(HostId),
    Timeout(HostId, u64),
    Connected(HostId, LinkId, BrokerAddress),
    Write(HostId, LinkId),
    Job(HostId, Box<JobDone>),
    Arrive(ConnectionId, Way),
    Broker(u64),
    Blow(usize),
    /// A node that was stopped starts again.
    StartNode(i32),
    ReleaseMarkers,
}

struct Host {
    engine: Engine,
    visit_due: bool,
    /// Counts armed timers: an older one is void.
    timer: u64,
    timer_at: Option<Duration>,
    /// Links that the engine still wants.
    links: BTreeSet<LinkId>,
    second: u64,
    visits: u64,
}

struct Task {
    name: String,
    future: BoxFuture,
    waker: (std::task::Waker, Arc<TaskWaker>),
}

/// When, and by lot among what is due at the same time.
type Place = (Duration, u64, u64);

pub(crate) struct World {
    pub(crate) shared: Arc<Shared>,
    pub(crate) plan: Arc<Plan>,
    pub(crate) broker: Broker,
    pub(crate) trace: Trace,
    pub(crate) ledger: Arc<Mutex<Ledger>>,
    rng: fastrand::Rng,
    pub(crate) network: Network,
    hosts: BTreeMap<HostId, Host>,
    tasks: BTreeMap<TaskId, Task>,
    agenda: BTreeMap<Place, Event>,
    events: u64,
    broker_timer: u64,
    broker_at: Option<Duration>,
    rules: Vec<(RuleId, Fault)>,
    /// Each engine's turns, all seconds together.
    pub(crate) visits: u64,
    /// A promise of the engine to its driver that was broken.
    pub(crate) broken: Option<Failure>,
    calm: bool,
    /// Entries of the brokers' history that were told.
    told: u64,
}

impl World {
    pub(crate) fn new(
        shared: Arc<Shared>,
        plan: Arc<Plan>,
        ledger: Arc<Mutex<Ledger>>,
        rng: &mut fastrand::Rng,
        in_words: bool,
    ) -> Self {
        let mut world = Self {
            broker: Broker::new(plan.broker.clone()),
            network: Network::new(plan.weather, rng.u64(..)),
            rng: rng.fork(),
            shared,
            ledger,
            trace: Trace::new(in_words),
            hosts: BTreeMap::new(),
            tasks: BTreeMap::new(),
            agenda: BTreeMap::new(),
            events: 0,
            broker_timer: 0,
            broker_at: None,
            rules: Vec::new(),
            visits: 0,
            broken: None,
            calm: false,
            told: 0,
            plan,
        };
        for (number, (at, _)) in world.plan.blows.clone().iter().enumerate() {
            world.put(*at, Event::Blow(number));
        }
        world
    }

    /// Lets the world go on until `until`, or until a promise of the engine's is broken.
    pub(crate) fn run_until(&mut self, until: Duration) {
        while self.step(until) {}
        if self.shared.elapsed() < until {
            self.shared.set_elapsed(until);
        }
    }

    /// Does what is due next; false if that is nothing, or is later than `until`, or a promise of the engine's is broken.
    pub(crate) fn step(&mut self, until: Duration) -> bool {
        if self.broken.is_some() {
            return false;
        }
        self.hear();
        let Some(entry) = self.agenda.first_entry() else {
            return false;
        };
        let at = entry.key().0;
        if at > until {
            return false;
        }
        let event = entry.remove();
        self.shared.set_elapsed(at);
        self.events += 1;
        self.handle(event);
        true
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.shared.elapsed()
    }

    /// The names of tasks that have not ended, in the order of their start.
    pub(crate) fn unfinished(&self) -> impl Iterator<Item = &str> {
        self.tasks.values().map(|task| task.name.as_str())
    }

    /// Drops tasks whose name begins so.
    pub(crate) fn drop_tasks(&mut self, prefix: &str) {
        self.tasks.retain(|_, task| !task.name.starts_with(prefix));
    }

    pub(crate) fn is_finished(&self, host: HostId) -> bool {
        !self.hosts.contains_key(&host)
    }

    /// Engines that have not said that they are finished.
    pub(crate) fn hosts(&self) -> usize {
        self.hosts.len()
    }

    pub(crate) fn open_connections(&self) -> usize {
        self.network.open_count()
    }

    /// What the next events of each engine would be, for a run that stands still.
    pub(crate) fn describe(&self) -> String {
        let mut text = String::new();
        for (id, host) in &self.hosts {
            let timer = host
                .timer_at
                .map_or_else(|| "none".to_owned(), |at| format!("{:.3?}", at));
            text.push_str(&format!(
                "engine {}: next timer {timer}, {} links\n",
                id.0,
                host.links.len()
            ));
        }
        let state = self.broker.dump();
        let of_interest = |line: &&str| {
            ["node", "transactional id", "group"]
                .iter()
                .any(|word| line.starts_with(word))
        };
        for line in state.lines().filter(of_interest) {
            text.push_str(line);
            text.push('\n');
        }
        text
    }

    fn put(&mut self, at: Duration, event: Event) {
        let lot = self.rng.u64(..);
        self.events += 1;
        self.agenda.insert((at, lot, self.events), event);
    }

    /// A short while, mostly none: what orders turns that could be taken at once.
    fn hesitation(&mut self, most: Duration) -> Duration {
        match self.rng.u32(0..4) {
            0 => most.mul_f64(self.rng.f64()),
            _ => Duration::ZERO,
        }
    }

    /// Puts what tasks and engines have asked for on the agenda.
    fn hear(&mut self) {
        loop {
            let Asked {
                hosts,
                spawned,
                woken_hosts,
                woken_tasks,
                sleeps,
                said,
            } = self.shared.take_asked();
            for line in said {
                self.trace.say(self.shared.elapsed(), || line);
            }
            let nothing = hosts.is_empty()
                && spawned.is_empty()
                && woken_hosts.is_empty()
                && woken_tasks.is_empty()
                && sleeps.is_empty();
            if nothing {
                return;
            }
            let now = self.elapsed();
            for (id, engine) in hosts {
                self.hosts.insert(id, Host::new(engine));
                self.visit_soon(id);
            }
            for (id, name, future) in spawned {
                let waker = self.shared.waker(id);
                let task = Task {
                    name,
                    future,
                    waker,
                };
                self.tasks.insert(id, task);
                let at = now + self.hesitation(Duration::from_micros(300));
                self.put(at, Event::Task(id));
            }
            for id in woken_hosts {
                self.visit_soon(id);
            }
            for id in woken_tasks {
                let at = now + self.hesitation(Duration::from_micros(300));
                self.put(at, Event::Task(id));
            }
            for (deadline, alarm) in sleeps {
                let at = deadline.max(now) + self.hesitation(Duration::from_millis(1));
                self.put(at, Event::Ring(alarm));
            }
        }
    }

    fn visit_soon(&mut self, id: HostId) {
        let at = self.elapsed() + self.hesitation(Duration::from_micros(400));
        if let Some(host) = self.hosts.get_mut(&id)
            && !std::mem::replace(&mut host.visit_due, true)
        {
            self.put(at, Event::Visit(id));
        }
    }

    fn handle(&mut self, event: Event) {
        let at = self.elapsed();
        match event {
            Event::Task(id) => self.poll_task(id),
            Event::Ring(alarm) => alarm.ring(),
            Event::Visit(id) => {
                self.trace.event(at, "visit", id.0, &[]);
                self.visit(id);
            }
            Event::Timeout(id, timer) => {
                let now = self.shared.now();
                let Some(host) = self.hosts.get_mut(&id).filter(|host| host.timer == timer) else {
                    return;
                };
                self.trace.event(at, "timeout", id.0, &[]);
                host.timer_at = None;
                host.engine.handle_timeout(now);
                self.visit(id);
            }
            Event::Connected(host, link, address) => self.connect(host, link, &address),
            Event::Write(host, link) => self.write(host, link),
            Event::Job(id, done) => {
                self.trace.event(at, "job", id.0, &[]);
                let now = self.shared.now();
                if let Some(host) = self.hosts.get_mut(&id) {
                    host.engine.handle_job(now, *done);
                    self.visit_soon(id);
                }
            }
            Event::Arrive(connection, way) => self.arrive(connection, way),
            Event::Broker(timer) => {
                if timer == self.broker_timer {
                    self.trace.event(at, "broker", 0, &[]);
                    self.broker_at = None;
                    self.broker.handle_timeout(self.shared.now());
                    self.serve();
                }
            }
            Event::Blow(number) => self.strike(number),
            Event::StartNode(node) => {
                self.trace.say(at, || format!("node {node} starts again"));
                self.broker.start_node(node);
                self.serve();
            }
            Event::ReleaseMarkers => {
                self.broker.pause_markers(false);
                self.serve();
            }
        }
    }

    fn poll_task(&mut self, id: TaskId) {
        let at = self.elapsed();
        self.trace.event(at, "task", id.0, &[]);
        // Out of the list while it runs: it may spawn.
        let Some(mut task) = self.tasks.remove(&id) else {
            return;
        };
        task.waker.1.rearm();
        let done = task
            .future
            .as_mut()
            .poll(&mut Context::from_waker(&task.waker.0))
            .is_ready();
        if done {
            self.trace.say(at, || format!("task {} ends", task.name));
        } else {
            self.tasks.insert(id, task);
        }
    }

    /// An engine's turn: what its handles asked, then everything it wants.
    fn visit(&mut self, id: HostId) {
        let (elapsed, now) = (self.elapsed(), self.shared.now());
        let Some(host) = self.hosts.get_mut(&id) else {
            return;
        };
        host.visit_due = false;
        self.visits += 1;
        if host.count_visit(elapsed) > VISITS_MAX {
            self.broken = Some(Check::Busy.failed(format!(
                "engine {} took more than {VISITS_MAX} turns in one second: a busy loop",
                id.0
            )));
            return;
        }
        host.engine.handle_inbox(now);
        while let Some(action) = self
            .hosts
            .get_mut(&id)
            .and_then(|host| host.engine.poll_action(now))
        {
            self.act(id, action);
        }
        self.arm(id);
    }

    fn arm(&mut self, id: HostId) {
        let elapsed = self.elapsed();
        let Some(host) = self.hosts.get_mut(&id) else {
            return;
        };
        let wanted = host
            .engine
            .poll_timeout()
            .map(|at| self.shared.since_start(at));
        if wanted == host.timer_at && wanted.is_some_and(|at| at > elapsed) {
            return;
        }
        host.timer += 1;
        host.timer_at = wanted;
        let timer = host.timer;
        if let Some(at) = wanted {
            // A timer may be late, never early; one in the past comes at once, and again, and is found out as a busy loop.
            let late = self.hesitation(Duration::from_millis(1));
            let at = at.max(elapsed + Duration::from_nanos(100)) + late;
            self.put(at, Event::Timeout(id, timer));
        }
    }

    fn act(&mut self, id: HostId, action: Action) {
        let at = self.elapsed();
        match action {
            Action::Connect { link, address } => {
                self.trace.say(at, || {
                    format!("engine {} connects {link:?} to {address}", id.0)
                });
                if let Some(host) = self.hosts.get_mut(&id) {
                    host.links.insert(link);
                }
                let latency = self.network.latency();
                self.put(at + latency, Event::Connected(id, link, address));
            }
            Action::Transmit { link } => {
                let wait = self.hesitation(Duration::from_micros(200));
                self.put(at + wait, Event::Write(id, link));
            }
            Action::Close { link } => {
                self.trace
                    .say(at, || format!("engine {} closes {link:?}", id.0));
                if let Some(host) = self.hosts.get_mut(&id) {
                    host.links.remove(&link);
                }
                if let Some(connection) = self.network.of_link(id, link) {
                    self.network.close(at, connection, Way::ToBroker);
                    self.schedule_arrivals();
                }
            }
            Action::Run(job) => {
                let done = Box::new(job.run());
                let wait = self.hesitation(Duration::from_millis(3));
                self.put(at + wait, Event::Job(id, done));
            }
            Action::Finished => {
                self.trace
                    .say(at, || format!("engine {} is finished", id.0));
                self.trace.event(at, "finished", id.0, &[]);
                // Its last closes are still to be polled; what it leaves open counts.
                while let Some(action) = self
                    .hosts
                    .get_mut(&id)
                    .and_then(|host| host.engine.poll_action(self.shared.now()))
                {
                    self.act(id, action);
                }
                let left = self.hosts.remove(&id).map_or(0, |host| host.links.len());
                if left > 0 {
                    let text = format!("engine {} leaves {left} links open", id.0);
                    self.broken = Some(Check::LeftOver.failed(text));
                }
            }
        }
    }
}

impl Host {
    fn new(engine: Engine) -> Self {
        Self {
            engine,
            visit_due: false,
            timer: 0,
            timer_at: None,
            links: BTreeSet::new(),
            second: 0,
            visits: 0,
        }
    }

    /// Counts one turn; how many there were in this second.
    fn count_visit(&mut self, elapsed: Duration) -> u64 {
        if self.second != elapsed.as_secs() {
            self.second = elapsed.as_secs();
            self.visits = 0;
        }
        self.visits += 1;
        self.visits
    }
}
