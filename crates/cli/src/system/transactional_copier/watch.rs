//! Waiting, with a sign of life, until somebody asks for the end.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep};

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
    next_sign: Pin<Box<Sleep>>,
    every: Duration,
}

impl Watch {
    pub(super) fn new(lines: Lines, progress: Progress, stop: Stop) -> Self {
        Self {
            lines,
            progress,
            stop,
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
                let over = over.get_or_insert_with(|| Box::pin(sleep(grace)));
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
