//! Sequences, the window and the link: what may go when, and with which stamp.

use super::*;

#[test]
fn five_batches_are_in_flight_and_no_sixth() {
    let (mut harness, sent) = Harness::idempotent(WINDOW);
    harness.push(1);
    assert_eq!(harness.sender.in_flight(), 5);
    assert!(harness.poll().is_none());
    harness.accept(&sent[0]);
    assert_eq!(stamp(&harness.send()), (0, 6));
}

#[test]
fn room_is_what_the_window_has_left() {
    let (mut harness, _) = Harness::idempotent(2);
    harness.push(1);
    assert_eq!(harness.sender.room(), 2);
    harness.push(1);
    harness.push(1);
    harness.push(1);
    assert_eq!(harness.sender.room(), 0);
}

/// A partition that knows nothing of a producer takes any sequence for its first: the second batch would get into the log
/// before the first, if that was refused for the moment.
#[test]
fn until_the_first_acknowledgement_one_batch_at_a_time_goes() {
    let mut harness = Harness::cold(false);
    harness.push(1);
    harness.push(1);
    let first = harness.send();
    assert!(harness.poll().is_none());
    harness.refuse(&first, ErrorCode::NOT_ENOUGH_REPLICAS);
    let again = harness.send_later();
    assert_eq!(again.payload, first.payload);
    assert!(harness.poll().is_none());
    harness.accept(&again);
    assert_eq!(stamp(&harness.send()), (0, 1));
}

/// A broker that keeps its answer has appended and waits: the window opens without it.
#[test]
fn a_first_answer_that_is_withheld_opens_the_window() {
    let mut harness = Harness::cold(false);
    for _ in 0..6 {
        harness.push(1);
    }
    let _first = harness.send();
    assert!(harness.poll().is_none());
    let opens = harness.sender.poll_timeout(harness.now).expect("a timer");
    harness.now = opens;
    let mut more = 0;
    while harness.poll().is_some() {
        more += 1;
    }
    assert_eq!(more, WINDOW - 1);
}

#[test]
fn another_epoch_of_a_producer_that_is_known_has_the_whole_window() {
    let mut harness = Harness::warm(true);
    harness.identity = identity(1);
    harness.push(1);
    harness.push(1);
    assert_eq!(stamp(&harness.send()), (1, 0));
    assert_eq!(stamp(&harness.send()), (1, 1));
}

#[test]
fn sequences_count_records() {
    let mut harness = Harness::warm(false);
    let mut bases = Vec::new();
    for records in [3, 1, 5, 2] {
        harness.push(records);
        bases.push(stamp(&harness.send()).1);
    }
    assert_eq!(bases, [1, 4, 5, 10]);
}

#[test]
fn sequences_go_on_at_zero_after_the_largest_and_order_is_kept_across() {
    let mut harness = Harness::warm(false);
    harness.sender.sequence.take(i32::MAX.cast_unsigned() - 3);
    harness.push(4);
    harness.push(3);
    harness.push(1);
    let sent: Vec<_> = (0..3).map(|_| harness.send()).collect();
    let bases: Vec<_> = sent.iter().map(|sent| stamp(sent).1).collect();
    assert_eq!(bases, [i32::MAX - 2, 1, 4]);
    for batch in sent.iter().rev() {
        harness.refuse(batch, ErrorCode::NOT_ENOUGH_REPLICAS);
    }
    for expected in &sent {
        let again = harness.send_later();
        assert_eq!(again.payload, expected.payload);
        harness.accept(&again);
    }
    assert!(harness.sender.is_drained());
}

#[test]
fn after_a_failure_the_lowest_goes_first_and_alone_with_the_bytes_it_had() {
    for transactional in [false, true] {
        let (mut harness, sent) = Harness::in_flight(transactional, 4);
        harness.push(1);
        harness.refuse(&sent[0], ErrorCode::NOT_ENOUGH_REPLICAS);
        for batch in &sent[1..] {
            assert!(harness.poll().is_none(), "while others are in flight");
            harness.refuse(batch, ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER);
        }
        for (index, expected) in sent[..3].iter().enumerate() {
            let again = harness.send_later();
            assert_eq!(again.payload, expected.payload);
            assert!(harness.poll().is_none(), "alone");
            harness.accept(&again);
            assert!(harness.told(index).is_some());
        }
        assert_eq!(harness.send_later().payload, sent[3].payload);
        assert_eq!(stamp(&harness.send()).1, 5, "then what is new");
    }
}

#[test]
fn a_failed_batch_whose_time_has_come_waits_for_those_in_flight() {
    let (mut harness, sent) = Harness::idempotent(2);
    harness.refuse(&sent[0], ErrorCode::NOT_ENOUGH_REPLICAS);
    harness.now += ms(500);
    assert!(harness.poll().is_none());
    harness.refuse(&sent[1], ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER);
    assert_eq!(harness.send().payload, sent[0].payload);
}

#[test]
fn nothing_new_goes_while_a_failed_batch_waits() {
    let (mut harness, sent) = Harness::idempotent(2);
    harness.push(1);
    harness.refuse(&sent[1], ErrorCode::NOT_ENOUGH_REPLICAS);
    assert!(harness.poll().is_none());
    harness.accept(&sent[0]);
    assert!(harness.poll().is_none());
    assert_eq!(harness.send_later().payload, sent[1].payload);
}

#[test]
fn an_unsure_batch_keeps_its_stamp_and_its_bytes() {
    for transactional in [false, true] {
        let (mut harness, sent) = Harness::in_flight(transactional, 3);
        sent.iter().for_each(|sent| harness.outcome(sent, unsure()));
        assert_eq!(harness.sender.in_flight(), 0);
        for expected in &sent {
            let again = harness.send_later();
            assert_eq!(again.payload, expected.payload);
            harness.accept(&again);
        }
        assert_eq!(harness.events(), []);
    }
}

#[test]
fn batches_that_were_not_sent_give_their_sequences_back() {
    let (mut harness, sent) = Harness::idempotent(1);
    harness.push(2);
    harness.push(1);
    let queued = [harness.poll().unwrap(), harness.poll().unwrap()];
    assert_eq!(stamp(&queued[0]), (0, 2));
    harness.outcome(&queued[1], not_sent());
    harness.outcome(&queued[0], not_sent());
    assert_eq!(harness.sender.sequence.next(), 2, "the first one keeps its");
    harness.accept(&sent[0]);
    harness.identity = identity(4);
    assert_eq!(
        stamp(&harness.send()),
        (4, 0),
        "a new stamp, in the old order"
    );
    assert_eq!(stamp(&harness.send()), (4, 2));
}

#[test]
fn a_batch_that_was_not_sent_waits_for_those_behind_it_that_were() {
    let (mut harness, sent) = Harness::idempotent(3);
    harness.outcome(&sent[0], unsure());
    harness.outcome(&sent[1], unsure());
    harness.outcome(&sent[2], unsure());
    let again = {
        harness.now += ms(100);
        harness.poll().unwrap()
    };
    harness.outcome(&again, not_sent());
    harness.identity = identity(1);
    assert_eq!(harness.send_later().payload, sent[0].payload);
}

#[test]
fn another_link_gets_nothing_while_something_is_in_flight() {
    let (mut harness, sent) = Harness::idempotent(2);
    harness.push(1);
    let other = LINK + 1;
    let poll = |harness: &mut Harness, link| {
        let (now, identity) = (harness.now, harness.identity);
        harness.sender.poll_send(now, link, identity)
    };
    assert!(poll(&mut harness, other).is_none());
    harness.refuse(&sent[0], ErrorCode::NOT_LEADER_OR_FOLLOWER);
    harness.now += ms(100);
    assert!(poll(&mut harness, other).is_none());
    harness.refuse(&sent[1], ErrorCode::NOT_LEADER_OR_FOLLOWER);
    let moved = poll(&mut harness, other).unwrap();
    assert_eq!(moved.payload, sent[0].payload);
    assert!(poll(&mut harness, LINK).is_none(), "nor the old one now");
}

#[test]
fn the_identity_changes_only_when_nothing_is_stamped() {
    let (mut harness, sent) = Harness::idempotent(2);
    harness.push(1);
    harness.identity = identity(1);
    assert!(harness.poll().is_none());
    harness.refuse(&sent[0], ErrorCode::NOT_ENOUGH_REPLICAS);
    harness.accept(&sent[1]);
    let again = harness.send_later();
    assert_eq!(again.payload, sent[0].payload, "the old identity still");
    assert!(harness.poll().is_none());
    harness.accept(&again);
    assert_eq!(stamp(&harness.send()), (1, 0));
}

#[test]
fn nothing_goes_without_an_identity() {
    let mut harness = Harness::cold(false);
    harness.push(1);
    harness.identity = ProducerIdentity::NONE;
    assert!(harness.poll().is_none());
    harness.identity = identity(0);
    assert_eq!(stamp(&harness.send()), (0, 0));
}

#[test]
fn batches_go_in_the_order_they_were_closed_whichever_is_sealed_first() {
    let mut harness = Harness::warm(false);
    let (first, second) = (harness.close(1), harness.close(1));
    let first = harness.sender.push(first);
    let second = harness.sender.push(second);
    harness.sender.handle_sealed(seal(second));
    assert!(harness.poll().is_none());
    harness.sender.handle_sealed(seal(first));
    let sent = [harness.send(), harness.send()];
    sent.iter().for_each(|sent| harness.accept(sent));
    assert_eq!((harness.offset(0), harness.offset(1)), (Some(1), Some(2)));
}
