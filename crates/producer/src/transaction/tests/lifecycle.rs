//! The ways through the states that are not invariants of their own.

use std::time::Duration;

use milena_cluster::{
    CoordinatorKey, Outcome, ProducerIdentity, Route, SendFailure, UnsupportedVersion,
};
use milena_wire::{ApiKey, ApiVersion, ErrorCode, VersionRange};

use super::rig::{
    Rig, TIMEOUT, answer, failed_send, identity, not_sent, offsets, partition, send_refused, unsure,
};
use crate::transaction::{
    AbortCause, AddPartition, BeginError, Ending, Event, Failure, FatalCause, GaveUp, InitError,
    Request, RequestKind, Response, State, TransactionStateError,
};

#[test]
fn the_first_identity_expects_none_and_is_asked_for_until_it_is_there() {
    let mut rig = Rig::new(1);
    assert_eq!(rig.manager.begin(rig.now), Err(BeginError::NotInitialized));
    rig.manager.initialize(rig.now).unwrap();
    assert_eq!(rig.manager.begin(rig.now), Err(BeginError::IdentityPending));
    let first = Request::InitProducerId {
        expected: ProducerIdentity::NONE,
    };
    assert_eq!(rig.lose(), first);
    let (id, again) = rig.request();
    assert_eq!(again, first);
    rig.complete(id, not_sent());
    assert_eq!(rig.succeed(), first);
    assert_eq!(rig.news(), [Event::Initialized(identity(0))]);
    assert_eq!(
        rig.manager.initialize(rig.now),
        Err(InitError::AlreadyInitialized)
    );
}

#[test]
fn an_authorization_refused_at_the_start_may_be_tried_again() {
    let mut rig = Rig::new(1);
    rig.manager.initialize(rig.now).unwrap();
    rig.answer(ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED);
    let refused = ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
    assert_eq!(rig.events(), [Event::InitializeFailed(refused)]);
    assert_eq!(rig.state(), State::Uninitialized);
    rig.manager.initialize(rig.now).unwrap();
    rig.succeed();
    assert_eq!(rig.state(), State::Ready);
}

#[test]
fn an_authorization_refused_at_a_bump_is_the_end() {
    let (mut rig, id, _) = Rig::ending(1, true);
    rig.complete(id, unsure());
    rig.succeed();
    rig.answer(ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED);
    assert!(matches!(
        rig.manager.fatal_cause(),
        Some(FatalCause::Unauthorized { .. })
    ));
}

#[test]
fn partitions_are_registered_in_one_request_until_the_next_one_leaves() {
    let mut rig = Rig::begun(1);
    for index in [2, 0, 2] {
        assert_eq!(
            rig.manager.add_partition(&partition(index)),
            AddPartition::Pending
        );
    }
    let (id, request) = rig.hand_over();
    let asked = vec![partition(0), partition(2)];
    assert_eq!(
        request,
        Request::AddPartitions {
            identity: identity(0),
            partitions: asked
        }
    );
    assert_eq!(
        rig.manager.add_partition(&partition(1)),
        AddPartition::Pending
    );
    assert!(rig.try_request().is_none(), "one request at a time");
    rig.complete(id, answer(&request, ErrorCode::NONE));
    assert_eq!(rig.events(), [Event::PartitionsAdded]);
    assert_eq!(
        rig.manager.add_partition(&partition(0)),
        AddPartition::Ready
    );
    assert!(
        matches!(rig.succeed(), Request::AddPartitions { partitions, .. } if partitions == [partition(1)])
    );
}

#[test]
fn a_partition_left_out_of_the_answer_is_asked_for_again() {
    let mut rig = Rig::begun(1);
    let _ = rig.manager.add_partition(&partition(0));
    let _ = rig.manager.add_partition(&partition(1));
    let (id, _) = rig.hand_over();
    let results = vec![(partition(0), ErrorCode::NONE)];
    rig.complete(id, Outcome::Answered(Response::AddPartitions { results }));
    assert!(
        matches!(rig.succeed(), Request::AddPartitions { partitions, .. } if partitions == [partition(1)])
    );
}

#[test]
fn the_markers_of_the_transaction_before_are_waited_for_in_milliseconds() {
    let mut rig = Rig::begun(1);
    let _ = rig.manager.add_partition(&partition(0));
    let before = rig.now;
    for _ in 0..4 {
        rig.answer(ErrorCode::CONCURRENT_TRANSACTIONS);
    }
    rig.request();
    let waited = rig.now - before;
    assert!(
        waited < Duration::from_millis(25),
        "1 + 2 + 4 + 8 ms and jitter, not {waited:?}"
    );
}

#[test]
fn a_coordinator_that_stays_busy_is_asked_ever_less_often() {
    let mut rig = Rig::begun(1);
    let _ = rig.manager.add_partition(&partition(0));
    for _ in 0..200 {
        rig.answer(ErrorCode::CONCURRENT_TRANSACTIONS);
    }
    let before = rig.now;
    rig.request();
    assert!(rig.now - before > Duration::from_millis(700));
}

#[test]
fn a_lost_coordinator_is_looked_up_again_and_the_request_repeated_after_a_wait() {
    for outcome in [unsure(), not_sent()] {
        let (mut rig, id, request) = Rig::ending(2, true);
        rig.complete(id, outcome);
        let key = CoordinatorKey::Transaction("tid".into());
        assert_eq!(rig.events(), [Event::CoordinatorLost(key.clone(), None)]);
        assert!(rig.manager.poll_request(rig.now).is_none(), "not at once");
        rig.now = rig.manager.poll_timeout().unwrap();
        let (_, route, again) = rig.manager.poll_request(rig.now).unwrap();
        assert_eq!((route, again), (Route::Coordinator(key), request));
    }
}

#[test]
fn offsets_go_to_the_coordinator_of_their_group() {
    let mut rig = Rig::begun(2);
    rig.manager.send_offsets(rig.now, offsets("g", 5)).unwrap();
    let (id, route, request) = rig.manager.poll_request(rig.now).unwrap();
    let key = CoordinatorKey::Group("g".into());
    assert_eq!(route, Route::Coordinator(key.clone()));
    assert!(matches!(
        request,
        Request::TxnOffsetCommit {
            transaction_v2: true,
            ..
        }
    ));
    rig.complete(id, unsure());
    assert_eq!(rig.events(), [Event::CoordinatorLost(key, None)]);
}

#[test]
fn a_group_is_registered_once_and_its_offsets_keep_their_order() {
    let mut rig = Rig::begun(1);
    for offset in [5, 6] {
        rig.manager
            .send_offsets(rig.now, offsets("g", offset))
            .unwrap();
    }
    assert!(matches!(rig.succeed(), Request::AddOffsets { .. }));
    rig.succeed();
    rig.succeed();
    let added = [5, 6].map(|offset| Event::OffsetsAdded(offsets("g", offset)));
    assert_eq!(rig.events(), added);
    assert!(rig.try_request().is_none());
}

#[test]
fn offsets_given_up_with_their_transaction_are_told() {
    let mut rig = Rig::begun(1);
    rig.manager.send_offsets(rig.now, offsets("g", 5)).unwrap();
    rig.manager.send_offsets(rig.now, offsets("h", 6)).unwrap();
    rig.manager
        .fail(rig.now, rig.manager.generation(), failed_send());
    let failed = Event::OffsetsFailed(send_refused());
    assert_eq!(
        rig.events(),
        [Event::Failed(send_refused()), failed.clone(), failed]
    );
    rig.manager.abort(rig.now).unwrap();
    rig.manager.handle_drained(rig.now);
    assert!(
        matches!(rig.events()[..], [Event::Ended(_)]),
        "nothing was sent, nothing to end"
    );
}

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
        let expected = identity(0);
        let fence = Request::InitProducerId { expected };
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
fn an_unresolved_batch_forbids_commit() {
    let mut rig = Rig::started(2);
    rig.manager.fence_unresolved();
    assert_eq!(
        rig.manager.commit(rig.now),
        Err(TransactionStateError::MustAbort(AbortCause::Unresolved))
    );
}

#[test]
fn a_change_of_the_transaction_version_takes_a_new_epoch_first() {
    for (from, to) in [(1, 2), (2, 1)] {
        for during in [true, false] {
            let (mut rig, id, request) = Rig::ending(from, true);
            if during {
                rig.manager.set_transaction_version(to);
            }
            rig.complete(id, answer(&request, ErrorCode::NONE));
            if !during {
                rig.manager.set_transaction_version(to);
            }
            assert_eq!(rig.state(), State::Initializing);
            assert!(
                matches!(rig.succeed(), Request::InitProducerId { expected } if expected.is_some())
            );
            rig.manager.begin(rig.now).unwrap();
            assert_eq!(rig.manager.is_transaction_v2(), Some(to == 2));
        }
    }
}

#[test]
fn the_transaction_version_holds_until_the_end_of_the_transaction() {
    let mut rig = Rig::begun(1);
    rig.manager.set_transaction_version(2);
    assert_eq!(rig.manager.is_transaction_v2(), Some(false));
    assert_eq!(
        rig.manager.add_partition(&partition(0)),
        AddPartition::Pending
    );
    rig.succeed();
    rig.manager.commit(rig.now).unwrap();
    rig.manager.handle_drained(rig.now);
    assert!(matches!(
        rig.request().1,
        Request::EndTxn {
            transaction_v2: false,
            ..
        }
    ));
}

#[test]
fn a_version_learned_before_the_first_transaction_needs_no_new_epoch() {
    let mut rig = Rig::ready(0);
    rig.manager.set_transaction_version(2);
    rig.manager.begin(rig.now).unwrap();
    assert_eq!(rig.manager.is_transaction_v2(), Some(true));
}

#[test]
fn a_partition_accepted_before_the_commit_may_still_join() {
    for version in [1, 2] {
        let mut rig = Rig::begun(version);
        rig.manager.commit(rig.now).unwrap();
        let _ = rig.manager.add_partition(&partition(0));
        if version == 1 {
            rig.succeed();
        }
        assert_eq!(
            rig.manager.add_partition(&partition(0)),
            AddPartition::Ready
        );
        rig.manager.handle_drained(rig.now);
        assert_eq!(
            rig.manager.add_partition(&partition(1)),
            AddPartition::Refused
        );
        assert!(matches!(
            rig.succeed(),
            Request::EndTxn {
                committing: true,
                ..
            }
        ));
    }
}

#[test]
fn what_was_registered_may_still_be_sent_to_while_aborting() {
    let mut rig = Rig::started(1);
    rig.manager.abort(rig.now).unwrap();
    assert_eq!(
        rig.manager.add_partition(&partition(0)),
        AddPartition::Ready
    );
    assert_eq!(
        rig.manager.add_partition(&partition(1)),
        AddPartition::Refused
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
fn an_identity_that_is_none_is_no_identity() {
    let mut rig = Rig::new(1);
    rig.manager.initialize(rig.now).unwrap();
    let (id, _) = rig.request();
    let response = Response::InitProducerId {
        error: ErrorCode::NONE,
        identity: ProducerIdentity::NONE,
    };
    rig.complete(id, Outcome::Answered(response));
    assert_eq!(rig.state(), State::FatalError);
}

#[test]
fn an_answer_nobody_waits_for_changes_nothing() {
    let (mut rig, id, request) = Rig::ending(1, true);
    rig.complete(id, answer(&request, ErrorCode::NONE));
    rig.events();
    rig.complete(id, answer(&request, ErrorCode::PRODUCER_FENCED));
    assert_eq!((rig.state(), rig.events()), (State::Ready, vec![]));
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
fn a_timed_out_commit_on_tv2_is_told_as_timed_out() {
    let (mut rig, id, request) = Rig::ending(2, true);
    rig.sleep(TIMEOUT * 2);
    rig.complete(id, answer(&request, ErrorCode::INVALID_TXN_STATE));
    assert!(matches!(
        rig.manager.fatal_cause(),
        Some(FatalCause::TimedOut { .. })
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
