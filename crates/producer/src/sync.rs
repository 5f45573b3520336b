//! The locks and atomics of the producer, in one place so that a model checker can stand in for them.

pub use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
pub use std::sync::{Arc, RwLock};
use std::sync::{MutexGuard, PoisonError};

/// A mutex whose lock outlives a panic elsewhere.
///
/// No user code runs under any of our locks, so a poisoned one can only come from a bug of ours, which the engine reports
/// by resolving every future; those futures must still be able to take their locks.
#[derive(Debug, Default)]
pub struct Mutex<T>(std::sync::Mutex<T>);

impl<T> Mutex<T> {
    /// A mutex around `value`.
    pub const fn new(value: T) -> Self {
        Self(std::sync::Mutex::new(value))
    }

    /// Takes the lock.
    #[inline]
    pub fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
