//! Each row of what a broker may say of a batch.

use super::*;

/// Retries, and whether the batch may be in the log meanwhile.
const REPEATED: [(ErrorCode, bool, bool); 11] = [
    (ErrorCode::NOT_LEADER_OR_FOLLOWER, true, true),
    (ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, true, true),
    (ErrorCode::KAFKA_STORAGE_ERROR, true, true),
    (ErrorCode::NETWORK_EXCEPTION, true, true),
    (ErrorCode::LEADER_NOT_AVAILABLE, true, false),
    (ErrorCode::FENCED_LEADER_EPOCH, true, false),
    (ErrorCode::REQUEST_TIMED_OUT, false, true),
    (ErrorCode::NOT_ENOUGH_REPLICAS_AFTER_APPEND, false, true),
    (ErrorCode::NOT_ENOUGH_REPLICAS, false, false),
    (ErrorCode::CORRUPT_MESSAGE, false, false),
    (ErrorCode::CONCURRENT_TRANSACTIONS, false, false),
];

#[test]
fn an_acknowledged_batch_tells_each_record_its_offset() {
    let mut harness = Harness::warm(false);
    harness.push(3);
    let sent = harness.send();
    let accepted = Outcome::Answered(ProduceAnswer {
        error: ErrorCode::NONE,
        base_offset: 40,
        log_append_time: 99,
    });
    harness.outcome(&sent, accepted);
    let told = harness.told_of(0, 2).unwrap().unwrap();
    assert_eq!(
        (told.offset(), told.log_append_time()),
        (Some(42), Some(99))
    );
    assert!(harness.sender.is_drained());
}

#[test]
fn what_may_pass_is_repeated_and_tells_nothing_yet() {
    for transactional in [false, true] {
        for (error, refresh, unsure) in REPEATED {
            let (mut harness, sent) = Harness::in_flight(transactional, 1);
            harness.refuse(&sent[0], error);
            assert_eq!(harness.told(0), None, "{error}");
            let expected: &[_] = if refresh {
                &[SenderEvent::RefreshMetadata]
            } else {
                &[]
            };
            assert_eq!(harness.events(), expected, "{error}");
            let again = harness.send_later();
            assert_eq!(again.payload, sent[0].payload, "{error}");
            harness.refuse(&again, ErrorCode::INVALID_RECORD);
            let persistence = if unsure {
                Persistence::PossiblyPersisted
            } else {
                Persistence::NotPersisted
            };
            assert_eq!(harness.failure(0).1, persistence, "{error}");
            assert_eq!(harness.sender.is_unresolved(), unsure, "{error}");
        }
    }
}

#[test]
fn the_wait_grows_with_each_failure_and_starts_at_the_first() {
    let (mut harness, mut sent) = Harness::idempotent(1);
    for wait in [100, 200, 400] {
        harness.refuse(&sent[0], ErrorCode::NOT_ENOUGH_REPLICAS);
        assert_eq!(
            harness.sender.poll_timeout(harness.now),
            Some(harness.now + ms(wait))
        );
        assert!(harness.poll().is_none());
        sent = vec![harness.send_later()];
    }
}

#[test]
fn the_markers_of_the_transaction_before_are_waited_for_in_milliseconds() {
    let (mut harness, sent) = Harness::transactional(1);
    harness.refuse(&sent[0], ErrorCode::CONCURRENT_TRANSACTIONS);
    harness.now += ms(2);
    assert_eq!(harness.send().payload, sent[0].payload);
}

#[test]
fn a_duplicate_is_a_success_without_an_offset() {
    for transactional in [false, true] {
        let (mut harness, sent) = Harness::in_flight(transactional, 1);
        harness.refuse(&sent[0], ErrorCode::DUPLICATE_SEQUENCE_NUMBER);
        assert_eq!(harness.offset(0), None);
        assert!(harness.sender.is_drained() && !harness.sender.has_hole());
    }
}

#[test]
fn out_of_order_behind_an_unsettled_batch_only_waits() {
    for transactional in [false, true] {
        for error in [
            ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER,
            ErrorCode::UNKNOWN_PRODUCER_ID,
        ] {
            let (mut harness, sent) = Harness::in_flight(transactional, 2);
            harness.refuse(&sent[1], error);
            assert!(!harness.sender.poll_bump());
            harness.accept(&sent[0]);
            let again = harness.send_later();
            assert_eq!(again.payload, sent[1].payload);
            harness.accept(&again);
            assert_eq!((harness.offset(0), harness.offset(1)), (Some(1), Some(2)));
            assert_eq!(harness.events(), []);
        }
    }
}

#[test]
fn idempotent_out_of_order_at_the_head_takes_a_new_epoch_and_goes_again() {
    let (mut harness, sent) = Harness::idempotent(1);
    harness.refuse(&sent[0], ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER);
    harness.bump();
    let again = harness.send();
    assert_eq!(stamp(&again), (1, 0));
    harness.accept(&again);
    assert_eq!(harness.offset(0), Some(0));
}

#[test]
fn transactional_out_of_order_at_the_head_fails_the_transaction() {
    let (mut harness, sent) = Harness::transactional(1);
    let error = ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER;
    harness.refuse(&sent[0], error);
    let told = (refused(error), Persistence::NotPersisted);
    assert_eq!(harness.failure(0), told);
    assert_eq!(harness.events(), [abortable(refused(error))]);
    assert!(harness.sender.has_hole() && !harness.sender.poll_bump());
}

#[test]
fn a_batch_refused_for_good_is_not_in_the_log() {
    for error in [
        ErrorCode::INVALID_RECORD,
        ErrorCode::INVALID_TIMESTAMP,
        ErrorCode::TOPIC_AUTHORIZATION_FAILED,
        ErrorCode::RECORD_LIST_TOO_LARGE,
    ] {
        let told = (refused(error), Persistence::NotPersisted);
        let (mut harness, sent) = Harness::idempotent(1);
        harness.refuse(&sent[0], error);
        assert_eq!(harness.failure(0), told);
        harness.bump();

        let (mut harness, sent) = Harness::transactional(1);
        harness.refuse(&sent[0], error);
        assert_eq!(harness.failure(0), told);
        assert_eq!(harness.events(), [abortable(refused(error))]);
        assert!(!harness.sender.is_unresolved());
    }
}

#[test]
fn an_error_that_says_nothing_leaves_the_batch_in_doubt() {
    let (mut harness, sent) = Harness::idempotent(1);
    harness.refuse(&sent[0], ErrorCode::UNKNOWN_SERVER_ERROR);
    assert_eq!(harness.failure(0).1, Persistence::PossiblyPersisted);
}

#[test]
fn a_fenced_transactional_producer_is_told_that_it_cannot_go_on() {
    let (mut harness, sent) = Harness::transactional(1);
    harness.refuse(&sent[0], ErrorCode::PRODUCER_FENCED);
    let fatal = SenderEvent::Failed(SenderFailure::Fatal(ErrorCode::PRODUCER_FENCED));
    assert_eq!(harness.events().first(), Some(&fatal));
    assert_eq!(harness.failure(0).1, Persistence::NotPersisted);
}

#[test]
fn an_old_epoch_in_a_transaction_can_be_aborted() {
    let (mut harness, sent) = Harness::transactional(1);
    let error = ErrorCode::INVALID_PRODUCER_EPOCH;
    harness.refuse(&sent[0], error);
    assert_eq!(harness.events(), [abortable(refused(error))]);
}

#[test]
fn a_send_that_failed_is_told_before_the_sender_calls_itself_drained() {
    let (mut harness, sent) = Harness::transactional(1);
    harness.refuse(&sent[0], ErrorCode::INVALID_RECORD);
    assert!(!harness.sender.is_drained());
    assert_eq!(harness.events().len(), 1);
    assert!(harness.sender.is_drained());
}

#[test]
fn batches_of_a_transaction_say_so_and_others_do_not() {
    for transactional in [false, true] {
        let (_, sent) = Harness::in_flight(transactional, 1);
        let view = batches(sent[0].payload.to_bytes()).next().unwrap().unwrap();
        assert_eq!(view.is_transactional(), transactional);
        assert_eq!(view.header().producer_id, PRODUCER.0);
    }
}
