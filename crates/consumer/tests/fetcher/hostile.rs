//! Answers that no right broker gives.

use bytes::{Bytes, BytesMut};
use milena_consumer::{Cursor, FetchConfig, FetchError};
use milena_wire::messages::PartitionData;
use milena_wire::{DecodeErrorKind, Payload};

use crate::batch::{ABORT, COMMIT, Spec, concat, marker, markers, patched, put_varint};
use crate::world::{World, aborted, data, tp};

fn world() -> World {
    World::reading(FetchConfig::default(), &[1])
}

/// What the answer `records` leads to: offsets shown, failures, position.
fn outcome(records: &[Bytes]) -> (Vec<i64>, Vec<FetchError>, i64) {
    let mut world = world();
    world.step(data(0, records));
    (world.offsets(), world.failures(), world.position(0))
}

fn assert_corrupt(records: &[Bytes], kind: impl Fn(DecodeErrorKind) -> bool) {
    let (offsets, failures, position) = outcome(records);
    assert_eq!(
        (offsets, position),
        (vec![], 0),
        "nothing of it may be shown"
    );
    let [FetchError::Corrupt(error)] = &failures[..] else {
        panic!("not corrupt: {failures:?}")
    };
    assert!(kind(error.kind), "{error}");
}

#[test]
fn offsets_below_the_position_are_not_shown() {
    let mut world = world();
    world.fetcher.seek(&tp(0), Cursor::at(7));
    world.step(data(
        0,
        &[
            Spec::data(0, &["0", "1"]).bytes(),
            Spec::data(5, &["5", "6", "7", "8"]).bytes(),
        ],
    ));
    assert_eq!((world.offsets(), world.position(0)), (vec![7, 8], 9));
}

#[test]
fn offsets_that_go_back_are_not_shown_twice() {
    let batches = [
        Spec::data(0, &["0", "1", "2"]).bytes(),
        Spec::data(1, &["1", "2", "3"]).bytes(),
        Spec::data(0, &["0"]).bytes(),
        Spec::data(4, &["4"]).bytes(),
    ];
    assert_eq!(outcome(&batches), (vec![0, 1, 2, 3, 4], vec![], 5));
}

#[test]
fn an_abort_marker_below_the_position_still_ends_its_transaction() {
    let mut world = world();
    world.fetcher.seek(&tp(0), Cursor::at(2));
    let records = [
        Spec::data(0, &["lost"]).transactional(1).bytes(),
        marker(1, 1, &ABORT),
        Spec::data(2, &["kept"]).transactional(1).bytes(),
    ];
    world.step(aborted(&[(1, 0)], data(0, &records)));
    assert_eq!(world.offsets(), [2]);
}

#[test]
fn a_last_offset_that_does_not_fit_the_count_is_told_or_is_a_gap() {
    assert_corrupt(
        &[Spec {
            last_delta: -1,
            ..Spec::data(0, &["a"])
        }
        .bytes()],
        |kind| matches!(kind, DecodeErrorKind::OffsetDelta(-1)),
    );
    assert_corrupt(
        &[Spec {
            last_delta: i32::MIN,
            ..Spec::data(0, &["a"])
        }
        .bytes()],
        |kind| matches!(kind, DecodeErrorKind::OffsetDelta(_)),
    );
    // More records than offsets.
    assert_corrupt(
        &[Spec {
            last_delta: 0,
            ..Spec::data(0, &["a", "b"])
        }
        .bytes()],
        |kind| matches!(kind, DecodeErrorKind::OffsetDelta(_)),
    );
    // More offsets than records: compaction.
    assert_eq!(
        outcome(&[Spec {
            last_delta: 9,
            ..Spec::data(0, &["a", "b"])
        }
        .bytes()]),
        (vec![0, 1], vec![], 10)
    );
    assert_corrupt(
        &[Spec {
            last_delta: i32::MAX,
            ..Spec::data(i64::MAX - 5, &["a"])
        }
        .bytes()],
        |kind| kind == DecodeErrorKind::OffsetOverflow,
    );
}

#[test]
fn a_wrong_record_count_is_corrupt() {
    for count in [-1, i32::MIN, 3, i32::MAX, 1, 0] {
        let batch = Spec {
            count: Some(count),
            ..Spec::data(0, &["a", "b"])
        }
        .bytes();
        assert_corrupt(&[batch], |kind| {
            matches!(kind, DecodeErrorKind::RecordCount(_))
        });
    }
}

#[test]
fn an_impossible_batch_length_is_corrupt() {
    for length in [-1, i32::MIN, 0, 13, 48] {
        let batch = patched(&Spec::data(0, &["a"]).bytes(), 8, &i32::to_be_bytes(length));
        assert_corrupt(&[batch], |kind| {
            matches!(kind, DecodeErrorKind::BatchLength(_))
        });
    }
}

#[test]
fn every_flipped_bit_under_the_checksum_is_found() {
    let batch = Spec::data(0, &["some", "values"]).transactional(3).bytes();
    for bit in 16 * 8..batch.len() * 8 {
        let mut copy = BytesMut::from(&batch[..]);
        copy[bit / 8] ^= 1 << (bit % 8);
        // Bit 1 of the attributes' high byte and so on too: the check comes before anything is believed.
        assert_corrupt(&[copy.freeze()], |_| true);
    }
}

#[test]
fn a_flipped_bit_in_the_length_shows_nothing() {
    let batch = Spec::data(0, &["some", "values"]).bytes();
    for bit in 8 * 8..12 * 8 {
        let mut copy = BytesMut::from(&batch[..]);
        copy[bit / 8] ^= 1 << (bit % 8);
        let (offsets, _, position) = outcome(&[copy.freeze()]);
        assert_eq!((offsets, position), (vec![], 0), "bit {bit}");
    }
}

#[test]
fn the_checksum_of_an_aborted_batch_is_checked_too() {
    let mut broken = BytesMut::from(&Spec::data(0, &["lost"]).transactional(1).bytes()[..]);
    broken[65] ^= 1;
    let mut world = world();
    world.step(aborted(&[(1, 0)], data(0, &[broken.freeze()])));
    assert!(matches!(world.failures()[..], [FetchError::Corrupt(_)]));
}

#[test]
fn other_message_formats_are_refused() {
    for (magic, old) in [(0, true), (1, true), (3, false), (127, false), (255, false)] {
        let batch = patched(&Spec::data(0, &["a"]).bytes(), 16, &[magic]);
        assert_corrupt(&[batch], |kind| {
            matches!(kind, DecodeErrorKind::OldMagic(_)) == old
        });
    }
}

#[test]
fn compressions_that_do_not_exist_are_refused() {
    for codec in 5..=7 {
        let (offsets, failures, _) = outcome(&[Spec::data(0, &["a"]).compressed(codec).bytes()]);
        assert_eq!(offsets, []);
        assert!(
            matches!(
                failures[..],
                [FetchError::UnsupportedCompression { offset: 0, .. }]
            ),
            "{failures:?}"
        );
    }
}

#[test]
fn of_two_markers_in_one_control_batch_the_first_counts() {
    let mut world = world();
    let records = [
        Spec::data(0, &["lost"]).transactional(1).bytes(),
        markers(1, 1, &[&ABORT, &ABORT]),
        Spec::data(3, &["kept"]).transactional(1).bytes(),
        Spec::data(4, &["lost"]).transactional(2).bytes(),
        markers(5, 2, &[&COMMIT, &ABORT]),
        Spec::data(7, &["lost"]).transactional(2).bytes(),
    ];
    world.step(aborted(&[(1, 0), (2, 4)], data(0, &records)));
    assert_eq!(
        (world.offsets(), world.position(0), world.failures()),
        (vec![3], 8, vec![])
    );
}

#[test]
fn a_control_record_with_a_short_key_is_corrupt() {
    // One of the broker's own, which no producer wrote, is none of our business.
    assert_eq!(outcome(&[marker(0, -1, &[0])]), (vec![], vec![], 1));
    for key in [&[][..], &[0], &[0, 0, 0]] {
        assert_corrupt(&[marker(0, 1, key)], |kind| {
            kind == DecodeErrorKind::Truncated
        });
    }
}

#[test]
fn a_batch_cut_off_at_the_end_is_left_for_the_next_fetch() {
    let tail = Spec::data(1, &["b"]).bytes();
    assert_eq!(
        outcome(&[Spec::data(0, &["a"]).bytes(), tail.slice(..tail.len() - 1)]),
        (vec![0], vec![], 1)
    );
}

#[test]
fn a_second_answer_for_a_partition_is_ignored() {
    let mut world = world();
    let fetch = world.fetch();
    world.answer(
        fetch.id,
        vec![
            data(0, &[Spec::data(0, &["first"]).bytes()]),
            data(0, &[Spec::data(0, &["second"]).bytes()]),
        ],
    );
    world.decode();
    assert_eq!(
        (world.values(), world.failures()),
        (vec!["first".into()], vec![])
    );
    assert_eq!(
        world.fetcher.buffered_bytes(),
        0,
        "and its bytes are not counted"
    );
}

#[test]
fn an_answer_for_a_partition_that_was_not_asked_is_ignored() {
    let mut world = World::reading(FetchConfig::default(), &[1, 2]);
    let fetch = world.fetch();
    assert_eq!(fetch.indexes(), [0]);
    let records = Spec::data(0, &["x"]).bytes();
    world.answer(
        fetch.id,
        vec![
            data(1, std::slice::from_ref(&records)),
            data(7, std::slice::from_ref(&records)),
            data(-1, &[records]),
        ],
    );
    world.decode();
    assert_eq!(world.offsets(), []);
    assert_eq!(world.position(1), 0);
}

#[test]
fn an_answer_to_a_fetch_that_was_never_sent_is_ignored() {
    let mut world = world();
    let fetch = world.fetch();
    world.answer(
        milena_consumer::FetchId(999),
        vec![data(0, &[Spec::data(0, &["x"]).bytes()])],
    );
    world.answer(fetch.id, vec![data(0, &[Spec::data(0, &["a"]).bytes()])]);
    world.answer(fetch.id, vec![data(0, &[Spec::data(1, &["late"]).bytes()])]);
    world.decode();
    assert_eq!(world.values(), ["a"]);
}

#[test]
fn bombs_in_lengths_and_counts_are_corrupt() {
    let bomb = |build: &dyn Fn(&mut BytesMut)| {
        let mut body = BytesMut::from(&[0, 0, 0][..]);
        build(&mut body);
        let mut payload = BytesMut::new();
        put_varint(&mut payload, body.len() as i64);
        payload.extend_from_slice(&body);
        Spec {
            count: Some(1),
            ..Spec::data(0, &[])
        }
        .around(&payload)
    };
    let varints = |values: &'static [i64]| {
        move |body: &mut BytesMut| values.iter().for_each(|value| put_varint(body, *value))
    };
    // Key length, value length, header count, header key length.
    for values in [
        &[i32::MAX as i64][..],
        &[-1, i32::MAX as i64],
        &[-1, -1, i32::MAX as i64],
        &[-1, -1, 1, i32::MAX as i64],
        &[-1, -1, -1],
        &[-2],
        &[i64::MAX],
    ] {
        assert_corrupt(&[bomb(&varints(values))], |_| true);
    }
    assert_corrupt(&[bomb(&|body| body.extend_from_slice(&[0xff; 11]))], |_| {
        true
    });
}

#[test]
fn what_comes_before_a_corrupt_batch_is_delivered_first() {
    let mut broken = BytesMut::from(&Spec::data(2, &["c"]).bytes()[..]);
    let last = broken.len() - 1;
    broken[last] ^= 1;
    let mut world = world();
    world.step(data(
        0,
        &[
            Spec::data(0, &["a"]).bytes(),
            marker(1, 1, &COMMIT),
            broken.freeze(),
            Spec::data(3, &["d"]).bytes(),
        ],
    ));
    assert_eq!((world.values(), world.position(0)), (vec!["a".into()], 2));
    assert_eq!(world.moves().len(), 1, "over the marker");
    assert!(matches!(world.failures()[..], [FetchError::Corrupt(_)]));
    world.assert_quiet();
    // The user decides to go over it.
    world.fetcher.seek(&tp(0), Cursor::at(3));
    assert_eq!(world.fetch().partitions[0].position, 3);
}

#[test]
fn garbage_of_any_kind_neither_panics_nor_shows_anything_twice() {
    let mut rng = fastrand::Rng::with_seed(11);
    let good = concat(&[
        Spec::data(0, &["a", "b"]).transactional(1).bytes(),
        marker(2, 1, &COMMIT),
        Spec::data(3, &["c"]).bytes(),
    ]);
    for _ in 0..5_000 {
        let mut bytes = BytesMut::from(&good[..]);
        for _ in 0..rng.usize(1..6) {
            let at = rng.usize(..bytes.len());
            bytes[at] = rng.u8(..);
        }
        bytes.truncate(rng.usize(..=bytes.len()));
        let mut world = world();
        let fetch = world.fetch();
        let listed = (0..rng.usize(..3))
            .map(|_| (rng.i64(0..3), rng.i64(-2..5)))
            .collect::<Vec<_>>();
        let answer = PartitionData {
            records: Some(Payload::from(bytes.freeze())),
            ..data(0, &[])
        };
        world.answer(fetch.id, vec![aborted(&listed, answer)]);
        world.decode();
        let offsets = world.offsets();
        assert!(
            offsets.windows(2).all(|pair| pair[0] < pair[1]),
            "{offsets:?}"
        );
        assert_eq!(world.fetcher.buffered_bytes(), 0);
    }
}
