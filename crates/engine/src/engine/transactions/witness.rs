//! What became of a commit when its coordinator cannot say: the offsets that it carried bear a mark, and the group's
//! coordinator can be asked for it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use milena_cluster::{ProducerIdentity, TopicPartition};
use milena_producer::transaction::{
    AbortCause, CommittedOffset, FatalCause, Generation, OffsetsToCommit,
};

use super::Engine;
use crate::command::{CommittedPosition, QueryAnswer, QueryKind};
use crate::handles::{QueryError, TransactionOutcome};
use crate::reply::{Answer, reply};

/// How long the group's coordinator is asked.
const WITNESS_TIMEOUT: Duration = Duration::from_secs(15);

/// A group, and what it was to commit.
type Marked = (Arc<str>, Vec<(TopicPartition, CommittedOffset)>);

#[derive(Debug, Default)]
pub(super) struct Witness {
    /// The generation whose batches are known to be settled.
    pub(super) drained: Option<Generation>,
    /// The last offset sent for each partition in this transaction.
    offsets: Option<Marked>,
    /// The ending is unknown and the offsets may tell.
    pub(super) wanted: bool,
    asking: Option<Answer<Result<QueryAnswer, QueryError>>>,
}

impl Witness {
    pub(super) fn begin(&mut self) {
        *self = Self {
            drained: self.drained,
            ..Self::default()
        };
    }

    pub(super) fn can_tell(&self) -> bool {
        self.offsets
            .as_ref()
            .is_some_and(|(_, offsets)| !offsets.is_empty())
    }

    pub(super) fn is_asking(&self) -> bool {
        self.wanted || self.asking.is_some()
    }

    /// Puts the transaction's mark where the user put no metadata of his own, and remembers what to look for.
    pub(super) fn mark(
        &mut self,
        offsets: &OffsetsToCommit,
        identity: ProducerIdentity,
        generation: u64,
    ) -> OffsetsToCommit {
        let mark: Arc<str> = format!(
            "milena/{}/{}/{generation}",
            identity.producer_id, identity.epoch
        )
        .into();
        let mut marked = offsets.clone();
        for (_, offset) in &mut marked.offsets {
            if offset.metadata.is_empty() {
                offset.metadata = Arc::clone(&mark);
            }
        }
        self.offsets = Some((Arc::clone(&marked.group.group), marked.offsets.clone()));
        marked
    }

    /// Ours, or something older, or something that tells nothing: a newer instance may have gone over our offsets.
    /// `cause` is why the producer can do no more.
    fn judge(&self, answer: &QueryAnswer, cause: FatalCause) -> TransactionOutcome {
        let (Some((_, ours)), QueryAnswer::Committed(found)) = (&self.offsets, answer) else {
            return TransactionOutcome::Unknown;
        };
        let found_of = |partition: &TopicPartition| -> Option<&Option<CommittedPosition>> {
            found
                .iter()
                .find(|(other, _)| other == partition)
                .map(|(_, position)| position)
        };
        for (partition, offset) in ours {
            match found_of(partition) {
                Some(Some(position))
                    if position.cursor.position == offset.offset
                        && position.metadata == offset.metadata =>
                {
                    return TransactionOutcome::Committed;
                }
                Some(Some(position)) if position.cursor.position < offset.offset => {
                    return TransactionOutcome::Aborted(AbortCause::Fatal(cause));
                }
                Some(None) => return TransactionOutcome::Aborted(AbortCause::Fatal(cause)),
                _ => {}
            }
        }
        TransactionOutcome::Unknown
    }
}

impl Engine {
    /// Asks the group's coordinator, and tells the commit's caller what it says.
    pub(super) fn consult_witness(&mut self, now: Instant, producer: usize) -> bool {
        let Some(transaction) = self.transaction(producer) else {
            return false;
        };
        if std::mem::take(&mut transaction.witness.wanted) {
            let Some((group, offsets)) = transaction.witness.offsets.clone() else {
                return false;
            };
            let (ask, answer) = reply();
            transaction.witness.asking = Some(answer);
            let partitions = offsets
                .into_iter()
                .map(|(partition, _)| partition)
                .collect();
            self.queries.ask(
                QueryKind::Committed { group, partitions },
                now + WITNESS_TIMEOUT,
                ask,
            );
            return true;
        }
        let Some(answer) = &mut transaction.witness.asking else {
            return false;
        };
        let polled = std::pin::Pin::new(answer)
            .poll(&mut std::task::Context::from_waker(std::task::Waker::noop()));
        let std::task::Poll::Ready(answer) = polled else {
            return false;
        };
        transaction.witness.asking = None;
        let cause = transaction.fatal().unwrap_or(FatalCause::Fenced);
        let outcome = match answer {
            Ok(Ok(answer)) => transaction.witness.judge(&answer, cause),
            _ => TransactionOutcome::Unknown,
        };
        transaction.outcome = Some(outcome.clone());
        transaction.answer_end(outcome);
        true
    }
}
