//! Every await of the golden run's script, counted, and dropped where a case says so.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};

use crate::driver::lock;

/// When a future is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Moment {
    /// Instead of the poll after so many; 0 is a future that was made and never polled.
    Polled(usize),
    /// Pending, as soon as so many events of the world are done.
    Event(u64),
}

/// One future to drop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Cut {
    /// Awaits are numbered from 0, in the order in which the run comes to them.
    pub(crate) number: usize,
    pub(crate) moment: Moment,
}

/// What became of an await.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Course {
    Pending,
    Resolved,
    Dropped,
}

/// One await of the run.
#[derive(Clone, Debug)]
pub(crate) struct Await {
    pub(crate) label: &'static str,
    /// How many events were done at each of its polls.
    pub(crate) polls: Vec<u64>,
    pub(crate) course: Course,
    doomed: bool,
    waker: Option<Waker>,
}

/// All awaits of a run.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    awaits: Mutex<Vec<Await>>,
    cuts: Vec<Cut>,
    events: AtomicU64,
    /// How many events were done at the last drop.
    dropped_at: AtomicU64,
}

impl Watch {
    pub(crate) fn new(cuts: Vec<Cut>) -> Arc<Self> {
        Arc::new(Self {
            cuts,
            ..Self::default()
        })
    }

    /// Waits for `future`; `None` if it was dropped.
    pub(crate) async fn run<F: Future>(
        self: &Arc<Self>,
        label: &'static str,
        future: F,
    ) -> Option<F::Output> {
        let seat = self.enter(label);
        let mut future = pin!(future);
        let output = poll_fn(|cx| {
            if seat.is_to_be_dropped() {
                return Poll::Ready(None);
            }
            seat.count(cx.waker());
            future.as_mut().poll(cx).map(Some)
        })
        .await;
        seat.leave(output.is_some());
        output
    }

    /// So many events are done: what is to be dropped now is woken for it.
    pub(crate) fn after_event(&self, event: u64) {
        self.events.store(event, Ordering::Relaxed);
        for cut in &self.cuts {
            if cut.moment != Moment::Event(event) {
                continue;
            }
            let waker = lock(&self.awaits).get_mut(cut.number).and_then(|entry| {
                entry.doomed = entry.course == Course::Pending;
                entry.waker.take().filter(|_| entry.doomed)
            });
            waker.into_iter().for_each(Waker::wake);
        }
    }

    /// How many futures were dropped.
    pub(crate) fn dropped(&self) -> usize {
        lock(&self.awaits)
            .iter()
            .filter(|entry| entry.course == Course::Dropped)
            .count()
    }

    /// Numbers of the futures that were polled and are pending.
    pub(crate) fn pending(&self) -> Vec<usize> {
        lock(&self.awaits)
            .iter()
            .enumerate()
            .filter(|(_, entry)| entry.course == Course::Pending && !entry.polls.is_empty())
            .map(|(number, _)| number)
            .collect()
    }

    /// How many events were done at the last drop.
    pub(crate) fn dropped_at(&self) -> u64 {
        self.dropped_at.load(Ordering::Relaxed)
    }

    pub(crate) fn awaits(&self) -> Vec<Await> {
        lock(&self.awaits).clone()
    }

    fn enter(self: &Arc<Self>, label: &'static str) -> Seat {
        let mut awaits = lock(&self.awaits);
        awaits.push(Await {
            label,
            polls: Vec::new(),
            course: Course::Pending,
            doomed: false,
            waker: None,
        });
        Seat {
            watch: Arc::clone(self),
            number: awaits.len() - 1,
        }
    }
}

/// The place of one await. What is dropped from outside, with the closure that it belongs to, was resolved as far as the
/// sweep goes: nobody can drop it again.
struct Seat {
    watch: Arc<Watch>,
    number: usize,
}

impl Seat {
    fn is_to_be_dropped(&self) -> bool {
        let entry = &lock(&self.watch.awaits)[self.number];
        let here = Cut {
            number: self.number,
            moment: Moment::Polled(entry.polls.len()),
        };
        entry.doomed || self.watch.cuts.contains(&here)
    }

    fn count(&self, waker: &Waker) {
        let entry = &mut lock(&self.watch.awaits)[self.number];
        entry.polls.push(self.watch.events.load(Ordering::Relaxed));
        entry.waker = Some(waker.clone());
    }

    fn leave(&self, resolved: bool) {
        let entry = &mut lock(&self.watch.awaits)[self.number];
        entry.waker = None;
        entry.course = if resolved {
            Course::Resolved
        } else {
            let events = self.watch.events.load(Ordering::Relaxed);
            self.watch.dropped_at.store(events, Ordering::Relaxed);
            Course::Dropped
        };
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let entry = &mut lock(&self.watch.awaits)[self.number];
        if entry.course == Course::Pending {
            entry.course = Course::Resolved;
        }
        entry.waker = None;
    }
}
