//! What we compress, we decompress.

use milena_wire::compress::{Compressor, Decompressor};
use milena_wire::record::Compression;

use crate::support::{CODECS, codec, events, noise, payload, sealed, sent, values};

const SIZES: [usize; 12] = [
    0,
    1,
    100,
    16 * 1024,
    32 * 1024 - 1,
    32 * 1024,
    64 * 1024 - 1,
    64 * 1024,
    64 * 1024 + 1,
    128 * 1024 + 1,
    200_000,
    1 << 20,
];

#[test]
fn records_of_every_size_come_back() {
    let mut random = fastrand::Rng::with_seed(1);
    for compression in CODECS {
        let mut compressor = Compressor::default();
        let mut decompressor = Decompressor::default();
        for size in SIZES {
            for value in [
                events(&mut random, size),
                noise(&mut random, size),
                vec![7; size],
            ] {
                let batch = payload(std::slice::from_ref(&value))
                    .seal_with(codec(compression), &mut compressor);
                let records = sent(&batch)
                    .into_records_with(&mut decompressor)
                    .expect("readable");
                let read = records.records().next().expect("one");
                assert!(read.value() == Some(&value[..]), "{compression} {size}");
            }
        }
    }
}

#[test]
fn what_does_not_get_smaller_is_not_compressed() {
    let mut random = fastrand::Rng::with_seed(2);
    for compression in CODECS {
        for size in [0, 1, 20, 50_000] {
            let values = [noise(&mut random, size)];
            let batch = sealed(&values, compression);
            assert_eq!(batch.compression(), Compression::None);
            assert_eq!(batch.wire_len(), payload(&values).seal().wire_len());
            assert_eq!(sent(&batch).compression(), Compression::None);
        }
        let batch = sealed(&[vec![1; 1000]], compression);
        assert_eq!(batch.compression(), compression);
        assert!(batch.wire_len() < 200, "{compression}");
    }
}

#[test]
fn halves_of_a_compressed_batch_are_compressed() {
    let mut random = fastrand::Rng::with_seed(3);
    let all: Vec<Vec<u8>> = (0..9).map(|_| events(&mut random, 900)).collect();
    for compression in CODECS {
        let batch = sealed(&all, compression);
        let (first, second) = batch.split().expect("nine records");
        assert_eq!(
            (first.record_count(), second.record_count()),
            (4, 5),
            "{compression}"
        );
        let halves = [first, second].map(|half| {
            assert_eq!(half.compression(), compression);
            assert!(half.wire_len() < batch.wire_len());
            values(sent(&half))
        });
        assert_eq!(halves.concat(), all);
    }
}
