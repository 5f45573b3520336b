//! gzip as Java reads it: members in a row, headers with everything that they may have.

use flate2::write::DeflateEncoder;
use flate2::{Compression as Level, Crc};
use milena_wire::record::Compression;
use std::io::Write;

use crate::support::{damage, read, short_records};

fn crc(bytes: &[u8]) -> u32 {
    let mut crc = Crc::new();
    crc.update(bytes);
    crc.sum()
}

fn member_with(flags: u8, extras: &[u8], bytes: &[u8]) -> Vec<u8> {
    let mut member = vec![0x1f, 0x8b, 8, flags, 1, 2, 3, 4, 2, 3];
    member.extend(extras);
    let mut deflate = DeflateEncoder::new(Vec::new(), Level::default());
    deflate.write_all(bytes).expect("memory");
    member.extend(deflate.finish().expect("memory"));
    member.extend(crc(bytes).to_le_bytes());
    member.extend((bytes.len() as u32).to_le_bytes());
    member
}

fn member(bytes: &[u8]) -> Vec<u8> {
    member_with(0, &[], bytes)
}

fn is_read(bytes: &[u8]) {
    let values = read(Compression::Gzip, 1, bytes);
    assert_eq!(values, Ok(vec![b"4567890".to_vec()]), "{bytes:02x?}");
}

fn refused(bytes: &[u8]) -> &'static str {
    damage(Compression::Gzip, bytes)
}

#[test]
fn members_in_a_row_are_one_text() {
    let records = short_records();
    is_read(&member(&records));
    let (first, second) = records.split_at(5);
    is_read(&[member(first), member(&[]), member(second), member(&[])].concat());
    // And nothing else may follow: what it is, nobody could say.
    let followed = [&member(&records)[..], b"\0\0\0\0\0\0\0\0\0\0"].concat();
    assert_eq!(refused(&followed), "no gzip member");
    let followed = [&member(&records)[..], b"\x1f"].concat();
    assert_eq!(refused(&followed), "the bytes end within the header");
}

#[test]
fn headers_may_have_every_field() {
    let records = short_records();
    let extra = b"\x03\0abc";
    is_read(&member_with(1, b"", &records));
    is_read(&member_with(4, extra, &records));
    is_read(&member_with(8, b"name\0", &records));
    is_read(&member_with(16, b"comment\0", &records));
    let all = b"\x03\0abcname\0comment\0";
    let head = [&[0x1f, 0x8b, 8, 2 | 4 | 8 | 16, 1, 2, 3, 4, 2, 3], &all[..]].concat();
    let sum = (crc(&head) as u16).to_le_bytes();
    is_read(&member_with(
        2 | 4 | 8 | 16,
        &[&all[..], &sum].concat(),
        &records,
    ));
    let wrong = [&all[..], &[sum[0] ^ 1, sum[1]]].concat();
    assert_eq!(
        refused(&member_with(2 | 4 | 8 | 16, &wrong, &records)),
        "header checksum differs"
    );
    for reserved in [0x20, 0x40, 0x80] {
        let text = "unknown method or flags";
        assert_eq!(refused(&member_with(reserved, b"", &records)), text);
    }
    for (flags, extras) in [(4, &b"\xff\xffabc"[..]), (8, b"name"), (16, b"comment")] {
        let head = [&[0x1f, 0x8b, 8, flags, 1, 2, 3, 4, 2, 3], extras].concat();
        assert_eq!(refused(&head), "the bytes end within the header");
    }
}

#[test]
fn checksum_and_length_are_verified() {
    let whole = member(&short_records());
    for (from_the_end, text) in [(1, "length differs"), (8, "checksum differs")] {
        let mut wrong = whole.clone();
        let at = wrong.len() - from_the_end;
        wrong[at] ^= 1;
        assert_eq!(refused(&wrong), text);
    }
    let mut wrong = whole;
    wrong[2] = 7;
    assert_eq!(refused(&wrong), "unknown method or flags");
    wrong[0] = 0;
    assert_eq!(refused(&wrong), "no gzip member");
}
