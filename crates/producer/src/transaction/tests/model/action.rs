//! What can happen.

/// One thing that can happen next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    Begin,
    Send(SendFate),
    SendOffsets,
    Commit,
    Abort,
    /// The commit's caller goes away, or its deadline passes.
    DropCommit,
    GiveUp,
    HandOver,
    Exchange(Fate),
    Markers,
    /// A request arrives that nobody waits for any more.
    Late,
    LateBatch,
    Timeout,
    /// A newer instance asks for an identity.
    Intrude,
    /// The finalized transaction version changes.
    Switch,
}

/// What becomes of the coordinator request that is in flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Answered,
    NotSent,
    RequestLost,
    AnswerLost,
    /// Carried out, but the coordinator moves before it can say so.
    AnsweredNotCoordinator,
    /// Arrives at some later time.
    Delayed,
    /// Carried out, and its copy arrives once more at some later time; the answer is lost.
    AnswerLostAndLateCopy,
    /// Carried out and answered, and its copy arrives later all the same.
    AnsweredAndLateCopy,
}

/// What becomes of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SendFate {
    Delivered,
    /// Refused for a reason of its own.
    Refused,
    /// In the log, but nobody tells the client before its time is over.
    AnswerLost,
    /// Not in the log when the client's time is over, and on its way yet.
    Delayed,
}
