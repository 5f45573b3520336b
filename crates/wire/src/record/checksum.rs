//! CRC-32C: of bytes in one piece, in several, and of two runs of bytes from those of each.
//!
//! Which crate adds them up is decided here and nowhere else: docs/decisions/0009-batch-speed.md.

use crc_fast::CrcAlgorithm;

/// The polynomial of CRC-32C, lowest power in the highest bit.
const POLYNOMIAL: u32 = 0x82f6_3b78;
/// The polynomial x.
const X: u32 = 1 << 30;
/// x to the powers 1, 2, 4, .. 2^30. Squared once more it is x again: the polynomial is (x + 1) times a primitive one of degree
/// 31, so the powers of x repeat after 2^31 - 1. (Those of the older CRC-32 repeat after 2^32 - 1.)
const POWERS: [u32; 31] = powers();

/// The checksum of `bytes`.
#[inline]
pub(super) fn of_one(bytes: &[u8]) -> u32 {
    crc_fast::crc32_iscsi(bytes)
}

/// The checksum of all `parts` in a row.
pub(super) fn of<'a>(parts: impl Iterator<Item = &'a [u8]>) -> u32 {
    let mut digest = crc_fast::Digest::new(CrcAlgorithm::Crc32Iscsi);
    parts.for_each(|part| digest.update(part));
    // Of a checksum of 32 bits, the others are zero.
    digest.finalize() as u32
}

/// The checksum of the bytes behind `first` followed by the `second_len` bytes behind `second`.
///
/// The same as `crc32c::crc32c_combine`, which squares matrices for it: that takes longer than adding up the bytes of a batch
/// below some 300 KiB, and a small batch is stamped on the engine's thread for every record. This is zlib's newer way: bytes
/// that follow shift the first checksum by so many powers of x, and a power of x takes a multiplication a bit.
pub(super) fn combine(first: u32, second: u32, second_len: usize) -> u32 {
    // Eight bits a byte: from x^8 on.
    let mut bits = 3;
    let mut left = second_len;
    let mut shifted = first;
    while left > 0 {
        if left & 1 == 1 {
            shifted = multiply(POWERS[bits % POWERS.len()], shifted);
        }
        left >>= 1;
        bits += 1;
    }
    shifted ^ second
}

/// a·b modulo the polynomial.
const fn multiply(a: u32, mut b: u32) -> u32 {
    let mut product = 0;
    let mut power = 0;
    while power < 32 {
        // All bits, or none: a branch here would be guessed wrong half the time.
        let chosen = 0_u32.wrapping_sub((a >> (31 - power)) & 1);
        product ^= b & chosen;
        let carry = 0_u32.wrapping_sub(b & 1);
        b = (b >> 1) ^ (POLYNOMIAL & carry);
        power += 1;
    }
    product
}

const fn powers() -> [u32; 31] {
    let mut powers = [X; 31];
    let mut index = 1;
    while index < powers.len() {
        powers[index] = multiply(powers[index - 1], powers[index - 1]);
        index += 1;
    }
    powers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_and_place_has_the_checksum_that_another_crate_finds() {
        let mut random = fastrand::Rng::with_seed(6);
        let mut bytes = vec![0; 70_000];
        random.fill(&mut bytes);
        assert_eq!(of_one(b"123456789"), 0xe306_9283);
        // Each length at which another way of adding up begins, at places that are not aligned.
        for len in (0..2_100).chain([4_095, 4_096, 16_383, 16_384, 65_535, 65_536]) {
            let start = random.usize(..64);
            let part = &bytes[start..start + len];
            assert_eq!(
                of_one(part),
                crc32c::crc32c(part),
                "{len} bytes from {start}"
            );
        }
    }

    #[test]
    fn parts_have_the_checksum_of_the_whole() {
        let mut random = fastrand::Rng::with_seed(9);
        let mut bytes = vec![0; 20_000];
        random.fill(&mut bytes);
        for _ in 0..500 {
            let whole = &bytes[..random.usize(..bytes.len())];
            let (mut rest, mut parts) = (whole, Vec::new());
            while !rest.is_empty() {
                let (part, later) = rest.split_at(random.usize(..=rest.len().min(5_000)));
                parts.push(part);
                rest = later;
            }
            assert_eq!(of(parts.into_iter()), crc32c::crc32c(whole));
        }
    }

    #[test]
    fn a_combined_checksum_is_that_of_the_bytes_together() {
        let mut random = fastrand::Rng::with_seed(7);
        let lengths = (0..70).chain((8..22).flat_map(|bit| [(1 << bit) - 1, 1 << bit]));
        for second_len in lengths {
            let mut bytes = vec![0; random.usize(..50) + second_len];
            random.fill(&mut bytes);
            let (first, second) = bytes.split_at(bytes.len() - second_len);
            let combined = combine(crc32c::crc32c(first), crc32c::crc32c(second), second_len);
            assert_eq!(combined, crc32c::crc32c(&bytes), "{second_len} bytes");
        }
    }

    #[test]
    fn lengths_too_long_to_add_up_agree_with_the_slow_way() {
        let mut random = fastrand::Rng::with_seed(8);
        for _ in 0..200 {
            let (first, second) = (random.u32(..), random.u32(..));
            let len = (random.usize(..) >> random.u32(..usize::BITS)).max(1);
            assert_eq!(
                combine(first, second, len),
                crc32c::crc32c_combine(first, second, len),
                "{len} bytes"
            );
        }
    }
}
