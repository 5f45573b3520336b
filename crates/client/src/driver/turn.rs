//! The engine's loop: what came in goes in, what comes out is done.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use milena_engine::Engine;
use milena_engine::driver::{Action, CloseReason, Job, LinkId};
use tokio::runtime::Handle;
use tokio::time::Sleep;

use super::now;
use super::signal::Signal;
use super::sleep::Sleepers;
use super::socket::Socket;

/// A job that takes fewer ns is done at once. Handing one over takes some 7 us, on this thread and on the other: half of what
/// the longest of these takes.
const JOB_NANOS_HERE: usize = 13_000;
/// Rounds before the runtime gets to look at its sockets and timers again.
const ROUNDS_MAX: usize = 64;

pub(super) struct Turn {
    engine: Engine,
    signal: Arc<Signal>,
    sleepers: Arc<Sleepers>,
    jobs: Handle,
    sockets: BTreeMap<LinkId, Socket>,
    timer: Option<(Instant, Pin<Box<Sleep>>)>,
}

impl Turn {
    pub(super) fn new(
        engine: Engine,
        signal: Arc<Signal>,
        sleepers: Arc<Sleepers>,
        jobs: Handle,
    ) -> Self {
        Self {
            engine,
            signal,
            sleepers,
            jobs,
            sockets: BTreeMap::new(),
            timer: None,
        }
    }

    /// Takes in what has come since. True if there was anything.
    fn take_in(&mut self, cx: &Context<'_>, now: Instant) -> bool {
        let (raised, links, jobs) = self.signal.take(cx);
        let moved = raised || !links.is_empty() || !jobs.is_empty();
        if raised {
            self.engine.handle_inbox(now);
        }
        for done in jobs {
            self.engine.handle_job(now, done);
        }
        for link in links {
            self.drive(now, link);
        }
        if self.engine.poll_timeout().is_some_and(|at| at <= now) {
            self.engine.handle_timeout(now);
        }
        moved
    }

    /// Does what the engine asks for. True once it has ended.
    fn put_out(&mut self, now: Instant) -> bool {
        while let Some(action) = self.engine.poll_action(now) {
            match action {
                Action::Connect { link, address } => {
                    let waker = self.signal.waker_of(link);
                    self.sockets.insert(
                        link,
                        Socket::connect(link, address.host.to_string(), address.port, waker),
                    );
                    self.drive(now, link);
                }
                Action::Transmit { link } => {
                    if let Some(socket) = self.sockets.get_mut(&link) {
                        socket.wants_write = true;
                    }
                    self.drive(now, link);
                }
                Action::Close { link } => drop(self.sockets.remove(&link)),
                Action::Run(job) => self.run(now, job),
                Action::Finished => return true,
            }
        }
        false
    }

    fn drive(&mut self, now: Instant, link: LinkId) {
        let Some(socket) = self.sockets.get_mut(&link) else {
            return;
        };
        if let Err(reason) = socket.drive(now, &mut self.engine) {
            self.close(now, link, &reason);
        }
    }

    fn close(&mut self, now: Instant, link: LinkId, reason: &CloseReason) {
        self.sockets.remove(&link);
        self.engine.handle_closed(now, link, reason);
    }

    fn run(&mut self, now: Instant, job: Job) {
        if job.nanos() < JOB_NANOS_HERE {
            self.engine.handle_job(now, job.run());
            return;
        }
        let signal = Arc::clone(&self.signal);
        drop(self.jobs.spawn_blocking(move || {
            let unfinished = signal.unfinished();
            let done = job.run();
            unfinished.finish(done);
        }));
    }

    /// Sleeps until the engine or a sleeper wants to be served. True if that is now.
    fn sleep(&mut self, cx: &mut Context<'_>, now: Instant) -> bool {
        let next = self
            .sleepers
            .serve(now)
            .into_iter()
            .chain(self.engine.poll_timeout())
            .min();
        let Some(at) = next else {
            self.timer = None;
            return false;
        };
        if at <= now {
            return true;
        }
        let timer = match &mut self.timer {
            Some((current, timer)) => {
                if *current != at {
                    timer.as_mut().reset(at.into());
                    *current = at;
                }
                timer
            }
            none => {
                &mut none
                    .insert((at, Box::pin(tokio::time::sleep_until(at.into()))))
                    .1
            }
        };
        timer.as_mut().poll(cx).is_ready()
    }
}

impl Future for Turn {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        for _ in 0..ROUNDS_MAX {
            if this.signal.is_broken() {
                // The engine goes with the turn, and tells everybody who waits.
                return Poll::Ready(());
            }
            let now = now();
            let moved = this.take_in(cx, now);
            if this.put_out(now) {
                return Poll::Ready(());
            }
            if !moved && !this.sleep(cx, now) {
                return Poll::Pending;
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turn(signal: &Arc<Signal>, sleepers: &Arc<Sleepers>, jobs: Handle) -> Turn {
        struct Idle;
        impl milena_engine::driver::Driver for Idle {
            fn now(&self) -> Instant {
                now()
            }
            fn wall_clock(&self) -> i64 {
                0
            }
            fn wake_engine(&self) {}
            fn sleep_until(&self, _: Instant) -> milena_engine::driver::BoxFuture {
                Box::pin(std::future::pending())
            }
        }
        let config = milena_engine::EngineConfig::default();
        let (engine, client) = milena_engine::start(config, Arc::new(Idle), 0);
        // Its drop would end the engine.
        std::mem::forget(client);
        Turn::new(engine, Arc::clone(signal), Arc::clone(sleepers), jobs)
    }

    #[tokio::test]
    async fn a_job_that_panics_ends_the_engine_instead_of_leaving_somebody_waiting() {
        let signal = Arc::new(Signal::default());
        let sleepers = Arc::new(Sleepers::new(Arc::clone(&signal)));
        let turn = turn(&signal, &sleepers, Handle::current());
        let failing = Arc::clone(&signal);
        let job = tokio::task::spawn_blocking(move || {
            let _unfinished = failing.unfinished();
            panic!("a bug of ours");
        });
        assert!(job.await.is_err());
        let ended = tokio::time::timeout(std::time::Duration::from_secs(5), turn).await;
        assert!(ended.is_ok(), "the engine waits for the job for ever");
    }
}
