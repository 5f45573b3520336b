//! Bugs on demand: the simulation is only worth its time if it finds them.
//!
//! Each of them has lost, doubled or torn records in some client. Nothing of this is in a build without the feature `plants`,
//! and only `cargo xtask plants` and the simulation's own tests ask for it. It lives in this crate because it is the lowest
//! that all crates with a plant share.

use std::cell::Cell;

macro_rules! plants {
    ($(#[doc = $does:literal] $plant:ident => $name:literal,)*) => {
        /// A bug that can be planted.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Plant { $(#[doc = $does] $plant,)* }

        impl Plant {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$plant,)*];

            /// Its name on the command line.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$plant => $name,)* }
            }

            /// What the client does wrong.
            #[must_use]
            pub fn does(self) -> &'static str {
                match self { $(Self::$plant => $does.trim_ascii(),)* }
            }
        }
    };
}

plants! {
    /// A batch that is sent again takes a new sequence, so no broker recognises it.
    RetryTakesNewSequence => "retry-takes-new-sequence",
    /// Sequences start over although the epoch stays: other records get stamps that were used before.
    StampReusedAfterEpochBump => "stamp-reused-after-epoch-bump",
    /// An answer completes the last batch in flight instead of the one that it is for.
    CompletionOfTheWrongBatch => "completion-of-the-wrong-batch",
    /// A Produce answer's first partition stands for those that it leaves out.
    AnswerCountedForAPartitionItDoesNotName => "answer-counted-for-a-partition-it-does-not-name",
    /// A failed send does not keep its transaction from being committed.
    CommitInSpiteOfFailedSend => "commit-in-spite-of-failed-send",
    /// A send is let into a transaction whose commit has begun.
    SendAdmittedAfterGateClosed => "send-admitted-after-gate-closed",
    /// Under TV1 a transaction begins behind an EndTxn that went unanswered, without a new epoch (KAFKA-17754).
    EndTxnOnTv1WithoutBumpAfterLostAnswer => "end-txn-on-tv1-without-bump-after-lost-answer",
    /// A failed AddPartitionsToTxn forgets the partitions that were added before it.
    AddedPartitionsDroppedByLaterFailure => "added-partitions-dropped-by-later-failure",
    /// A transaction whose sends have all failed is not ended, because nothing of it is acknowledged.
    AllFailedTransactionOnTv2NotEnded => "all-failed-transaction-on-tv2-not-ended",
    /// An EndTxn that the broker could not make sense of counts as committed.
    UnknownServerErrorOnEndTxnTakenAsCommitted => "unknown-server-error-on-end-txn-taken-as-committed",
    /// EndTxn goes out while batches of its transaction are unanswered.
    CommitBeforeAllSendsAnswered => "commit-before-all-sends-answered",
    /// A new epoch renumbers batches that may be in the log under the old one (librdkafka #4953).
    EpochBumpRenumbersUnresolvedBatches => "epoch-bump-renumbers-unresolved-batches",
    /// A batch that may be in the log is failed, and the next takes its sequence: it is taken for a repetition.
    SequenceReusedAfterAmbiguousFailure => "sequence-reused-after-ambiguous-failure",
    /// A batch that timed out on its way is said not to be in the log.
    TimedOutInFlightReportedNotPersisted => "timed-out-in-flight-reported-not-persisted",
    /// A commit that nobody answered is said to be aborted.
    UnknownCommitTakenAsAborted => "unknown-commit-taken-as-aborted",
    /// A fenced commit is taken for one that an earlier copy has done.
    FencedCommitTakenAsCommitted => "fenced-commit-taken-as-committed",
    /// A commit whose answer is lost is followed by an abort, and told as one.
    LostCommitAnswerFollowedByAbort => "lost-commit-answer-followed-by-abort",
    /// A dropped commit counts as aborted, wherever its EndTxn is.
    DroppedCommitTakenAsAborted => "dropped-commit-taken-as-aborted",
    /// A new leader makes the sequences of its partition start over (librdkafka 1.9.0).
    SequenceForgottenOnLeaderChange => "sequence-forgotten-on-leader-change",
    /// A batch without its answer counts as one that was never sent.
    LostAnswerTakenAsNotSent => "lost-answer-taken-as-not-sent",
    /// Both halves of a batch that was split go out with the same first sequence.
    SplitHalvesShareASequence => "split-halves-share-a-sequence",
    /// A later batch goes out while an earlier one waits to be repeated, and takes its sequence.
    RetryOvertakenByTheNextBatch => "retry-overtaken-by-the-next-batch",
    /// A batch is acknowledged when its first byte leaves.
    AcknowledgedWhenSent => "acknowledged-when-sent",
    /// The memory of a batch that is given up never comes back.
    MemoryOfGivenUpBatchKept => "memory-of-given-up-batch-kept",
    /// A lost answer in a transaction makes it get a new epoch and go on (librdkafka #3575).
    InitProducerIdMidTransaction => "init-producer-id-mid-transaction",
    /// Offsets whose answer is lost count as added to their transaction.
    LostOffsetsAnswerTakenAsAdded => "lost-offsets-answer-taken-as-added",
    /// A coordinator that has moved is asked for ever (franz-go 1.10.3).
    CoordinatorCachedForEver => "coordinator-cached-for-ever",
    /// Aborted ranges are taken in the order of the broker's list, not of their first offsets.
    AbortedFilterByListOrder => "aborted-filter-by-list-order",
    /// An abort marker whose transaction has no data skips the records behind it.
    AbortMarkerWithoutDataSkipsNextRecords => "abort-marker-without-data-skips-next-records",
    /// The position is the last record's offset and one, whatever markers follow.
    PositionIsLastRecordPlusOne => "position-is-last-record-plus-one",
    /// After an abort the pipeline goes on from where it had read to.
    RewindLostAfterAbort => "rewind-lost-after-abort",
    /// Committed offsets are read while a transaction is about to move them.
    OffsetsFetchedWithoutRequireStable => "offsets-fetched-without-require-stable",
    /// A batch's memory is used again while its frame is in a link (CVE-2026-35554).
    BufferReusedInLink => "buffer-reused-in-link",
    /// After a request's time-out its link stays, and answers are matched to requests by their order alone.
    AnswerMatchedByOrderAfterTimeOut => "answer-matched-by-order-after-time-out",
    /// What a socket has taken a part of is written again from its beginning.
    PartialWriteResumedFromTheStart => "partial-write-resumed-from-the-start",
    /// A transaction's first batch is not counted to its aborted range if it ends where the range begins.
    AbortedFirstOffsetExclusive => "aborted-first-offset-exclusive",
    /// Records beyond the last stable offset are asked for and shown.
    LastStableOffsetIgnored => "last-stable-offset-ignored",
    /// Nobody looks at the checksum of what is read.
    ChecksumNotVerified => "checksum-not-verified",
    /// A batch that arrives damaged is passed over.
    DamagedBatchSkipped => "damaged-batch-skipped",
    /// An answer to a fetch from before a seek is taken for one to the fetch after it.
    StaleFetchAfterSeekDelivered => "stale-fetch-after-seek-delivered",
    /// What was fetched before a seek, and not taken, is handed out after it.
    QueuedBatchSurvivesSeek => "queued-batch-survives-seek",
    /// The whole batch is shown in which the position sought lies.
    RecordsBelowThePositionDelivered => "records-below-the-position-delivered",
    /// A step that is dropped counts as done.
    DroppedStepCountedAsDone => "dropped-step-counted-as-done",
    /// The offset behind a whole batch is committed with the first of its steps.
    OffsetsOfUndoneStepsCommitted => "offsets-of-undone-steps-committed",
    /// The work of a commit that turns out to have been done is done again.
    UnknownCommitDoneAgain => "unknown-commit-done-again",
}

impl Plant {
    /// The plant of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|plant| plant.name() == name)
    }
}

thread_local! {
    static PLANTED: Cell<Option<Plant>> = const { Cell::new(None) };
}

/// Plants a bug in everything that runs on this thread from now on, or takes it out again.
pub fn plant(plant: Option<Plant>) {
    PLANTED.set(plant);
}

/// Whether this bug is planted on this thread.
#[must_use]
pub fn is_planted(plant: Plant) -> bool {
    PLANTED.get() == Some(plant)
}
