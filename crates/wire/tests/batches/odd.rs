//! Batches of real logs that no producer of ours writes.

use bytes::BytesMut;
use milena_wire::DecodeErrorKind;
use milena_wire::record::*;

use crate::support::*;

#[test]
fn an_emptied_batch_still_says_where_it_ends() {
    // Compaction keeps the header of a producer's last batch when all of its records are gone.
    let batch = rewrite_base_offset(&around(&[], 0, 9), 100, 5);
    let view = only(batch);
    view.verify_crc()
        .expect("offsets lie outside of the checksum");
    assert_eq!((view.last_offset(), view.next_offset()), (109, 110));
    let records = view.into_records().expect("well formed");
    assert!(records.is_empty() && records.records().next().is_none());
    assert_eq!(records.next_offset(), 110);
}

#[test]
fn a_compacted_batch_keeps_the_offsets_of_what_is_left() {
    // Two records, at deltas 2 and 7 of 0 to 9.
    let batch = only(rewrite_base_offset(
        &around(&[12, 0, 0, 4, 1, 1, 0, 12, 0, 0, 14, 1, 1, 0], 2, 9),
        1000,
        5,
    ));
    let records = batch.into_records().expect("well formed");
    assert!(
        records
            .records()
            .map(|record| record.offset())
            .eq([1002, 1007])
    );
    assert_eq!(records.next_offset(), 1010);
    assert_eq!(
        records
            .records()
            .next()
            .map(|record| (record.key(), record.value())),
        Some((None, None))
    );
}

#[test]
fn append_time_overrides_each_records_time() {
    let batch = patched(&small(), &[(21, &[0, 0x18]), (35, &7777_i64.to_be_bytes())]);
    let view = only(batch);
    assert_eq!(view.timestamp_type(), TimestampType::LogAppendTime);
    let records = view.into_records().expect("well formed");
    assert!(
        records
            .records()
            .map(|record| record.timestamp())
            .eq([7777; 3])
    );
    let created = only(small()).into_records().expect("well formed");
    assert!(
        created
            .records()
            .map(|record| record.timestamp())
            .eq([1000, 1002, 1001])
    );
}

#[test]
fn control_batches_say_how_the_transaction_ended() {
    for (asked, said) in [
        (
            ControlKind::Abort,
            ControlRecord::Abort {
                coordinator_epoch: 9,
            },
        ),
        (
            ControlKind::Commit,
            ControlRecord::Commit {
                coordinator_epoch: 9,
            },
        ),
    ] {
        let batch = only(control_batch(asked, 4711, 3, 9, 500, 1000));
        batch.verify_crc().expect("whole");
        assert!(batch.is_control() && batch.is_transactional());
        assert_eq!(
            (batch.header().producer_id, batch.header().producer_epoch),
            (4711, 3)
        );
        assert_eq!(
            (batch.header().base_sequence, batch.next_offset()),
            (-1, 501)
        );
        assert_eq!(batch.control(), Ok(Some(said)));
    }
    assert_eq!(only(small()).control(), Ok(None));
}

#[test]
fn control_batches_of_other_kinds_or_none_are_told_apart() {
    let commit = control_batch(ControlKind::Commit, 1, 0, 0, 0, 0);
    // Length, attributes, timestamp delta, offset delta and key length come before the key.
    let kind_at = HEADER_LEN + 5 + 2;
    let leader_change = only(patched(&commit, &[(kind_at, &2_i16.to_be_bytes())]));
    assert_eq!(
        leader_change.control(),
        Ok(Some(ControlRecord::Unknown {
            version: 0,
            kind: 2
        }))
    );
    let mut emptied = BytesMut::from(&commit[..HEADER_LEN]);
    emptied[8..12].copy_from_slice(&49_i32.to_be_bytes());
    let emptied = patched(&emptied.freeze(), &[(57, &0_i32.to_be_bytes())]);
    assert_eq!(only(emptied).control(), Ok(None));
    // A data record in a control batch: too short to be a marker.
    let odd = only(patched(&small(), &[(21, &[0, 0x30])]));
    assert_eq!(kind(odd.control()), DecodeErrorKind::Truncated);
}

#[test]
fn of_several_markers_in_a_control_batch_the_first_counts() {
    // As it does for Kafka's own clients, which look at no other.
    let commit = control_batch(ControlKind::Commit, 1, 0, 7, 0, 0);
    let abort = control_batch(ControlKind::Abort, 1, 0, 8, 0, 0);
    let mut markers = commit[HEADER_LEN..].to_vec();
    // The second one's offset delta is 1.
    markers.extend_from_slice(&abort[HEADER_LEN..]);
    markers[commit.len() - HEADER_LEN + 3] = 2;
    let both = only(patched(&around(&markers, 2, 1), &[(21, &[0, 0x30])]));
    let commit = ControlRecord::Commit {
        coordinator_epoch: 7,
    };
    assert_eq!(both.control(), Ok(Some(commit)));
    assert_eq!(both.into_records().expect("well formed").len(), 2);
}

#[test]
fn markers_of_later_versions_are_understood_and_those_too_short_are_not() {
    let marker = control_batch(ControlKind::Abort, 1, 0, 9, 0, 0);
    let key_at = HEADER_LEN + 5;
    let later = only(patched(&marker, &[(key_at, &5_i16.to_be_bytes())]));
    let abort = ControlRecord::Abort {
        coordinator_epoch: 9,
    };
    assert_eq!(later.control(), Ok(Some(abort)));
    // A key and a value of nothing.
    let short = only(patched(
        &around(&[12, 0, 0, 0, 0, 0, 0], 1, 0),
        &[(21, &[0, 0x20])],
    ));
    assert_eq!(kind(short.control()), DecodeErrorKind::Truncated);
}

#[test]
fn sequences_go_on_at_zero_after_the_highest() {
    let stamped = |base_sequence| {
        let stamp = Stamp {
            base_sequence,
            ..STAMP
        };
        let bytes = seal(&[record(1), record(2), record(3)]).stamp(&stamp);
        *only(bytes.to_bytes()).header()
    };
    assert_eq!(stamped(12).last_sequence(), 14);
    assert_eq!(stamped(i32::MAX - 2).last_sequence(), i32::MAX);
    assert_eq!(stamped(i32::MAX - 1).last_sequence(), 0);
    assert_eq!(stamped(i32::MAX).last_sequence(), 1);
    assert_eq!(stamped(i32::MAX).base_sequence, i32::MAX);
    assert_eq!(stamped(-1).last_sequence(), -1);
}

fn record(timestamp: i64) -> Owned {
    Owned {
        timestamp,
        key: None,
        value: None,
        headers: Vec::new(),
    }
}

#[test]
fn a_last_offset_that_the_records_do_not_reach_is_where_the_batch_ends() {
    // Compaction has removed the last records: of offsets 0 to 9, three are left.
    let batch = patched(&small(), &[(23, &9_i32.to_be_bytes())]);
    let view = only(batch);
    assert_eq!((view.header().record_count, view.next_offset()), (3, 10));
    let records = view.into_records().expect("well formed");
    assert_eq!((records.len(), records.next_offset()), (3, 10));
}

#[test]
fn a_header_is_viewed_without_a_look_at_the_records() {
    // They are noise, and their checksum is wrong.
    let mut bytes = BytesMut::from(&small()[..]);
    let records = &mut bytes[HEADER_LEN..];
    records.fill(0xff);
    let view = only(bytes.freeze());
    assert_eq!(view.header().record_count, 3);
    assert_eq!((view.last_offset(), view.next_offset()), (2, 3));
    assert!(view.is_transactional() && !view.is_control());
    assert!(view.verify_crc().is_err() && view.into_records().is_err());
}
