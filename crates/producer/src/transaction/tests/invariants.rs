//! The invariants and measured dangers of the transaction protocol that are the manager's business,
//! one test each.

use std::time::Duration;

use milena_cluster::ProducerIdentity;
use milena_wire::ErrorCode;

use super::rig::{
    Rig, TIMEOUT, answer, failed_send, identity, offsets, partition, send_refused, unsure,
};
use crate::transaction::{
    AbortCause, AddPartition, BeginError, Ending, Event, Failure, FatalCause, GaveUp, Generation,
    Request, RequestKind, Response, State, TransactionStateError,
};

const BOTH: [i16; 2] = [1, 2];

#[test]
fn invariant_1_a_failed_send_forbids_commit() {
    for version in BOTH {
        let mut rig = Rig::started(version);
        rig.manager
            .fail(rig.now, rig.manager.generation(), failed_send());
        assert_eq!(
            rig.manager.commit(rig.now),
            Err(TransactionStateError::MustAbort(send_refused()))
        );
        assert_eq!(rig.events(), [Event::Failed(send_refused())]);
    }
}

#[test]
fn invariant_1_a_send_that_fails_during_commit_turns_it_into_an_abort() {
    for version in BOTH {
        let mut rig = Rig::started(version);
        rig.manager.commit(rig.now).unwrap();
        rig.manager
            .fail(rig.now, rig.manager.generation(), failed_send());
        assert_eq!(rig.state(), State::Aborting);
        rig.manager.handle_drained(rig.now);
        let request = rig.succeed();
        assert!(matches!(
            request,
            Request::EndTxn {
                committing: false,
                ..
            }
        ));
        let news = rig.news();
        assert_eq!(news.first(), Some(&Event::Failed(send_refused())));
        assert_eq!(
            news.last(),
            Some(&Event::Ended(Ending::Aborted(send_refused())))
        );
    }
}

#[test]
fn invariant_2_end_txn_waits_for_the_answer_of_add_partitions() {
    let mut rig = Rig::begun(1);
    assert_eq!(
        rig.manager.add_partition(&partition(0)),
        AddPartition::Pending
    );
    let (id, request) = rig.hand_over();
    rig.manager.abort(rig.now).unwrap();
    rig.manager.handle_drained(rig.now);
    assert!(rig.try_request().is_none(), "AddPartitions is in flight");
    rig.complete(id, answer(&request, ErrorCode::NONE));
    assert!(matches!(
        rig.request().1,
        Request::EndTxn {
            committing: false,
            ..
        }
    ));
}

#[test]
fn invariant_2_an_add_partitions_without_an_answer_is_repeated_before_end_txn() {
    for committing in [true, false] {
        let mut rig = Rig::begun(1);
        let _ = rig.manager.add_partition(&partition(0));
        let first = rig.lose();
        if committing {
            rig.manager.commit(rig.now).unwrap();
        } else {
            rig.manager.abort(rig.now).unwrap();
        }
        rig.manager.handle_drained(rig.now);
        assert_eq!(rig.succeed(), first);
        assert!(
            matches!(rig.request().1, Request::EndTxn { committing: is, .. } if is == committing)
        );
    }
}

#[test]
fn invariant_2_end_txn_waits_for_offsets() {
    let mut rig = Rig::begun(1);
    rig.manager.send_offsets(rig.now, offsets("g", 5)).unwrap();
    rig.manager.commit(rig.now).unwrap();
    rig.manager.handle_drained(rig.now);
    assert!(matches!(rig.succeed(), Request::AddOffsets { .. }));
    let first = rig.lose();
    assert!(matches!(first, Request::TxnOffsetCommit { .. }));
    assert_eq!(rig.succeed(), first);
    assert!(matches!(
        rig.request().1,
        Request::EndTxn {
            committing: true,
            ..
        }
    ));
}

#[test]
fn end_txn_waits_for_the_last_batch() {
    for version in BOTH {
        let mut rig = Rig::started(version);
        rig.manager.handle_drained(rig.now);
        rig.manager.commit(rig.now).unwrap();
        assert!(
            rig.try_request().is_none(),
            "drained before the commit says nothing"
        );
        rig.manager.handle_drained(rig.now);
        assert!(matches!(
            rig.request().1,
            Request::EndTxn {
                committing: true,
                ..
            }
        ));
    }
}

#[test]
fn invariant_3_a_lost_end_txn_is_repeated_unchanged_until_it_is_answered() {
    for version in BOTH {
        for committing in [true, false] {
            let (mut rig, id, first) = Rig::ending(version, committing);
            rig.manager.handle_handed_over(id);
            // The cluster changes its version meanwhile: this transaction does not.
            rig.manager.set_transaction_version(3 - version);
            rig.complete(id, unsure());
            for error in [
                ErrorCode::NOT_COORDINATOR,
                ErrorCode::CONCURRENT_TRANSACTIONS,
            ] {
                assert_eq!(rig.answer(error), first);
            }
            assert_eq!(rig.lose(), first);
            assert!(matches!(
                rig.manager.begin(rig.now),
                Err(BeginError::OutcomePending { committing: is }) if is == committing
            ));
            assert_eq!(rig.succeed(), first);
        }
    }
}

#[test]
fn invariant_3_on_tv1_an_unanswered_end_txn_is_followed_by_a_new_epoch() {
    for committing in [true, false] {
        let (mut rig, id, _) = Rig::ending(1, committing);
        rig.complete(id, unsure());
        rig.succeed();
        assert!(
            matches!(rig.news()[..], [Event::Ended(_)]),
            "the outcome need not wait"
        );
        assert_eq!(rig.manager.begin(rig.now), Err(BeginError::IdentityPending));
        let expected = identity(0);
        assert_eq!(
            rig.answer(ErrorCode::CONCURRENT_TRANSACTIONS),
            Request::InitProducerId { expected }
        );
        assert_eq!(rig.succeed(), Request::InitProducerId { expected });
        assert_eq!(rig.events(), [Event::IdentityChanged(identity(1))]);
        rig.manager.begin(rig.now).unwrap();
    }
}

#[test]
fn on_tv1_any_unanswered_request_of_a_transaction_is_followed_by_a_new_epoch() {
    let mut rig = Rig::begun(1);
    let _ = rig.manager.add_partition(&partition(0));
    rig.lose();
    rig.succeed();
    rig.manager.commit(rig.now).unwrap();
    rig.manager.handle_drained(rig.now);
    assert!(matches!(rig.succeed(), Request::EndTxn { .. }));
    assert_eq!(
        rig.state(),
        State::Initializing,
        "a late AddPartitions would open a transaction"
    );
}

#[test]
fn on_tv1_an_answered_end_txn_keeps_the_epoch() {
    let (mut rig, id, request) = Rig::ending(1, true);
    rig.complete(id, answer(&request, ErrorCode::NONE));
    assert_eq!(rig.events(), [Event::Ended(Ending::Committed)]);
    assert_eq!(
        (rig.state(), rig.manager.identity()),
        (State::Ready, identity(0))
    );
}

#[test]
fn on_tv2_the_answer_to_end_txn_brings_the_next_epoch_before_the_end_is_told() {
    for lost in [false, true] {
        let (mut rig, id, request) = Rig::ending(2, true);
        if lost {
            rig.complete(id, unsure());
            rig.succeed();
        } else {
            rig.complete(id, answer(&request, ErrorCode::NONE));
        }
        let ended = Event::Ended(Ending::Committed);
        assert_eq!(rig.news(), [Event::IdentityChanged(identity(1)), ended]);
        assert_eq!(
            (rig.state(), rig.manager.identity()),
            (State::Ready, identity(1))
        );
    }
}

#[test]
fn on_tv2_an_end_without_a_new_epoch_fetches_one() {
    for kept in [None, Some(identity(0)), Some(ProducerIdentity::NONE)] {
        let (mut rig, id, _) = Rig::ending(2, true);
        let response = Response::EndTxn {
            error: ErrorCode::NONE,
            identity: kept,
        };
        rig.complete(id, milena_cluster::Outcome::Answered(response));
        assert_eq!(rig.state(), State::Initializing);
    }
}

#[test]
fn invariant_4_on_tv2_the_attempt_alone_must_be_ended() {
    let mut rig = Rig::begun(2);
    assert_eq!(
        rig.manager.add_partition(&partition(0)),
        AddPartition::Ready
    );
    rig.manager
        .fail(rig.now, rig.manager.generation(), failed_send());
    rig.manager.abort(rig.now).unwrap();
    rig.manager.handle_drained(rig.now);
    assert!(matches!(
        rig.request().1,
        Request::EndTxn {
            committing: false,
            transaction_v2: true,
            ..
        }
    ));

    let mut rig = Rig::begun(2);
    rig.manager.send_offsets(rig.now, offsets("g", 5)).unwrap();
    assert!(rig.manager.is_started());
}

#[test]
fn a_transaction_with_nothing_in_it_ends_without_a_request() {
    for version in BOTH {
        for committing in [true, false] {
            let mut rig = Rig::begun(version);
            if committing {
                rig.manager.commit(rig.now).unwrap();
            } else {
                rig.manager.abort(rig.now).unwrap();
            }
            rig.manager.handle_drained(rig.now);
            assert!(matches!(rig.events()[..], [Event::Ended(_)]));
            assert_eq!(rig.state(), State::Ready);
            assert!(rig.try_request().is_none());
        }
    }
}

#[test]
fn invariant_6_a_failure_of_an_older_generation_changes_nothing() {
    for version in BOTH {
        for failure in [failed_send(), Failure::Fatal(FatalCause::Fenced)] {
            let mut rig = Rig::begun(version);
            let old = rig.manager.generation();
            rig.manager.abort(rig.now).unwrap();
            rig.manager.handle_drained(rig.now);
            rig.events();
            rig.manager.fail(rig.now, old, failure.clone());
            assert_eq!(rig.state(), State::Ready, "between transactions");
            assert_eq!(rig.manager.begin(rig.now), Ok(Generation(old.0 + 1)));
            rig.manager.fail(rig.now, old, failure);
            assert_eq!(rig.state(), State::InTransaction);
            assert_eq!(rig.events(), []);
        }
    }
}

#[test]
fn invariant_7_concurrent_transactions_never_surfaces_from_init_producer_id() {
    let mut rig = Rig::new(2);
    rig.manager.initialize(rig.now).unwrap();
    for _ in 0..1_000 {
        rig.answer(ErrorCode::CONCURRENT_TRANSACTIONS);
        assert_eq!((rig.state(), rig.events()), (State::Initializing, vec![]));
    }
    rig.succeed();
    assert_eq!(rig.state(), State::Ready);
}

#[test]
fn invariant_8_calls_whose_caller_gave_up_can_be_made_again() {
    let mut rig = Rig::new(1);
    rig.manager.initialize(rig.now).unwrap();
    assert_eq!(rig.manager.give_up(rig.now), GaveUp::Pending);
    rig.manager.initialize(rig.now).unwrap();
    rig.succeed();
    rig.manager.begin(rig.now).unwrap();
    rig.manager.commit(rig.now).unwrap();
    rig.manager.commit(rig.now).unwrap();
    assert_eq!(
        rig.manager.give_up(rig.now),
        GaveUp::Pending,
        "nothing was sent yet"
    );
    assert_eq!(rig.state(), State::Aborting);
    rig.manager.abort(rig.now).unwrap();
    rig.manager.handle_drained(rig.now);
    assert_eq!(
        rig.news().last(),
        Some(&Event::Ended(Ending::Aborted(AbortCause::DeadlinePassed)))
    );
}

#[test]
fn invariant_8_a_commit_that_was_given_up_is_resolved_later() {
    for version in BOTH {
        let (mut rig, id, request) = Rig::ending(version, true);
        rig.manager.handle_handed_over(id);
        assert_eq!(rig.manager.give_up(rig.now), GaveUp::Unknown);
        assert_eq!(rig.manager.give_up(rig.now), GaveUp::Unknown);
        assert_eq!(rig.events(), [Event::Ended(Ending::Unknown)], "told once");
        assert_eq!(rig.state(), State::Committing);
        rig.complete(id, answer(&request, ErrorCode::NONE));
        assert_eq!(
            rig.events().last(),
            Some(&Event::Resolved(Ending::Committed))
        );
        assert_eq!(rig.state(), State::Ready);
    }
}

#[test]
fn invariant_9_the_first_fatal_cause_stays() {
    let mut rig = Rig::started(1);
    rig.manager.fail(
        rig.now,
        rig.manager.generation(),
        Failure::Fatal(FatalCause::MappingLost),
    );
    rig.manager.fail(
        rig.now,
        rig.manager.generation(),
        Failure::Fatal(FatalCause::Fenced),
    );
    assert_eq!(
        rig.manager.begin(rig.now),
        Err(BeginError::Fatal(FatalCause::MappingLost))
    );
    assert_eq!(rig.manager.fatal_cause(), Some(&FatalCause::MappingLost));
    let fatal = rig
        .events()
        .into_iter()
        .filter(|event| matches!(event, Event::Fatal(_)))
        .count();
    assert_eq!(fatal, 1);
}

#[test]
fn invariant_9_a_fatal_end_tells_a_timed_out_transaction_from_a_fenced_one() {
    for version in BOTH {
        let (mut rig, id, request) = Rig::ending(version, true);
        rig.complete(id, answer(&request, ErrorCode::PRODUCER_FENCED));
        assert_eq!(rig.manager.fatal_cause(), Some(&FatalCause::Fenced));

        let (mut rig, id, request) = Rig::ending(version, true);
        rig.sleep(TIMEOUT + Duration::from_secs(1));
        rig.complete(id, answer(&request, ErrorCode::PRODUCER_FENCED));
        let cause = FatalCause::TimedOut {
            open_for: TIMEOUT + Duration::from_secs(1),
            timeout: TIMEOUT,
        };
        let aborted = Event::Ended(Ending::Aborted(AbortCause::Fatal(cause.clone())));
        assert_eq!(rig.events(), [aborted, Event::Fatal(cause)]);
    }
}

#[test]
fn invariant_10_a_refused_partition_drops_none_that_was_registered() {
    let mut rig = Rig::started(1);
    let _ = rig.manager.add_partition(&partition(1));
    let _ = rig.manager.add_partition(&partition(2));
    let (id, _) = rig.hand_over();
    let results = vec![
        (partition(1), ErrorCode::NONE),
        (partition(2), ErrorCode::TOPIC_AUTHORIZATION_FAILED),
    ];
    let response = Response::AddPartitions { results };
    rig.complete(id, milena_cluster::Outcome::Answered(response));
    assert_eq!(rig.state(), State::AbortableError);
    for registered in [0, 1] {
        assert_eq!(
            rig.manager.add_partition(&partition(registered)),
            AddPartition::Ready
        );
    }
    assert_eq!(
        rig.manager.add_partition(&partition(2)),
        AddPartition::Refused
    );
}

#[test]
fn an_outcome_is_unknown_if_a_copy_of_the_commit_went_unanswered_and_then_the_epoch_is_refused() {
    let refusals = [
        (ErrorCode::PRODUCER_FENCED, FatalCause::Fenced),
        (ErrorCode::INVALID_PRODUCER_EPOCH, FatalCause::Fenced),
        (
            ErrorCode::INVALID_PRODUCER_ID_MAPPING,
            FatalCause::MappingLost,
        ),
        (
            ErrorCode::INVALID_TXN_STATE,
            FatalCause::Refused {
                request: RequestKind::Commit,
                error: ErrorCode::INVALID_TXN_STATE,
            },
        ),
    ];
    for version in BOTH {
        for (error, cause) in refusals.clone() {
            let (mut rig, id, request) = Rig::ending(version, true);
            rig.complete(id, answer(&request, error));
            let aborted = Ending::Aborted(AbortCause::Fatal(cause.clone()));
            assert_eq!(
                rig.news(),
                [Event::Ended(aborted), Event::Fatal(cause.clone())]
            );

            for first in [ErrorCode::UNKNOWN_SERVER_ERROR, ErrorCode::NOT_COORDINATOR] {
                let (mut rig, id, request) = Rig::ending(version, true);
                rig.complete(id, answer(&request, first));
                rig.answer(error);
                assert_eq!(
                    rig.news(),
                    [Event::Ended(Ending::Unknown), Event::Fatal(cause.clone())]
                );
            }
            let (mut rig, id, _) = Rig::ending(version, true);
            rig.complete(id, unsure());
            rig.answer(error);
            assert_eq!(
                rig.news(),
                [Event::Ended(Ending::Unknown), Event::Fatal(cause)]
            );
        }
    }
}

#[test]
fn a_copy_that_was_not_looked_at_leaves_no_doubt() {
    let (mut rig, id, request) = Rig::ending(1, true);
    rig.complete(id, answer(&request, ErrorCode::CONCURRENT_TRANSACTIONS));
    rig.answer(ErrorCode::PRODUCER_FENCED);
    assert!(matches!(
        rig.news()[..],
        [Event::Ended(Ending::Aborted(_)), Event::Fatal(_)]
    ));
}

#[test]
fn unknown_server_error_on_end_txn_is_never_a_success() {
    for version in BOTH {
        for committing in [true, false] {
            let (mut rig, id, request) = Rig::ending(version, committing);
            rig.complete(id, answer(&request, ErrorCode::UNKNOWN_SERVER_ERROR));
            assert_eq!(rig.events(), []);
            assert_eq!(rig.succeed(), request, "the same again");
            assert_eq!(rig.state() == State::Initializing, version == 1);
        }
    }
}

#[test]
fn offsets_after_offsets_in_doubt_fail_the_transaction() {
    // A late copy of the first would overwrite the second, and the group would go back.
    for version in BOTH {
        let mut rig = Rig::begun(version);
        rig.manager.send_offsets(rig.now, offsets("g", 5)).unwrap();
        if version == 1 {
            rig.succeed();
        }
        rig.lose();
        rig.succeed();
        assert_eq!(rig.news(), [Event::OffsetsAdded(offsets("g", 5))]);
        let refused = rig.manager.send_offsets(rig.now, offsets("g", 6));
        assert!(matches!(
            refused,
            Err(TransactionStateError::MustAbort(
                AbortCause::OffsetsInDoubt { .. }
            ))
        ));
        assert_eq!(rig.state(), State::AbortableError);
    }
}

#[test]
fn offsets_already_waiting_behind_offsets_in_doubt_fail_the_transaction() {
    let mut rig = Rig::begun(2);
    rig.manager.send_offsets(rig.now, offsets("g", 5)).unwrap();
    rig.manager.send_offsets(rig.now, offsets("g", 6)).unwrap();
    rig.lose();
    rig.succeed();
    assert!(matches!(
        rig.news()[..],
        [
            Event::OffsetsAdded(_),
            Event::Failed(_),
            Event::OffsetsFailed(AbortCause::OffsetsInDoubt { .. })
        ]
    ));
}
