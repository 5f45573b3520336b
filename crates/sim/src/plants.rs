//! Which check must catch which planted bug: a simulation that finds nothing proves nothing.
//!
//! A plant is caught by a check that its row names, and by no other: a panic, or a run that stands still, would also follow
//! from a plant that merely breaks the client.

use milena_engine::plants::{Plant, plant};

use crate::failure::{Check, Failure};
use crate::run::{Options, run};

/// One planted bug and what it must be caught by.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// The bug.
    pub plant: Plant,
    /// The checks that may catch it.
    pub caught_by: &'static [Check],
}

/// What came of looking for a planted bug.
#[derive(Clone, Debug)]
pub struct Search {
    /// The first seed whose run fails by a named check, and that failure.
    pub caught: Option<(u64, Failure)>,
    /// The first failure by another check, if that came before.
    pub other: Option<(u64, Failure)>,
    /// Seeds that were run.
    pub seeds: u64,
}

/// Runs up to `seeds` seeds from `first` on with the bug of `row`, until a check that it names fails.
#[must_use]
pub fn search(row: &Row, first: u64, seeds: u64) -> Search {
    plant(Some(row.plant));
    let mut search = Search {
        caught: None,
        other: None,
        seeds: 0,
    };
    for seed in first..first.saturating_add(seeds) {
        let failures = run(seed, Options::default()).failures;
        search.seeds += 1;
        let named = |failure: &&Failure| row.caught_by.contains(&failure.check);
        if let Some(failure) = failures.iter().find(named) {
            search.caught = Some((seed, failure.clone()));
            break;
        }
        if search.other.is_none() {
            search.other = failures.into_iter().next().map(|failure| (seed, failure));
        }
    }
    plant(None);
    search
}

/// Plants the bug of `row` in everything that runs on this thread from now on.
pub fn plant_for_good(row: &Row) {
    plant(Some(row.plant));
}

/// The row of the bug of this name.
#[must_use]
pub fn row(name: &str) -> Option<&'static Row> {
    ROWS.iter().find(|row| row.plant.name() == name)
}

const _: () = assert!(ROWS.len() == Plant::ALL.len(), "every plant has its row");

/// All of them, in the order in which they are told.
pub const ROWS: &[Row] = &[
    row_of(Plant::RetryTakesNewSequence, &[Check::Doubled]),
    row_of(Plant::StampReusedAfterEpochBump, &[Check::Lost]),
    row_of(Plant::CompletionOfTheWrongBatch, &[Check::Lost]),
    row_of(
        Plant::AnswerCountedForAPartitionItDoesNotName,
        &[Check::Lost],
    ),
    row_of(
        Plant::CommitInSpiteOfFailedSend,
        &[Check::Torn, Check::Pipeline],
    ),
    row_of(Plant::SendAdmittedAfterGateClosed, &[Check::Torn]),
    row_of(
        Plant::EndTxnOnTv1WithoutBumpAfterLostAnswer,
        &[Check::Torn, Check::Pipeline],
    ),
    row_of(
        Plant::AddedPartitionsDroppedByLaterFailure,
        &[Check::Torn, Check::Pipeline],
    ),
    row_of(
        Plant::AllFailedTransactionOnTv2NotEnded,
        &[Check::Torn, Check::Pipeline],
    ),
    row_of(
        Plant::UnknownServerErrorOnEndTxnTakenAsCommitted,
        &[Check::Torn, Check::Pipeline],
    ),
    row_of(
        Plant::CommitBeforeAllSendsAnswered,
        &[Check::Torn, Check::Pipeline],
    ),
    row_of(
        Plant::EpochBumpRenumbersUnresolvedBatches,
        &[Check::Doubled],
    ),
    row_of(Plant::SequenceReusedAfterAmbiguousFailure, &[Check::Lost]),
    row_of(
        Plant::TimedOutInFlightReportedNotPersisted,
        &[Check::Persistence],
    ),
    row_of(Plant::UnknownCommitTakenAsAborted, &[Check::Torn]),
    row_of(Plant::FencedCommitTakenAsCommitted, &[Check::Torn]),
    row_of(
        Plant::LostCommitAnswerFollowedByAbort,
        &[Check::Torn, Check::Pipeline],
    ),
    row_of(Plant::DroppedCommitTakenAsAborted, &[Check::Torn]),
    row_of(Plant::SequenceForgottenOnLeaderChange, &[Check::Lost]),
    row_of(
        Plant::LostAnswerTakenAsNotSent,
        &[Check::Persistence, Check::Doubled],
    ),
    row_of(Plant::SplitHalvesShareASequence, &[Check::Lost]),
    row_of(Plant::RetryOvertakenByTheNextBatch, &[Check::Order]),
    row_of(Plant::AcknowledgedWhenSent, &[Check::Lost]),
    row_of(Plant::MemoryOfGivenUpBatchKept, &[Check::LeftOver]),
    row_of(
        Plant::InitProducerIdMidTransaction,
        &[Check::Torn, Check::Pipeline],
    ),
    row_of(
        Plant::LostOffsetsAnswerTakenAsAdded,
        &[Check::Torn, Check::Pipeline],
    ),
    // Nothing is lost by it but time.
    row_of(Plant::CoordinatorCachedForEver, &[Check::Liveness]),
    row_of(Plant::AbortedFilterByListOrder, READING),
    row_of(Plant::AbortMarkerWithoutDataSkipsNextRecords, READING),
    row_of(Plant::PositionIsLastRecordPlusOne, &[Check::Readers]),
    row_of(Plant::RewindLostAfterAbort, &[Check::Pipeline]),
    row_of(
        Plant::OffsetsFetchedWithoutRequireStable,
        &[Check::Pipeline],
    ),
    row_of(Plant::BufferReusedInLink, &[Check::Doubled]),
    row_of(
        Plant::AnswerMatchedByOrderAfterTimeOut,
        &[
            Check::Lost,
            Check::Persistence,
            Check::Torn,
            Check::Pipeline,
        ],
    ),
    // The brokers drop connections whose bytes make no sense, and what is sent again is whole: nothing is wrong but that it
    // never ends.
    row_of(Plant::PartialWriteResumedFromTheStart, &[Check::Liveness]),
    row_of(Plant::AbortedFirstOffsetExclusive, READING),
    row_of(Plant::LastStableOffsetIgnored, READING),
    row_of(Plant::ChecksumNotVerified, READING),
    row_of(Plant::DamagedBatchSkipped, READING),
    row_of(Plant::StaleFetchAfterSeekDelivered, READING),
    row_of(Plant::QueuedBatchSurvivesSeek, READING),
    row_of(Plant::RecordsBelowThePositionDelivered, READING),
    row_of(Plant::DroppedStepCountedAsDone, &[Check::Pipeline]),
    row_of(Plant::OffsetsOfUndoneStepsCommitted, &[Check::Pipeline]),
    row_of(Plant::UnknownCommitDoneAgain, &[Check::Pipeline]),
];

/// What is read wrongly is seen by a reader, or by the pipeline, which reads too.
const READING: &[Check] = &[Check::Readers, Check::Pipeline];

const fn row_of(plant: Plant, caught_by: &'static [Check]) -> Row {
    Row { plant, caught_by }
}
