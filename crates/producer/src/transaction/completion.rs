//! What coordinators answered, or did not: identities, partitions and offsets.

use std::sync::Arc;
use std::time::Instant;

#[cfg(feature = "plants")]
use milena_cluster::plants::{Plant, is_planted};
use milena_cluster::recovery::{self, Recovery};
use milena_cluster::{CoordinatorKey, Outcome, ProducerIdentity, SendFailure, TopicPartition};
use milena_wire::ErrorCode;

use super::error::{AbortCause, FatalCause};
use super::event::Event;
use super::open::Work;
use super::phase::{ExpectIdentity, Phase};
use super::request::{RequestId, RequestKind, Response};
use super::retry::Retry;
use super::verdict::Verdict;
use super::{InFlight, TransactionManager};

impl TransactionManager {
    /// What became of a request. An answer to a request that is no longer waited for changes
    /// nothing.
    pub fn handle_completion(&mut self, now: Instant, id: RequestId, outcome: Outcome<Response>) {
        self.see(now);
        let Some(InFlight { work, .. }) = self.in_flight.take_if(|request| request.id == id) else {
            return;
        };
        match outcome {
            Outcome::Answered(response) => self.answered(now, &work, response),
            Outcome::NotSent(failure) => self.not_sent(now, &work, &failure),
            Outcome::Unsure(_) => self.unsure(now, &work),
        }
        self.settle();
    }

    fn answered(&mut self, now: Instant, work: &Work, response: Response) {
        match (work, response) {
            (Work::Identity, Response::InitProducerId { error, identity }) => {
                self.identity_answered(now, error, identity);
            }
            (Work::Fence, Response::InitProducerId { error, identity }) => {
                self.fence_answered(now, error, identity);
            }
            (Work::AddPartitions, Response::AddPartitions { results }) => {
                self.partitions_answered(now, &results);
            }
            (Work::AddOffsets(group), Response::AddOffsets { error }) => {
                self.group_answered(now, group, error);
            }
            (Work::TxnOffsetCommit, Response::TxnOffsetCommit { results }) => {
                self.offsets_answered(now, &results);
            }
            (Work::EndTxn { committing: true }, Response::EndTxn { error, identity }) => {
                self.commit_answered(now, error, identity);
            }
            (Work::EndTxn { committing: false }, Response::EndTxn { error, identity }) => {
                self.abort_answered(now, error, identity);
            }
            (work, _) => self.bad_answer(work),
        }
    }

    /// Nothing reached the broker: the same again, wherever the coordinator is by then.
    fn not_sent(&mut self, now: Instant, work: &Work, failure: &SendFailure) {
        match failure {
            SendFailure::Unsupported(_) | SendFailure::Encode(_) => {
                return self.fatal(FatalCause::Unsupported {
                    request: kind(work),
                });
            }
            // Taken back on purpose: the coordinator is where it was, and what took its place need
            // not wait.
            SendFailure::Recalled if matches!(self.phase, Phase::Aborting { .. }) => return,
            SendFailure::Recalled => {}
            _ => self.coordinator_lost(work),
        }
        self.retry(now, work, Verdict::Later);
    }

    /// The broker may have acted. Whatever it was, it is repeated until it is answered.
    fn unsure(&mut self, now: Instant, work: &Work) {
        match work {
            Work::EndTxn { committing: true } => self.commit_unsure(),
            Work::EndTxn { committing: false } => self.end_unsure(),
            #[cfg(feature = "plants")]
            Work::TxnOffsetCommit if is_planted(Plant::LostOffsetsAnswerTakenAsAdded) => {
                return self.offsets_added();
            }
            work => self.registration_unsure(work),
        }
        self.coordinator_lost(work);
        self.retry(now, work, Verdict::Later);
    }

    fn registration_unsure(&mut self, work: &Work) {
        let Some(open) = self.phase.open_mut() else {
            return;
        };
        #[cfg(feature = "plants")]
        open.plant_bump();
        match work {
            Work::AddPartitions => open.partitions.uncertain = true,
            Work::AddOffsets(group) => open.offsets.uncertain = Some(group.clone()),
            Work::TxnOffsetCommit => {
                if let Some(job) = open.offsets.jobs.front_mut() {
                    job.unsure = true;
                }
            }
            // InitProducerId with the same identity again is answered as if it were the first.
            Work::Identity | Work::Fence | Work::EndTxn { .. } => return,
        }
        open.lost_answer();
    }

    fn identity_answered(&mut self, now: Instant, error: ErrorCode, identity: ProducerIdentity) {
        #[cfg(feature = "plants")]
        self.plant_identity_answered(error, identity);
        let Phase::Initializing(ExpectIdentity { first, .. }) = self.phase else {
            return;
        };
        let verdict = Verdict::of(RequestKind::InitProducerId, error);
        match verdict {
            Verdict::Done if !identity.is_some() => self.bad_answer(&Work::Identity),
            Verdict::Done => {
                self.phase = Phase::Ready;
                self.take_identity(identity, first);
            }
            Verdict::Soon | Verdict::Later | Verdict::Elsewhere => {
                self.ask_again(now, &Work::Identity, verdict);
            }
            _ if first && may_initialize_again(error) => {
                self.phase = Phase::Uninitialized;
                self.events.push_back(Event::InitializeFailed(error));
            }
            _ => self.refused(now, RequestKind::InitProducerId, error),
        }
    }

    /// Every partition is on its own: one that was refused drops none that was registered
    /// (franz-go 1.21.4 lost them).
    fn partitions_answered(&mut self, now: Instant, results: &[(TopicPartition, ErrorCode)]) {
        let kind = RequestKind::AddPartitions;
        let Some(open) = self.phase.open_mut() else {
            return;
        };
        let (mut verdict, culprit) = Verdict::heaviest(kind, results);
        let culprit = culprit.cloned();
        let mut added = false;
        for (partition, error) in results {
            if error.is_ok() && open.partitions.asked.remove(partition) {
                open.partitions.registered.insert(partition.clone());
                open.set_started();
                added = true;
            }
        }
        if verdict == Verdict::Done && !open.partitions.asked.is_empty() {
            // Left out of the answer: as good as not asked for.
            verdict = Verdict::Later;
        }
        if added {
            self.events.push_back(Event::PartitionsAdded);
        }
        let was_uncertain = open.partitions.uncertain;
        match verdict {
            Verdict::Done => {
                open.partitions.uncertain = false;
                open.partitions.retry.reset();
            }
            Verdict::Soon => self.ask_again(now, &Work::AddPartitions, verdict),
            Verdict::Later | Verdict::Elsewhere => {
                let error = culprit.map_or(ErrorCode::NONE, |(_, error)| error);
                let doubt = self.doubt(error, was_uncertain);
                if let Some(open) = self.phase.open_mut() {
                    open.partitions.uncertain = doubt;
                }
                self.ask_again(now, &Work::AddPartitions, verdict);
            }
            Verdict::NotAttempted | Verdict::Abort | Verdict::AbortAndBump => {
                open.partitions.uncertain = false;
                open.partitions.asked.clear();
                #[cfg(feature = "plants")]
                open.plant_forget_partitions();
                // An earlier copy may be registered: EndTxn would be refused if it is not, and
                // nothing would end it if it is. InitProducerId suits both.
                open.fence |= was_uncertain;
                if let Some((partition, error)) = culprit {
                    let cause = AbortCause::PartitionRefused { partition, error };
                    self.fail_open(cause, verdict == Verdict::AbortAndBump);
                }
            }
            Verdict::Fatal => {
                let error = culprit.map_or(ErrorCode::UNKNOWN_SERVER_ERROR, |(_, error)| error);
                self.refused(now, kind, error);
            }
        }
    }

    fn group_answered(&mut self, now: Instant, group: &Arc<str>, error: ErrorCode) {
        let Some(open) = self.phase.open_mut() else {
            return;
        };
        let verdict = Verdict::of(RequestKind::AddOffsets, error);
        let was_uncertain = open.offsets.uncertain.is_some();
        match verdict {
            Verdict::Done => {
                open.offsets.uncertain = None;
                open.offsets.groups.insert(group.clone());
                open.offsets.add_retry.reset();
                open.set_started();
            }
            Verdict::Soon => self.ask_again(now, &Work::AddOffsets(group.clone()), verdict),
            Verdict::Later | Verdict::Elsewhere => {
                let doubt = self.doubt(error, was_uncertain);
                if let Some(open) = self.phase.open_mut() {
                    open.offsets.uncertain = doubt.then(|| group.clone());
                }
                self.ask_again(now, &Work::AddOffsets(group.clone()), verdict);
            }
            Verdict::NotAttempted | Verdict::Abort | Verdict::AbortAndBump => {
                open.offsets.uncertain = None;
                open.fence |= was_uncertain;
                let cause = AbortCause::Refused {
                    request: RequestKind::AddOffsets,
                    error,
                };
                self.fail_open(cause, verdict == Verdict::AbortAndBump);
            }
            Verdict::Fatal => self.refused(now, RequestKind::AddOffsets, error),
        }
    }

    fn offsets_answered(&mut self, now: Instant, results: &[(TopicPartition, ErrorCode)]) {
        let kind = RequestKind::TxnOffsetCommit;
        let Some(open) = self.phase.open_mut() else {
            return;
        };
        let Some(job) = open.offsets.jobs.front() else {
            return;
        };
        let (mut verdict, culprit) = Verdict::heaviest(kind, results);
        let complete = job
            .offsets
            .offsets
            .iter()
            .all(|(partition, _)| results.iter().any(|(answered, _)| answered == partition));
        if verdict == Verdict::Done && !complete {
            verdict = Verdict::Later;
        }
        match verdict {
            Verdict::Done => self.offsets_added(),
            Verdict::Soon | Verdict::Later | Verdict::Elsewhere => {
                if self.is_winding_up()
                    && let Some(job) = self
                        .phase
                        .open_mut()
                        .and_then(|open| open.offsets.jobs.front_mut())
                {
                    // An answer is all that an abort has to wait for.
                    job.unsure = false;
                }
                self.ask_again(now, &Work::TxnOffsetCommit, verdict);
            }
            Verdict::NotAttempted | Verdict::Abort | Verdict::AbortAndBump => {
                if let Some((partition, error)) = culprit.cloned() {
                    let group = job.group().clone();
                    self.offsets_refused(AbortCause::OffsetsRefused {
                        group,
                        partition,
                        error,
                    });
                }
            }
            Verdict::Fatal => {
                let error = culprit.map_or(ErrorCode::UNKNOWN_SERVER_ERROR, |(_, error)| *error);
                self.refused(now, kind, error);
            }
        }
    }

    fn offsets_added(&mut self) {
        let Some(open) = self.phase.open_mut() else {
            return;
        };
        let Some(job) = open.offsets.jobs.pop_front() else {
            return;
        };
        open.offsets.commit_retry.reset();
        if job.unsure {
            open.offsets.in_doubt.insert(job.group().clone());
        }
        let in_doubt = &open.offsets.in_doubt;
        let doubtful = open
            .offsets
            .jobs
            .iter()
            .find(|next| in_doubt.contains(next.group()));
        let doubtful = doubtful.map(|next| next.group().clone());
        if !job.reported {
            self.events.push_back(Event::OffsetsAdded(job.offsets));
        }
        if let Some(group) = doubtful {
            self.fail_open(AbortCause::OffsetsInDoubt { group }, false);
        }
    }

    fn offsets_refused(&mut self, cause: AbortCause) {
        let Some(open) = self.phase.open_mut() else {
            return;
        };
        let Some(job) = open.offsets.jobs.pop_front() else {
            return;
        };
        if !job.reported {
            self.events.push_back(Event::OffsetsFailed(cause.clone()));
        }
        self.fail_open(cause, false);
    }

    /// After a registration was answered with an error that passes: may it have been applied?
    ///
    /// On the way to an abort a doubt that lasts is not worth waiting for (a topic that is gone
    /// never comes back): InitProducerId, and EndTxn of TV2, end the transaction whether or not anything is registered.
    fn doubt(&mut self, error: ErrorCode, doubted: bool) -> bool {
        if may_have_been_written(error) {
            return true;
        }
        if !doubted || !self.is_winding_up() {
            return doubted;
        }
        if let Some(open) = self.phase.open_mut() {
            open.fence = true;
        }
        false
    }

    fn is_winding_up(&self) -> bool {
        matches!(
            self.phase,
            Phase::AbortableError { .. } | Phase::Aborting { .. }
        )
    }

    pub(super) fn take_identity(&mut self, identity: ProducerIdentity, first: bool) {
        self.identity = identity;
        self.spoken = None;
        self.events.push_back(if first {
            Event::Initialized(identity)
        } else {
            Event::IdentityChanged(identity)
        });
    }

    /// Answered, but not done: the same again after a wait, elsewhere if need be.
    pub(super) fn ask_again(&mut self, now: Instant, work: &Work, verdict: Verdict) {
        if verdict == Verdict::Elsewhere {
            self.coordinator_lost(work);
        }
        self.retry(now, work, verdict);
    }

    fn coordinator_lost(&mut self, work: &Work) {
        let group = match (work, self.phase.open()) {
            (Work::TxnOffsetCommit, Some(open)) => {
                open.offsets.jobs.front().map(|job| job.group().clone())
            }
            _ => None,
        };
        let key = match group {
            Some(group) => CoordinatorKey::Group(group),
            None => CoordinatorKey::Transaction(self.config.transactional_id.clone()),
        };
        self.events.push_back(Event::CoordinatorLost(key, None));
    }

    fn retry(&mut self, now: Instant, work: &Work, verdict: Verdict) {
        let retry: &mut Retry = match (work, &mut self.phase) {
            (Work::Identity, Phase::Initializing(expect)) => &mut expect.retry,
            (Work::EndTxn { .. }, Phase::Committing { commit, .. }) => &mut commit.retry,
            (Work::EndTxn { .. } | Work::Fence, Phase::Aborting { abort, .. }) => &mut abort.retry,
            (Work::AddPartitions, phase) => match phase.open_mut() {
                Some(open) => &mut open.partitions.retry,
                None => return,
            },
            (Work::AddOffsets(_), phase) => match phase.open_mut() {
                Some(open) => &mut open.offsets.add_retry,
                None => return,
            },
            (Work::TxnOffsetCommit, phase) => match phase.open_mut() {
                Some(open) => &mut open.offsets.commit_retry,
                None => return,
            },
            (Work::Identity | Work::EndTxn { .. } | Work::Fence, _) => return,
        };
        match verdict {
            Verdict::Soon => retry.soon(now, &self.config, &mut self.rng),
            _ => retry.later(now, &self.config, &mut self.rng),
        }
    }

    /// A refusal that ends the manager.
    pub(super) fn refused(&mut self, now: Instant, request: RequestKind, error: ErrorCode) {
        let open_for = self
            .phase
            .open()
            .and_then(|open| open.overdue(now, self.config.transaction_timeout));
        let timed_out = open_for.map(|open_for| FatalCause::TimedOut {
            open_for,
            timeout: self.config.transaction_timeout,
        });
        let cause = match recovery::recover(request.operation(), error) {
            Recovery::Fatal(recovery::FatalCause::Fenced) => {
                timed_out.unwrap_or(FatalCause::Fenced)
            }
            // A TV2 coordinator that timed the transaction out answers a commit this way.
            _ if error == ErrorCode::INVALID_TXN_STATE && timed_out.is_some() => {
                timed_out.unwrap_or(FatalCause::Fenced)
            }
            Recovery::Fatal(recovery::FatalCause::InvalidMapping) => FatalCause::MappingLost,
            Recovery::Fatal(recovery::FatalCause::Authorization) => {
                FatalCause::Unauthorized { request, error }
            }
            _ if is_authorization(error) => FatalCause::Unauthorized { request, error },
            Recovery::Fatal(recovery::FatalCause::Unsupported) => {
                FatalCause::Unsupported { request }
            }
            Recovery::Fatal(recovery::FatalCause::Configuration) => {
                FatalCause::Configuration { request, error }
            }
            _ => FatalCause::Refused { request, error },
        };
        self.fatal(cause);
    }

    pub(super) fn bad_answer(&mut self, work: &Work) {
        if let Work::EndTxn { committing: true } = work {
            self.commit_unsure();
        }
        self.fatal(FatalCause::BadAnswer {
            request: kind(work),
        });
    }
}

/// A coordinator that fails after it wrote to its log answers so; other errors come before.
fn may_have_been_written(error: ErrorCode) -> bool {
    matches!(
        error,
        ErrorCode::NOT_COORDINATOR
            | ErrorCode::COORDINATOR_NOT_AVAILABLE
            | ErrorCode::REQUEST_TIMED_OUT
    )
}

/// An authorization may be granted, and then the same producer may go on (KAFKA-13668).
fn may_initialize_again(error: ErrorCode) -> bool {
    is_authorization(error) || error == ErrorCode::TRANSACTION_ABORTABLE
}

fn is_authorization(error: ErrorCode) -> bool {
    matches!(
        error,
        ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED | ErrorCode::CLUSTER_AUTHORIZATION_FAILED
    )
}

fn kind(work: &Work) -> RequestKind {
    match work {
        Work::Identity | Work::Fence => RequestKind::InitProducerId,
        Work::AddPartitions => RequestKind::AddPartitions,
        Work::AddOffsets(_) => RequestKind::AddOffsets,
        Work::TxnOffsetCommit => RequestKind::TxnOffsetCommit,
        Work::EndTxn { committing: true } => RequestKind::Commit,
        Work::EndTxn { committing: false } => RequestKind::Abort,
    }
}
