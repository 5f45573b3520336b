//! The classic protocol: a leader among the clients assigns, the coordinator keeps generations.

/// The members of a group of the classic protocol.
#[derive(Debug, Default)]
pub(crate) struct ClassicGroup {}
