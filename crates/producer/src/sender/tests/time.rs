//! The delivery time-out before and after a byte has left, and the timers.

use super::*;

const TIMED_OUT: DeliveryErrorKind = DeliveryErrorKind::TimedOut;

#[test]
fn what_was_never_handed_over_times_out_as_not_persisted_and_never_goes() {
    for transactional in [false, true] {
        let mut harness = Harness::warm(transactional);
        harness.push(1);
        harness.pass(TIMEOUT);
        assert_eq!(harness.failure(0), (TIMED_OUT, Persistence::NotPersisted));
        assert!(harness.poll().is_none());
        let told = harness.events();
        let expected: &[_] = if transactional {
            &[abortable(TIMED_OUT)]
        } else {
            &[]
        };
        assert_eq!(told, expected);
        assert!(harness.sender.is_drained() && !harness.sender.has_hole());
        harness.push(1);
        assert_eq!(stamp(&harness.send()), (0, 1), "no sequence was used up");
    }
}

#[test]
fn a_batch_past_its_time_is_not_sent_even_if_no_timer_has_fired() {
    let mut harness = Harness::warm(false);
    harness.push(1);
    harness.now += TIMEOUT;
    assert!(harness.poll().is_none());
    assert_eq!(harness.failure(0).1, Persistence::NotPersisted);
}

#[test]
fn a_batch_that_times_out_while_it_is_sealed_is_dropped() {
    let mut harness = Harness::warm(false);
    let batch = harness.close(1);
    let job = harness.sender.push(batch);
    harness.pass(TIMEOUT);
    harness.sender.handle_sealed(seal(job));
    assert!(harness.sender.is_drained() && harness.poll().is_none());
    assert_eq!(harness.failure(0).1, Persistence::NotPersisted);
}

#[test]
fn a_begun_batch_times_out_as_possibly_persisted_and_is_still_repeated() {
    for transactional in [false, true] {
        let (mut harness, sent) = Harness::in_flight(transactional, 1);
        harness.outcome(&sent[0], unsure());
        harness.pass(TIMEOUT);
        let told = (TIMED_OUT, Persistence::PossiblyPersisted);
        assert_eq!(harness.failure(0), told);
        assert!(!harness.sender.is_drained());
        let again = harness.send();
        assert_eq!(again.payload, sent[0].payload);
        assert_eq!(harness.events().len(), usize::from(transactional));
        harness.accept(&again);
        assert!(harness.sender.is_drained() && !harness.sender.has_hole());
        assert_eq!(harness.failure(0), told, "the first word stands");
    }
}

#[test]
fn a_time_out_is_told_once() {
    let (mut harness, _) = Harness::transactional(1);
    harness.pass(TIMEOUT);
    assert_eq!(harness.events(), [abortable(TIMED_OUT)]);
    harness.pass(TIMEOUT);
    assert_eq!(harness.events(), []);
}

#[test]
fn the_memory_of_a_batch_that_timed_out_stays_taken_until_it_is_answered() {
    let (mut harness, sent) = Harness::idempotent(1);
    harness.pass(TIMEOUT);
    assert!(harness.told(0).is_some());
    assert_eq!(harness.budget.used(), 1);
    harness.accept(&sent[0]);
    assert_eq!(harness.budget.used(), 0);
}

#[test]
fn a_queued_frame_is_recalled_with_all_behind_it_and_only_the_old_one_fails() {
    let (mut harness, sent) = Harness::idempotent(1);
    harness.push(1);
    let old = harness.poll().unwrap();
    harness.now += ms(10);
    harness.push(1);
    let young = harness.poll().unwrap();
    harness.now += TIMEOUT - ms(10);
    harness.sender.handle_timeout(harness.now);
    let recalled: Vec<_> = [&old, &young]
        .map(|sent| SenderEvent::Recall(sent.id))
        .into();
    assert_eq!(harness.events(), recalled);
    harness.outcome(&old, not_sent());
    harness.outcome(&young, not_sent());
    assert_eq!(harness.failure(1), (TIMED_OUT, Persistence::NotPersisted));
    assert_eq!(harness.told(2), None);
    harness.accept(&sent[0]);
    assert_eq!(stamp(&harness.send()), (0, 2), "its sequence is free");
    assert!(!harness.sender.poll_bump());
}

#[test]
fn a_frame_that_began_before_it_could_be_recalled_is_told_at_once() {
    let (mut harness, _) = Harness::idempotent(1);
    harness.push(1);
    let queued = harness.poll().unwrap();
    harness.pass(TIMEOUT);
    assert_eq!(harness.told(1), None);
    harness.sender.handle_started(queued.id);
    harness.sender.handle_timeout(harness.now);
    assert_eq!(
        harness.failure(1),
        (TIMED_OUT, Persistence::PossiblyPersisted)
    );
}

#[test]
fn a_batch_that_comes_back_past_its_time_is_told_without_a_timer() {
    let mut harness = Harness::warm(false);
    harness.push(1);
    let queued = harness.poll().unwrap();
    harness.now += TIMEOUT;
    harness.outcome(&queued, not_sent());
    assert_eq!(harness.failure(0), (TIMED_OUT, Persistence::NotPersisted));
    assert!(harness.sender.is_drained());
}

#[test]
fn the_deadline_counts_from_the_batchs_opening_through_every_attempt() {
    let (mut harness, sent) = Harness::idempotent(1);
    let deadline = harness.now + TIMEOUT;
    harness.now += ms(400);
    harness.outcome(&sent[0], unsure());
    harness.send_later();
    assert_eq!(harness.sender.poll_timeout(harness.now), Some(deadline));
}

#[test]
fn no_timer_names_what_is_past() {
    let (mut harness, sent) = Harness::idempotent(2);
    harness.outcome(&sent[0], unsure());
    harness.now += ms(100);
    let next = harness.sender.poll_timeout(harness.now);
    assert!(next.is_some_and(|at| at > harness.now), "due, but blocked");
    harness.pass(TIMEOUT);
    assert_eq!(harness.sender.poll_timeout(harness.now), None);
}

#[test]
fn a_waiting_head_always_has_a_timer_whatever_waits_behind_it() {
    let (mut harness, sent) = Harness::idempotent(2);
    harness.refuse(&sent[1], ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER);
    harness.now += ms(90);
    harness.refuse(&sent[0], ErrorCode::NOT_ENOUGH_REPLICAS);
    harness.now += ms(50);
    let head_due = harness.now + ms(50);
    assert_eq!(harness.sender.poll_timeout(harness.now), Some(head_due));
    harness.now = head_due;
    assert_eq!(harness.send().payload, sent[0].payload);
}

#[test]
fn without_batches_there_is_no_timer() {
    let harness = Harness::warm(false);
    assert_eq!(harness.sender.poll_timeout(harness.now), None);
}

/// A closing producer must not wait for ever for a topic that is gone.
#[test]
fn a_sender_is_given_up_once_all_it_has_left_is_past_its_time() {
    let (mut harness, sent) = Harness::idempotent(1);
    harness.pass(TIMEOUT);
    assert!(!harness.sender.is_given_up(), "it is in flight");
    harness.outcome(&sent[0], unsure());
    assert!(harness.sender.is_given_up() && !harness.sender.is_drained());
    harness.push(1);
    assert!(!harness.sender.is_given_up(), "somebody waits again");
}
