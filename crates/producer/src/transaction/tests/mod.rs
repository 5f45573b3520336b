//! Tests of the transaction manager.

/// Faults built in on purpose: the model check must find them, or it proves nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Sabotage {
    None,
    /// After an unanswered EndTxn on TV1, go on with the same epoch.
    NoBump,
    /// Commit a transaction of which a send has failed.
    CommitDespiteFailure,
}
