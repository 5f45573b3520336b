//! What a length or a count can lie, and how that must be refused.

use milena_wire::DecodeErrorKind;

use crate::support::{Mark, MarkKind, varint};

/// The refusal, without its figures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expected {
    Truncated,
    CountTooLarge,
    NegativeLength,
    UnexpectedNull,
    OverlongVarint,
}

impl Expected {
    pub(crate) fn is(self, kind: &DecodeErrorKind) -> bool {
        let found = match kind {
            // A string that is said to be longer than any may be is refused before its end is looked for.
            DecodeErrorKind::Truncated | DecodeErrorKind::StringTooLong(_) => Self::Truncated,
            DecodeErrorKind::CountTooLarge { .. } => Self::CountTooLarge,
            DecodeErrorKind::NegativeLength(_) => Self::NegativeLength,
            DecodeErrorKind::UnexpectedNull => Self::UnexpectedNull,
            DecodeErrorKind::OverlongVarint => Self::OverlongVarint,
            _ => return false,
        };
        found == self
    }
}

/// The bytes to put in place of `mark`, in a message of `len` bytes.
pub(crate) fn forgeries(mark: &Mark, len: usize) -> Vec<(Vec<u8>, Expected)> {
    let too_many = match mark.kind {
        MarkKind::Count | MarkKind::TagCount => Expected::CountTooLarge,
        _ => Expected::Truncated,
    };
    match mark.kind {
        MarkKind::Presence => Vec::new(),
        MarkKind::Tag => overlong(),
        _ if mark.compact => compact(mark, too_many),
        _ => plain(mark, too_many, len),
    }
}

/// W7: bits beyond the 32nd, and more bytes than 32 bits need, be they zero.
fn overlong() -> Vec<(Vec<u8>, Expected)> {
    let overlong: [&[u8]; 4] = [
        &[0xff, 0xff, 0xff, 0xff, 0x10],
        &[0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
        &[0x80, 0x80, 0x80, 0x80, 0x80, 0x00],
        &[0xff; 10],
    ];
    overlong
        .map(|bytes| (bytes.to_vec(), Expected::OverlongVarint))
        .to_vec()
}

/// W8 in the compact form, where lengths are one higher and zero is null.
fn compact(mark: &Mark, too_many: Expected) -> Vec<(Vec<u8>, Expected)> {
    let mut lies = overlong();
    for count in [u32::MAX, 1 << 31, i32::MAX.cast_unsigned(), 1 << 24] {
        lies.push((varint(count.into()), too_many));
    }
    let of_tags = matches!(mark.kind, MarkKind::TagCount | MarkKind::TagSize);
    if !mark.nullable && !of_tags {
        lies.push((vec![0], Expected::UnexpectedNull));
    }
    lies
}

/// W8 in the older form: two bytes in front of strings, four in front of the rest.
fn plain(mark: &Mark, too_many: Expected, len: usize) -> Vec<(Vec<u8>, Expected)> {
    let (negatives, most): ([i32; 2], i32) = match mark.kind {
        MarkKind::TextLength => ([-2, i16::MIN.into()], i16::MAX.into()),
        _ => ([-2, i32::MIN], i32::MAX),
    };
    let mut lies = vec![
        (
            mark.say(negatives[0].cast_unsigned()),
            Expected::NegativeLength,
        ),
        (
            mark.say(negatives[1].cast_unsigned()),
            Expected::NegativeLength,
        ),
    ];
    if len < 1 << 15 {
        lies.push((mark.say(most.cast_unsigned()), too_many));
    }
    if !mark.nullable {
        lies.push((mark.say((-1_i32).cast_unsigned()), Expected::UnexpectedNull));
    }
    lies
}
