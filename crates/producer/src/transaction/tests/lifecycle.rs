//! The ways through the states that are not invariants of their own.

use std::time::Duration;

use milena_cluster::{CoordinatorKey, Outcome, ProducerIdentity, Route};
use milena_wire::ErrorCode;

use super::rig::{
    Rig, answer, failed_send, identity, not_sent, offsets, partition, send_refused, unsure,
};
use crate::transaction::{
    AddPartition, BeginError, Event, FatalCause, InitError, Request, Response, State,
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
