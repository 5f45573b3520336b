//! Wall time of batches and messages: ours, kafka-protocol's and the floor's, one after the other.
//!
//! The table of ratios (`cargo run --release -p milena-benches -- wire`) compares better, for it lets them take turns; here is
//! criterion's word on how one of them moves from one commit to the next.

#![allow(missing_docs, reason = "criterion's macro makes a public function")]

use std::hint::black_box;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use milena_benches::cases::records::{KEY_BYTES, RECORDS, Records, Shape};
use milena_benches::cases::{batch, floor, message, theirs};

const SHAPES: [(&str, Shape); 3] = [
    ("100 B", Shape::SMALL),
    ("1 KiB", Shape::LARGE),
    ("100 B, 2 headers", Shape::HEADERS),
];

fn throughput(shape: Shape) -> Throughput {
    Throughput::Bytes((RECORDS * (KEY_BYTES + shape.value_bytes)) as u64)
}

fn encode(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("encode 1000 records");
    for (name, shape) in SHAPES {
        let records = Records::new(shape);
        group.throughput(throughput(shape));
        let mut encoder = batch::Encoder::new();
        group.bench_function(BenchmarkId::new("ours", name), |bencher| {
            bencher.iter(|| drop(encoder.encode(black_box(&records))));
        });
        let mut encoder = theirs::Encoder::new();
        group.bench_function(BenchmarkId::new("kafka-protocol", name), |bencher| {
            bencher.iter(|| encoder.encode(black_box(&records)).len());
        });
        let mut slab = floor::Slab::new(&records);
        group.bench_function(BenchmarkId::new("floor", name), |bencher| {
            bencher.iter(|| slab.encode(black_box(&records)).len());
        });
    }
}

fn decode(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decode 1000 records");
    for (name, shape) in SHAPES {
        let bytes = batch::Encoder::new()
            .encode(&Records::new(shape))
            .to_bytes();
        group.throughput(throughput(shape));
        group.bench_function(BenchmarkId::new("ours", name), |bencher| {
            bencher.iter(|| batch::decode(black_box(&bytes)));
        });
        group.bench_function(BenchmarkId::new("kafka-protocol", name), |bencher| {
            bencher.iter(|| theirs::decode(black_box(&bytes)));
        });
        group.bench_function(BenchmarkId::new("floor", name), |bencher| {
            bencher.iter(|| floor::decode(black_box(&bytes)));
        });
    }
}

fn messages(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("produce request around 1 MiB");
    let batch = batch::Encoder::new().encode(&Records::new(Shape::LARGE));
    let received = Bytes::copy_from_slice(&batch.to_bytes());
    for (name, batch) in [("built batch", batch), ("received batch", received.into())] {
        let request = message::produce_request(batch.clone());
        group.bench_function(BenchmarkId::new("ours", name), |bencher| {
            bencher.iter(|| message::encode_produce(black_box(&request)).len());
        });
        let request = theirs::produce_request(&batch.to_bytes());
        let mut out = BytesMut::new();
        group.bench_function(BenchmarkId::new("kafka-protocol", name), |bencher| {
            bencher.iter(|| {
                out.clear();
                theirs::encode_produce(black_box(&request), &mut out);
            });
        });
    }
    group.finish();
    let mut group = criterion.benchmark_group("metadata response, 1000 topics x 12");
    let frame = message::metadata_frame();
    group.bench_function("ours", |bencher| {
        bencher.iter(|| message::decode_metadata(black_box(&frame)).topics.len());
    });
    group.bench_function("kafka-protocol", |bencher| {
        bencher.iter(|| {
            message::decode_metadata_theirs(black_box(&frame))
                .topics
                .len()
        });
    });
}

criterion_group! {
    name = wall;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2));
    targets = encode, decode, messages
}
criterion_main!(wall);
