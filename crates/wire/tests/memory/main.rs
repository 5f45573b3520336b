//! How much memory a frame can make its reader take: at most [`TIMES`] its bytes and [`PLUS`], whatever it says.
//!
//! A binary of its own, with one test: the allocator counts for all threads. What counts is all that was asked for while a frame was decoded,
//! whether it was given back or not.

#[path = "../support/mod.rs"]
mod support;

mod aborts;
mod chains;

use std::alloc::System;

use bytes::Bytes;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

use crate::chains::{Chain, chains};
use crate::support::{
    Choices, Decoded, Encoded, Mark, MarkKind, Message, Model, encode, every_version, generate,
    model,
};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Times a frame's bytes, if it holds what it says. The worst is a list of groups in OffsetFetch: 3 bytes sent, 64 kept.
const HONEST_TIMES: usize = 22;
/// Times a frame's bytes in any case: half as much room again as honest items take, and once its bytes for each level of lists.
const TIMES: usize = HONEST_TIMES * 3 / 2 + LEVELS_MAX;
/// Lists in lists in lists, as deep as any message has them.
const LEVELS_MAX: usize = 4;
/// What a list may take however short the frame, on each level.
const PLUS: usize = LEVELS_MAX * 4 * 1024 + 1024;

/// The bytes in the lists of a frame.
const FRAME_BYTES: usize = 10 << 10;

#[test]
fn no_frame_takes_more_memory_than_so_many_times_its_bytes() {
    let model = model();
    honest_lists_take_what_their_structs_do(model);
    counts_that_lie_on_every_level_gain_little(model);
    random_frames_with_forged_counts_stay_within(model);
    aborts::are_refused(&|work| {
        let region = Region::new(ALLOCATOR);
        work();
        region.change().bytes_allocated
    });
}

fn honest_lists_take_what_their_structs_do(model: &Model) {
    let mut worst = (0, String::new());
    for (message, version) in every_version() {
        for chain in chains(model, message, version) {
            assert!(chain.lists() <= LEVELS_MAX, "{}", message.name);
            for counts in splits(&chain) {
                let body = Bytes::from(chain.encode(&counts).bytes);
                let (taken, decoded) = decode(message, version, &body);
                assert!(decoded, "{} v{version}", message.name);
                // The worst in tenths, as the paper says it.
                let tenths = taken * 10 / body.len();
                worst = worst.max((tenths, format!("{} v{version}", message.name)));
                let limit = HONEST_TIMES * body.len() + PLUS;
                assert!(taken <= limit, "{} v{version}: {taken}", message.name);
            }
        }
    }
    // If it has become less, the constants should.
    assert!(worst.0 > (HONEST_TIMES - 1) * 10, "{worst:?}");
}

fn counts_that_lie_on_every_level_gain_little(model: &Model) {
    let mut refused = 0;
    for (message, version) in every_version() {
        for chain in chains(model, message, version) {
            for counts in splits(&chain) {
                let mut encoded = chain.encode(&counts);
                for at in (0..encoded.marks.len()).rev() {
                    if encoded.marks[at].value > 0 {
                        claim_all_that_is_left(model, version, &mut encoded, at);
                    }
                }
                let body = Bytes::from(encoded.bytes);
                let (taken, decoded) = decode(message, version, &body);
                refused += usize::from(!decoded);
                within(message, version, &body, taken);
            }
        }
    }
    assert!(refused > 1000, "{refused}");
}

fn random_frames_with_forged_counts_stay_within(model: &Model) {
    for (message, version) in every_version() {
        for seed in 0..6 {
            let mut choices = Choices::seeded(seed);
            let value = generate(model, &message.name, version, &mut choices);
            let mut encoded = encode(model, &message.name, version, &value);
            for at in (0..encoded.marks.len()).rev() {
                if choices.below(3) == 0 {
                    claim_all_that_is_left(model, version, &mut encoded, at);
                }
            }
            for _ in 0..choices.below(4) {
                if let Some(at) = usize::from(choices.byte()).checked_rem(encoded.bytes.len()) {
                    encoded.bytes[at] = choices.byte();
                }
            }
            let body = Bytes::from(encoded.bytes);
            let (taken, _) = decode(message, version, &body);
            within(message, version, &body, taken);
        }
    }
}

/// What decoding took, and whether it came to its end.
fn decode(message: &Message, version: i16, body: &Bytes) -> (usize, bool) {
    let region = Region::new(ALLOCATOR);
    let decoded = Decoded::decode(message, version, body).is_ok();
    (region.change().bytes_allocated, decoded)
}

fn within(message: &Message, version: i16, body: &Bytes, taken: usize) {
    let (name, len) = (&message.name, body.len());
    let limit = TIMES * len + PLUS;
    assert!(taken <= limit, "{name} v{version}: {taken} for {len} bytes");
}

/// Which part of the bytes each list of the chain gets: all for one of them, the same for each, or each half of what is left.
fn splits(chain: &Chain<'_>) -> Vec<Vec<usize>> {
    let lists = chain.lists();
    let mut splits: Vec<Vec<usize>> = (0..lists)
        .map(|only| (0..lists).map(move |list| if list == only { FRAME_BYTES } else { 0 }))
        .map(Iterator::collect)
        .collect();
    if lists > 1 {
        splits.push(vec![FRAME_BYTES / lists; lists]);
        splits.push((1..=lists).map(|list| FRAME_BYTES >> list).collect());
    }
    splits
}

/// Makes a list announce as many items as the bytes behind it could hold at the very most.
fn claim_all_that_is_left(model: &Model, version: i16, encoded: &mut Encoded, at: usize) {
    let mark: &Mark = &encoded.marks[at];
    if mark.kind != MarkKind::Count {
        return;
    }
    let item = model.bytes_min(mark.of.as_ref().expect("a list"), version, mark.compact);
    let left = encoded.bytes.len() - mark.at.end;
    let count = u32::try_from(left / item).expect("small");
    encoded.bytes.splice(mark.at.clone(), mark.say(count));
}
