//! Bytes that were cut or changed on their way: an error or other records, never a panic, never more than allowed.

use milena_wire::compress::Decompressor;
use milena_wire::record::Compression;

use crate::others::others;
use crate::support::{body, forged};

const BYTES_MAX: usize = 200_000;
const ROUNDS: usize = 300;

/// The bodies of others' batches, with the number of their records.
fn bodies() -> Vec<(Compression, i32, Vec<u8>)> {
    let body_of = |other: &crate::others::Other| {
        let view = other.view();
        let count = view.header().record_count;
        (other.compression, count, body(&view).to_vec())
    };
    others().iter().map(body_of).collect()
}

#[test]
fn every_truncation_is_an_error() {
    let mut decompressor = Decompressor::new(BYTES_MAX);
    for (compression, count, body) in bodies() {
        // Of the longer ones every 41st, and those near both ends.
        let lens = (0..body.len())
            .filter(|len| body.len() < 1500 || len % 41 == 0 || *len < 40 || len + 40 > body.len());
        for len in lens {
            let cut = forged(compression, count, &body[..len]);
            let read = cut.into_records_with(&mut decompressor);
            assert!(
                read.is_err(),
                "{compression} cut to {len} of {}",
                body.len()
            );
        }
    }
}

#[test]
fn no_mutation_panics_or_exceeds_the_limit() {
    let mut random = fastrand::Rng::with_seed(10);
    let mut decompressor = Decompressor::new(BYTES_MAX);
    let (mut errors, mut read) = (0, 0);
    for (compression, count, body) in bodies() {
        for _ in 0..ROUNDS {
            let mut body = body.clone();
            mutate(&mut random, &mut body);
            let batch = forged(compression, count, &body);
            match batch.into_records_with(&mut decompressor) {
                Ok(batch) => {
                    let bytes: usize = batch
                        .records()
                        .map(|record| record.value().map_or(0, <[u8]>::len))
                        .sum();
                    assert!(bytes <= BYTES_MAX);
                    read += 1;
                }
                Err(_) => errors += 1,
            }
        }
    }
    // Values of lz4 and snappy have no checksum: other letters are other records.
    assert!(errors > 5_000 && read > 50, "{errors} errors, {read} read");
}

fn mutate(random: &mut fastrand::Rng, body: &mut Vec<u8>) {
    // Headers are short: they would hardly ever be hit.
    let at = |random: &mut fastrand::Rng, len: usize| match random.bool() {
        true => random.usize(..len.min(24)),
        false => random.usize(..len),
    };
    for _ in 0..random.usize(1..5) {
        let here = at(random, body.len());
        match random.u8(..5) {
            0 => body[here] ^= 1 << random.u8(..8),
            1 => body[here] = random.u8(..),
            2 => body[here] = [0, 1, 0x7f, 0x80, 0xff][random.usize(..5)],
            3 => {
                let there = at(random, body.len());
                body.swap(here, there);
            }
            _ => {
                let len = random.usize(..16).min(body.len() - here);
                let piece = body[here..here + len].to_vec();
                let there = at(random, body.len());
                body.splice(there..there, piece);
            }
        }
    }
}

#[test]
fn random_bytes_under_a_right_magic_do_no_harm() {
    let mut random = fastrand::Rng::with_seed(11);
    let mut decompressor = Decompressor::new(BYTES_MAX);
    let starts: [(Compression, &[u8]); 6] = [
        (Compression::Gzip, b"\x1f\x8b\x08\0\0\0\0\0\0\xff"),
        (Compression::Snappy, b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01"),
        (Compression::Snappy, b""),
        (Compression::Lz4, b"\x04\x22\x4d\x18\x60\x40\x82"),
        (Compression::Zstd, b"\x28\xb5\x2f\xfd\0\x58"),
        (Compression::Zstd, b"\x28\xb5\x2f\xfd"),
    ];
    for (compression, start) in starts {
        for _ in 0..2000 {
            let mut bytes = start.to_vec();
            let len = random.usize(..200);
            bytes.extend(std::iter::repeat_with(|| random.u8(..)).take(len));
            let batch = forged(compression, 1, &bytes);
            assert!(batch.into_records_with(&mut decompressor).is_err());
        }
    }
}
