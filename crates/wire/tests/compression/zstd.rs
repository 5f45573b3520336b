//! Frames of zstd, made by hand where no encoder would make them.

use milena_wire::record::Compression;

use crate::support::{damage, read, short_records};

const MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
const RAW: u32 = 0;
const REPEATED: u32 = 1;
const RESERVED: u32 = 3;

fn block(kind: u32, len: usize, last: bool, bytes: &[u8]) -> Vec<u8> {
    let header = (len as u32) << 3 | kind << 1 | u32::from(last);
    [&header.to_le_bytes()[..3], bytes].concat()
}

/// A frame that looks back 1 KiB and does not say its size.
fn frame(blocks: &[Vec<u8>]) -> Vec<u8> {
    [&MAGIC[..], &[0, 0], &blocks.concat()].concat()
}

/// A frame that says its size.
fn sized(size: u8, blocks: &[Vec<u8>]) -> Vec<u8> {
    [&MAGIC[..], &[0x20, size], &blocks.concat()].concat()
}

fn skippable(number: u8, bytes: &[u8]) -> Vec<u8> {
    let len = (bytes.len() as u32).to_le_bytes();
    [&[0x50 | number, 0x2a, 0x4d, 0x18], &len[..], bytes].concat()
}

fn raw(bytes: &[u8]) -> Vec<u8> {
    block(RAW, bytes.len(), true, bytes)
}

fn is_read(bytes: &[u8]) {
    let values = read(Compression::Zstd, 1, bytes);
    assert_eq!(values, Ok(vec![b"4567890".to_vec()]), "{bytes:02x?}");
}

fn refused(bytes: &[u8]) -> &'static str {
    damage(Compression::Zstd, bytes)
}

#[test]
fn frames_in_a_row_are_one_text() {
    let records = short_records();
    is_read(&frame(&[raw(&records)]));
    is_read(&sized(14, &[raw(&records)]));
    let (first, second) = records.split_at(6);
    is_read(&frame(&[block(RAW, 6, false, first), raw(second)]));
    is_read(&[frame(&[raw(first)]), sized(8, &[raw(second)])].concat());
    let skipped = [
        skippable(0, b"hello"),
        sized(6, &[raw(first)]),
        skippable(15, b""),
        sized(0, &[raw(b"")]),
        frame(&[raw(second)]),
        skippable(7, b"x"),
    ];
    is_read(&skipped.concat());
    assert_eq!(
        read(Compression::Zstd, 0, &skippable(3, b"nothing")),
        Ok(Vec::new())
    );
}

#[test]
fn what_follows_a_frame_is_a_frame() {
    let whole = frame(&[raw(&short_records())]);
    assert_eq!(refused(&[&whole[..], b"garbage"].concat()), "no zstd frame");
    assert_eq!(
        refused(&[&whole[..], b"\x28\xb5"].concat()),
        "the bytes end within a frame"
    );
    let skipped = skippable(0, b"hello");
    let cut = [&whole[..], &skipped[..skipped.len() - 1]].concat();
    assert_eq!(refused(&cut), "the bytes end within a frame");
}

#[test]
fn a_size_must_be_what_the_blocks_become() {
    let records = short_records();
    assert_eq!(
        refused(&sized(13, &[raw(&records)])),
        "frame does not decompress"
    );
    let text = "claims more than its blocks can become";
    assert_eq!(refused(&sized(15, &[raw(&records)])), text);
    let huge = [&MAGIC[..], &[0xe0], &[0xff; 8], &raw(&records)].concat();
    assert_eq!(refused(&huge), text);
}

#[test]
fn headers_beyond_us_are_refused() {
    let body = raw(&short_records());
    let of = |header: &[u8]| refused(&[&MAGIC[..], header, &body].concat());
    assert_eq!(of(&[0x08, 0]), "reserved bits are set");
    // 128 MiB is as far as we look, here one eighth more; and all that can be said.
    assert_eq!(of(&[0, 17 << 3 | 1]), "looks more than 128 MiB back");
    assert_eq!(of(&[0, 0xff]), "looks more than 128 MiB back");
    is_read(&[&MAGIC[..], &[0, 17 << 3], &body].concat());
    assert_eq!(of(&[1, 0, 5]), "wants a dictionary");
    assert_eq!(of(&[2, 0, 0, 5]), "wants a dictionary");
    assert_eq!(of(&[3, 0, 0, 0, 0, 5]), "wants a dictionary");
    // Number 0 is none.
    is_read(&[&MAGIC[..], &[3, 0, 0, 0, 0, 0], &body].concat());
}

#[test]
fn blocks_beyond_the_format_are_refused() {
    let records = short_records();
    let reserved = frame(&[block(RESERVED, 14, true, &records)]);
    assert_eq!(refused(&reserved), "unknown kind of block");
    let long = 128 * 1024 + 1;
    let text = "block longer than 128 KiB";
    assert_eq!(
        refused(&frame(&[block(RAW, long, true, &vec![0; long])])),
        text
    );
    assert_eq!(refused(&frame(&[block(REPEATED, long, true, b"a")])), text);
    let unended = frame(&[block(RAW, 14, false, &records)]);
    assert_eq!(refused(&unended), "the bytes end within a frame");
}

#[test]
fn a_checksum_is_verified() {
    let records = short_records();
    // Computed by another implementation.
    let with = |sum: [u8; 4]| [&MAGIC[..], &[0x04, 0], &raw(&records), &sum].concat();
    let refused = refused(&with([1, 2, 3, 4]));
    assert!(
        ["checksum differs", "frame does not decompress"].contains(&refused),
        "{refused}"
    );
}
