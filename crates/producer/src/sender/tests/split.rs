//! MESSAGE_TOO_LARGE.

use super::*;

fn too_large(records: u32) -> (Harness, SendBatch) {
    let mut harness = Harness::warm(false);
    harness.push(records);
    let sent = harness.send();
    (harness, sent)
}

#[test]
fn halves_share_the_sequences_and_settle_apart() {
    for transactional in [false, true] {
        let mut harness = Harness::warm(transactional);
        harness.push(5);
        harness.push(1);
        let (whole, behind) = (harness.send(), harness.send());
        harness.refuse(&whole, ErrorCode::MESSAGE_TOO_LARGE);
        harness.refuse(&behind, ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER);
        let low = harness.send();
        assert_eq!((stamp(&low), header(&low).record_count), ((0, 1), 2));
        assert!(harness.poll().is_none(), "one at a time");
        harness.accept(&low);
        assert_eq!(harness.told_of(0, 2), None);
        let high = harness.send();
        assert_eq!((stamp(&high), header(&high).record_count), ((0, 3), 3));
        harness.accept(&high);
        let offsets: Vec<_> = (0..5)
            .map(|record| harness.told_of(0, record).unwrap().unwrap().offset())
            .collect();
        assert_eq!(offsets, [1, 2, 3, 4, 5].map(Some));
        assert_eq!(harness.send_later().payload, behind.payload);
    }
}

#[test]
fn halves_keep_the_deadline() {
    let (mut harness, whole) = too_large(2);
    let deadline = harness.now + TIMEOUT;
    harness.now += ms(700);
    harness.refuse(&whole, ErrorCode::MESSAGE_TOO_LARGE);
    assert_eq!(harness.sender.poll_timeout(harness.now), Some(deadline));
    harness.now = deadline;
    harness.sender.handle_timeout(deadline);
    assert_eq!(harness.failure(0).0, DeliveryErrorKind::TimedOut);
}

#[test]
fn halves_are_halved_again_down_to_one_record_which_fails() {
    let (mut harness, whole) = too_large(4);
    harness.refuse(&whole, ErrorCode::MESSAGE_TOO_LARGE);
    let half = harness.send();
    harness.refuse(&half, ErrorCode::MESSAGE_TOO_LARGE);
    let quarter = harness.send();
    assert_eq!(header(&quarter).record_count, 1);
    harness.refuse(&quarter, ErrorCode::MESSAGE_TOO_LARGE);
    let told = (
        refused(ErrorCode::MESSAGE_TOO_LARGE),
        Persistence::NotPersisted,
    );
    assert_eq!(harness.failure(0), told);
    harness.bump();
    assert_eq!(stamp(&harness.send()), (1, 0), "the rest goes on");
}

#[test]
fn a_batch_that_may_be_in_the_log_is_not_split() {
    let (mut harness, whole) = too_large(4);
    harness.outcome(&whole, unsure());
    let again = harness.send_later();
    harness.refuse(&again, ErrorCode::MESSAGE_TOO_LARGE);
    assert_eq!(harness.failure(0).1, Persistence::PossiblyPersisted);
    assert!(harness.poll().is_none());
}

#[test]
fn the_memory_is_free_once_both_halves_are_settled() {
    let (mut harness, whole) = too_large(2);
    harness.refuse(&whole, ErrorCode::MESSAGE_TOO_LARGE);
    let low = harness.send();
    harness.accept(&low);
    assert_eq!(harness.budget.used(), 1);
    let high = harness.send();
    harness.accept(&high);
    assert_eq!(harness.budget.used(), 0);
}
