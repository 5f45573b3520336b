//! Bugs on demand: the simulation is only worth its time if it finds them.
//!
//! Nothing of this is in a build without the feature `plants`, and no build of ours but the simulation's own tests asks for it.

use std::cell::Cell;

/// A bug that can be planted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plant {
    /// A batch that is sent again takes a new sequence, so no broker recognises it.
    RetryTakesNewSequence,
    /// A failed send does not keep its transaction from being committed.
    CommitInSpiteOfFailedSend,
}

thread_local! {
    static PLANTED: Cell<Option<Plant>> = const { Cell::new(None) };
}

/// Plants a bug in everything that runs on this thread from now on, or takes it out again.
pub fn plant(plant: Option<Plant>) {
    PLANTED.set(plant);
}

pub(crate) fn is_planted(plant: Plant) -> bool {
    PLANTED.get() == Some(plant)
}
