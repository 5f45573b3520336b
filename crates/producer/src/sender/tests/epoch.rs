//! KIP-360: when an idempotent producer's partition takes a new epoch, and what goes with it.

use super::*;

#[test]
fn what_is_behind_a_refused_batch_goes_again_under_a_new_epoch_in_order() {
    let (mut harness, sent) = Harness::idempotent(3);
    harness.push(1);
    harness.refuse(&sent[0], ErrorCode::INVALID_RECORD);
    assert!(!harness.sender.poll_bump(), "two are in flight");
    assert!(harness.poll().is_none());
    harness.refuse(&sent[1], ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER);
    harness.refuse(&sent[2], ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER);
    assert!(harness.poll().is_none(), "not before the new epoch");
    harness.bump();
    for (index, sequence) in [(1, 0), (2, 1), (3, 2)] {
        let again = harness.send();
        assert_eq!(stamp(&again), (1, sequence));
        harness.accept(&again);
        assert_eq!(harness.offset(index), Some(i64::from(sequence)));
    }
}

#[test]
fn what_is_before_a_refused_batch_keeps_its_stamp_and_is_settled_first() {
    let (mut harness, sent) = Harness::idempotent(3);
    harness.refuse(&sent[0], ErrorCode::REQUEST_TIMED_OUT);
    harness.refuse(&sent[1], ErrorCode::INVALID_RECORD);
    harness.refuse(&sent[2], ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER);
    assert!(!harness.sender.poll_bump(), "the first may be in the log");
    let again = harness.send_later();
    assert_eq!(again.payload, sent[0].payload);
    harness.accept(&again);
    assert_eq!(harness.offset(0), Some(1));
    assert!(harness.poll().is_none());
    harness.bump();
    assert_eq!(stamp(&harness.send()), (1, 0));
}

#[test]
fn an_unsure_batch_behind_a_definite_refusal_cannot_be_in_the_log_and_goes_again() {
    let (mut harness, sent) = Harness::idempotent(2);
    harness.refuse(&sent[0], ErrorCode::INVALID_RECORD);
    harness.outcome(&sent[1], unsure());
    harness.bump();
    let again = harness.send();
    assert_eq!(stamp(&again), (1, 0));
    harness.accept(&again);
    assert_eq!(harness.offset(1), Some(0));
}

#[test]
fn unsure_batches_behind_one_in_doubt_are_given_up_and_the_others_go_again() {
    let (mut harness, sent) = Harness::idempotent(4);
    let error = ErrorCode::UNKNOWN_SERVER_ERROR;
    harness.refuse(&sent[0], error);
    harness.accept(&sent[1]);
    harness.refuse(&sent[2], ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER);
    harness.outcome(&sent[3], unsure());
    harness.bump();
    let doubt = (refused(error), Persistence::PossiblyPersisted);
    assert_eq!(harness.failure(0), doubt);
    assert_eq!(harness.offset(1), Some(2));
    assert_eq!(harness.failure(3), doubt);
    let again = harness.send();
    assert_eq!(stamp(&again), (1, 0));
    harness.accept(&again);
    assert_eq!(harness.offset(2), Some(0));
    assert!(harness.sender.is_drained());
}

#[test]
fn an_unsure_head_out_of_order_is_in_doubt_and_not_sent_again() {
    let (mut harness, sent) = Harness::idempotent(2);
    sent.iter().for_each(|sent| harness.outcome(sent, unsure()));
    let again = harness.send_later();
    harness.refuse(&again, ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER);
    harness.bump();
    for batch in [0, 1] {
        assert_eq!(harness.failure(batch).1, Persistence::PossiblyPersisted);
    }
    assert!(harness.sender.is_drained());
}

#[test]
fn a_refusal_behind_another_does_not_hide_the_lower_gap() {
    let (mut harness, sent) = Harness::idempotent(3);
    harness.refuse(&sent[2], ErrorCode::INVALID_RECORD);
    harness.refuse(&sent[1], ErrorCode::INVALID_RECORD);
    harness.accept(&sent[0]);
    harness.bump();
    assert!(harness.sender.is_drained());
    assert_eq!(harness.offset(0), Some(1));
}

#[test]
fn what_its_caller_gave_up_on_is_not_sent_again_under_a_new_epoch() {
    let (mut harness, sent) = Harness::idempotent(2);
    harness.pass(TIMEOUT);
    harness.refuse(&sent[0], ErrorCode::INVALID_RECORD);
    harness.refuse(&sent[1], ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER);
    harness.bump();
    assert!(harness.poll().is_none() && harness.sender.is_drained());
}

#[test]
fn after_a_new_epoch_one_at_a_time_goes_until_the_broker_knows_it() {
    let (mut harness, sent) = Harness::idempotent(2);
    harness.refuse(&sent[0], ErrorCode::UNKNOWN_PRODUCER_ID);
    harness.refuse(&sent[1], ErrorCode::UNKNOWN_PRODUCER_ID);
    harness.bump();
    let first = harness.send();
    assert!(harness.poll().is_none());
    harness.accept(&first);
    assert_eq!(stamp(&harness.send()), (1, 1));
}

/// A partition that knows nothing of the producer may have taken the second batch for its first.
#[test]
fn a_first_batch_that_may_have_been_overtaken_fails_instead_of_landing_behind() {
    let mut harness = Harness::cold(false);
    harness.push(1);
    harness.push(1);
    let first = harness.send();
    harness.now += ms(100);
    let second = harness.send();
    harness.refuse(&first, ErrorCode::NOT_ENOUGH_REPLICAS);
    harness.refuse(&second, ErrorCode::UNKNOWN_SERVER_ERROR);
    let again = harness.send_later();
    harness.refuse(&again, ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER);
    harness.bump();
    assert!(harness.sender.is_drained());
    assert_eq!(harness.failure(0).1, Persistence::NotPersisted);
    assert_eq!(harness.failure(1).1, Persistence::PossiblyPersisted);
}
