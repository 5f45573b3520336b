//! How transactions end.

use milena_cluster::{Outcome, SendFailure, UnsupportedVersion};
use milena_wire::{ApiKey, ApiVersion, ErrorCode, VersionRange};

use super::rig::{
    Rig, TIMEOUT, answer, failed_send, identity, not_sent, offsets, partition, send_refused,
};
use crate::transaction::{
    AbortCause, Ending, Event, Failure, FatalCause, GaveUp, Request, RequestKind, Response, State,
    TransactionStateError,
};

#[test]
fn a_commit_can_be_taken_back_until_it_is_handed_over() {
    for version in [1, 2] {
        let (mut rig, id, _) = Rig::ending(version, true);
        assert!(!rig.manager.end_handed_over());
        rig.manager.abort(rig.now).unwrap();
        assert!(
            rig.try_request().is_none(),
            "EndTxn(commit) must first come back"
        );
        rig.complete(id, not_sent());
        assert!(matches!(
            rig.succeed(),
            Request::EndTxn {
                committing: false,
                ..
            }
        ));
        let ended = Event::Ended(Ending::Aborted(AbortCause::Requested));
        assert_eq!(rig.news().last(), Some(&ended));
    }
}

#[test]
fn a_commit_that_is_wanted_back_is_named() {
    let (mut rig, id, _) = Rig::ending(2, true);
    assert_eq!(rig.manager.wanted_back(), None);
    rig.manager.abort(rig.now).unwrap();
    assert_eq!(rig.manager.wanted_back(), Some(id));
    rig.complete(id, Outcome::NotSent(SendFailure::Recalled));
    assert_eq!((rig.manager.wanted_back(), rig.events()), (None, vec![]));
    assert!(
        rig.manager.poll_request(rig.now).is_some(),
        "the abort need not wait"
    );
}

#[test]
fn a_commit_given_up_while_it_waits_to_be_handed_over_is_unknown_until_it_comes_back() {
    for version in [1, 2] {
        for comes_back in [true, false] {
            let (mut rig, id, request) = Rig::ending(version, true);
            assert_eq!(rig.manager.give_up(rig.now), GaveUp::Unknown);
            assert_eq!(rig.events(), [Event::Ended(Ending::Unknown)]);
            assert_eq!(rig.manager.wanted_back(), Some(id));
            if comes_back {
                rig.complete(id, Outcome::NotSent(SendFailure::Recalled));
                assert!(matches!(
                    rig.succeed(),
                    Request::EndTxn {
                        committing: false,
                        ..
                    }
                ));
            } else {
                rig.complete(id, answer(&request, ErrorCode::NONE));
            }
            let ending = match comes_back {
                true => Ending::Aborted(AbortCause::DeadlinePassed),
                false => Ending::Committed,
            };
            assert_eq!(rig.news().last(), Some(&Event::Resolved(ending)));
        }
    }
}

#[test]
fn a_commit_that_was_handed_over_is_seen_through() {
    let (mut rig, id, request) = Rig::ending(2, true);
    rig.manager.handle_handed_over(id);
    assert!(rig.manager.end_handed_over());
    assert_eq!(
        rig.manager.abort(rig.now),
        Err(TransactionStateError::CommitUnderWay)
    );
    rig.complete(id, answer(&request, ErrorCode::NONE));
    assert_eq!(rig.news().last(), Some(&Event::Ended(Ending::Committed)));
}

#[test]
fn an_abort_that_came_too_late_does_not_hide_the_commit() {
    for told in [true, false] {
        let (mut rig, id, request) = Rig::ending(1, true);
        rig.manager.abort(rig.now).unwrap();
        if told {
            rig.manager.handle_handed_over(id);
            assert_eq!(rig.state(), State::Committing);
        }
        rig.complete(id, answer(&request, ErrorCode::NONE));
        assert_eq!(rig.news(), [Event::Ended(Ending::Committed)]);
    }
}

#[test]
fn transaction_abortable_turns_a_commit_into_an_abort() {
    for version in [1, 2] {
        let (mut rig, id, request) = Rig::ending(version, true);
        rig.complete(id, answer(&request, ErrorCode::TRANSACTION_ABORTABLE));
        let error = ErrorCode::TRANSACTION_ABORTABLE;
        let cause = AbortCause::Refused {
            request: RequestKind::Commit,
            error,
        };
        assert_eq!(rig.events(), [Event::Failed(cause.clone())]);
        assert!(matches!(
            rig.succeed(),
            Request::EndTxn {
                committing: false,
                ..
            }
        ));
        assert_eq!(
            rig.events().last(),
            Some(&Event::Ended(Ending::Aborted(cause)))
        );
    }
}

#[test]
fn transaction_abortable_on_an_abort_is_the_end() {
    for version in [1, 2] {
        let (mut rig, id, request) = Rig::ending(version, false);
        rig.complete(id, answer(&request, ErrorCode::TRANSACTION_ABORTABLE));
        assert!(matches!(
            rig.events()[..],
            [
                Event::Ended(Ending::Aborted(AbortCause::Requested)),
                Event::Fatal(_)
            ]
        ));
    }
}

#[test]
fn a_failed_send_that_needs_it_is_followed_by_a_new_epoch_on_tv1() {
    for version in [1, 2] {
        let mut rig = Rig::started(version);
        let failure = Failure::Abortable {
            cause: send_refused(),
            bump: true,
        };
        rig.manager.fail(rig.now, rig.manager.generation(), failure);
        rig.manager.abort(rig.now).unwrap();
        rig.manager.handle_drained(rig.now);
        rig.succeed();
        if version == 1 {
            assert_eq!(rig.state(), State::Initializing);
            rig.succeed();
        }
        assert_eq!(
            (rig.state(), rig.manager.identity()),
            (State::Ready, identity(1))
        );
    }
}

#[test]
fn an_unresolved_batch_is_fenced_out() {
    for version in [1, 2] {
        let mut rig = Rig::started(version);
        rig.manager
            .fail(rig.now, rig.manager.generation(), failed_send());
        rig.manager.fence_unresolved();
        rig.manager.abort(rig.now).unwrap();
        let fence = if version == 1 {
            Request::InitProducerId {
                expected: identity(0),
            }
        } else {
            // It names its epoch: a newer instance is left alone, which InitProducerId would not do.
            Request::EndTxn {
                identity: identity(0),
                committing: false,
                transaction_v2: true,
            }
        };
        assert_eq!(
            rig.answer(ErrorCode::CONCURRENT_TRANSACTIONS),
            fence,
            "without being drained"
        );
        assert_eq!(rig.succeed(), fence);
        let ended = Event::Ended(Ending::Aborted(send_refused()));
        assert_eq!(
            rig.news()[1..],
            [Event::IdentityChanged(identity(1)), ended]
        );
        assert_eq!(rig.state(), State::Ready);
    }
}

#[test]
fn a_tv1_coordinator_that_fenced_its_own_producer_gives_the_epoch_after() {
    let mut rig = Rig::started(1);
    rig.manager.fence_unresolved();
    rig.manager.abort(rig.now).unwrap();
    rig.answer(ErrorCode::CONCURRENT_TRANSACTIONS);
    assert_eq!(
        rig.answer(ErrorCode::PRODUCER_FENCED),
        Request::InitProducerId {
            expected: identity(0)
        }
    );
    assert_eq!(
        rig.succeed(),
        Request::InitProducerId {
            expected: identity(1)
        }
    );
    assert_eq!(
        (rig.state(), rig.manager.identity()),
        (State::Ready, identity(2))
    );
}

#[test]
fn a_newer_instance_stays_in_its_right_when_an_older_one_fences() {
    // On TV1 the claim to the epoch after is refused as well; on TV2 there is no such claim.
    let mut rig = Rig::started(1);
    rig.manager.fence_unresolved();
    rig.manager.abort(rig.now).unwrap();
    rig.answer(ErrorCode::PRODUCER_FENCED);
    rig.answer(ErrorCode::PRODUCER_FENCED);
    assert_eq!(rig.manager.fatal_cause(), Some(&FatalCause::Fenced));

    let mut rig = Rig::started(2);
    rig.manager.fence_unresolved();
    rig.manager.abort(rig.now).unwrap();
    rig.answer(ErrorCode::PRODUCER_FENCED);
    assert_eq!(rig.manager.fatal_cause(), Some(&FatalCause::Fenced));
}

#[test]
fn the_epoch_after_is_never_claimed_once_an_end_txn_was_sent() {
    // The coordinator may have completed the abort, and given that epoch to a newer instance.
    let (mut rig, id, request) = Rig::ending(1, false);
    rig.complete(id, answer(&request, ErrorCode::UNKNOWN_PRODUCER_ID));
    assert!(matches!(
        rig.answer(ErrorCode::PRODUCER_FENCED),
        Request::InitProducerId { .. }
    ));
    assert_eq!(rig.manager.fatal_cause(), Some(&FatalCause::Fenced));
}

#[test]
fn the_epoch_after_is_never_claimed_for_a_registration_in_doubt() {
    // If nothing was registered, that epoch may be a newer instance's.
    let mut rig = Rig::begun(1);
    let _ = rig.manager.add_partition(&partition(0));
    rig.lose();
    rig.answer(ErrorCode::TOPIC_AUTHORIZATION_FAILED);
    rig.manager.abort(rig.now).unwrap();
    rig.answer(ErrorCode::PRODUCER_FENCED);
    assert_eq!(rig.manager.fatal_cause(), Some(&FatalCause::Fenced));
}

#[test]
fn a_fence_after_a_commit_in_doubt_settles_nothing() {
    // A coordinator gives a new identity whether it has committed or not, and if it has, the epoch
    // after may be a newer instance's.
    let in_doubt = || {
        let (mut rig, id, _) = Rig::ending(1, true);
        rig.complete(id, Outcome::Unsure(SendFailure::ConnectionClosed));
        rig.answer(ErrorCode::TRANSACTION_ABORTABLE);
        rig.manager.fence_unresolved();
        rig
    };
    let mut rig = in_doubt();
    assert!(matches!(rig.succeed(), Request::InitProducerId { .. }));
    assert_eq!(rig.news().last(), Some(&Event::Ended(Ending::Unknown)));
    let mut rig = in_doubt();
    rig.answer(ErrorCode::PRODUCER_FENCED);
    assert_eq!(rig.manager.fatal_cause(), Some(&FatalCause::Fenced));
}

#[test]
fn an_unresolved_batch_forbids_commit() {
    let mut rig = Rig::started(2);
    rig.manager.fence_unresolved();
    assert_eq!(
        rig.manager.commit(rig.now),
        Err(TransactionStateError::MustAbort(AbortCause::Unresolved))
    );
}

#[test]
fn a_registration_in_doubt_that_is_then_refused_is_fenced() {
    // EndTxn(abort) would be refused if nothing is registered (librdkafka#4849), and nothing would
    // end the transaction if something is.
    let mut rig = Rig::begun(1);
    let _ = rig.manager.add_partition(&partition(0));
    rig.lose();
    rig.answer(ErrorCode::TOPIC_AUTHORIZATION_FAILED);
    rig.manager.abort(rig.now).unwrap();
    assert_eq!(
        rig.succeed(),
        Request::InitProducerId {
            expected: identity(0)
        }
    );
}

#[test]
fn an_unsupported_request_is_the_end() {
    let (mut rig, id, _) = Rig::ending(2, true);
    rig.complete(id, Outcome::NotSent(unsupported()));
    let request = RequestKind::Commit;
    assert_eq!(
        rig.manager.fatal_cause(),
        Some(&FatalCause::Unsupported { request })
    );
}

#[test]
fn an_answer_that_does_not_fit_is_the_end_and_hides_no_commit() {
    let (mut rig, id, _) = Rig::ending(2, true);
    rig.complete(
        id,
        Outcome::Answered(Response::AddOffsets {
            error: ErrorCode::NONE,
        }),
    );
    assert!(matches!(
        rig.events()[..],
        [Event::Ended(Ending::Unknown), Event::Fatal(_)]
    ));
}

#[test]
fn a_commit_given_up_and_then_refused_is_resolved_as_aborted() {
    let (mut rig, id, request) = Rig::ending(1, true);
    rig.manager.handle_handed_over(id);
    assert_eq!(rig.manager.give_up(rig.now), GaveUp::Unknown);
    rig.complete(id, answer(&request, ErrorCode::TRANSACTION_ABORTABLE));
    rig.succeed();
    assert!(matches!(
        rig.events().last(),
        Some(Event::Resolved(Ending::Aborted(_)))
    ));
}

#[test]
fn a_commit_in_doubt_that_is_refused_and_given_up_is_not_called_aborted_yet() {
    for version in [1, 2] {
        let (mut rig, id, _) = Rig::ending(version, true);
        rig.manager.handle_handed_over(id);
        rig.complete(id, Outcome::Unsure(SendFailure::ConnectionClosed));
        rig.answer(ErrorCode::TRANSACTION_ABORTABLE);
        assert_eq!(rig.state(), State::Aborting);
        rig.events();
        assert_eq!(rig.manager.give_up(rig.now), GaveUp::Unknown);
        assert_eq!(rig.events(), [Event::Ended(Ending::Unknown)]);
        rig.succeed();
        assert!(matches!(
            rig.news()[..],
            [.., Event::Resolved(Ending::Aborted(_))]
        ));
    }
}

#[test]
fn a_timed_out_commit_on_tv2_is_told_as_timed_out() {
    let (mut rig, id, request) = Rig::ending(2, true);
    rig.sleep(TIMEOUT * 2);
    rig.complete(id, answer(&request, ErrorCode::INVALID_TXN_STATE));
    assert!(matches!(
        rig.manager.fatal_cause(),
        Some(FatalCause::TimedOut { .. })
    ));
}
#[test]
fn an_abort_does_not_wait_for_a_topic_that_is_gone() {
    for lost in [false, true] {
        let mut rig = Rig::begun(1);
        let _ = rig.manager.add_partition(&partition(0));
        if lost {
            rig.lose();
        }
        rig.answer(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
        rig.manager.abort(rig.now).unwrap();
        rig.manager.handle_drained(rig.now);
        if lost {
            // A copy may be registered: once more, then the doubt itself is ended.
            rig.answer(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
            assert!(matches!(rig.succeed(), Request::InitProducerId { .. }));
        }
        let ended = Event::Ended(Ending::Aborted(AbortCause::Requested));
        assert_eq!(rig.news().last(), Some(&ended));
        assert_eq!(rig.state(), State::Ready);
    }
}

#[test]
fn an_abort_does_not_wait_for_offsets_that_are_refused_again_and_again() {
    let mut rig = Rig::started(2);
    rig.manager.send_offsets(rig.now, offsets("g", 5)).unwrap();
    rig.lose();
    rig.manager.abort(rig.now).unwrap();
    rig.manager.handle_drained(rig.now);
    assert!(matches!(
        rig.answer(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION),
        Request::TxnOffsetCommit { .. }
    ));
    assert!(matches!(
        rig.succeed(),
        Request::EndTxn {
            committing: false,
            ..
        }
    ));
}

fn unsupported() -> SendFailure {
    let ours = VersionRange {
        min: ApiVersion(0),
        max: ApiVersion(5),
    };
    SendFailure::Unsupported(UnsupportedVersion {
        key: ApiKey::END_TXN,
        ours,
        theirs: None,
    })
}
