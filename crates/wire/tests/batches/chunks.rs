//! Chunks are used again, and never while somebody sees them.

use std::sync::Arc;

use bytes::Bytes;
use fastrand::Rng;
use milena_wire::messages::{PartitionProduceData, ProduceRequest, TopicProduceData};
use milena_wire::record::*;
use milena_wire::{ApiVersion, CorrelationId, Frame, Payload, encode_request};

use crate::support::*;

const CHUNKS_MAX: usize = 12;

/// Somebody who still sees a batch, or a part of it.
enum Holder {
    Sealed(SealedBatch),
    Attempt(Payload),
    Frame(Frame),
    /// Of a frame that is being written.
    Slices(Vec<Bytes>),
}

fn built(pool: Option<&Arc<ChunkPool>>, records: &[Owned]) -> SealedBatch {
    let mut builder = pool.map_or_else(BatchBuilder::new, BatchBuilder::pooled);
    records
        .iter()
        .for_each(|record| record.append_to(&mut builder));
    builder.finish().seal()
}

fn frame(records: Payload) -> Frame {
    let request = ProduceRequest {
        topic_data: vec![TopicProduceData {
            name: "t",
            partition_data: vec![PartitionProduceData {
                index: 0,
                records: Some(records),
            }],
            ..Default::default()
        }],
        ..Default::default()
    };
    encode_request(&request, ApiVersion(9), CorrelationId(1), None).expect("fits")
}

impl Holder {
    fn random(random: &mut Rng, sealed: &SealedBatch) -> Self {
        let attempt = sealed.stamp(&STAMP);
        match random.u8(..4) {
            0 => Self::Sealed(sealed.clone()),
            1 => Self::Attempt(attempt),
            2 => Self::Frame(frame(attempt)),
            _ => {
                let mut slices = frame(attempt).into_parts();
                slices.drain(..random.usize(..slices.len()));
                Self::Slices(slices)
            }
        }
    }

    fn seen(&self) -> Vec<u8> {
        match self {
            Self::Sealed(sealed) => sealed.stamp(&STAMP).to_bytes().to_vec(),
            Self::Attempt(payload) => payload.to_bytes().to_vec(),
            Self::Frame(frame) => frame.to_bytes().to_vec(),
            Self::Slices(slices) => slices.concat(),
        }
    }
}

#[test]
fn what_somebody_sees_never_changes_and_what_nobody_sees_is_used_again() {
    let pool = ChunkPool::new(CHUNKS_MAX);
    let mut random = Rng::with_seed(31);
    let mut held: Vec<(Holder, Vec<u8>)> = Vec::new();
    let mut reused = 0;
    for _ in 0..1_000 {
        let records: Vec<_> = (0..random.usize(1..80))
            .map(|_| Owned::random(&mut random))
            .collect();
        let idle = pool.idle();
        let sealed = built(Some(&pool), &records);
        reused += idle - pool.idle();
        // Old bytes in a chunk would show here, and so would any that was not written.
        let bytes = sealed.stamp(&STAMP).to_bytes();
        assert_eq!(bytes, built(None, &records).stamp(&STAMP).to_bytes());
        for _ in 0..random.usize(..3) {
            let holder = Holder::random(&mut random, &sealed);
            let seen = holder.seen();
            held.push((holder, seen));
        }
        drop(sealed);
        while held.len() > 20 || (!held.is_empty() && random.u8(..4) == 0) {
            let (holder, seen) = held.swap_remove(random.usize(..held.len()));
            assert!(holder.seen() == seen, "a chunk was used while it was seen");
        }
        assert!(pool.idle() <= CHUNKS_MAX);
    }
    for (holder, seen) in held {
        assert!(holder.seen() == seen, "a chunk was used while it was seen");
    }
    assert!(reused > 300, "{reused}");
}

#[test]
fn a_pool_keeps_no_more_than_it_may() {
    let pool = ChunkPool::new(2);
    let large = Owned {
        timestamp: 1,
        key: None,
        value: Some(vec![7; 5 * CHUNK_BYTES]),
        headers: Vec::new(),
    };
    drop(built(Some(&pool), std::slice::from_ref(&large)));
    assert_eq!(pool.idle(), 2);
    let none = ChunkPool::new(0);
    drop(built(Some(&none), &[large]));
    assert_eq!(none.idle(), 0);
}

#[test]
fn a_batch_that_is_not_finished_gives_its_full_chunks_back() {
    let pool = ChunkPool::new(CHUNKS_MAX);
    let mut builder = BatchBuilder::pooled(&pool);
    for _ in 0..3 {
        let mut record = Owned::random(&mut Rng::with_seed(1));
        record.value = Some(vec![1; CHUNK_BYTES]);
        record.append_to(&mut builder);
    }
    assert_eq!(builder.chunks(), 4);
    drop(builder);
    assert_eq!(pool.idle(), 3);
}

#[test]
fn chunks_of_a_batch_that_is_compressed_come_back_when_it_is_sealed() {
    use milena_wire::compress::{Codec, Compressor};
    let pool = ChunkPool::new(CHUNKS_MAX);
    let mut builder = BatchBuilder::pooled(&pool);
    let mut record = Owned::random(&mut Rng::with_seed(1));
    record.value = Some(vec![1; 2 * CHUNK_BYTES]);
    record.append_to(&mut builder);
    let codec = Codec::new(Compression::Lz4, None).expect("built in");
    let sealed = builder
        .finish()
        .seal_with(codec, &mut Compressor::default());
    assert_eq!(sealed.compression(), Compression::Lz4);
    assert_eq!(pool.idle(), 3);
}
