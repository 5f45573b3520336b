//! How other threads, sockets and jobs get the engine's attention.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Wake, Waker};

use milena_engine::driver::{JobDone, LinkId};

/// What has happened since the engine's last turn.
#[derive(Debug, Default)]
pub(super) struct Signal {
    raised: AtomicBool,
    broken: AtomicBool,
    news: Mutex<News>,
}

#[derive(Debug, Default)]
pub(super) struct News {
    waker: Option<Waker>,
    /// Links whose sockets may have something to read, or room to write.
    pub(super) links: Vec<LinkId>,
    pub(super) jobs: Vec<JobDone>,
}

impl Signal {
    /// Makes the engine's turn come. Cheap when it is coming anyway.
    pub(super) fn raise(&self) {
        if !self.raised.swap(true, Ordering::AcqRel) {
            self.wake();
        }
    }

    /// A job that is being done elsewhere. One that never comes back, because it panicked, breaks the engine: whoever waits
    /// for what the job was to bring would wait for ever.
    pub(super) fn unfinished(self: &Arc<Self>) -> Unfinished {
        Unfinished {
            signal: Arc::clone(self),
            done: None,
        }
    }

    /// Whether a job has panicked.
    pub(super) fn is_broken(&self) -> bool {
        self.broken.load(Ordering::Acquire)
    }

    /// Takes the news and says who is to be woken by the next. News that come from here on wake anew.
    pub(super) fn take(&self, cx: &Context<'_>) -> (bool, Vec<LinkId>, Vec<JobDone>) {
        let mut news = self.lock();
        if !news
            .waker
            .as_ref()
            .is_some_and(|waker| waker.will_wake(cx.waker()))
        {
            news.waker = Some(cx.waker().clone());
        }
        let raised = self.raised.swap(false, Ordering::AcqRel);
        (
            raised,
            std::mem::take(&mut news.links),
            std::mem::take(&mut news.jobs),
        )
    }

    /// A waker that puts `link` among the news.
    pub(super) fn waker_of(self: &Arc<Self>, link: LinkId) -> Waker {
        Waker::from(Arc::new(LinkWaker {
            signal: Arc::clone(self),
            link,
        }))
    }

    fn wake(&self) {
        let waker = self.lock().waker.clone();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, News> {
        self.news.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// See [`Signal::unfinished`].
pub(super) struct Unfinished {
    signal: Arc<Signal>,
    done: Option<JobDone>,
}

impl Unfinished {
    pub(super) fn finish(mut self, done: JobDone) {
        self.done = Some(done);
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        match self.done.take() {
            Some(done) => self.signal.lock().jobs.push(done),
            None => self.signal.broken.store(true, Ordering::Release),
        }
        self.signal.raise();
    }
}

struct LinkWaker {
    signal: Arc<Signal>,
    link: LinkId,
}

impl Wake for LinkWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        {
            let mut news = self.signal.lock();
            if !news.links.contains(&self.link) {
                news.links.push(self.link);
            }
        }
        self.signal.raise();
    }
}
