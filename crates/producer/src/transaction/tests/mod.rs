//! Tests of the transaction manager: rules one by one, tables in full, and a model check of manager,
//! coordinator and network together.

mod endings;
mod errors;
mod invariants;
mod lifecycle;
mod model;
mod rig;
mod table;

/// Faults built in on purpose: the model check must find them, or it proves nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Sabotage {
    None,
    /// After an unanswered EndTxn on TV1, go on with the same epoch.
    NoBump,
    /// Commit a transaction of which a send has failed.
    CommitDespiteFailure,
    /// Abort a transaction with an unresolved batch by EndTxn.
    NoFence,
    /// End what is unresolved by InitProducerId on TV2, too, and claim the epoch after this one whenever this one is refused.
    ClaimAlways,
}
