//! The rules of LZ4 frames, as Kafka has them: each is broken once.

use milena_wire::record::Compression;

use crate::support::{damage, read, short_records};

const VERSION_1: u8 = 0x40;
const INDEPENDENT: u8 = 0x20;
const BLOCK_CHECKSUMS: u8 = 0x10;
const CONTENT_SIZE: u8 = 0x08;
const CONTENT_CHECKSUM: u8 = 0x04;
const PLAIN: u8 = VERSION_1 | INDEPENDENT;
const OF_64_KIB: u8 = 4 << 4;
const END: [u8; 4] = [0; 4];

/// XXH32 of fewer than 16 bytes, as the format's description has it.
fn xxh32(bytes: &[u8]) -> u32 {
    assert!(bytes.len() < 16);
    let mut sum = 374_761_393_u32.wrapping_add(bytes.len() as u32);
    let (words, rest) = bytes.as_chunks::<4>();
    for word in words {
        sum = sum.wrapping_add(u32::from_le_bytes(*word).wrapping_mul(3_266_489_917));
        sum = sum.rotate_left(17).wrapping_mul(668_265_263);
    }
    for byte in rest {
        sum = sum.wrapping_add(u32::from(*byte).wrapping_mul(374_761_393));
        sum = sum.rotate_left(11).wrapping_mul(2_654_435_761);
    }
    sum = (sum ^ sum >> 15).wrapping_mul(2_246_822_519);
    sum = (sum ^ sum >> 13).wrapping_mul(3_266_489_917);
    sum ^ sum >> 16
}

/// A header with the right checksum.
fn header(flags: u8, block: u8, content_size: Option<u64>) -> Vec<u8> {
    let mut descriptor = vec![flags, block];
    descriptor.extend(content_size.into_iter().flat_map(u64::to_le_bytes));
    let checksum = xxh32(&descriptor).to_le_bytes()[1];
    [&b"\x04\x22\x4d\x18"[..], &descriptor, &[checksum]].concat()
}

/// A block of few bytes, all of them literals.
fn compressed(bytes: &[u8]) -> Vec<u8> {
    assert!(bytes.len() < 15);
    let mut block = vec![(bytes.len() as u8) << 4];
    block.extend(bytes);
    [&(block.len() as u32).to_le_bytes()[..], &block].concat()
}

fn stored(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u32 | 1 << 31).to_le_bytes()[..], bytes].concat()
}

/// A block of one byte `times` times.
fn run(byte: u8, times: usize) -> Vec<u8> {
    // A literal, a match of all but six bytes one byte back, and five literals, as the format wants them at the end.
    let mut block = vec![0x1f, byte, 1, 0];
    let mut more = times - 6 - 19;
    while more >= 255 {
        block.push(255);
        more -= 255;
    }
    block.extend([more as u8, 0x50, byte, byte, byte, byte, byte]);
    [&(block.len() as u32).to_le_bytes()[..], &block].concat()
}

fn frame(flags: u8, block: u8, blocks: &[Vec<u8>]) -> Vec<u8> {
    [header(flags, block, None), blocks.concat(), END.to_vec()].concat()
}

fn is_read(frame: &[u8]) {
    let values = read(Compression::Lz4, 1, frame);
    assert_eq!(values, Ok(vec![b"4567890".to_vec()]), "{frame:02x?}");
}

fn refused(frame: &[u8]) -> &'static str {
    damage(Compression::Lz4, frame)
}

#[test]
fn blocks_of_every_size_are_read_compressed_or_not() {
    let records = short_records();
    for size in 4..=7 {
        is_read(&frame(PLAIN, size << 4, &[compressed(&records)]));
        is_read(&frame(PLAIN, size << 4, &[stored(&records)]));
        let (first, second) = records.split_at(3);
        is_read(&frame(
            PLAIN,
            size << 4,
            &[stored(first), compressed(second)],
        ));
    }
    for size in [0, 1, 2, 3] {
        let frame = frame(PLAIN, size << 4, &[compressed(&records)]);
        assert_eq!(refused(&frame), "unknown block size");
    }
}

#[test]
fn headers_that_kafka_refuses_are_refused() {
    let block = compressed(&short_records());
    let of = |flags, size| refused(&frame(flags, size, std::slice::from_ref(&block)));
    for version in [0, 2, 3] {
        assert_eq!(
            of(version << 6 | INDEPENDENT, OF_64_KIB),
            "frame version is not 1"
        );
    }
    assert_eq!(of(VERSION_1, OF_64_KIB), "blocks depend on each other");
    // The first of these says that a dictionary is needed.
    for reserved in [1, 2] {
        assert_eq!(of(PLAIN | reserved, OF_64_KIB), "reserved bits are set");
    }
    for reserved in [1, 2, 4, 8, 0x80] {
        assert_eq!(of(PLAIN, OF_64_KIB | reserved), "reserved bits are set");
    }
    let mut wrong = frame(PLAIN, OF_64_KIB, &[block]);
    wrong[6] ^= 1;
    assert_eq!(refused(&wrong), "header checksum differs");
    for magic in [
        *b"\x02\x21\x4c\x18",
        *b"\x50\x2a\x4d\x18",
        *b"\x28\xb5\x2f\xfd",
    ] {
        wrong[..4].copy_from_slice(&magic);
        assert_eq!(refused(&wrong), "no LZ4 frame");
    }
}

#[test]
fn a_content_size_is_skipped_whatever_it_says() {
    for size in [0, 14, u64::MAX] {
        let header = header(PLAIN | CONTENT_SIZE, OF_64_KIB, Some(size));
        is_read(&[header, compressed(&short_records()), END.to_vec()].concat());
    }
}

#[test]
fn block_checksums_are_verified() {
    for block in [compressed(&short_records()), stored(&short_records())] {
        let sum = xxh32(&block[4..]);
        for (sum, right) in [(sum, true), (sum ^ 1, false)] {
            let block = [&block[..], &sum.to_le_bytes()].concat();
            let frame = frame(PLAIN | BLOCK_CHECKSUMS, OF_64_KIB, &[block]);
            if right {
                is_read(&frame);
            } else {
                assert_eq!(refused(&frame), "block checksum differs");
            }
        }
    }
}

#[test]
fn a_content_checksum_must_be_there_and_is_not_verified() {
    let frame = frame(
        PLAIN | CONTENT_CHECKSUM,
        OF_64_KIB,
        &[stored(&short_records())],
    );
    is_read(&[&frame[..], b"\x01\x02\x03\x04"].concat());
    for len in 0..4 {
        let frame = [&frame[..], &b"\x01\x02\x03\x04"[..len]].concat();
        assert_eq!(refused(&frame), "the bytes end within the frame");
    }
}

#[test]
fn one_frame_is_all_there_is() {
    let frame = frame(PLAIN, OF_64_KIB, &[stored(&short_records())]);
    let twice = [&frame[..], &frame].concat();
    assert_eq!(refused(&twice), "bytes after the frame");
    assert_eq!(
        refused(&[&frame[..], b"\0"].concat()),
        "bytes after the frame"
    );
    let skippable = [b"\x50\x2a\x4d\x18\x01\0\0\0x", &frame[..]].concat();
    assert_eq!(refused(&skippable), "no LZ4 frame");
    // A frame without blocks holds no records, and may say so.
    let empty = self::frame(PLAIN, OF_64_KIB, &[]);
    assert_eq!(read(Compression::Lz4, 0, &empty), Ok(Vec::new()));
}

#[test]
fn the_empty_block_ends_the_frame_in_either_form() {
    let frame = frame(PLAIN, OF_64_KIB, &[stored(&short_records())]);
    let body = &frame[..frame.len() - 4];
    is_read(&[body, &[0, 0, 0, 0x80]].concat());
    assert_eq!(refused(body), "the bytes end within the frame");
}

#[test]
fn blocks_are_no_longer_than_the_frame_says() {
    let long = stored(&vec![0; 64 * 1024 + 1]);
    let text = "block longer than the frame allows";
    assert_eq!(refused(&frame(PLAIN, OF_64_KIB, &[long])), text);
    let claims = [header(PLAIN, 7 << 4, None), vec![1, 0, 0x40, 0]].concat();
    assert_eq!(refused(&claims), text);
    let claims = [header(PLAIN, 7 << 4, None), vec![0, 0, 0x40, 0]].concat();
    assert_eq!(refused(&claims), "the bytes end within a block");
    // As many bytes as allowed are no fault of the frame, only no records.
    let full = frame(PLAIN, OF_64_KIB, &[run(0, 64 * 1024)]);
    assert!(!matches!(
        read(Compression::Lz4, 1, &full),
        Err(milena_wire::DecodeErrorKind::Decompression { .. })
    ));
    let over = frame(PLAIN, OF_64_KIB, &[run(0, 64 * 1024 + 1)]);
    assert_eq!(refused(&over), "block does not decompress");
}
