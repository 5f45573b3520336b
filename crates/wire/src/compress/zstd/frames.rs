//! What frames say about themselves, before anything is decompressed.

use crate::compress::Fault;

const MAGIC: u32 = 0xfd2f_b528;
/// The last four bits are the application's.
const SKIPPABLE_MAGIC: u32 = 0x184d_2a50;
/// What a block becomes at most.
pub(super) const BLOCK_LEN: usize = 128 * 1024;
/// What all decoders accept, and as far back as the highest level of the C library looks.
const WINDOW_LEN_MAX: u64 = 1 << 27;
const CHECKSUM_LEN: usize = 4;

const ENDS: Fault = Fault::Damaged("the bytes end within a frame");

/// What frames become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Size {
    /// The most bytes that it can be.
    pub(super) max: usize,
    /// Whether all frames say their size. Of those that do not, and whose blocks are full, `max` is at most one block too many.
    pub(super) is_exact: bool,
}

/// Walks over the frames of `input` by their headers and those of their blocks.
///
/// Frames that are cut off, want a dictionary, look too far back or say a size that their blocks cannot have, are errors.
pub(super) fn size(input: &[u8]) -> Result<Size, Fault> {
    let mut rest = input;
    let mut size = Size {
        max: 0,
        is_exact: true,
    };
    while !rest.is_empty() {
        let magic = u32::from_le_bytes(take(&mut rest)?);
        if magic & !0xf == SKIPPABLE_MAGIC {
            let len = u32::from_le_bytes(take(&mut rest)?);
            rest = rest.get(len as usize..).ok_or(ENDS)?;
        } else if magic == MAGIC {
            let frame = take_frame(&mut rest)?;
            size.max = size.max.saturating_add(frame.max);
            size.is_exact &= frame.is_exact;
        } else {
            return Err(Fault::Damaged("no zstd frame"));
        }
    }
    Ok(size)
}

/// A frame after its magic.
fn take_frame(rest: &mut &[u8]) -> Result<Size, Fault> {
    let [descriptor] = take(rest)?;
    let single_segment = descriptor & 0x20 != 0;
    if descriptor & 0x08 != 0 {
        return Err(Fault::Damaged("reserved bits are set"));
    }
    if !single_segment {
        let [window] = take(rest)?;
        let base = 1_u64 << (10 + (window >> 3));
        if base + base / 8 * u64::from(window & 7) > WINDOW_LEN_MAX {
            return Err(Fault::Damaged("looks more than 128 MiB back"));
        }
    }
    let dictionary = match descriptor & 0x03 {
        0 => false,
        1 => take(rest)? != [0; 1],
        2 => take(rest)? != [0; 2],
        _ => take(rest)? != [0; 4],
    };
    if dictionary {
        return Err(Fault::Damaged("wants a dictionary"));
    }
    let content_len = match descriptor >> 6 {
        0 if single_segment => Some(u64::from(u8::from_le_bytes(take(rest)?))),
        0 => None,
        1 => Some(u64::from(u16::from_le_bytes(take(rest)?)) + 256),
        2 => Some(u64::from(u32::from_le_bytes(take(rest)?))),
        _ => Some(u64::from_le_bytes(take(rest)?)),
    };
    let blocks_len_max = take_blocks(rest)?;
    if descriptor & 0x04 != 0 {
        take::<CHECKSUM_LEN>(rest)?;
    }
    let (max, is_exact) = match content_len.map(usize::try_from) {
        None => (blocks_len_max, false),
        Some(Ok(len)) if len <= blocks_len_max => (len, true),
        Some(_) => return Err(Fault::Damaged("claims more than its blocks can become")),
    };
    Ok(Size { max, is_exact })
}

fn take_blocks(rest: &mut &[u8]) -> Result<usize, Fault> {
    let mut sum = 0_usize;
    loop {
        let [a, b, c] = take(rest)?;
        let header = u32::from_le_bytes([a, b, c, 0]);
        let len = (header >> 3) as usize;
        let (stored, becomes) = match header >> 1 & 3 {
            0 => (len, len),
            1 => (1, len),
            2 => (len, BLOCK_LEN),
            _ => return Err(Fault::Damaged("unknown kind of block")),
        };
        if len > BLOCK_LEN {
            return Err(Fault::Damaged("block longer than 128 KiB"));
        }
        *rest = rest.get(stored..).ok_or(ENDS)?;
        sum = sum.saturating_add(becomes);
        if header & 1 != 0 {
            return Ok(sum);
        }
    }
}

fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], Fault> {
    let (taken, after) = rest.split_first_chunk().ok_or(ENDS)?;
    *rest = after;
    Ok(*taken)
}
