//! Stopping a pipeline from elsewhere.

use std::sync::{Arc, Weak};
use std::task::{Context, Waker};

use milena_producer::sync::Mutex;

/// Stops a pipeline: it commits what is done and ends. It does not keep the pipeline alive.
#[derive(Clone, Debug)]
pub struct StopHandle(Weak<StopFlag>);

impl StopHandle {
    pub(super) fn new(flag: &Arc<StopFlag>) -> Self {
        Self(Arc::downgrade(flag))
    }

    /// Stops it, if it is still there.
    pub fn stop(&self) {
        if let Some(flag) = self.0.upgrade() {
            flag.stop();
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct StopFlag {
    state: Mutex<(bool, Option<Waker>)>,
}

impl StopFlag {
    pub(super) fn stop(&self) {
        let waker = {
            let mut state = self.state.lock();
            state.0 = true;
            state.1.take()
        };
        waker.into_iter().for_each(Waker::wake);
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.state.lock().0
    }

    pub(super) fn register(&self, cx: &Context<'_>) {
        self.state.lock().1 = Some(cx.waker().clone());
    }
}
