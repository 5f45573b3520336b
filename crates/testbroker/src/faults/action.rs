//! What a rule does to a request, and which actions can act on one request together.

use std::time::Duration;

use milena_wire::{ApiKey, ErrorCode};

use super::HoldId;
use crate::cluster::Keep;

/// Where in an answer an error stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// In the answer's own error field, and nowhere else; where it has none, in every partition.
    Top,
    /// In the topics that the rule names (all, if it names none), where topics have a field of their own.
    Topic,
    /// In the partitions that the rule names; all, if it names none.
    Partition,
    /// Produce: in these partitions, and of the batch's records only this one is to blame
    /// (`record_errors`, KIP-467).
    Record(i32),
}

/// What becomes of a request that a rule meets.
///
/// "Applied" means that the cluster has done what the request asks for, whatever its client hears of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Not applied; answered with this error. Where the rule names partitions, only those get the
    /// error and the rest of the request is applied.
    Error(ErrorCode),
    /// Not applied; the error stands at this level of the answer.
    ErrorAt(Level, ErrorCode),
    /// Applied, but answered with this error, for instance REQUEST_TIMED_OUT.
    ApplyThenError(ErrorCode),
    /// Not applied, and the answer does not speak of it: of the partitions that the rule names, the
    /// rest is done. Produce only; elsewhere as `Error(KAFKA_STORAGE_ERROR)`.
    LeaveOut,

    /// Not applied; the connection is closed.
    DropBeforeApply,
    /// Applied; the connection is closed instead of an answer.
    ApplyThenDrop,
    /// The connection is closed now, and the request is applied after this long all the same: a
    /// copy that was under way.
    DropThenApply(Duration),
    /// The same, but it is applied once so many further requests of this API have been. The client
    /// asks again, which counts: an EndTxn that arrives behind the end of the next transaction is
    /// `DropThenApplyAfter(ApiKey::END_TXN, 2)`.
    DropThenApplyAfter(ApiKey, u64),
    /// The same, once the barrier is released.
    DropThenHold(HoldId),
    /// Applied and answered; then applied once more after this long, its second answer lost.
    Duplicate(Duration),
    /// The same, once so many further requests of this API have been applied.
    DuplicateAfter(ApiKey, u64),
    /// Not applied, never answered; the connection stays open.
    Ignore,
    /// Applied, never answered; the connection stays open.
    ApplyThenIgnore,
    /// Not applied; the connection stays open and swallows all that comes after it as well.
    BlackHole,
    /// Applied and answered; then the broker ends its half of the connection. It still reads and
    /// applies what comes, but answers no more.
    HalfClose,

    /// Applied after this long.
    Delay(Duration),
    /// Applied once the barrier is released.
    HoldRequest(HoldId),
    /// Applied once so many further requests of this API have been.
    HoldRequestUntil(ApiKey, u64),
    /// Applied behind the next request that the rule meets on another connection: the two change
    /// places. It counts as acted once they have.
    SwapWithNext,
    /// Applied at once, answered after this long.
    DelayAnswer(Duration),
    /// Applied at once, answered once the barrier is released.
    HoldAnswer(HoldId),
    /// Applied at once, answered once so many further requests of this API have been applied.
    HoldAnswerUntil(ApiKey, u64),
    /// Applied; the answer leaves with so many bytes a second.
    SlowAnswer(u64),
    /// Applied; the answer asks the client to be silent for this long, and until then nothing of
    /// the connection is read (KIP-219).
    Throttle(Duration),

    /// The connection is closed before the request is looked at.
    CutConnection,
    /// The connection is closed once this many bytes of the request, its length included, have
    /// been read: half a request that is not applied. Of a rule that names partitions, groups or
    /// transactional ids, not before the request is there.
    CutRequest(usize),
    /// Applied; this many bytes of the answer leave, then the connection is closed.
    CutAnswer(usize),
    /// Applied; the bits of this byte of the answer, counted from the start of the frame, are
    /// turned over.
    CorruptAnswer(usize),
    /// Applied; in a record batch of the answer, the bits of one of the bytes that its checksum is
    /// over are turned over: the one so far from the batch's end, modulo their number. An answer
    /// without records does not count.
    CorruptRecords(usize),
    /// Applied; this bit of the answer (modulo their number, counted from the start of the frame)
    /// is turned over; `None`: one drawn from the cluster's seed.
    FlipBit(Option<usize>),
    /// This bit of the request, counted behind its length, is turned over before it is looked at.
    FlipRequestBit(Option<usize>),

    /// The leaders of the partitions that the rule names (or the request, if it names none) move
    /// to this node, or to the next of their replicas, just before the request is looked at.
    MoveLeader(Option<i32>),
    /// The node stops: its connections close, its requests are lost. `apply`: this request is
    /// applied before. It starts again after `restart`.
    StopNode {
        /// Whether the request is applied before.
        apply: bool,
        /// What its logs keep if it crashes; `None`: all, it is shut down.
        crash: Option<Keep>,
        /// After how long the node starts again; `None`: when the test wants it.
        restart: Option<Duration>,
    },
}

/// What of a request's way an action takes: no two actions of a kind act on one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Refusal,
    RequestGate,
    AnswerGate,
    Bytes,
    RequestBytes,
    Pace,
    Throttle,
    Copy,
    Leader,
    End,
}

impl Action {
    fn kind(self) -> Kind {
        match self {
            Self::Error(_) | Self::ErrorAt(..) | Self::ApplyThenError(_) | Self::LeaveOut => {
                Kind::Refusal
            }
            Self::Delay(_)
            | Self::HoldRequest(_)
            | Self::HoldRequestUntil(..)
            | Self::SwapWithNext => Kind::RequestGate,
            Self::DelayAnswer(_) | Self::HoldAnswer(_) | Self::HoldAnswerUntil(..) => {
                Kind::AnswerGate
            }
            Self::CorruptAnswer(_) | Self::CorruptRecords(_) | Self::FlipBit(_) => Kind::Bytes,
            Self::FlipRequestBit(_) => Kind::RequestBytes,
            Self::SlowAnswer(_) => Kind::Pace,
            Self::Throttle(_) => Kind::Throttle,
            Self::Duplicate(_) | Self::DuplicateAfter(..) => Kind::Copy,
            Self::MoveLeader(_) => Kind::Leader,
            Self::DropBeforeApply
            | Self::ApplyThenDrop
            | Self::DropThenApply(_)
            | Self::DropThenApplyAfter(..)
            | Self::DropThenHold(_)
            | Self::Ignore
            | Self::ApplyThenIgnore
            | Self::BlackHole
            | Self::HalfClose
            | Self::CutConnection
            | Self::CutRequest(_)
            | Self::CutAnswer(_)
            | Self::StopNode { .. } => Kind::End,
        }
    }

    /// Whether the request is looked at under this action.
    fn lets_apply(self) -> bool {
        !matches!(
            self,
            Self::DropBeforeApply
                | Self::Ignore
                | Self::BlackHole
                | Self::CutConnection
                | Self::CutRequest(_)
                | Self::StopNode { apply: false, .. }
        )
    }

    /// Whether the request, or a part of it, is looked at and not applied.
    fn refuses(self) -> bool {
        self.kind() == Kind::Refusal && !matches!(self, Self::ApplyThenError(_))
    }

    /// Whether the client gets an answer, or a part of it, under this action.
    fn lets_answer(self) -> bool {
        self.lets_apply()
            && !matches!(
                self,
                Self::ApplyThenDrop
                    | Self::DropThenApply(_)
                    | Self::DropThenApplyAfter(..)
                    | Self::DropThenHold(_)
                    | Self::ApplyThenIgnore
                    | Self::StopNode { .. }
            )
    }

    /// Whether it has happened only once a late copy of the request has arrived.
    pub(super) fn sends_late(self) -> bool {
        self.kind() == Kind::Copy
            || matches!(
                self,
                Self::DropThenApply(_) | Self::DropThenApplyAfter(..) | Self::DropThenHold(_)
            )
    }

    /// Whether it can be seen only in an answer.
    fn needs_answer(self) -> bool {
        matches!(
            self.kind(),
            Kind::AnswerGate | Kind::Bytes | Kind::Pace | Kind::Throttle | Kind::Copy
        )
    }

    /// Whether it has happened by the time the answer could leave, though its client did not wait.
    pub(crate) fn is_over_before_the_answer(self) -> bool {
        self.kind() == Kind::AnswerGate
    }

    /// Whether it happens only once all of the answer has left.
    pub(crate) fn is_behind_the_answer(self) -> bool {
        self == Self::HalfClose || self.kind() == Kind::Throttle
    }

    /// Whether it is lost on a request that gets no answer, as with acks=0.
    pub(super) fn is_about_the_answer(self) -> bool {
        self == Self::HalfClose || self.needs_answer() && self.kind() != Kind::Copy
    }

    /// Whether it can be seen only if the request is looked at.
    fn needs_apply(self) -> bool {
        self.needs_answer() || matches!(self.kind(), Kind::Refusal | Kind::RequestBytes)
    }

    /// Whether both can act on one request, so that each can be seen.
    pub(super) fn goes_with(self, other: Self) -> bool {
        let bears = |a: Self, b: Self| {
            (a.lets_answer() || !b.needs_answer()) && (a.lets_apply() || !b.needs_apply())
        };
        // The copy would be applied where the original was refused, which no broker does.
        let parts = |a: Self, b: Self| a.refuses() && b.kind() == Kind::Copy;
        self.kind() != other.kind()
            && bears(self, other)
            && bears(other, self)
            && !parts(self, other)
            && !parts(other, self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_actions_act_together_if_both_can_be_seen() {
        let second = Duration::from_secs(1);
        let error = Action::Error(ErrorCode::NOT_LEADER_OR_FOLLOWER);
        for (one, other, together) in [
            (error, Action::DelayAnswer(second), true),
            (error, Action::Delay(second), true),
            (error, Action::ApplyThenDrop, true),
            (error, Action::LeaveOut, false),
            (error, Action::Duplicate(second), false),
            (error, Action::DropThenApply(second), true),
            (Action::Throttle(second), Action::SlowAnswer(1), true),
            (Action::Delay(second), Action::DropBeforeApply, true),
            (Action::DropBeforeApply, error, false),
            (Action::ApplyThenDrop, Action::Throttle(second), false),
            (Action::ApplyThenDrop, Action::Ignore, false),
            (Action::MoveLeader(None), Action::DropBeforeApply, true),
            (Action::Duplicate(second), Action::DelayAnswer(second), true),
        ] {
            assert_eq!(one.goes_with(other), together, "{one:?} and {other:?}");
            assert_eq!(other.goes_with(one), together, "{other:?} and {one:?}");
        }
    }
}
