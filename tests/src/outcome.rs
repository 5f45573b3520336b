//! How a scenario is run, waits and fails.

use std::{error::Error, fmt, panic::Location, time::Duration};

use tokio::{
    runtime::Builder,
    task::JoinHandle,
    time::{Instant, sleep, timeout},
};

use crate::{Kind, World};

/// What a scenario returns: every error it did not expect fails the test.
pub type Outcome = Result<(), Failure>;

/// An error with the place in the scenario where it came up. Any error turns into one by `?`.
pub struct Failure {
    error: Box<dyn Error + Send + Sync>,
    at: &'static Location<'static>,
}

impl<E: Into<Box<dyn Error + Send + Sync>>> From<E> for Failure {
    #[track_caller]
    fn from(error: E) -> Self {
        Self {
            error: error.into(),
            at: Location::caller(),
        }
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} ({:?})", self.at, self.error, self.error)
    }
}

/// Runs a scenario in a world of its own, on a runtime of its own; panics if it fails or does not end.
///
/// # Panics
///
/// That is how a test fails.
pub fn run(kind: Kind, name: &str, scenario: impl AsyncFnOnce(&World) -> Outcome) {
    let Some(world) = World::start(kind, name) else {
        return;
    };
    let runtime = Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    let runtime = runtime.expect("a runtime needs threads and a poller, nothing else");
    match runtime.block_on(async { timeout(SCENARIO_TIME_MAX, scenario(&world)).await }) {
        Ok(Ok(())) => {}
        Ok(Err(failure)) => panic!("{failure:?}"),
        Err(_) => panic!("{name} on {kind:?} does not end: {:?}", world.relay()),
    }
}

/// Waits until something holds; says what did not, and where it was waited for, when it takes too long.
#[track_caller]
pub fn eventually(what: &str, mut holds: impl FnMut() -> bool) -> impl Future<Output = Outcome> {
    let at = Location::caller();
    async move {
        let deadline = Instant::now() + EVENTUALLY_TIME_MAX;
        while !holds() {
            if Instant::now() > deadline {
                return Err(Failure {
                    error: format!("not within time: {what}").into(),
                    at,
                });
            }
            sleep(EVENTUALLY_STEP).await;
        }
        Ok(())
    }
}

/// A task on the runtime that the scenario runs on, as an application has them.
#[expect(
    clippy::disallowed_methods,
    reason = "the ban is for the client; scenarios are the application"
)]
pub fn spawn<F>(task: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    tokio::spawn(task)
}

/// Several times what the slowest scenario takes on a busy machine of two cores.
const SCENARIO_TIME_MAX: Duration = Duration::from_secs(60);

/// Above every retry and reconnect of the client under faults that happen once.
const EVENTUALLY_TIME_MAX: Duration = Duration::from_secs(20);

const EVENTUALLY_STEP: Duration = Duration::from_millis(5);
