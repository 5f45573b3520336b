//! Snappy in xerial's framing and raw.

use milena_wire::DecodeErrorKind;
use milena_wire::compress::Compressor;
use milena_wire::record::Compression;

use crate::support::{body, codec, damage, events, payload, read, sealed, sent, short_records};

const HEADER: &[u8] = b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01";

fn raw(bytes: &[u8]) -> Vec<u8> {
    let compressed = snap::raw::Encoder::new().compress_vec(bytes);
    compressed.expect("memory")
}

fn block(bytes: &[u8]) -> Vec<u8> {
    let raw = raw(bytes);
    [&(raw.len() as u32).to_be_bytes()[..], &raw].concat()
}

fn is_read(bytes: &[u8]) {
    let values = read(Compression::Snappy, 1, bytes);
    assert_eq!(values, Ok(vec![b"4567890".to_vec()]), "{bytes:02x?}");
}

fn refused(bytes: &[u8]) -> &'static str {
    damage(Compression::Snappy, bytes)
}

#[test]
fn both_forms_are_read() {
    let records = short_records();
    is_read(&raw(&records));
    let (first, second) = records.split_at(5);
    is_read(&[HEADER, &block(first), &block(second)].concat());
    // Streams in a row, as they come of files that were appended to.
    is_read(&[HEADER, &block(first), HEADER, &block(second)].concat());
    // One that says another version: only the magic counts.
    let other: &[u8] = b"\x82SNAPPY\0\0\0\0\x02\0\0\0\x01";
    is_read(&[other, &block(&records)].concat());
}

#[test]
fn long_raw_blocks_are_read() {
    let value = events(&mut fastrand::Rng::with_seed(6), 300_000);
    let records = body(&sent(&payload(std::slice::from_ref(&value)).seal()));
    assert_eq!(
        read(Compression::Snappy, 1, &raw(&records)),
        Ok(vec![value])
    );
}

#[test]
fn blocks_of_32_kib_are_written() {
    let value = events(&mut fastrand::Rng::with_seed(7), 100_000);
    let batch = payload(&[value]).seal_with(codec(Compression::Snappy), &mut Compressor::default());
    let body = body(&sent(&batch));
    let mut rest = body.strip_prefix(HEADER).expect("xerial's framing");
    let mut lens = Vec::new();
    while let Some((len, after)) = rest.split_first_chunk() {
        let (block, after) = after.split_at(u32::from_be_bytes(*len) as usize);
        lens.push(snap::raw::decompress_len(block).expect("a length"));
        rest = after;
    }
    assert_eq!(lens.len(), 4);
    assert!(lens[..3].iter().all(|len| *len == 32 * 1024));
}

#[test]
fn lengths_that_lie_are_refused() {
    // A block of 4 GiB, in few bytes and in enough of them to be believed if only their number counted.
    let four_gib = b"\xff\xff\xff\xff\x0f\0a";
    let text = "block claims more than it can become";
    assert_eq!(refused(four_gib), text);
    let framed = [HEADER, &[0, 0, 0, 7], &four_gib[..]].concat();
    assert_eq!(refused(&framed), text);
    let claims = [HEADER, b"\xff\xff\xff\xff\x05"].concat();
    assert_eq!(refused(&claims), "the bytes end within a block");
    assert_eq!(
        refused(&[HEADER, &[0, 0, 0]].concat()),
        "the bytes end within a block's length"
    );
    assert_eq!(refused(&HEADER[..15]), "the bytes end within the header");
    assert_eq!(refused(&[0xff; 12]), "block has no length");
    // One byte more and one fewer than there is.
    for wrong in [13, 15] {
        let mut raw = raw(&short_records());
        assert_eq!(raw[0], 14);
        raw[0] = wrong;
        assert_eq!(refused(&raw), "block does not decompress");
    }
}

#[test]
fn no_block_no_records() {
    assert_eq!(read(Compression::Snappy, 0, HEADER), Ok(Vec::new()));
    let missing = read(Compression::Snappy, 1, HEADER);
    assert_eq!(missing, Err(DecodeErrorKind::RecordCount(1)));
    assert_eq!(
        sealed(&[vec![0; 100]], Compression::Snappy).compression(),
        Compression::Snappy
    );
}
