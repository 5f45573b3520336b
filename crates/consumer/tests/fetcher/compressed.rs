//! Compressed batches: what they become is bounded, charged, and the same records.

use bytes::Bytes;
use milena_cluster::{LeaderEpoch, TopicPartition};
use milena_consumer::{Cursor, FetchConfig, FetchError, FetchEvent, IsolationLevel};
use milena_wire::DecodeErrorKind;
use milena_wire::compress::{Codec, Compressor};
use milena_wire::record::{BatchBuilder, Compression, RecordFields, Stamp};

use crate::batch::{ABORT, COMMIT, Spec, marker, patched};
use crate::world::{World, aborted, data, run, tp};

const CODECS: [Compression; 4] = [
    Compression::Gzip,
    Compression::Snappy,
    Compression::Lz4,
    Compression::Zstd,
];
const HEADER_LEN: usize = 61;
const ATTRIBUTES_END: usize = 23;

/// The batch that `spec` says, its records compressed.
pub(crate) fn squeezed(spec: Spec, compression: Compression) -> Bytes {
    let mut builder = BatchBuilder::new();
    for (_, value) in &spec.records {
        builder.append(&RecordFields {
            timestamp: 1_000,
            key: None,
            value: Some(value),
            headers: &[],
        });
    }
    let codec = Codec::new(compression, None).expect("built in");
    let sealed = (builder.finish()).seal_with(codec, &mut Compressor::default());
    assert_eq!(sealed.compression(), compression, "it gets smaller");
    let batch = sealed.stamp(&Stamp::NONE).to_bytes();
    let attributes = i16::from(batch[ATTRIBUTES_END - 1]);
    spec.compressed(attributes).around(&batch[HEADER_LEN..])
}

/// One record of `len` equal bytes at `base`, which hardly take any when compressed.
pub(crate) fn blank(base: i64, len: usize) -> Spec {
    Spec::data(base, &[&"x".repeat(len)])
}

fn lens(world: &mut World) -> Vec<(i64, usize)> {
    let records = world.records().into_iter();
    records
        .map(|(offset, value)| (offset, value.len()))
        .collect()
}

fn config(buffered_bytes_max: usize) -> FetchConfig {
    FetchConfig {
        buffered_bytes_max,
        ..FetchConfig::default()
    }
}

#[test]
fn each_codec_is_read_and_so_are_the_batches_around() {
    for compression in CODECS {
        let mut world = World::reading(FetchConfig::default(), &[1]);
        let text = "again and again ".repeat(50);
        let records = [
            Spec::data(0, &["plain"]).bytes(),
            squeezed(Spec::data(1, &[&text, "b", &text]), compression),
            Spec::data(4, &["behind"]).bytes(),
        ];
        world.step(data(0, &records));
        assert_eq!(world.failures(), []);
        assert_eq!(world.values(), ["plain", &text, "b", &text, "behind"]);
        assert_eq!(world.position(0), 5);
        assert_eq!(world.fetcher.buffered_bytes(), 0);
    }
}

#[test]
fn what_is_held_counts_as_it_is_and_not_as_it_came() {
    let mut world = World::reading(FetchConfig::default(), &[1]);
    world.step(data(0, &[squeezed(blank(0, 100_000), Compression::Zstd)]));
    let held = world.fetcher.buffered_bytes();
    assert!((100_000..100_100).contains(&held), "{held}");
    assert_eq!(lens(&mut world), [(0, 100_000)]);
    assert_eq!(world.fetcher.buffered_bytes(), 0);
}

#[test]
fn a_plain_batch_beside_compressed_ones_holds_the_frame() {
    let mut world = World::reading(FetchConfig::default(), &[1]);
    let records = [
        squeezed(blank(0, 10_000), Compression::Lz4),
        Spec::data(1, &["plain"]).bytes(),
        squeezed(blank(2, 10_000), Compression::Lz4),
    ];
    let frame = records.iter().map(Bytes::len).sum::<usize>();
    world.step(data(0, &records));
    let events = std::mem::take(&mut world.events);
    let batches: Vec<_> = events
        .iter()
        .filter_map(|event| match event {
            FetchEvent::Batches { batches, .. } => Some(batches),
            _ => None,
        })
        .flatten()
        .collect();
    assert_eq!(batches[1].bytes, frame);
    for squeezed in [batches[0], batches[2]] {
        assert_eq!(squeezed.bytes, squeezed.records.payload_len());
    }
    assert_eq!(
        world.fetcher.buffered_bytes(),
        batches.iter().map(|batch| batch.bytes).sum::<usize>()
    );
}

#[test]
fn a_batch_that_would_become_too_large_fails_and_a_seek_goes_on_behind_it() {
    let limits = FetchConfig {
        decompressed_bytes_max: 50_000,
        ..FetchConfig::default()
    };
    for compression in CODECS {
        let mut world = World::reading(limits.clone(), &[1]);
        let bomb = squeezed(blank(1, 50_000), compression);
        let records = [
            squeezed(blank(0, 49_000), compression),
            bomb,
            Spec::data(2, &["behind"]).bytes(),
        ];
        world.step(data(0, &records));
        assert_eq!(lens(&mut world), [(0, 49_000)]);
        assert_eq!(
            world.failures(),
            [FetchError::DecompressedTooLong {
                offset: 1,
                next_offset: 2,
                decompressed_bytes_max: 50_000
            }]
        );
        assert_eq!(world.position(0), 1);
        let behind = Cursor {
            position: 2,
            leader_epoch: LeaderEpoch::UNKNOWN,
        };
        world.fetcher.seek(&tp(0), behind);
        world.step(data(0, &records[2..]));
        assert_eq!(world.values(), ["behind"]);
        assert_eq!(world.fetcher.buffered_bytes(), 0);
    }
}

#[test]
fn what_becomes_more_than_was_reserved_is_tried_again_with_more() {
    let mut world = World::reading(FetchConfig::default(), &[1]);
    let fetch = world.fetch();
    let large = squeezed(blank(0, 6 << 20), Compression::Zstd);
    let came = large.len();
    world.answer(fetch.id, vec![data(0, &[large])]);
    let mut reserved = Vec::new();
    while let Some(job) = world.fetcher.poll_decode() {
        let long = job.bytes() > came;
        assert_eq!(long, !reserved.is_empty(), "what becomes much takes long");
        reserved.push(world.fetcher.buffered_bytes() - came);
        world.finish(job);
    }
    assert_eq!(reserved, [1 << 18, 1 << 20, 4 << 20, 16 << 20]);
    assert_eq!(lens(&mut world), [(0, 6 << 20)]);
    assert_eq!(world.fetcher.buffered_bytes(), 0);
    world.fetch();
}

#[test]
fn an_answer_that_becomes_much_is_shown_in_parts() {
    let mut world = World::reading(FetchConfig::default(), &[1]);
    let fetch = world.fetch();
    let batches: Vec<Bytes> = (0..30)
        .map(|base| squeezed(blank(base, 50_000), Compression::Lz4))
        .collect();
    world.answer(fetch.id, vec![data(0, &batches)]);
    let (mut seen, mut parts) = (Vec::new(), 0);
    while let Some(job) = world.fetcher.poll_decode() {
        let long = job.bytes() >= (1 << 18) / 8;
        assert_eq!(long, parts > 0, "a chain of them takes long");
        parts += 1;
        assert!(world.fetcher.buffered_bytes() < (1 << 18) + 50_000);
        world.finish(job);
        let part = lens(&mut world);
        assert!(part.len() <= 5, "256 KiB were reserved: {part:?}");
        seen.extend(part);
    }
    assert_eq!(parts, 6);
    assert_eq!(
        seen,
        (0..30).map(|offset| (offset, 50_000)).collect::<Vec<_>>()
    );
    assert_eq!((world.position(0), world.fetcher.buffered_bytes()), (30, 0));
}

#[test]
fn nothing_more_is_decompressed_while_what_was_fills_the_budget() {
    let mut world = World::reading(config(200_000), &[1, 1]);
    let fetch = world.fetch();
    let batches = [0, 1].map(|base| squeezed(blank(base, 250_000), Compression::Snappy));
    world.answer(fetch.id, vec![data(0, &batches), data(1, &batches)]);
    let first = world.job();
    assert!(
        world.fetcher.poll_decode().is_none(),
        "the first may become as much as there is"
    );
    world.finish(first);
    world.decode();
    assert!(
        world.fetcher.buffered_bytes() < 550_000,
        "and did; of each partition there is one batch all the same"
    );
    world.assert_quiet();
    assert_eq!(lens(&mut world), [(0, 250_000), (0, 250_000)]);
    world.decode();
    assert_eq!(lens(&mut world), [(1, 250_000), (1, 250_000)]);
    assert_eq!(world.fetcher.buffered_bytes(), 0);
    world.fetch();
}

#[test]
fn a_compressed_batch_larger_than_the_budget_is_read_all_the_same() {
    let mut world = World::reading(config(1_000), &[1]);
    world.step(data(0, &[squeezed(blank(0, 3 << 20), Compression::Gzip)]));
    assert_eq!(lens(&mut world), [(0, 3 << 20)]);
    assert_eq!(world.fetcher.buffered_bytes(), 0);
}

#[test]
fn plain_batches_need_no_room_beside_what_they_came_in() {
    let mut world = World::reading(config(1_000), &[1, 1]);
    let fetch = world.fetch();
    world.answer(
        fetch.id,
        vec![
            data(0, &[blank(0, 5_000).bytes()]),
            data(1, &[blank(0, 5_000).bytes()]),
        ],
    );
    world.decode();
    assert_eq!(lens(&mut world), [(0, 5_000), (0, 5_000)]);
}

#[test]
fn a_seek_makes_the_rest_of_an_answer_void() {
    let mut world = World::reading(FetchConfig::default(), &[1]);
    let fetch = world.fetch();
    let batches: Vec<Bytes> = (0..3)
        .map(|base| squeezed(blank(base, 200_000), Compression::Zstd))
        .collect();
    world.answer(fetch.id, vec![data(0, &batches)]);
    let done = run(world.job());
    world.fetcher.seek(&tp(0), Cursor::at(0));
    world.fetcher.handle_decoded(world.now, done);
    world.collect();
    assert!(world.fetcher.poll_decode().is_none());
    assert_eq!(
        (lens(&mut world), world.fetcher.buffered_bytes()),
        (vec![], 0)
    );
    // And one that was given back, but not given out again.
    let fetch = world.fetch();
    world.answer(fetch.id, vec![data(0, &batches)]);
    let job = world.job();
    world.finish(job);
    assert!(world.fetcher.buffered_bytes() > 200_000);
    world.fetcher.seek(&tp(0), Cursor::at(0));
    assert!(world.fetcher.poll_decode().is_none());
    world.records();
    assert_eq!(world.fetcher.buffered_bytes(), 0);
}

#[test]
fn what_is_aborted_stays_so_in_the_rest_of_an_answer() {
    let mut world = World::reading(
        FetchConfig {
            isolation: IsolationLevel::ReadCommitted,
            ..FetchConfig::default()
        },
        &[1],
    );
    let large = |base, producer| {
        squeezed(
            blank(base, 200_000).transactional(producer),
            Compression::Lz4,
        )
    };
    let records = [
        large(0, 7),
        large(1, 8),
        large(2, 7),
        large(3, 8),
        large(4, 7),
        marker(5, 7, &ABORT),
        marker(6, 8, &COMMIT),
        large(7, 7),
        marker(8, 7, &COMMIT),
    ];
    world.step(aborted(&[(7, 0)], data(0, &records)));
    assert_eq!(lens(&mut world), [(1, 200_000), (3, 200_000), (7, 200_000)]);
    assert_eq!((world.position(0), world.fetcher.buffered_bytes()), (9, 0));
}

#[test]
fn a_damaged_compressed_batch_is_corrupt_after_what_is_before_it() {
    for compression in CODECS {
        let mut world = World::reading(FetchConfig::default(), &[1]);
        let good = squeezed(blank(0, 5_000), compression);
        let bad = squeezed(blank(1, 5_000), compression);
        // With a checksum that is right.
        let bad = patched(&bad, HEADER_LEN, &[0x55; 8]);
        world.step(data(0, &[good, bad, Spec::data(2, &["behind"]).bytes()]));
        assert_eq!(lens(&mut world), [(0, 5_000)]);
        let failures = world.failures();
        assert!(
            matches!(
                &failures[..],
                [FetchError::Corrupt(error)]
                    if matches!(error.kind, DecodeErrorKind::Decompression { .. })
            ),
            "{compression}: {failures:?}"
        );
        assert_eq!(world.position(0), 1);
    }
}

#[test]
fn whatever_comes_and_whenever_it_is_taken_nothing_stays_charged_and_nothing_is_missed() {
    // A partition may hold all there is, a batch or two, or one batch.
    for partition_bytes_max in [400_000, 100_000, 1] {
        take_whenever(FetchConfig {
            partition_bytes_max,
            ..config(400_000)
        });
    }
}

fn take_whenever(config: FetchConfig) {
    let mut rng = fastrand::Rng::with_seed(11);
    let mut world = World::reading(config, &[1, 1, 2]);
    let (mut next, mut expected) = ([0_i64; 3], [0_i64; 3]);
    let (mut jobs, mut held, mut flying) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..1_000 {
        flying.extend(std::iter::from_fn(|| world.try_fetch()));
        if !flying.is_empty() && rng.bool() {
            let fetch = flying.swap_remove(rng.usize(..flying.len()));
            let answers = fetch.partitions.iter().map(|asked| {
                let partition = asked.tp.partition;
                let base = &mut next[partition as usize];
                assert_eq!(*base, asked.position);
                let batches: Vec<Bytes> = (0..rng.usize(..4))
                    .map(|_| {
                        let spec = blank(*base, rng.usize(200..100_000));
                        *base += 1;
                        match rng.usize(..8) {
                            choice @ 0..4 => squeezed(spec, CODECS[choice]),
                            _ => spec.bytes(),
                        }
                    })
                    .collect();
                data(partition, &batches)
            });
            let answers = answers.collect();
            world.answer(fetch.id, answers);
        }
        jobs.extend(std::iter::from_fn(|| world.fetcher.poll_decode()));
        while !jobs.is_empty() && rng.u8(..3) > 0 {
            let job = jobs.swap_remove(rng.usize(..jobs.len()));
            world.finish(job);
        }
        take(&mut world, &mut held, &mut expected);
        while !held.is_empty() && (round > 900 || rng.u8(..3) > 0) {
            let (tp, bytes) = held.swap_remove(rng.usize(..held.len()));
            world.fetcher.release(&tp, bytes);
        }
        assert!(world.failures().is_empty());
    }
    assert!(next.iter().all(|next| *next > 50), "{next:?}");
    for (tp, bytes) in held.drain(..) {
        world.fetcher.release(&tp, bytes);
    }
    while let Some(job) = jobs.pop().or_else(|| world.fetcher.poll_decode()) {
        world.finish(job);
        take(&mut world, &mut held, &mut expected);
        for (tp, bytes) in held.drain(..) {
            world.fetcher.release(&tp, bytes);
        }
    }
    assert_eq!(expected, next);
    for fetch in flying {
        world.lose(fetch.id);
    }
    assert_eq!(world.fetcher.buffered_bytes(), 0);
}

/// Takes what was shown, in order, and holds its memory.
fn take(world: &mut World, held: &mut Vec<(TopicPartition, usize)>, expected: &mut [i64; 3]) {
    for event in std::mem::take(&mut world.events) {
        if let FetchEvent::Batches { batches, .. } = event {
            for batch in batches {
                let expected = &mut expected[batch.tp.partition as usize];
                assert_eq!(batch.records.header().base_offset, *expected);
                *expected += 1;
                held.push((batch.tp, batch.bytes));
            }
        }
    }
}
