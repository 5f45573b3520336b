//! The tokio driver: clocks, sockets, a thread. It holds no Kafka decision; `milena-sim` has the other one.

use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use milena_engine::driver::{BoxFuture, Driver};
use milena_engine::{ClientHandle, EngineConfig};

use crate::ConnectError;

mod signal;
mod sleep;
mod socket;
mod turn;

use signal::Signal;
use sleep::Sleepers;

/// Starts an engine on a thread of its own.
pub(crate) fn start(config: EngineConfig, seed: u64) -> Result<ClientHandle, ConnectError> {
    let failed = |error: std::io::Error| ConnectError::Engine {
        reason: error.to_string(),
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .max_blocking_threads(4)
        .build()
        .map_err(failed)?;
    let signal = Arc::new(Signal::default());
    let sleepers = Arc::new(Sleepers::new(Arc::clone(&signal)));
    let driver = TokioDriver {
        signal: Arc::clone(&signal),
        sleepers: Arc::clone(&sleepers),
    };
    let (engine, handle) = milena_engine::start(config, Arc::new(driver), seed);
    let run = move || {
        // Dropped last, also when the engine unwinds: whoever sleeps must wake to see that it is gone.
        let _end = sleepers.end_with_thread();
        let jobs = runtime.handle().clone();
        runtime.block_on(turn::Turn::new(engine, signal, Arc::clone(&sleepers), jobs));
        // A name look-up that hangs must not keep the thread.
        runtime.shutdown_background();
    };
    std::thread::Builder::new()
        .name("milena".to_owned())
        .spawn(run)
        .map_err(failed)?;
    Ok(handle)
}

struct TokioDriver {
    signal: Arc<Signal>,
    sleepers: Arc<Sleepers>,
}

impl Driver for TokioDriver {
    fn now(&self) -> Instant {
        now()
    }

    fn wall_clock(&self) -> i64 {
        #[allow(
            clippy::disallowed_methods,
            reason = "the driver is where the clocks are"
        )]
        let now = SystemTime::now();
        match now.duration_since(UNIX_EPOCH) {
            Ok(since) => i64::try_from(since.as_millis()).unwrap_or(i64::MAX),
            Err(before) => {
                i64::try_from(before.duration().as_millis()).map_or(i64::MIN, |millis| -millis)
            }
        }
    }

    fn wake_engine(&self) {
        self.signal.raise();
    }

    fn sleep_until(&self, deadline: Instant) -> BoxFuture {
        self.sleepers.sleep_until(deadline)
    }
}

fn now() -> Instant {
    #[allow(
        clippy::disallowed_methods,
        reason = "the driver is where the clocks are"
    )]
    Instant::now()
}
