//! The broker behind its lock, and the way from its outputs to the connections' tasks.

use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use tokio::sync::{Notify, mpsc, oneshot};

use crate::broker::Broker;
use crate::connection::{ConnectionId, Output};
use crate::faults::Unfired;

/// The broker and what both its thread and the tests' threads need.
pub(super) struct Shared {
    state: Mutex<State>,
    #[cfg(feature = "tls")]
    pub(super) tls: Option<tokio_rustls::TlsAcceptor>,
    /// Something happened: for `wait_for`.
    happened: Condvar,
    /// The broker was changed from outside: timers and listeners are looked at again.
    pub(super) changed: Notify,
    /// Whose look at the broker goes on: one from within it would wait for itself.
    looking: Mutex<Option<ThreadId>>,
}

pub(super) struct State {
    pub(super) broker: Broker,
    writers: BTreeMap<ConnectionId, Writer>,
}

/// The way to a connection's task.
struct Writer {
    sender: mpsc::UnboundedSender<ToClient>,
    /// Bytes sent that way and not written yet.
    unwritten: usize,
    /// Goes when the broker closes the connection, which a task that cannot write has to notice.
    _open: oneshot::Sender<()>,
}

/// Bytes a connection's task may have before it; then its next request waits. As many answers as make
/// this up are made in one go, in which nobody else is served.
const UNWRITTEN_MAX: usize = 64 * 1024;

/// What a connection's task needs.
pub(super) struct Accepted {
    pub(super) conn: ConnectionId,
    pub(super) answers: mpsc::UnboundedReceiver<ToClient>,
    /// Ends once the broker has closed the connection.
    pub(super) closed: oneshot::Receiver<()>,
}

/// What a connection's task has to write.
pub(super) enum ToClient {
    Bytes(Bytes),
    /// Nothing more comes, but the connection is still read.
    HalfClose,
    Close,
}

impl Shared {
    pub(super) fn new(broker: Broker) -> Self {
        Self {
            #[cfg(feature = "tls")]
            tls: None,
            state: Mutex::new(State {
                broker,
                writers: BTreeMap::new(),
            }),
            happened: Condvar::new(),
            changed: Notify::new(),
            looking: Mutex::new(None),
        }
    }

    pub(super) fn with<R>(&self, look: impl FnOnce(&mut Broker) -> R) -> R {
        self.refuse_nesting();
        let mut state = self.lock();
        state.broker.handle_timeout(now());
        let result = self.look(|| look(&mut state.broker));
        state.flush();
        drop(state);
        self.happened.notify_all();
        self.changed.notify_one();
        result
    }

    pub(super) fn wait_for<R>(
        &self,
        timeout: Duration,
        mut look: impl FnMut(&mut Broker) -> Option<R>,
    ) -> Option<R> {
        self.refuse_nesting();
        let deadline = now() + timeout;
        let mut state = self.lock();
        loop {
            let before = state.broker.poll_timeout();
            let found = self.look(|| look(&mut state.broker));
            // It may have changed something: let a barrier fall, stopped a node.
            state.flush();
            if found.is_some() || before != state.broker.poll_timeout() {
                self.changed.notify_one();
            }
            if found.is_some() {
                return found;
            }
            let left = deadline.checked_duration_since(now())?;
            let waited = self.happened.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// The rules that never acted, asked once: they are forgotten.
    pub(super) fn take_unfired(&self) -> Option<Unfired> {
        let mut state = self.lock();
        let wanted = state.broker.is_for_a_test();
        let unfired = state.broker.faults().check().err().filter(|_| wanted);
        state.broker.faults().clear();
        unfired
    }

    /// One input to the broker, and everything that follows from it at once. That may be requests
    /// that waited for room and want to be looked at again before the timer that is armed.
    pub(super) fn input<R>(&self, input: impl FnOnce(&mut State) -> R) -> R {
        let mut state = self.lock();
        let before = state.broker.poll_timeout();
        let result = input(&mut state);
        state.flush();
        let after = state.broker.poll_timeout();
        drop(state);
        self.happened.notify_all();
        if before != after {
            self.changed.notify_one();
        }
        result
    }

    /// Runs what a test wants of the broker, which this thread has locked.
    fn look<R>(&self, look: impl FnOnce() -> R) -> R {
        let _looking = Looking::begin(&self.looking);
        look()
    }

    /// A thread that waited for its own lock would do so for ever, and say nothing.
    fn refuse_nesting(&self) {
        let holder = *self.looking.lock().unwrap_or_else(PoisonError::into_inner);
        assert!(
            holder != Some(thread::current().id()),
            "TestBroker::with or wait_for was called within another of the same cluster on this \
             thread: use the Broker that the outer one gives"
        );
    }

    /// A test that fails inside `with` poisons the lock; the cluster is whole all the same, for
    /// what the test wants to print of it.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// As long as it lives, a thread looks at the broker; also if that panics, it ends.
struct Looking<'a>(&'a Mutex<Option<ThreadId>>);

impl<'a> Looking<'a> {
    fn begin(looking: &'a Mutex<Option<ThreadId>>) -> Self {
        let this = Self(looking);
        this.set(Some(thread::current().id()));
        this
    }

    fn set(&self, holder: Option<ThreadId>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = holder;
    }
}

impl Drop for Looking<'_> {
    fn drop(&mut self) {
        self.set(None);
    }
}

impl State {
    /// Sends what the broker has to say on its way.
    fn flush(&mut self) {
        while let Some(output) = self.broker.poll_output() {
            // Without a writer the connection's task is gone and the bytes are lost with it.
            match output {
                Output::Bytes { conn, bytes } => self.send(conn, bytes),
                Output::HalfClose { conn } => {
                    if let Some(writer) = self.writers.get(&conn) {
                        let _ = writer.sender.send(ToClient::HalfClose);
                    }
                }
                Output::Close { conn } => {
                    if let Some(writer) = self.writers.remove(&conn) {
                        let _ = writer.sender.send(ToClient::Close);
                    }
                }
            }
        }
    }

    /// A client has connected; `None` if it is refused.
    pub(super) fn connect(&mut self, node: i32) -> Option<Accepted> {
        let conn = self.broker.connect(now(), node)?;
        // Bounded by UNWRITTEN_MAX and one answer: behind that no request is looked at.
        let (sender, answers) = mpsc::unbounded_channel();
        let (open, closed) = oneshot::channel();
        self.writers.insert(
            conn,
            Writer {
                sender,
                unwritten: 0,
                _open: open,
            },
        );
        Some(Accepted {
            conn,
            answers,
            closed,
        })
    }

    fn send(&mut self, conn: ConnectionId, bytes: Bytes) {
        if let Some(writer) = self.writers.get_mut(&conn) {
            writer.unwritten += bytes.len();
            if writer.unwritten >= UNWRITTEN_MAX {
                self.broker.set_congested(conn, true);
            }
            let _ = writer.sender.send(ToClient::Bytes(bytes));
        }
    }

    /// A connection's task has written bytes.
    pub(super) fn written(&mut self, conn: ConnectionId, bytes: usize) {
        if let Some(writer) = self.writers.get_mut(&conn) {
            let before = writer.unwritten;
            writer.unwritten -= bytes.min(before);
            if before >= UNWRITTEN_MAX && writer.unwritten < UNWRITTEN_MAX {
                self.broker.set_congested(conn, false);
            }
        }
    }

    pub(super) fn disconnected(&mut self, conn: ConnectionId) {
        self.writers.remove(&conn);
        self.broker.handle_disconnect(now(), conn);
    }
}

#[allow(
    clippy::disallowed_methods,
    reason = "this front is the driver of its broker: it owns the clock"
)]
pub(super) fn now() -> Instant {
    Instant::now()
}

#[allow(
    clippy::disallowed_methods,
    reason = "real clients compare time-stamps with their own clock"
)]
pub(super) fn wall_clock() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
