//! The end of a transaction, of a batch, and of the sender.

use super::*;

const ABORTED: DeliveryErrorKind = DeliveryErrorKind::TransactionAborted;

#[test]
fn abandoned_batches_that_were_not_sent_fail_and_leave_no_hole() {
    let mut harness = Harness::warm(true);
    harness.push(1);
    let batch = harness.close(1);
    let job = harness.sender.push(batch);
    harness.sender.abandon();
    harness.sender.handle_sealed(seal(job));
    for batch in [0, 1] {
        assert_eq!(harness.failure(batch), (ABORTED, Persistence::NotPersisted));
    }
    assert!(harness.sender.is_drained() && !harness.sender.has_hole());
    assert!(!harness.sender.is_unresolved() && harness.sender.room() == 0);
}

#[test]
fn an_abandoned_batch_that_was_refused_leaves_a_hole_and_is_resolved() {
    let (mut harness, sent) = Harness::transactional(1);
    harness.refuse(&sent[0], ErrorCode::NOT_ENOUGH_REPLICAS);
    harness.sender.abandon();
    assert_eq!(harness.failure(0), (ABORTED, Persistence::NotPersisted));
    assert!(harness.sender.has_hole() && !harness.sender.is_unresolved());
}

#[test]
fn an_abandoned_batch_in_doubt_is_unresolved() {
    let (mut harness, sent) = Harness::transactional(1);
    harness.outcome(&sent[0], unsure());
    harness.sender.abandon();
    let told = (ABORTED, Persistence::PossiblyPersisted);
    assert_eq!(harness.failure(0), told);
    assert!(harness.sender.is_drained() && harness.sender.is_unresolved());
}

#[test]
fn what_is_in_flight_when_abandoned_is_left_to_be_answered() {
    let (mut harness, sent) = Harness::transactional(5);
    harness.sender.abandon();
    assert!(!harness.sender.is_drained());
    harness.accept(&sent[0]);
    assert_eq!(harness.offset(0), Some(1));
    harness.refuse(&sent[1], ErrorCode::NOT_ENOUGH_REPLICAS);
    assert_eq!(harness.failure(1), (ABORTED, Persistence::NotPersisted));
    assert!(!harness.sender.is_unresolved());
    harness.refuse(&sent[2], ErrorCode::MESSAGE_TOO_LARGE);
    harness.refuse(&sent[3], ErrorCode::INVALID_RECORD);
    assert_eq!(harness.failure(3).1, Persistence::NotPersisted);
    assert!(!harness.sender.is_unresolved());
    harness.outcome(&sent[4], unsure());
    let told = (ABORTED, Persistence::PossiblyPersisted);
    assert_eq!(harness.failure(4), told);
    assert!(harness.sender.is_unresolved() && harness.sender.is_drained());
    assert_eq!(harness.events(), [], "the abort was asked for");
}

#[test]
fn an_abandoned_batch_is_not_split() {
    let mut harness = Harness::warm(true);
    harness.push(4);
    let sent = harness.send();
    harness.sender.abandon();
    harness.refuse(&sent, ErrorCode::MESSAGE_TOO_LARGE);
    assert!(harness.poll().is_none() && harness.sender.is_drained());
    assert_eq!(harness.failure(0), (ABORTED, Persistence::NotPersisted));
}

#[test]
fn a_frame_that_comes_back_unsent_after_the_abort_leaves_no_hole() {
    let mut harness = Harness::warm(true);
    harness.push(1);
    let queued = harness.poll().unwrap();
    harness.sender.abandon();
    harness.outcome(&queued, not_sent());
    assert_eq!(harness.failure(0), (ABORTED, Persistence::NotPersisted));
    assert!(harness.sender.is_drained() && !harness.sender.has_hole());
    assert_eq!(harness.sender.sequence.next(), 1);
}

#[test]
fn the_next_transaction_starts_clean() {
    let (mut harness, sent) = Harness::transactional(1);
    harness.outcome(&sent[0], unsure());
    harness.sender.abandon();
    harness.sender.begin();
    assert!(!harness.sender.has_hole() && !harness.sender.is_unresolved());
    assert_eq!(harness.sender.room(), WINDOW);
    harness.identity = identity(1);
    harness.push(1);
    assert_eq!(stamp(&harness.send()), (1, 0));
}

#[test]
fn a_transaction_with_the_same_epoch_goes_on_with_its_sequences() {
    let (mut harness, sent) = Harness::transactional(2);
    sent.iter().for_each(|sent| harness.accept(sent));
    harness.sender.begin();
    harness.push(1);
    assert_eq!(stamp(&harness.send()), (0, 3));
}

#[test]
fn the_outcome_of_a_batch_that_is_not_known_changes_nothing() {
    let (mut harness, sent) = Harness::transactional(2);
    harness.accept(&sent[0]);
    harness.refuse(&sent[0], ErrorCode::INVALID_RECORD);
    harness.outcome(&sent[0], unsure());
    assert_eq!((harness.offset(0), harness.told(1)), (Some(1), None));
    assert_eq!(harness.sender.in_flight(), 1);
    assert_eq!(harness.events(), []);
    assert!(!harness.sender.has_hole());
}

#[test]
fn completions_are_those_of_the_unsettled_batches() {
    let (mut harness, sent) = Harness::transactional(2);
    harness.push(1);
    assert_eq!(harness.sender.completions().count(), 3);
    harness.accept(&sent[0]);
    assert_eq!(harness.sender.completions().count(), 2);
}

#[test]
fn a_dropped_sender_tells_everybody_that_the_client_closed() {
    let (mut harness, _) = Harness::transactional(1);
    harness.push(1);
    let other = PartitionSender::new(true, TIMEOUT, Backoff::default(), 1);
    drop(std::mem::replace(&mut harness.sender, other));
    let closed = DeliveryErrorKind::Closed;
    let begun = (closed.clone(), Persistence::PossiblyPersisted);
    assert_eq!(harness.failure(0), begun);
    assert_eq!(harness.failure(1), (closed, Persistence::NotPersisted));
    assert_eq!(harness.budget.used(), 0);
}
