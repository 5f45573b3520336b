//! Snappy, in the framing of the xerial library that Kafka uses, and raw, as some clients write it.

use snap::raw::{Decoder, decompress_len, max_compress_len};

use super::output::Output;
use super::scratch::Scratch;
use super::{Fault, Records};

/// The magic of a xerial stream, its version and the oldest version that can read it.
const HEADER: [u8; 16] = *b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01";
const MAGIC_LEN: usize = 8;
/// What xerial compresses at a time.
const BLOCK_LEN: usize = 32 * 1024;
/// A copy of 64 bytes takes three, and nothing does better.
const BEST_RATIO: usize = 22;

/// Compresses, with a table that is used again.
#[derive(Default)]
pub(super) struct Encoder {
    raw: Option<Box<snap::raw::Encoder>>,
}

impl Encoder {
    /// Writes a xerial stream and returns its length; `None` as soon as it is no shorter than the records.
    pub(super) fn compress(
        &mut self,
        records: Records<'_>,
        joined: &mut Scratch,
        out: &mut Scratch,
    ) -> Option<usize> {
        let raw = self
            .raw
            .get_or_insert_with(|| Box::new(snap::raw::Encoder::new()));
        let block_room = max_compress_len(records.len.min(BLOCK_LEN));
        // The records' length is all that the stream may take; the block that crosses it needs room to be written first.
        let out = out.room(HEADER.len() + records.len + 4 + block_room);
        out[..HEADER.len()].copy_from_slice(&HEADER);
        let mut at = HEADER.len();
        records.blocks(BLOCK_LEN, joined, |block| {
            let body = at + 4;
            let len = raw.compress(block, &mut out[body..]).ok()?;
            // A block has at most 32 KiB, and little more than that when compressed.
            out[at..body].copy_from_slice(&(len as u32).to_be_bytes());
            at = body + len;
            (at < records.len).then_some(())
        })?;
        Some(at)
    }
}

/// Reads xerial streams, one or several in a row, or else one raw block.
pub(super) fn decompress(input: &[u8], out: &mut Output) -> Result<(), Fault> {
    if !input.starts_with(&HEADER[..MAGIC_LEN]) {
        return decompress_block(input, out);
    }
    out.expect(content_len(input), input.len());
    let mut rest = input;
    while !rest.is_empty() {
        if rest.starts_with(&HEADER[..MAGIC_LEN]) {
            take_header(&mut rest)?;
            continue;
        }
        let body = take_block(&mut rest)?;
        decompress_block(body, out)?;
    }
    Ok(())
}

/// Takes a header. The versions in it are not looked at, as other clients do not: there has only ever been one.
fn take_header(rest: &mut &[u8]) -> Result<(), Fault> {
    *rest = rest
        .get(HEADER.len()..)
        .ok_or(Fault::Damaged("the bytes end within the header"))?;
    Ok(())
}

fn take_block<'a>(rest: &mut &'a [u8]) -> Result<&'a [u8], Fault> {
    let Some((len, after)) = rest.split_first_chunk() else {
        return Err(Fault::Damaged("the bytes end within a block's length"));
    };
    let len = u32::from_be_bytes(*len) as usize;
    let Some((block, after)) = after.split_at_checked(len) else {
        return Err(Fault::Damaged("the bytes end within a block"));
    };
    *rest = after;
    Ok(block)
}

fn decompress_block(input: &[u8], out: &mut Output) -> Result<(), Fault> {
    let len = claimed_len(input)?;
    if len > out.left() {
        return Err(Fault::TooLong);
    }
    out.append_block(len, |room| {
        let written = Decoder::new().decompress(input, room);
        written.map_err(|_| Fault::Damaged("block does not decompress"))
    })
}

/// What a raw block says it becomes, if that can be.
fn claimed_len(input: &[u8]) -> Result<usize, Fault> {
    match decompress_len(input) {
        Ok(len) if len <= input.len().saturating_mul(BEST_RATIO) => Ok(len),
        Ok(_) => Err(Fault::Damaged("block claims more than it can become")),
        Err(_) => Err(Fault::Damaged("block has no length")),
    }
}

/// What the blocks of a stream say they become.
fn content_len(mut rest: &[u8]) -> usize {
    let mut sum = 0_usize;
    while !rest.is_empty() {
        let step = if rest.starts_with(&HEADER[..MAGIC_LEN]) {
            take_header(&mut rest)
        } else {
            take_block(&mut rest)
                .and_then(claimed_len)
                .map(|len| sum = sum.saturating_add(len))
        };
        if step.is_err() {
            break;
        }
    }
    sum
}
