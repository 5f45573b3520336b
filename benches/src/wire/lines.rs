//! The rows of the table, and what each must reach.

use std::hint::black_box;

use bytes::Bytes;

use super::measure::{Line, Target};
use crate::cases::records::{RECORDS, Records, Shape};
use crate::cases::{batch, floor, message, theirs};

/// All rows, made when their turn comes: what a row works on is not in memory before.
pub(super) const ALL: &[fn() -> Vec<Line>] = &[encode, decode, produce, metadata];

/// What counts as none: a batch has a few allocations, a record none.
const NO_ALLOCATIONS: f64 = 0.02;

fn encode() -> Vec<Line> {
    let rows = [
        ("encode 100 B", Shape::SMALL, Some(3.5)),
        ("encode 1 KiB", Shape::LARGE, Some(2.2)),
        ("encode 100 B, 2 headers", Shape::HEADERS, None),
    ];
    rows.map(|(name, shape, times)| {
        let mut targets = vec![Target::Allocations(NO_ALLOCATIONS)];
        if let Some(times) = times {
            targets.extend([Target::TimesTheirs(times), Target::OfFloor(1.25)]);
        }
        let records = [(); 3].map(|()| Records::new(shape));
        let [for_ours, for_theirs, for_floor] = records;
        let mut ours = batch::Encoder::new();
        let mut theirs = theirs::Encoder::new();
        let mut slab = floor::Slab::new(&for_floor);
        Line {
            name: name.to_owned(),
            units: RECORDS as u32,
            ours: Box::new(move || drop(black_box(ours.encode(black_box(&for_ours))))),
            theirs: Some(Box::new(move || {
                black_box(theirs.encode(black_box(&for_theirs)));
            })),
            floor: Some(Box::new(move || {
                black_box(slab.encode(black_box(&for_floor)));
            })),
            targets,
        }
    })
    .into()
}

fn decode() -> Vec<Line> {
    let rows = [
        ("decode 100 B", Shape::SMALL, 4.0),
        ("decode 1 KiB", Shape::LARGE, 2.0),
        ("decode 100 B, 2 headers", Shape::HEADERS, 6.0),
    ];
    rows.map(|(name, shape, times)| {
        let bytes = batch::Encoder::new()
            .encode(&Records::new(shape))
            .to_bytes();
        // Memory of its own for each, so that none finds the batch in a cache where another left it.
        let copies = [(); 3].map(|()| Bytes::copy_from_slice(&bytes));
        let [for_ours, for_theirs, for_floor] = copies;
        Line {
            name: name.to_owned(),
            units: RECORDS as u32,
            ours: Box::new(move || {
                black_box(batch::decode(black_box(&for_ours)));
            }),
            theirs: Some(Box::new(move || {
                black_box(theirs::decode(black_box(&for_theirs)));
            })),
            floor: Some(Box::new(move || {
                black_box(floor::decode(black_box(&for_floor)));
            })),
            targets: vec![
                Target::TimesTheirs(times),
                Target::Allocations(NO_ALLOCATIONS),
            ],
        }
    })
    .into()
}

/// Around a batch as the producer builds it, in chunks, and around one that is a single run of bytes, as a mirror has it.
fn produce() -> Vec<Line> {
    let chunked = batch::Encoder::new().encode(&Records::new(Shape::LARGE));
    let whole = Bytes::copy_from_slice(&chunked.to_bytes()).into();
    let batches = [("built batch", chunked), ("received batch", whole)];
    batches
        .map(|(what, batch)| {
            let theirs = theirs::produce_request(&batch.to_bytes());
            let mut out = bytes::BytesMut::new();
            let request = message::produce_request(batch);
            Line {
                name: format!("produce request, 1 MiB, {what}"),
                units: 1,
                ours: Box::new(move || {
                    black_box(message::encode_produce(black_box(&request)));
                }),
                theirs: Some(Box::new(move || {
                    out.clear();
                    theirs::encode_produce(black_box(&theirs), &mut out);
                })),
                floor: None,
                targets: vec![Target::Nanos(100.0)],
            }
        })
        .into()
}

fn metadata() -> Vec<Line> {
    let frame = message::metadata_frame();
    let for_theirs = Bytes::copy_from_slice(&frame);
    vec![Line {
        name: "metadata response, 1000 topics x 12".to_owned(),
        units: 1,
        ours: Box::new(move || {
            black_box(message::decode_metadata(black_box(&frame)));
        }),
        theirs: Some(Box::new(move || {
            black_box(message::decode_metadata_theirs(black_box(&for_theirs)));
        })),
        floor: None,
        targets: vec![
            Target::TimesTheirs(2.0),
            Target::OfTheirAllocations(1.0 / 3.0),
        ],
    }]
}
