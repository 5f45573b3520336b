//! What was damaged is noticed, and never believed.

use bytes::{Bytes, BytesMut};
use fastrand::Rng;
use milena_wire::DecodeErrorKind;
use milena_wire::record::*;

use crate::support::*;

#[test]
fn a_flip_of_any_bit_is_noticed() {
    let batch = small();
    only(batch.clone()).verify_crc().expect("whole");
    for bit in 0..batch.len() * 8 {
        let mut damaged = BytesMut::from(&batch[..]);
        damaged[bit / 8] ^= 1 << (bit % 8);
        let noticed = match batches(damaged.freeze()).next() {
            // Cut off: the length grew.
            None => true,
            Some(Err(_)) => true,
            Some(Ok(view)) => view.verify_crc().is_err() || view.bytes().len() != batch.len(),
        };
        // Base offset and leader epoch are the broker's to write, and outside of the checksum.
        let covered = !(0..8).contains(&(bit / 8)) && !(12..16).contains(&(bit / 8));
        assert_eq!(noticed, covered, "bit {bit}");
    }
}

#[test]
fn a_cut_off_tail_ends_the_walk() {
    let one = small();
    let mut both = BytesMut::from(&one[..]);
    both.extend_from_slice(&rewrite_base_offset(&one, 3, 0));
    let both = both.freeze();
    for len in 0..both.len() {
        let whole: Vec<_> = batches(both.slice(..len))
            .map(|batch| batch.expect("well formed"))
            .collect();
        assert_eq!(whole.len(), len / one.len());
    }
    let offsets: Vec<_> = batches(both)
        .map(|batch| batch.expect("well formed").header().base_offset)
        .collect();
    assert_eq!(offsets, [0, 3]);
}

#[test]
fn a_timestamp_that_overflows_is_an_error() {
    let batch = patched(&small(), &[(27, &i64::MAX.to_be_bytes())]);
    assert_eq!(
        framing_error(batch.clone()),
        DecodeErrorKind::TimestampOverflow
    );
    // Under append time, the deltas mean nothing.
    assert!(
        only(patched(&batch, &[(21, &[0, 0x18])]))
            .into_records()
            .is_ok()
    );
}

#[test]
fn formats_before_and_after_ours_are_told_apart() {
    let walk = |batch: Bytes| kind(batches(batch).next().expect("one"));
    assert_eq!(
        walk(patched(&small(), &[(16, &[0])])),
        DecodeErrorKind::OldMagic(0)
    );
    assert_eq!(
        walk(patched(&small(), &[(16, &[1])])),
        DecodeErrorKind::OldMagic(1)
    );
    assert_eq!(
        walk(patched(&small(), &[(16, &[3])])),
        DecodeErrorKind::UnknownMagic(3)
    );
    let mut walk = batches(patched(&small(), &[(16, &[0])]));
    assert!(walk.next().is_some_and(|batch| batch.is_err()) && walk.next().is_none());
}

#[test]
fn headers_that_make_no_sense_are_errors() {
    let walk = |at: usize, bytes: &[u8]| {
        kind(
            batches(patched(&small(), &[(at, bytes)]))
                .next()
                .expect("one"),
        )
    };
    assert_eq!(
        walk(8, &(-1_i32).to_be_bytes()),
        DecodeErrorKind::BatchLength(-1)
    );
    assert_eq!(
        walk(8, &13_i32.to_be_bytes()),
        DecodeErrorKind::BatchLength(13)
    );
    assert_eq!(
        walk(8, &48_i32.to_be_bytes()),
        DecodeErrorKind::BatchLength(48)
    );
    assert_eq!(
        walk(23, &(-1_i32).to_be_bytes()),
        DecodeErrorKind::OffsetDelta(-1)
    );
    assert_eq!(
        walk(57, &(-1_i32).to_be_bytes()),
        DecodeErrorKind::RecordCount(-1)
    );
    assert_eq!(
        walk(0, &(i64::MAX - 2).to_be_bytes()),
        DecodeErrorKind::OffsetOverflow
    );
}

#[test]
fn codecs_of_a_later_kafka_are_a_clear_error() {
    for bits in 5..=7 {
        let view = only(patched(&small(), &[(21, &[0, bits])]));
        let codec = Compression::Unknown(bits);
        assert_eq!(view.compression(), codec);
        view.verify_crc().expect("fits");
        assert_eq!(
            kind(view.into_records()),
            DecodeErrorKind::UnsupportedCompression(codec)
        );
    }
}

#[test]
fn records_must_fill_the_batch_exactly() {
    let record: [u8; 7] = [12, 0, 0, 0, 1, 1, 0];
    let twice = [12, 0, 0, 0, 1, 1, 0, 12, 0, 0, 2, 1, 1, 0];
    assert!(only(around(&twice, 2, 1)).into_records().is_ok());
    assert_eq!(
        framing_error(around(&twice, 1, 1)),
        DecodeErrorKind::RecordCount(1)
    );
    assert_eq!(
        framing_error(around(&twice, 3, 2)),
        DecodeErrorKind::RecordCount(3)
    );
    assert_eq!(
        framing_error(around(&record, i32::MAX, i32::MAX)),
        DecodeErrorKind::RecordCount(i32::MAX)
    );
    assert_eq!(
        framing_error(around(&[12, 0, 0, 0, 1, 1], 1, 0)),
        DecodeErrorKind::Truncated
    );
    assert_eq!(
        framing_error(around(&[14, 0, 0, 0, 1, 1, 0, 9], 1, 0)),
        DecodeErrorKind::RecordLength
    );
    assert_eq!(
        framing_error(around(&[1, 0, 0, 0, 1, 1, 0], 1, 0)),
        DecodeErrorKind::NegativeLength(-1)
    );
    assert_eq!(
        framing_error(around(&[12, 0, 0, 0, 3, 1, 0], 1, 0)),
        DecodeErrorKind::NegativeLength(-2)
    );
    assert_eq!(
        framing_error(around(&[12, 0, 0, 0, 1, 1, 2], 1, 0)),
        DecodeErrorKind::Truncated
    );
    assert_eq!(
        framing_error(around(&[0], 1, 0)),
        DecodeErrorKind::Truncated
    );
    let overlong = [0xff, 0xff, 0xff, 0xff, 0x1f, 0];
    assert_eq!(
        framing_error(around(&overlong, 1, 0)),
        DecodeErrorKind::OverlongVarint
    );
}

#[test]
fn offsets_rise_and_stay_within_the_batch() {
    let records =
        |first: u8, second: u8| [12, 0, 0, first * 2, 1, 1, 0, 12, 0, 0, second * 2, 1, 1, 0];
    assert!(only(around(&records(0, 1), 2, 1)).into_records().is_ok());
    assert_eq!(
        framing_error(around(&records(1, 1), 2, 1)),
        DecodeErrorKind::OffsetDelta(1)
    );
    assert_eq!(
        framing_error(around(&records(0, 2), 2, 1)),
        DecodeErrorKind::OffsetDelta(2)
    );
    assert_eq!(
        framing_error(around(&[12, 0, 0, 1, 1, 1, 0], 1, 0)),
        DecodeErrorKind::OffsetDelta(-1)
    );
}

#[test]
fn an_error_says_at_which_byte_of_the_batch() {
    let error = only(around(&[12, 0, 0, 0, 1, 1, 0, 12, 0, 0, 0, 1, 1, 0], 2, 1))
        .into_records()
        .expect_err("offset");
    assert_eq!(
        (error.field, error.position, error.message),
        ("offset delta", HEADER_LEN + 7, None)
    );
}

#[test]
fn mutated_batches_with_a_fitting_checksum_are_survived_and_what_is_accepted_can_be_read() {
    let mut random = Rng::with_seed(15);
    let mut accepted = 0;
    for _ in 0..50 {
        let records: Vec<_> = (0..random.usize(1..8))
            .map(|_| Owned::random(&mut random))
            .collect();
        let batch = seal(&records).stamp(&STAMP).to_bytes();
        for _ in 0..2000 {
            let at = random.usize(..batch.len().min(400));
            let noise = [random.u8(..), random.u8(..)];
            let mutated = patched(
                &batch,
                &[(
                    at,
                    &noise[..1 + usize::from(random.bool() && at + 1 < batch.len())],
                )],
            );
            for view in batches(mutated).filter_map(Result::ok) {
                let _ = (view.verify_crc(), view.control());
                let Ok(read) = view.into_records() else {
                    continue;
                };
                accepted += 1;
                assert_eq!(read.records().count(), read.len());
                read.records().for_each(|record| {
                    assert_eq!(record.headers().count(), record.headers().len())
                });
                assert!(
                    read.records()
                        .all(|record| record.offset() < read.next_offset())
                );
            }
        }
    }
    assert!(accepted > 10_000, "{accepted}");
}
