//! LZ4 frames, with the rules that Kafka adds to the format (`Lz4BlockInputStream`, `Lz4BlockOutputStream`).

use lz4rip::block::{CompressorN, decompress_into, get_maximum_output_size};

use super::output::Output;
use super::scratch::Scratch;
use super::xxh32::xxh32;
use super::{Fault, Records};

const MAGIC: [u8; 4] = 0x184d_2204_u32.to_le_bytes();
/// Version 1, independent blocks, no checksums; blocks of 64 KiB; the checksum of these two bytes.
const DESCRIPTOR: [u8; 3] = [0x60, 0x40, 0x82];
const BLOCK_LEN: usize = 64 * 1024;
/// Set in the length of a block that is as it was.
const NOT_COMPRESSED: u32 = 1 << 31;
const END: [u8; 4] = [0; 4];
/// A byte of a block becomes at most so many.
const BEST_RATIO: usize = 255;

/// A block this many times shorter than it can become will most likely fill its room, and is decompressed where it is to stay. Of others most of
/// the room would be zeroed for nothing.
const FILLING_RATIO: usize = 4;

/// How many times its bytes a block usually becomes at most.
const USUAL_RATIO: usize = 8;

mod flags {
    pub(super) const VERSION: u8 = 0b1100_0000;
    pub(super) const VERSION_1: u8 = 0b0100_0000;
    pub(super) const INDEPENDENT_BLOCKS: u8 = 0b0010_0000;
    pub(super) const BLOCK_CHECKSUMS: u8 = 0b0001_0000;
    pub(super) const CONTENT_SIZE: u8 = 0b0000_1000;
    pub(super) const CONTENT_CHECKSUM: u8 = 0b0000_0100;
    /// One is for dictionaries, which Kafka does not have.
    pub(super) const RESERVED: u8 = 0b0000_0011;
}

/// As many entries as the C library's table has bytes for. The crate's own choice, half of that, is no faster and finds less.
type Table = CompressorN<4096>;

/// Compresses, with a table that is used again.
#[derive(Default)]
pub(super) struct Encoder {
    table: Option<Box<Table>>,
}

impl Encoder {
    /// Writes a frame and returns its length; `None` as soon as it is no shorter than the records.
    pub(super) fn compress(
        &mut self,
        records: Records<'_>,
        joined: &mut Scratch,
        out: &mut Scratch,
    ) -> Option<usize> {
        let table = self.table.get_or_insert_with(|| Box::new(Table::new()));
        let block_room = get_maximum_output_size(records.len.min(BLOCK_LEN));
        // The records' length is all that the frame may take; the block that crosses it needs room to be written first.
        let out =
            out.room(MAGIC.len() + DESCRIPTOR.len() + records.len + 4 + block_room + END.len());
        let mut at = put(out, 0, &MAGIC);
        at = put(out, at, &DESCRIPTOR);
        records.blocks(BLOCK_LEN, joined, |block| {
            let body = at + 4;
            let room = &mut out[body..];
            let (len, flag) = match table.compress_into(block, room) {
                Ok(len) if len < block.len() => (len, 0),
                _ => (put(room, 0, block), NOT_COMPRESSED),
            };
            // A block has at most 64 KiB.
            put(out, at, &(len as u32 | flag).to_le_bytes());
            at = body + len;
            (at < records.len).then_some(())
        })?;
        Some(put(out, at, &END))
    }
}

fn put(out: &mut [u8], at: usize, bytes: &[u8]) -> usize {
    let end = at + bytes.len();
    out[at..end].copy_from_slice(bytes);
    end
}

/// Reads one frame, which has to be all there is.
pub(super) fn decompress(input: &[u8], block: &mut Scratch, out: &mut Output) -> Result<(), Fault> {
    let mut rest = input;
    let header = Header::take(&mut rest)?;
    out.expect(header.content_len(rest), input.len());
    loop {
        let length = u32::from_le_bytes(take(&mut rest)?);
        let len = (length & !NOT_COMPRESSED) as usize;
        // As Kafka does, whichever way the empty block says it is written.
        if len == 0 {
            break;
        }
        if len > header.block_len_max {
            return Err(Fault::Damaged("block longer than the frame allows"));
        }
        let Some((body, after)) = rest.split_at_checked(len) else {
            return Err(Fault::Damaged("the bytes end within a block"));
        };
        rest = after;
        if header.block_checksums && u32::from_le_bytes(take(&mut rest)?) != xxh32(body) {
            return Err(Fault::Damaged("block checksum differs"));
        }
        if length & NOT_COMPRESSED != 0 {
            out.extend(body)?;
            continue;
        }
        let most = header.block_len_max.min(len.saturating_mul(BEST_RATIO));
        if most / FILLING_RATIO <= len {
            out.append_block(most, |room| decompress_block(body, room))?;
            continue;
        }
        // Some writers say that blocks may have 4 MiB, and then write small ones.
        let usual = most.min(len * USUAL_RATIO);
        let written = match decompress_block(body, block.room(usual)) {
            Err(_) if usual < most => decompress_block(body, block.room(most))?,
            written => written?,
        };
        out.extend(block.filled(written).unwrap_or_default())?;
    }
    if header.content_checksum {
        take::<4>(&mut rest)?;
    }
    if rest.is_empty() {
        Ok(())
    } else {
        Err(Fault::Damaged("bytes after the frame"))
    }
}

fn decompress_block(block: &[u8], room: &mut [u8]) -> Result<usize, Fault> {
    decompress_into(block, room).map_err(|_| Fault::Damaged("block does not decompress"))
}

/// What a frame says about itself.
struct Header {
    block_len_max: usize,
    block_checksums: bool,
    content_checksum: bool,
}

impl Header {
    fn take(rest: &mut &[u8]) -> Result<Self, Fault> {
        if take(rest)? != MAGIC {
            return Err(Fault::Damaged("no LZ4 frame"));
        }
        let descriptor = *rest;
        let [flags, block] = take(rest)?;
        if flags & flags::VERSION != flags::VERSION_1 {
            return Err(Fault::Damaged("frame version is not 1"));
        }
        if flags & flags::INDEPENDENT_BLOCKS == 0 {
            return Err(Fault::Damaged("blocks depend on each other"));
        }
        let block_size = block >> 4;
        if flags & flags::RESERVED != 0 || block & 0x0f != 0 || block_size > 7 {
            return Err(Fault::Damaged("reserved bits are set"));
        }
        if block_size < 4 {
            return Err(Fault::Damaged("unknown block size"));
        }
        if flags & flags::CONTENT_SIZE != 0 {
            take::<8>(rest)?;
        }
        let summed = &descriptor[..descriptor.len() - rest.len()];
        let [stored] = take(rest)?;
        if stored != xxh32(summed).to_le_bytes()[1] {
            return Err(Fault::Damaged("header checksum differs"));
        }
        Ok(Self {
            block_len_max: 1 << (2 * block_size + 8),
            block_checksums: flags & flags::BLOCK_CHECKSUMS != 0,
            content_checksum: flags & flags::CONTENT_CHECKSUM != 0,
        })
    }

    /// What the blocks in `rest` become most likely: nothing if there is only one, which is not known until it is decompressed, and else as
    /// many bytes as they have room for.
    fn content_len(&self, mut rest: &[u8]) -> usize {
        let (mut sum, mut blocks) = (0_usize, 0);
        while let Ok(length) = take(&mut rest).map(u32::from_le_bytes) {
            let len = (length & !NOT_COMPRESSED) as usize;
            let skipped = len + if self.block_checksums { 4 } else { 0 };
            sum = sum.saturating_add(match length & NOT_COMPRESSED {
                0 => self.block_len_max.min(len.saturating_mul(USUAL_RATIO)),
                _ => len,
            });
            match rest.get(skipped..) {
                Some(after) if len > 0 => rest = after,
                _ => break,
            }
            blocks += 1;
        }
        if blocks > 1 { sum } else { 0 }
    }
}

fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], Fault> {
    let Some((taken, after)) = rest.split_first_chunk() else {
        return Err(Fault::Damaged("the bytes end within the frame"));
    };
    *rest = after;
    Ok(*taken)
}
