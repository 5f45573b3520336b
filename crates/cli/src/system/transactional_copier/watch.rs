//! Waiting, with a sign of life, until somebody asks for the end.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep, sleep_until};

use super::progress::Progress;
use crate::failure::Failure;
use crate::json_lines::Lines;
use crate::system::{Stop, wall_clock_ms};

/// While the copy is under way, a line comes at least this often.
const SIGN_OF_LIFE: Duration = Duration::from_millis(250);
/// And while it starts, when there is no progress to tell of yet.
const SIGN_OF_LIFE_AT_START: Duration = Duration::from_secs(10);
/// Once asked to end: how long a commit may take. Drivers wait 40 s in all.
const GRACE: Duration = Duration::from_secs(20);

/// Why a wait ended early.
#[derive(Debug)]
pub(super) enum Ended {
    /// Somebody asked for it.
    Stopped,
    /// There is no going on.
    Failed(Failure),
}

impl From<Failure> for Ended {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// Writes a line whenever a wait takes long, and hears the wish to end.
pub(super) struct Watch {
    lines: Lines,
    pub(super) progress: Progress,
    stop: Stop,
    /// When it was heard. All that is finished after it shares one grace.
    stopped: Option<Instant>,
    next_sign: Pin<Box<Sleep>>,
    every: Duration,
}

impl Watch {
    pub(super) fn new(lines: Lines, progress: Progress, stop: Stop) -> Self {
        Self {
            lines,
            progress,
            stop,
            stopped: None,
            next_sign: Box::pin(sleep(SIGN_OF_LIFE_AT_START)),
            every: SIGN_OF_LIFE_AT_START,
        }
    }

    /// The copy begins, with so much between the position and the end.
    pub(super) fn start(&mut self, left: u64) {
        self.progress.start(left);
        self.every = SIGN_OF_LIFE;
        self.next_sign.as_mut().reset(Instant::now() + self.every);
    }

    /// Writes a line.
    pub(super) fn say(&mut self, stage: &str) -> Result<(), Failure> {
        let line = self.progress.line(stage, wall_clock_ms());
        self.lines.push(format_args!("{line}"))?;
        self.lines.flush()?;
        self.next_sign.as_mut().reset(Instant::now() + self.every);
        Ok(())
    }

    /// Waits for `future`; drops it if the program is asked to end.
    pub(super) async fn until_stopped<F: Future>(&mut self, future: F) -> Result<F::Output, Ended> {
        self.wait(future, Duration::ZERO).await
    }

    /// Waits for `future`, and for a while even if the program is asked to end: what it does is better done than dropped.
    pub(super) async fn finish<F: Future>(&mut self, future: F) -> Result<F::Output, Ended> {
        self.wait(future, GRACE).await
    }

    async fn wait<F: Future>(&mut self, future: F, grace: Duration) -> Result<F::Output, Ended> {
        let mut future = pin!(future);
        let mut over: Option<Pin<Box<Sleep>>> = None;
        poll_fn(|cx| {
            if let Poll::Ready(output) = future.as_mut().poll(cx) {
                return Poll::Ready(Ok(output));
            }
            if self.stop.poll(cx) {
                let stopped = *self.stopped.get_or_insert_with(Instant::now);
                let over = over.get_or_insert_with(|| Box::pin(sleep_until(stopped + grace)));
                if grace.is_zero() || over.as_mut().poll(cx).is_ready() {
                    return Poll::Ready(Err(Ended::Stopped));
                }
            }
            self.sign(cx)
                .map_or(Poll::Pending, |failure| Poll::Ready(Err(failure.into())))
        })
        .await
    }

    fn sign(&mut self, cx: &mut Context<'_>) -> Option<Failure> {
        while self.next_sign.as_mut().poll(cx).is_ready() {
            // Sets the time of the next one.
            if let Err(failure) = self.say("ProcessLoop") {
                return Some(failure);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::pending;
    use std::io;
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("no panic").extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Written {
        fn lines(&self) -> usize {
            let bytes = self.0.lock().expect("no panic");
            bytes.iter().filter(|byte| **byte == b'\n').count()
        }
    }

    fn watch(written: &Written, stop: impl Future<Output = ()> + 'static) -> Watch {
        let progress = Progress::new("copy", -1);
        Watch::new(
            Lines::to(Box::new(written.clone())),
            progress,
            Stop::new(stop),
        )
    }

    #[tokio::test(start_paused = true)]
    async fn a_long_wait_shows_signs_of_life() {
        let written = Written::default();
        let mut watch = watch(&written, pending());
        let waited = watch.until_stopped(sleep(Duration::from_secs(25))).await;
        waited.expect("nobody asked for the end");
        assert_eq!(written.lines(), 2, "while it starts, few");
        watch.start(5);
        let waited = watch
            .until_stopped(sleep(Duration::from_millis(1_100)))
            .await;
        waited.expect("nobody asked for the end");
        assert_eq!(written.lines(), 2 + 4);
    }

    #[tokio::test(start_paused = true)]
    async fn asked_to_end_it_drops_what_may_be_dropped_at_once() {
        let asked = sleep(Duration::from_secs(1));
        let mut watch = watch(&Written::default(), asked);
        let begun = Instant::now();
        let ended = watch.until_stopped(pending::<()>()).await;
        assert!(matches!(ended, Err(Ended::Stopped)));
        assert_eq!(begun.elapsed(), Duration::from_secs(1));
    }

    #[tokio::test(start_paused = true)]
    async fn asked_to_end_it_finishes_what_should_be_finished_within_one_grace() {
        let asked = sleep(Duration::from_secs(1));
        let mut watch = watch(&Written::default(), asked);
        let begun = Instant::now();
        let commit = watch.finish(sleep(Duration::from_secs(15))).await;
        commit.expect("the grace is longer");
        let resolve = watch.finish(pending::<()>()).await;
        assert!(matches!(resolve, Err(Ended::Stopped)));
        assert_eq!(begun.elapsed(), Duration::from_secs(1) + GRACE);
    }
}
