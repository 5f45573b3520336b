//! What a workload has: a clock to wait on, tasks to spawn, futures to drop midway, and chance of its own.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use milena_engine::ClientHandle;
use milena_engine::handles::StopHandle;

use crate::driver::{Shared, lock};
use crate::faults::Fault;
use crate::ledger::Ledger;
use crate::plan::Plan;

/// Twice as long after the faults nothing has an excuse.
const PATIENCE_MIN: Duration = Duration::from_secs(3);

/// The hands of one task.
#[derive(Debug)]
pub(crate) struct App {
    pub(crate) shared: Arc<Shared>,
    pub(crate) plan: Arc<Plan>,
    ledger: Arc<Mutex<Ledger>>,
    stops: Arc<Mutex<Vec<StopHandle>>>,
    pub(crate) rng: fastrand::Rng,
    /// The one client of all senders, in runs that have one.
    shared_client: Option<ClientHandle>,
}

impl App {
    pub(crate) fn new(
        shared: Arc<Shared>,
        plan: Arc<Plan>,
        ledger: Arc<Mutex<Ledger>>,
        stops: Arc<Mutex<Vec<StopHandle>>>,
        seed: u64,
    ) -> Self {
        Self {
            shared,
            plan,
            ledger,
            stops,
            rng: fastrand::Rng::with_seed(seed),
            shared_client: None,
        }
    }

    /// Hands for another task, with chance of their own.
    pub(crate) fn fork(&mut self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            plan: Arc::clone(&self.plan),
            ledger: Arc::clone(&self.ledger),
            stops: Arc::clone(&self.stops),
            rng: self.rng.fork(),
            shared_client: self.shared_client.clone(),
        }
    }

    pub(crate) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        lock(&self.ledger)
    }

    pub(crate) fn stops(&self) -> MutexGuard<'_, Vec<StopHandle>> {
        lock(&self.stops)
    }

    /// Whether something with this probability happens now; nothing does once the faults are over.
    pub(crate) fn strikes(&mut self, probability: f64) -> bool {
        self.rng.f64() < probability && !self.ledger().calm
    }

    /// The faults are over for so long that nothing has an excuse.
    pub(crate) fn is_long_calm(&self) -> bool {
        // What a fault has left hanging ends with a request's time-out and a backoff, however short an operation may take.
        let patience = self.plan.operation_timeout.max(PATIENCE_MIN);
        self.shared.elapsed() > self.plan.calm_at + patience * 2
    }

    /// And no transaction is open any more whose instance was fenced by used-up epochs, so that only its coordinator ends it.
    pub(crate) fn is_long_stable(&self) -> bool {
        let opened_at = self
            .shared
            .elapsed()
            .checked_sub(self.plan.transaction_timeout);
        self.is_long_calm() && opened_at.is_some_and(|at| at > self.plan.calm_at)
    }

    pub(crate) fn duration(&mut self, max: Duration) -> Duration {
        max.mul_f64(self.rng.f64())
    }

    pub(crate) async fn pause(&mut self, max: Duration) {
        let until = self.shared.elapsed() + self.duration(max);
        self.shared.sleep_until(until).await;
    }

    pub(crate) fn client(&mut self) -> ClientHandle {
        let seed = self.rng.u64(..);
        self.shared.start_client(self.plan.engine(), seed).1
    }

    /// A client that sends what others wait for: the run is not done before its engine is.
    pub(crate) fn sending_client(&mut self) -> ClientHandle {
        if let Some(client) = &self.shared_client {
            return client.clone();
        }
        let seed = self.rng.u64(..);
        let (host, client) = self.shared.start_client(self.plan.engine(), seed);
        self.ledger().sending_hosts.push(host);
        client
    }

    /// From now on these hands, and those forked from them, send over one client.
    pub(crate) fn share_client(&mut self) {
        self.shared_client = Some(self.sending_client());
    }

    /// Runs `work` as a task of its own, with hands of its own.
    pub(crate) fn spawn<F>(&mut self, name: String, work: impl FnOnce(Self) -> F) -> Join<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let future = work(self.fork());
        let cell = Arc::new(Mutex::new((None, None)));
        let join = Join(Arc::clone(&cell));
        let task = async move {
            let output = future.await;
            let waker: Option<Waker> = {
                let mut cell = lock(&cell);
                cell.0 = Some(output);
                cell.1.take()
            };
            waker.into_iter().for_each(Waker::wake);
        };
        self.shared.spawn(name, Box::pin(task));
        join
    }

    /// Waits for `future`, but drops it if it has not resolved after `patience`; that counts as `fault`.
    pub(crate) async fn drop_after<F: Future>(
        &mut self,
        fault: Fault,
        patience: Duration,
        future: F,
    ) -> Option<F::Output> {
        let output = {
            let mut future = pin!(future);
            self.wait(patience, &mut future).await
        };
        if output.is_none() {
            self.ledger().fired(fault);
        }
        output
    }

    /// Waits for `future` for at most `patience`; it can be waited for again.
    pub(crate) async fn wait<F: Future + Unpin>(
        &self,
        patience: Duration,
        future: &mut F,
    ) -> Option<F::Output> {
        let mut sleep = pin!(self.shared.sleep_until(self.shared.elapsed() + patience));
        poll_fn(|cx| {
            if let Poll::Ready(output) = Pin::new(&mut *future).poll(cx) {
                return Poll::Ready(Some(output));
            }
            sleep.as_mut().poll(cx).map(|()| None)
        })
        .await
    }
}

/// A spawned task's result to come.
#[derive(Debug)]
pub(crate) struct Join<T>(Arc<Mutex<(Option<T>, Option<Waker>)>>);

impl<T> Future for Join<T> {
    type Output = T;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        let mut cell = lock(&self.0);
        match cell.0.take() {
            Some(output) => Poll::Ready(output),
            None => {
                cell.1 = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}
