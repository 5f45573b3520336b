//! How transactions end: the answers to EndTxn, and to InitProducerId in its place.

use std::mem;
use std::time::Instant;

use milena_cluster::ProducerIdentity;
#[cfg(feature = "plants")]
use milena_cluster::plants::{Plant, is_planted};
use milena_wire::ErrorCode;

use super::TransactionManager;
use super::error::{AbortCause, FatalCause};
use super::event::{Ending, Event};
use super::open::{Flavour, Work};
use super::phase::{CommitTrace, ExpectIdentity, Phase};
use super::request::RequestKind;
use super::retry::Retry;
use super::verdict::Verdict;

impl TransactionManager {
    pub(super) fn commit_answered(
        &mut self,
        now: Instant,
        error: ErrorCode,
        identity: Option<ProducerIdentity>,
    ) {
        // An answer proves that it was handed over, even if nobody said so.
        self.see_commit_through();
        let verdict = Verdict::of(RequestKind::Commit, error);
        #[cfg(feature = "plants")]
        let verdict = super::plants::verdict_on_commit(verdict, error);
        match verdict {
            Verdict::Done => self.ended(identity, |_, _| Ending::Committed),
            // Never a success, and no refusal either (franz-go 1.21.4 told it as a commit).
            _ if error == ErrorCode::UNKNOWN_SERVER_ERROR => {
                self.commit_unsure();
                self.ask_again(now, END_COMMIT, Verdict::Later);
            }
            // This copy was not even looked at.
            Verdict::Soon => self.ask_again(now, END_COMMIT, verdict),
            Verdict::Later | Verdict::Elsewhere => {
                // A coordinator that moved or timed out may have written the commit down before.
                if let Phase::Committing { commit, .. } = &mut self.phase {
                    commit.trace.uncertain = true;
                }
                self.ask_again(now, END_COMMIT, verdict);
            }
            Verdict::Abort | Verdict::AbortAndBump | Verdict::NotAttempted => {
                let cause = AbortCause::Refused {
                    request: RequestKind::Commit,
                    error,
                };
                self.fail_open(cause, verdict == Verdict::AbortAndBump);
            }
            Verdict::Fatal => self.refused(now, RequestKind::Commit, error),
        }
    }

    pub(super) fn abort_answered(
        &mut self,
        now: Instant,
        error: ErrorCode,
        identity: Option<ProducerIdentity>,
    ) {
        let verdict = Verdict::of(RequestKind::Abort, error);
        match verdict {
            // Whatever became of an earlier EndTxn(commit), a coordinator that has committed
            // refuses to abort: this answer settles it.
            Verdict::Done => self.ended(identity, |cause, _| Ending::Aborted(cause)),
            _ if error == ErrorCode::UNKNOWN_SERVER_ERROR => {
                self.end_unsure();
                self.ask_again(now, END_ABORT, Verdict::Later);
            }
            Verdict::Soon | Verdict::Later | Verdict::Elsewhere => {
                self.ask_again(now, END_ABORT, verdict);
            }
            // The coordinator has lost the producer: only a new identity helps.
            Verdict::AbortAndBump => {
                if let Phase::Aborting { open, .. } = &mut self.phase {
                    (open.fence, open.lost) = (true, true);
                }
            }
            // To abort because an abort failed would go round for ever (KAFKA-19250).
            Verdict::Abort | Verdict::NotAttempted | Verdict::Fatal => {
                self.refused(now, RequestKind::Abort, error);
            }
        }
    }

    pub(super) fn fence_answered(
        &mut self,
        now: Instant,
        error: ErrorCode,
        identity: ProducerIdentity,
    ) {
        let verdict = Verdict::of(RequestKind::InitProducerId, error);
        match verdict {
            Verdict::Done if !identity.is_some() => self.bad_answer(&Work::Fence),
            Verdict::Done => self.ended(Some(identity), |cause, trace| {
                if trace.uncertain {
                    Ending::Unknown
                } else {
                    Ending::Aborted(cause)
                }
            }),
            Verdict::Soon | Verdict::Later | Verdict::Elsewhere => {
                self.ask_again(now, &Work::Fence, verdict);
            }
            _ if is_fencing(error) && self.may_claim_successor() => {
                if let Phase::Aborting { abort, .. } = &mut self.phase {
                    abort.successor = true;
                    abort.retry.reset();
                }
            }
            _ => self.refused(now, RequestKind::InitProducerId, error),
        }
    }

    /// The answer to EndTxn(commit) is lost.
    pub(super) fn commit_unsure(&mut self) {
        #[cfg(feature = "plants")]
        if is_planted(Plant::LostCommitAnswerFollowedByAbort) {
            return self.turn_to_abort(AbortCause::DeadlinePassed);
        }
        self.see_commit_through();
        if let Phase::Committing { commit, .. } = &mut self.phase {
            commit.trace.uncertain = true;
        }
        self.end_unsure();
    }

    /// The answer to any EndTxn is lost.
    pub(super) fn end_unsure(&mut self) {
        #[cfg(test)]
        if self.sabotage == super::tests::Sabotage::NoBump {
            return;
        }
        #[cfg(feature = "plants")]
        if is_planted(Plant::EndTxnOnTv1WithoutBumpAfterLostAnswer) {
            return;
        }
        if let Some(open) = self.phase.open_mut() {
            open.lost_answer();
        }
    }

    /// With nothing to end, and nothing on its way that could change that, the end is here.
    pub(super) fn settle(&mut self) {
        if let Phase::Aborting { abort, .. } = &self.phase {
            let cause = abort.cause.clone();
            self.wind_up(&cause);
        }
        if self.in_flight.is_some() {
            return;
        }
        #[cfg(feature = "plants")]
        self.plant_settle();
        match &self.phase {
            Phase::Committing { open, .. }
                if open.drained && !open.started() && open.outstanding().next().is_none() =>
            {
                self.ended(None, |_, _| Ending::Committed);
            }
            Phase::Aborting { open, .. }
                if open.drained
                    && !open.started()
                    && !open.fence
                    && open.unanswered().next().is_none() =>
            {
                self.ended(None, |cause, _| Ending::Aborted(cause));
            }
            _ => {}
        }
    }

    /// The end of the open transaction, and the way to the next. `identity` is what the answer
    /// brought along.
    fn ended(
        &mut self,
        identity: Option<ProducerIdentity>,
        ending: impl FnOnce(AbortCause, CommitTrace) -> Ending,
    ) {
        let (open, cause, trace) = match mem::replace(&mut self.phase, Phase::Ready) {
            Phase::Committing { open, commit } => (open, AbortCause::Requested, commit.trace),
            Phase::Aborting { open, abort } => (open, abort.cause, abort.trace),
            phase => {
                self.phase = phase;
                return;
            }
        };
        let fresh = identity.filter(|identity| identity.is_some() && *identity != self.identity);
        if let Some(identity) = fresh {
            self.take_identity(identity, false);
        }
        // InitProducerId gives an identity that has spoken neither way yet.
        self.spoken = (!open.ends_by_identity()).then_some(open.flavour);
        let ending = ending(cause, trace);
        self.events.push_back(if trace.told {
            Event::Resolved(ending)
        } else {
            Event::Ended(ending)
        });
        // A TV2 end that brought no new epoch leaves the old one spent.
        let spent = open.bump || open.flavour.is_v2() && open.started();
        if fresh.is_none() && spent || self.speaks_differently() {
            self.expect_bump();
        }
    }

    /// The version of the next transaction is not the one this identity has spoken.
    pub(super) fn speaks_differently(&self) -> bool {
        self.spoken
            .is_some_and(|spoken| spoken != Flavour::of(self.transaction_version))
    }

    pub(super) fn expect_bump(&mut self) {
        self.phase = Phase::Initializing(ExpectIdentity {
            first: false,
            retry: Retry::default(),
        });
    }

    /// May InitProducerId speak for the epoch after this one?
    ///
    /// A TV1 coordinator that is asked for a new epoch while the transaction is open aborts it
    /// under epoch + 1, gives that epoch to nobody, forgets ours, and answers the repetition with
    /// PRODUCER_FENCED. While the transaction was registered and no EndTxn was sent, epoch + 1
    /// can only have come about that way (or by the transaction's time-out): a newer instance
    /// would have been given epoch + 2. So to claim epoch + 1 fences nobody who is newer.
    fn may_claim_successor(&self) -> bool {
        match &self.phase {
            #[cfg(test)]
            Phase::Aborting { abort, .. }
                if self.sabotage == super::tests::Sabotage::ClaimAlways =>
            {
                !abort.successor
            }
            Phase::Aborting { open, abort } => {
                open.flavour == Flavour::V1
                    && open.started()
                    && !abort.sent
                    && !abort.successor
                    && !abort.trace.uncertain
            }
            _ => false,
        }
    }

    /// The end of the manager. An open transaction ends with it: nobody will commit it any more,
    /// so it is aborted for certain unless a commit is in doubt.
    pub(super) fn fatal(&mut self, fatal: FatalCause) {
        self.in_flight = None;
        self.wind_up(&AbortCause::Fatal(fatal.clone()));
        let phase = mem::replace(&mut self.phase, Phase::FatalError(fatal.clone()));
        let (cause, trace) = match phase {
            Phase::FatalError(first) => {
                self.phase = Phase::FatalError(first);
                return;
            }
            Phase::InTransaction(_) => (None, CommitTrace::default()),
            Phase::AbortableError { cause, .. } => (Some(cause), CommitTrace::default()),
            Phase::Committing { commit, .. } => (None, commit.trace),
            Phase::Aborting { abort, .. } => (Some(abort.cause), abort.trace),
            Phase::Uninitialized | Phase::Initializing(_) | Phase::Ready => {
                self.events.push_back(Event::Fatal(fatal));
                return;
            }
        };
        let ending = if trace.uncertain {
            Ending::Unknown
        } else {
            Ending::Aborted(cause.unwrap_or_else(|| AbortCause::Fatal(fatal.clone())))
        };
        self.events.push_back(if trace.told {
            Event::Resolved(ending)
        } else {
            Event::Ended(ending)
        });
        self.events.push_back(Event::Fatal(fatal));
    }
}

/// Refused for its epoch. Coordinators before 2.7 say INVALID_PRODUCER_EPOCH for it.
fn is_fencing(error: ErrorCode) -> bool {
    matches!(
        error,
        ErrorCode::PRODUCER_FENCED | ErrorCode::INVALID_PRODUCER_EPOCH
    )
}

const END_COMMIT: &Work = &Work::EndTxn { committing: true };
const END_ABORT: &Work = &Work::EndTxn { committing: false };
