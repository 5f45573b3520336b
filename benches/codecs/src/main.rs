//! milena's codecs against those in C, batch by batch, in turns: ratios of one run, and what each must reach.
//!
//! `cargo run --release -- [--check] [lz4|zstd|gzip]..` in this folder; zlib-ng wants cmake. Ours is what the client does: a built batch is
//! sealed, a received one becomes records. So that both do the same, C's turn at reading ends with checking the framing of the same records,
//! uncompressed.

mod c;
mod data;

use std::cell::RefCell;
use std::hint::black_box;
use std::process::ExitCode;
use std::time::Instant;

use bytes::Bytes;
use fastrand::Rng;
use milena_wire::compress::{Codec, Compressor, Decompressor};
use milena_wire::record::{BatchView, Compression, HEADER_LEN, Stamp, batches};

/// What a target may be missed by before `--check` says so: on a machine that others use, codecs share its caches.
const TOLERANCE: f64 = 0.08;

/// The best of so many tries counts: a turn of some milliseconds is often interrupted, and whoever was is no slower for it.
const TRIES: usize = 3;

/// A codec, and what part of C's speed it must have: writing, reading.
type Row = (
    &'static str,
    Compression,
    fn() -> Box<dyn c::Codec>,
    f64,
    f64,
);

const ROWS: [Row; 3] = [
    (
        "lz4",
        Compression::Lz4,
        || Box::new(c::Lz4::new()),
        0.75,
        0.9,
    ),
    (
        "zstd",
        Compression::Zstd,
        || Box::new(c::Zstd::new()),
        0.48,
        0.83,
    ),
    (
        "gzip",
        Compression::Gzip,
        || Box::new(c::Gzip::new()),
        1.0,
        0.93,
    ),
];

/// Batches: what they are called, bytes of a record and of a batch, how many.
const SHAPES: [(&str, usize, usize, usize); 2] = [
    ("16 KiB of 200 B", 200, 16 << 10, 64),
    ("1 MiB of 1 KiB", 1_024, 1 << 20, 4),
];

/// One batch in all the forms that are needed.
struct Batch {
    records: Vec<data::Record>,
    /// The bytes of its records.
    plain: Bytes,
    plain_view: BatchView,
    /// By C, alone and in a batch: both read the same.
    compressed: Bytes,
    compressed_view: BatchView,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (options, only): (Vec<_>, Vec<_>) = arguments
        .iter()
        .partition(|argument| argument.starts_with("--"));
    let unknown = only
        .iter()
        .find(|only| !ROWS.iter().any(|row| **only == row.0))
        .or_else(|| options.iter().find(|option| **option != "--check"));
    if let Some(unknown) = unknown {
        eprintln!("error: {unknown} is neither a codec nor --check");
        return ExitCode::FAILURE;
    }
    let mut missed = 0;
    for (shape, record_bytes, batch_bytes, count) in SHAPES {
        for row in ROWS {
            let (name, _, make, encode_least, decode_least) = row;
            if !only.is_empty() && !only.iter().any(|only| **only == name) {
                continue;
            }
            let c = RefCell::new(make());
            let mut random = Rng::with_seed(7);
            let batches: Vec<_> = (0..count)
                .map(|_| {
                    Batch::new(
                        data::records(record_bytes, batch_bytes, &mut random),
                        row.1,
                        &c,
                    )
                })
                .collect();
            let rounds = if name == "gzip" { 5 } else { 21 };
            missed += usize::from(!encode(row, shape, &batches, &c, rounds).reaches(encode_least));
            missed += usize::from(!decode(row, shape, &batches, &c, rounds).reaches(decode_least));
        }
    }
    if missed > 0 && options.iter().any(|option| *option == "--check") {
        eprintln!("error: {missed} targets missed");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

impl Batch {
    fn new(records: Vec<data::Record>, codec: Compression, c: &RefCell<Box<dyn c::Codec>>) -> Self {
        let whole = data::build(&records).seal().stamp(&Stamp::NONE).to_bytes();
        let plain = whole.slice(HEADER_LEN..);
        let mut out = vec![0; 2 * plain.len() + 1_024];
        let written = c.borrow_mut().compress(&plain, &mut out);
        let compressed = Bytes::copy_from_slice(&out[..written]);
        let mut bytes = whole[..HEADER_LEN].to_vec();
        bytes.extend_from_slice(&compressed);
        let length = (bytes.len() - 12) as i32;
        bytes[8..12].copy_from_slice(&length.to_be_bytes());
        bytes[22] |= match codec {
            Compression::Gzip => 1,
            Compression::Lz4 => 3,
            _ => 4,
        };
        Self {
            records,
            plain_view: view(whole),
            plain,
            compressed,
            compressed_view: view(bytes.into()),
        }
    }
}

fn view(bytes: Bytes) -> BatchView {
    batches(bytes).next().expect("one").expect("well formed")
}

/// C's time over ours, in every round.
struct Ratios {
    sorted: Vec<f64>,
}

impl Ratios {
    fn reaches(&self, least: f64) -> bool {
        let median = self.sorted[self.sorted.len() / 2];
        let (min, max) = (self.sorted[0], self.sorted[self.sorted.len() - 1]);
        let verdict = match median {
            median if median >= least => "reached",
            median if median >= least * (1.0 - TOLERANCE) => "missed by less than noise",
            _ => "MISSED",
        };
        println!("    {median:.2} of C ({min:.2}..{max:.2}), at least {least}: {verdict}");
        median >= least * (1.0 - TOLERANCE)
    }
}

/// Lets both take turns. `ready` is not timed, and what it makes is what `ours` takes.
fn race<T>(
    title: &str,
    bytes: usize,
    rounds: usize,
    mut ready: impl FnMut() -> T,
    mut ours: impl FnMut(T),
    mut theirs: impl FnMut(),
) -> Ratios {
    let mut times = Vec::new();
    for round in 0..=rounds {
        let (mut by_us, mut by_c) = (f64::INFINITY, f64::INFINITY);
        for _ in 0..TRIES {
            let input = ready();
            let begun = Instant::now();
            theirs();
            by_c = by_c.min(begun.elapsed().as_secs_f64());
            let begun = Instant::now();
            ours(input);
            by_us = by_us.min(begun.elapsed().as_secs_f64());
        }
        // The first is for the caches.
        if round > 0 {
            times.push((by_us, by_c));
        }
    }
    let mut ours: Vec<f64> = times.iter().map(|(ours, _)| *ours).collect();
    ours.sort_by(f64::total_cmp);
    println!(
        "{title}: {:.0} MB/s",
        bytes as f64 / ours[ours.len() / 2] / 1e6
    );
    let mut sorted: Vec<f64> = times.iter().map(|(ours, c)| c / ours).collect();
    sorted.sort_by(f64::total_cmp);
    Ratios { sorted }
}

fn encode(
    row: Row,
    shape: &str,
    batches: &[Batch],
    c: &RefCell<Box<dyn c::Codec>>,
    rounds: usize,
) -> Ratios {
    let codec = Codec::new(row.1, None).expect("built in");
    let mut compressor = Compressor::default();
    let mut out = vec![0; 4 << 20];
    race(
        &format!("{}, encode, {shape}", row.0),
        batches.iter().map(|batch| batch.plain.len()).sum(),
        rounds,
        || {
            batches
                .iter()
                .map(|batch| data::build(&batch.records))
                .collect::<Vec<_>>()
        },
        |built| {
            for payload in built {
                let sealed = payload.seal_with(codec, &mut compressor);
                assert_eq!(black_box(sealed).compression(), row.1);
            }
        },
        || {
            for batch in batches {
                black_box(c.borrow_mut().compress(&batch.plain, &mut out));
            }
        },
    )
}

fn decode(
    row: Row,
    shape: &str,
    batches: &[Batch],
    c: &RefCell<Box<dyn c::Codec>>,
    rounds: usize,
) -> Ratios {
    let mut decompressor = Decompressor::default();
    let mut out = vec![0; 4 << 20];
    for batch in batches {
        let read = batch
            .compressed_view
            .clone()
            .into_records_with(&mut decompressor);
        let plain = batch
            .plain_view
            .clone()
            .into_records()
            .expect("well formed");
        let read = read.expect("well formed");
        assert!(
            read.records()
                .map(|r| r.value())
                .eq(plain.records().map(|r| r.value()))
        );
    }
    race(
        &format!("{}, decode, {shape}", row.0),
        batches.iter().map(|batch| batch.plain.len()).sum(),
        rounds * 2,
        || (),
        |()| {
            for batch in batches {
                let view = batch.compressed_view.clone();
                black_box(
                    view.into_records_with(&mut decompressor)
                        .expect("well formed"),
                );
            }
        },
        || {
            for batch in batches {
                let room = &mut out[..batch.plain.len()];
                let written = c.borrow_mut().decompress(&batch.compressed, room);
                assert_eq!(written, batch.plain.len());
                black_box(
                    batch
                        .plain_view
                        .clone()
                        .into_records()
                        .expect("well formed"),
                );
            }
        },
    )
}
