//! One engine against one embedded cluster, in one thread and virtual time.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::io::IoSlice;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use milena_engine::driver::{Action, BoxFuture, CloseReason, Driver, LinkId};
use milena_engine::handles::{BrokerAddress, Producer, Record};
use milena_engine::{ClientHandle, Engine, EngineConfig};
use milena_testbroker::{ApiKey, Broker, BrokerConfig, ConnectionId, Output};

/// What may happen in one instant of virtual time: far above what work needs, so that a busy loop is caught.
const TURNS_MAX: u32 = 20_000;
/// Nothing here needs longer.
const LIMIT: Duration = Duration::from_secs(600);

pub(crate) struct World {
    pub(crate) broker: Broker,
    pub(crate) client: ClientHandle,
    engine: Engine,
    clock: Arc<Clock>,
    links: BTreeMap<LinkId, ConnectionId>,
    /// Sockets that take no bytes for now, and have some offered.
    blocked: Option<BTreeSet<LinkId>>,
}

/// Virtual time, and who is to be woken when.
#[derive(Clone)]
struct Clock(Arc<Mutex<State>>);

type State = (Instant, BTreeMap<Instant, Vec<Waker>>);

impl Clock {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("nobody panics with it")
    }
}

impl Driver for Clock {
    fn now(&self) -> Instant {
        self.state().0
    }

    fn wall_clock(&self) -> i64 {
        1_750_000_000_000
    }

    fn wake_engine(&self) {
        // The world looks at everything at every turn.
    }

    fn sleep_until(&self, deadline: Instant) -> BoxFuture {
        Box::pin(Sleep(self.clone(), deadline))
    }
}

struct Sleep(Clock, Instant);

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.0.state();
        if state.0 >= self.1 {
            return Poll::Ready(());
        }
        let sleepers = state.1.entry(self.1).or_default();
        sleepers.push(cx.waker().clone());
        Poll::Pending
    }
}

impl World {
    pub(crate) fn new(nodes: i32) -> Self {
        Self::with(BrokerConfig {
            nodes,
            ..BrokerConfig::default()
        })
    }

    pub(crate) fn with(config: BrokerConfig) -> Self {
        #[allow(clippy::disallowed_methods, reason = "where virtual time begins")]
        let start = Instant::now();
        let clock = Arc::new(Clock(Arc::new(Mutex::new((start, BTreeMap::new())))));
        let bootstrap = (1..=config.nodes).map(address_of).collect();
        let engine_config = EngineConfig {
            bootstrap,
            ..EngineConfig::default()
        };
        let (engine, client) = milena_engine::start(engine_config, clock.clone(), 7);
        Self {
            broker: Broker::new(config),
            client,
            engine,
            clock,
            links: BTreeMap::new(),
            blocked: None,
        }
    }

    pub(crate) fn now(&self) -> Instant {
        self.clock.now()
    }

    /// No socket takes bytes any more, until [`World::unblock`].
    pub(crate) fn block(&mut self) {
        self.blocked = Some(BTreeSet::new());
    }

    pub(crate) fn unblock(&mut self) {
        for link in self.blocked.take().into_iter().flatten() {
            self.write(link);
        }
        self.settle();
    }

    /// A turn that comes late: bytes are written and a deadline has passed before the engine is asked for its outputs.
    pub(crate) fn late_turn(&mut self, late: Duration) {
        self.clock.state().0 += late;
        for link in self.blocked.take().into_iter().flatten() {
            self.write(link);
        }
        self.engine.handle_timeout(self.now());
        self.settle();
    }

    /// Lets go of the client: what else was made from it keeps it alive.
    pub(crate) fn drop_client(&mut self) {
        let (_, other) =
            milena_engine::start(EngineConfig::default(), Arc::clone(&self.clock) as _, 0);
        self.client = other;
    }

    /// How many requests of this API the cluster has served.
    pub(crate) fn served(&self, api: ApiKey) -> usize {
        self.broker.history().applied(api)
    }

    /// A producer with a connection and an identity: a record of its own is in `topic`.
    pub(crate) fn producer_that_has_sent(&mut self, topic: &str) -> Producer {
        let client = self.client.clone();
        let healthy = "nothing is wrong with the cluster";
        let producer = self.run(client.producer().build()).expect(healthy);
        let first = self.run(producer.send(Record::to(topic).value("a")));
        self.run(first.expect(healthy)).expect(healthy);
        producer
    }

    /// Runs `future` to its end; panics if it is not over after ten minutes.
    pub(crate) fn run<F: Future>(&mut self, future: F) -> F::Output {
        self.run_for(LIMIT, future)
            .expect("whatever waits is told in the end")
    }

    /// Runs `future` for at most `limit`.
    pub(crate) fn run_for<F: Future>(&mut self, limit: Duration, future: F) -> Option<F::Output> {
        let mut future = pin!(future);
        let bell = Arc::new(Bell(AtomicBool::new(true)));
        let waker = Waker::from(Arc::clone(&bell));
        let end = self.now() + limit;
        loop {
            self.settle();
            // Polled only when it was woken: a wake that gets lost shows.
            while bell.0.swap(false, Ordering::Relaxed) {
                let polled = future.as_mut().poll(&mut Context::from_waker(&waker));
                self.settle();
                if let Poll::Ready(output) = polled {
                    return Some(output);
                }
            }
            if !self.step(end) {
                return None;
            }
        }
    }

    /// Lets `time` pass.
    pub(crate) fn pass(&mut self, time: Duration) {
        let _ = self.run_for(time, std::future::pending::<()>());
    }

    /// Moves the clock to the next thing that is to happen. False once that lies behind `end`.
    fn step(&mut self, end: Instant) -> bool {
        let now = self.now();
        let (next, woken) = {
            let mut state = self.clock.state();
            let sleeper = state.1.first_key_value().map(|(at, _)| *at);
            let next = [
                self.engine.poll_timeout(),
                self.broker.poll_timeout(),
                sleeper,
            ];
            let next = next.into_iter().flatten().min().unwrap_or(end);
            state.0 = next.clamp(now, end);
            let past = state.0 + Duration::from_nanos(1);
            let later = state.1.split_off(&past);
            (next, std::mem::replace(&mut state.1, later))
        };
        woken.into_values().flatten().for_each(Waker::wake);
        let now = self.now();
        if self.engine.poll_timeout().is_some_and(|at| at <= now) {
            self.engine.handle_timeout(now);
        }
        if self.broker.poll_timeout().is_some_and(|at| at <= now) {
            self.broker.handle_timeout(now);
        }
        self.settle();
        assert!(
            self.engine.poll_timeout().is_none_or(|at| at > now),
            "the engine wants a turn that it had"
        );
        next < end
    }

    /// Moves everything that can move without the clock.
    fn settle(&mut self) {
        let now = self.now();
        for _ in 0..TURNS_MAX {
            self.engine.handle_inbox(now);
            let mut moved = false;
            while let Some(action) = self.engine.poll_action(now) {
                moved = true;
                self.act(action);
            }
            while let Some(output) = self.broker.poll_output() {
                moved = true;
                self.deliver(output);
            }
            if !moved {
                return;
            }
        }
        panic!("it never comes to rest");
    }

    fn act(&mut self, action: Action) {
        let now = self.now();
        match action {
            Action::Connect { link, address } => {
                let node = i32::from(address.port) - 9091;
                match self.broker.connect(now, node) {
                    Some(connection) => {
                        self.links.insert(link, connection);
                        self.engine.handle_connected(now, link);
                    }
                    None => {
                        let reason = CloseReason::ConnectFailed("refused".to_owned());
                        self.engine.handle_closed(now, link, &reason);
                    }
                }
            }
            Action::Transmit { link } => match &mut self.blocked {
                Some(blocked) => drop(blocked.insert(link)),
                None => self.write(link),
            },
            Action::Close { link } => {
                if let Some(connection) = self.links.remove(&link) {
                    self.broker.handle_disconnect(now, connection);
                }
            }
            Action::Run(job) => self.engine.handle_job(now, job.run()),
            Action::Finished => {}
        }
    }

    fn write(&mut self, link: LinkId) {
        let now = self.now();
        let Some(connection) = self.links.get(&link).copied() else {
            return;
        };
        let mut slices: Vec<IoSlice<'_>> = Vec::new();
        self.engine.write_slices(link, &mut slices);
        let bytes: Vec<u8> = slices.iter().flat_map(|slice| slice.to_vec()).collect();
        // As a socket: with nothing to write there is nothing that was written.
        if bytes.is_empty() {
            return;
        }
        self.engine.handle_written(now, link, bytes.len());
        self.broker.handle_bytes(now, connection, &bytes);
    }

    fn deliver(&mut self, output: Output) {
        let now = self.now();
        let (Output::Bytes { conn, .. } | Output::HalfClose { conn } | Output::Close { conn }) =
            &output;
        let Some((link, _)) = self.links.iter().find(|(_, of)| *of == conn) else {
            return;
        };
        let link = *link;
        match output {
            Output::Bytes { bytes, .. } => {
                if let Some(buffer) = self.engine.read_buffer(link) {
                    buffer.extend_from_slice(&bytes);
                    self.engine.handle_read(now, link);
                }
            }
            Output::HalfClose { .. } => {
                let reason = CloseReason::Closed("for writing, by the broker".to_owned());
                self.engine.handle_closed(now, link, &reason);
            }
            Output::Close { .. } => {
                self.links.remove(&link);
                let reason = CloseReason::Closed("by the broker".to_owned());
                self.engine.handle_closed(now, link, &reason);
            }
        }
    }
}

/// Polls once, with nobody to be woken.
pub(crate) fn poll_once<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
}

struct Bell(AtomicBool);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn address_of(node: i32) -> BrokerAddress {
    BrokerAddress::new(
        "127.0.0.1",
        u16::try_from(9091 + node).expect("a small number"),
    )
}
