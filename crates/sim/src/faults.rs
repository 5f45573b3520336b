//! The kinds of faults, and how often each has happened.

use std::collections::BTreeMap;

macro_rules! faults {
    ($($(#[$doc:meta])* $name:ident => $text:literal,)*) => {
        /// One kind of thing that goes wrong in a run.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum Fault { $($(#[$doc])* $name,)* }

        impl Fault {
            /// All of them, in the order of the table.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// In words.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

faults! {
    /// The connection dies instead of Produce's answer.
    ProduceAnswerLost => "answer lost: Produce",
    /// The connection dies instead of EndTxn's answer.
    EndAnswerLost => "answer lost: EndTxn",
    /// The connection dies instead of TxnOffsetCommit's answer.
    OffsetsAnswerLost => "answer lost: TxnOffsetCommit",
    /// The connection dies instead of AddPartitionsToTxn's answer (TV1).
    PartitionsAnswerLost => "answer lost: AddPartitionsToTxn",
    /// The connection dies instead of InitProducerId's answer.
    InitAnswerLost => "answer lost: InitProducerId",
    /// The connection dies and the request was not applied.
    RequestLost => "request lost before it was applied",
    /// The connection dies, and the request is applied a while later.
    LateCopy => "request applied late",
    /// A retriable error instead of the work.
    ErrorAnswered => "retriable error",
    /// A retriable error although the work was done.
    ErrorAfterApply => "applied, then answered with an error",
    /// EndTxn fails, nobody knows why; it may have been done.
    EndFailed => "EndTxn answered UNKNOWN_SERVER_ERROR",
    /// AddPartitionsToTxn is refused for good.
    PartitionsRefused => "AddPartitionsToTxn refused",
    /// A Produce answer does not speak of one of its partitions.
    LeftOut => "partition left out of Produce's answer",
    /// Records that the broker refuses for good.
    SendRefused => "send refused",
    /// The answer comes after the client has given up.
    AnswerDelayed => "answer delayed",
    /// No answer at all, on a connection that stays open.
    Unanswered => "never answered",
    /// A request is applied a second time, a while later.
    Repeated => "request applied twice",
    /// A record batch is damaged on its way to a reader.
    RecordsDamaged => "records damaged",
    /// A socket takes a part of what it is offered, and nothing more for a while.
    SocketFull => "socket full for a while",
    /// A connection cut at some byte on its way to the broker.
    CutToBroker => "connection cut towards the broker",
    /// A connection cut at some byte on its way to the client.
    CutToClient => "connection cut towards the client",
    /// A connection attempt that fails, or is never answered.
    ConnectFailed => "connection attempt failed",
    /// A partition has another leader.
    LeaderMoved => "leader moved",
    /// A transactional id or group has another coordinator, which loads for a while.
    CoordinatorMoved => "coordinator moved",
    /// A node stops, and comes back.
    NodeDown => "node down",
    /// The cluster finalizes the newer transaction protocol while clients work.
    ProtocolRaised => "transaction version raised",
    /// A transactional id is near its last epoch.
    EpochsUsedUp => "epochs used up",
    /// Markers are held back.
    MarkersHeld => "markers held back",
    /// A send was dropped before it resolved.
    SendDropped => "future dropped: send",
    /// A delivery was dropped before it resolved.
    DeliveryDropped => "future dropped: delivery",
    /// A begin was dropped before it resolved.
    BeginDropped => "future dropped: begin",
    /// A commit was dropped before it resolved.
    CommitDropped => "future dropped: commit",
    /// An abort was dropped before it resolved.
    AbortDropped => "future dropped: abort",
    /// A transaction by closure was dropped before it resolved.
    ClosureDropped => "future dropped: transaction",
    /// A transaction was dropped without an end.
    TransactionDropped => "transaction dropped",
    /// A pipeline's next was dropped before it resolved.
    NextDropped => "future dropped: next",
    /// A step was dropped without being done.
    StepDropped => "step not done",
    /// A pipeline was dropped and started again with the same transactional id.
    PipelineDropped => "pipeline dropped and restarted",
    /// Another instance took over while the old one went on.
    Zombie => "older instance kept alive",
}

/// How often each kind of fault has happened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally(BTreeMap<Fault, u64>);

impl Tally {
    /// How often `fault` has happened.
    #[must_use]
    pub fn count(&self, fault: Fault) -> u64 {
        self.0.get(&fault).copied().unwrap_or(0)
    }

    /// All kinds together.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.values().sum()
    }

    /// Adds what another run has met.
    pub fn merge(&mut self, other: &Self) {
        for (fault, count) in &other.0 {
            self.add(*fault, *count);
        }
    }

    pub(crate) fn add(&mut self, fault: Fault, count: u64) {
        *self.0.entry(fault).or_default() += count;
    }
}
