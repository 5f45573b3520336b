//! What the applications of a run do, on the shipped handles.

pub(crate) mod bank;
pub(crate) mod billing;
pub(crate) mod orders;
pub(crate) mod reading;
