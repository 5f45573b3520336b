//! What an error means for the manager: the recovery table, reduced to what it can do.

use milena_cluster::TopicPartition;
use milena_cluster::recovery::{self, Recovery};
use milena_wire::ErrorCode;

use super::request::RequestKind;

/// What to do about an answer. The order is by weight: of several results in one answer the
/// heaviest decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Verdict {
    /// Done.
    Done,
    /// Not tried because of another result in the same answer, which says what is wrong.
    NotAttempted,
    /// Ask again within milliseconds: the transaction before is still being completed.
    Soon,
    /// Ask again.
    Later,
    /// Ask again, elsewhere.
    Elsewhere,
    /// The transaction can only be aborted.
    Abort,
    /// So it is, and its identity must not be used again.
    AbortAndBump,
    /// The manager is of no more use.
    Fatal,
}

impl Verdict {
    pub(super) fn of(kind: RequestKind, error: ErrorCode) -> Self {
        if error.is_ok() {
            return Self::Done;
        }
        if error == ErrorCode::OPERATION_NOT_ATTEMPTED && kind == RequestKind::AddPartitions {
            return Self::NotAttempted;
        }
        match recovery::recover(kind.operation(), error) {
            Recovery::RetrySoon => Self::Soon,
            Recovery::Retry | Recovery::RefreshMetadata => Self::Later,
            Recovery::FindCoordinator => Self::Elsewhere,
            Recovery::Abort => Self::Abort,
            Recovery::AbortAndBump => Self::AbortAndBump,
            // What only batches and fetches can be answered with makes no sense here.
            Recovery::Ok
            | Recovery::Split
            | Recovery::Sequence
            | Recovery::Duplicate
            | Recovery::Reset
            | Recovery::Fatal(_) => Self::Fatal,
        }
    }

    /// The heaviest of several results, and where it came from.
    pub(super) fn heaviest<'a>(
        kind: RequestKind,
        results: impl IntoIterator<Item = &'a (TopicPartition, ErrorCode)>,
    ) -> (Self, Option<&'a (TopicPartition, ErrorCode)>) {
        results
            .into_iter()
            .map(|result| (Self::of(kind, result.1), Some(result)))
            .max_by_key(|(verdict, _)| *verdict)
            .unwrap_or((Self::Done, None))
    }
}
