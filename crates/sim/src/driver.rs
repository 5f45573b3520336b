//! The second `Driver`: a clock that the world moves, and wakes that the world orders by its seed.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use milena_engine::driver::{BoxFuture, Driver};
use milena_engine::{ClientHandle, Engine, EngineConfig};

/// The wall clock at the start of every run.
pub(crate) const WALL_CLOCK_START: i64 = 1_750_000_000_000;

/// One engine with its links: a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct HostId(pub(crate) u64);

/// One future that the world polls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TaskId(pub(crate) u64);

/// What tasks and engines have asked of the world since it last looked, in the order they asked.
#[derive(Default)]
pub(crate) struct Asked {
    pub(crate) hosts: Vec<(HostId, Engine)>,
    pub(crate) spawned: Vec<(TaskId, String, BoxFuture)>,
    pub(crate) woken_hosts: Vec<HostId>,
    pub(crate) woken_tasks: Vec<TaskId>,
    pub(crate) sleeps: Vec<(Duration, Arc<Alarm>)>,
    /// What the workloads did, in words.
    pub(crate) said: Vec<String>,
}

/// What every driver, task and waker of a run shares with its world.
pub(crate) struct Shared {
    base: Instant,
    nanos: AtomicU64,
    asked: Mutex<Asked>,
    next_host: AtomicU64,
    next_task: AtomicU64,
    in_words: bool,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("elapsed", &self.elapsed())
            .finish_non_exhaustive()
    }
}

/// A lock that a panic elsewhere does not take with it.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    pub(crate) fn new(in_words: bool) -> Arc<Self> {
        // The one real clock reading of a run: only differences to it are ever seen.
        #[allow(clippy::disallowed_methods, reason = "where virtual time begins")]
        let base = Instant::now();
        Arc::new(Self {
            base,
            nanos: AtomicU64::new(0),
            asked: Mutex::default(),
            next_host: AtomicU64::new(1),
            next_task: AtomicU64::new(1),
            in_words,
        })
    }

    /// Virtual time since the start of the run.
    pub(crate) fn elapsed(&self) -> Duration {
        Duration::from_nanos(self.nanos.load(Ordering::Relaxed))
    }

    pub(crate) fn now(&self) -> Instant {
        self.base + self.elapsed()
    }

    /// Where `instant` lies in the run; zero for one before it.
    pub(crate) fn since_start(&self, instant: Instant) -> Duration {
        instant.saturating_duration_since(self.base)
    }

    pub(crate) fn set_elapsed(&self, elapsed: Duration) {
        let nanos = u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX);
        self.nanos.store(nanos, Ordering::Relaxed);
    }

    pub(crate) fn take_asked(&self) -> Asked {
        std::mem::take(&mut *lock(&self.asked))
    }

    /// A client of its own, turned by the world from now on.
    pub(crate) fn start_client(
        self: &Arc<Self>,
        config: EngineConfig,
        seed: u64,
    ) -> (HostId, ClientHandle) {
        let host = HostId(self.next_host.fetch_add(1, Ordering::Relaxed));
        let driver = Arc::new(SimDriver {
            shared: Arc::clone(self),
            host,
        });
        let (engine, client) = milena_engine::start(config, driver, seed);
        lock(&self.asked).hosts.push((host, engine));
        (host, client)
    }

    /// For the reader of a trace.
    pub(crate) fn say(&self, line: impl FnOnce() -> String) {
        if self.in_words {
            lock(&self.asked).said.push(line());
        }
    }

    pub(crate) fn spawn(&self, name: String, task: BoxFuture) -> TaskId {
        let id = TaskId(self.next_task.fetch_add(1, Ordering::Relaxed));
        lock(&self.asked).spawned.push((id, name, task));
        id
    }

    pub(crate) fn sleep_until(self: &Arc<Self>, deadline: Duration) -> Sleep {
        Sleep {
            shared: Arc::clone(self),
            deadline,
            alarm: None,
        }
    }

    pub(crate) fn waker(self: &Arc<Self>, task: TaskId) -> (Waker, Arc<TaskWaker>) {
        let waker = Arc::new(TaskWaker {
            shared: Arc::clone(self),
            task,
            woken: AtomicBool::new(false),
        });
        (Waker::from(Arc::clone(&waker)), waker)
    }
}

/// Puts its task on the world's list, once for each poll.
#[derive(Debug)]
pub(crate) struct TaskWaker {
    shared: Arc<Shared>,
    task: TaskId,
    woken: AtomicBool,
}

impl TaskWaker {
    /// The task is about to be polled: the next wake counts again.
    pub(crate) fn rearm(&self) {
        self.woken.store(false, Ordering::Relaxed);
    }
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.woken.swap(true, Ordering::Relaxed) {
            lock(&self.shared.asked).woken_tasks.push(self.task);
        }
    }
}

#[derive(Debug)]
struct SimDriver {
    shared: Arc<Shared>,
    host: HostId,
}

impl Driver for SimDriver {
    fn now(&self) -> Instant {
        self.shared.now()
    }

    fn wall_clock(&self) -> i64 {
        WALL_CLOCK_START + i64::try_from(self.shared.elapsed().as_millis()).unwrap_or(i64::MAX)
    }

    fn wake_engine(&self) {
        lock(&self.shared.asked).woken_hosts.push(self.host);
    }

    fn sleep_until(&self, deadline: Instant) -> BoxFuture {
        let deadline = self.shared.since_start(deadline);
        Box::pin(self.shared.sleep_until(deadline))
    }
}

/// A sleeper's bell, rung by the world.
#[derive(Debug, Default)]
pub(crate) struct Alarm {
    state: Mutex<(bool, Option<Waker>)>,
}

impl Alarm {
    pub(crate) fn ring(&self) {
        let waker = {
            let mut state = lock(&self.state);
            state.0 = true;
            state.1.take()
        };
        waker.into_iter().for_each(Waker::wake);
    }
}

/// Resolves once the world's clock has passed the deadline.
#[derive(Debug)]
pub(crate) struct Sleep {
    shared: Arc<Shared>,
    deadline: Duration,
    alarm: Option<Arc<Alarm>>,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.shared.elapsed() >= self.deadline {
            return Poll::Ready(());
        }
        if self.alarm.is_none() {
            let alarm = Arc::new(Alarm::default());
            lock(&self.shared.asked)
                .sleeps
                .push((self.deadline, Arc::clone(&alarm)));
            self.alarm = Some(alarm);
        }
        if let Some(alarm) = &self.alarm {
            let mut state = lock(&alarm.state);
            if state.0 {
                return Poll::Ready(());
            }
            state.1 = Some(cx.waker().clone());
        }
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(alarm) = &self.alarm {
            lock(&alarm.state).1 = None;
        }
    }
}
