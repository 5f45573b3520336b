//! Variable-length integers: seven bits a byte, low bits first; signed ones zigzag, so that small negatives stay short.

use crate::DecodeErrorKind;

/// The most bytes a 32-bit one takes.
pub(crate) const BYTES_MAX_32: usize = 5;
/// The most bytes a 64-bit one takes.
pub(crate) const BYTES_MAX_64: usize = 10;

/// Takes an unsigned one off the front of `bytes`.
#[inline]
pub(crate) fn take_u32(bytes: &mut &[u8]) -> Result<u32, DecodeErrorKind> {
    if let [first @ 0..=0x7f, rest @ ..] = bytes {
        *bytes = rest;
        return Ok(u32::from(*first));
    }
    // Bits beyond the 32nd would be lost: Kafka's own reader drops them, we do not guess.
    let value = take_long(bytes, BYTES_MAX_32)?;
    u32::try_from(value).map_err(|_| DecodeErrorKind::OverlongVarint)
}

/// Takes a zigzag one off the front of `bytes`.
#[inline]
pub(crate) fn take_i32(bytes: &mut &[u8]) -> Result<i32, DecodeErrorKind> {
    take_u32(bytes).map(unzigzag_32)
}

/// Takes a 64-bit zigzag one off the front of `bytes`.
#[inline]
pub(crate) fn take_i64(bytes: &mut &[u8]) -> Result<i64, DecodeErrorKind> {
    let raw = match bytes {
        [first @ 0..=0x7f, rest @ ..] => {
            *bytes = rest;
            u64::from(*first)
        }
        _ => take_long(bytes, BYTES_MAX_64)?,
    };
    Ok((raw >> 1).cast_signed() ^ -(raw & 1).cast_signed())
}

/// The unsigned one at `at` and where it ends, if it takes one byte or two.
#[inline]
pub(crate) fn short(bytes: &[u8], at: usize) -> Option<(u32, usize)> {
    let first = u32::from(*bytes.get(at)?);
    if first < 0x80 {
        return Some((first, at + 1));
    }
    let second = u32::from(*bytes.get(at + 1)?);
    if second < 0x80 {
        return Some((first & 0x7f | second << 7, at + 2));
    }
    None
}

/// The same for one that is known to end within `bytes`. The length is a power of two, so that masking a place replaces checking it.
#[inline]
pub(crate) fn short_within<const N: usize>(bytes: &[u8; N], at: usize) -> Option<(u32, usize)> {
    const { assert!(N.is_power_of_two()) };
    let first = u32::from(bytes[at & (N - 1)]);
    if first < 0x80 {
        return Some((first, at + 1));
    }
    let second = u32::from(bytes[(at + 1) & (N - 1)]);
    if second < 0x80 {
        return Some((first & 0x7f | second << 7, at + 2));
    }
    None
}

/// What a zigzag value stands for.
#[inline]
pub(crate) const fn unzigzag_32(raw: u32) -> i32 {
    (raw >> 1).cast_signed() ^ -(raw & 1).cast_signed()
}

fn take_long(bytes: &mut &[u8], bytes_max: usize) -> Result<u64, DecodeErrorKind> {
    let mut value = 0_u64;
    for (index, byte) in bytes.iter().take(bytes_max).enumerate() {
        // The tenth byte has room for one bit only.
        if index == BYTES_MAX_64 - 1 && *byte > 1 {
            return Err(DecodeErrorKind::OverlongVarint);
        }
        value |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            *bytes = bytes.get(index + 1..).unwrap_or_default();
            return Ok(value);
        }
    }
    Err(if bytes.len() < bytes_max {
        DecodeErrorKind::Truncated
    } else {
        DecodeErrorKind::OverlongVarint
    })
}

/// Values below this take a byte or two.
pub(crate) const SHORT_END: u64 = 1 << 14;

/// A few bytes in a register, the first one lowest.
#[derive(Clone, Copy)]
pub(crate) struct Short {
    pub(crate) bits: u64,
    pub(crate) len: usize,
}

impl Short {
    /// A byte that is zero.
    pub(crate) const ZERO: Self = Self { bits: 0, len: 1 };

    /// A value below [`SHORT_END`], as it is written. Without a branch: lengths about 64 come in any order, and would be guessed wrong.
    #[inline]
    pub(crate) const fn new(value: u64) -> Self {
        let two = (value >= 0x80) as u64;
        Self {
            bits: value & 0x7f | two << 7 | (value >> 7) << 8,
            len: 1 + two as usize,
        }
    }

    /// This and then `next`, together eight bytes at most.
    #[inline]
    pub(crate) const fn then(self, next: Self) -> Self {
        Self {
            bits: self.bits | next.bits << (8 * self.len),
            len: self.len + next.len,
        }
    }
}

/// The zigzag form of `value`.
#[inline]
pub(crate) const fn zigzag_64(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)).cast_unsigned()
}

/// How many bytes `value` takes.
#[inline]
pub(crate) const fn len(value: u64) -> usize {
    // One byte for each seven bits begun; zero takes one.
    (70 - (value | 1).leading_zeros() as usize) / 7
}

/// Writes `value` to the front of `out` and returns how many bytes it took. `out` must have room for them.
#[inline]
pub(crate) fn put(mut value: u64, out: &mut [u8]) -> usize {
    let mut at = 0;
    while value >= 0x80 {
        out[at] = (value & 0x7f) as u8 | 0x80;
        value >>= 7;
        at += 1;
    }
    out[at] = value as u8;
    at + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_is_taken_back_at_every_bit_length() {
        for shift in 0..64 {
            for value in [1_u64 << shift, (1_u64 << shift) - 1, (1_u64 << shift) | 1] {
                let mut out = [0_u8; BYTES_MAX_64];
                let written = put(zigzag_64(value.cast_signed()), &mut out);
                assert_eq!(written, len(zigzag_64(value.cast_signed())));
                let mut rest = &out[..written];
                assert_eq!(take_i64(&mut rest), Ok(value.cast_signed()));
                assert!(rest.is_empty());
            }
        }
        for value in [0, 1, -1, 63, -64, 64, i32::MAX, i32::MIN] {
            let mut out = [0_u8; BYTES_MAX_64];
            let written = put(zigzag_64(i64::from(value)), &mut out);
            assert_eq!(take_i32(&mut &out[..written]), Ok(value));
        }
    }

    #[test]
    fn too_long_and_cut_off_ones_are_errors() {
        let overlong = Err(DecodeErrorKind::OverlongVarint);
        assert_eq!(
            take_u32(&mut &[0xff, 0xff, 0xff, 0xff, 0x0f][..]),
            Ok(u32::MAX)
        );
        assert_eq!(take_u32(&mut &[0xff, 0xff, 0xff, 0xff, 0x10][..]), overlong);
        assert_eq!(
            take_u32(&mut &[0x80, 0x80, 0x80, 0x80, 0x80, 0x00][..]),
            overlong
        );
        assert_eq!(
            take_u32(&mut &[0x80, 0x80][..]),
            Err(DecodeErrorKind::Truncated)
        );
        assert_eq!(take_u32(&mut &[][..]), Err(DecodeErrorKind::Truncated));
        let mut longest = [0xff_u8; 10];
        longest[9] = 1;
        assert_eq!(take_i64(&mut &longest[..]), Ok(i64::MIN));
        longest[9] = 2;
        assert_eq!(
            take_i64(&mut &longest[..]),
            Err(DecodeErrorKind::OverlongVarint)
        );
    }
}
