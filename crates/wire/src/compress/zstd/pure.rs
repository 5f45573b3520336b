//! zstd in Rust.

use zrip::{CompressContext, DecompressContext, DecompressError};

use super::frames;
use crate::compress::output::Output;
use crate::compress::scratch::Scratch;
use crate::compress::{Fault, Records};

/// What 0 stands for in Kafka, as in the C library.
const DEFAULT_LEVEL: i32 = 3;

/// What the decoder wants to be there beyond the last byte.
const SLACK: usize = 64;

/// Compresses, with tables that are used again.
#[derive(Default)]
pub(in crate::compress) struct Encoder {
    context: Option<Box<CompressContext>>,
}

/// Decompresses, with tables that are used again.
pub(in crate::compress) struct Decoder {
    context: Option<Box<DecompressContext>>,
}

impl Encoder {
    /// Writes a frame and returns its length; `None` as soon as it is no shorter than the records.
    pub(in crate::compress) fn compress(
        &mut self,
        records: Records<'_>,
        level: i32,
        joined: &mut Scratch,
        out: &mut Scratch,
    ) -> Option<usize> {
        let level = if level == 0 { DEFAULT_LEVEL } else { level };
        let context = match &mut self.context {
            Some(context) => context,
            none => {
                let mut context = CompressContext::new(level).ok()?;
                // A batch has a checksum of its own.
                context.set_content_checksum(false);
                none.insert(Box::new(context))
            }
        };
        context.set_level(level).ok()?;
        let room = out.room(records.len);
        let mut written = None;
        // One block: the frame's matches reach over all of the records.
        records.blocks(records.len, joined, |whole| {
            written = context.compress_into(whole, room).ok();
            written.map(|_| ())
        })?;
        written
    }
}

impl Decoder {
    pub(in crate::compress) const fn new() -> Self {
        Self { context: None }
    }

    /// Reads frames until the bytes end.
    pub(in crate::compress) fn decompress(
        &mut self,
        input: &[u8],
        out: &mut Output,
    ) -> Result<(), Fault> {
        let content_len_max = frames::content_len_max(input)?;
        let context = match &mut self.context {
            Some(context) => context,
            none => none.insert(Box::default()),
        };
        // A sequence that goes beyond the limit is called corrupt, so the limit is a block further than what is allowed: the block that
        // crosses that can be written, and it is seen that there are too many bytes.
        let limit = out.left().saturating_add(frames::BLOCK_LEN);
        // All at once: the decoder would double what it has, and so go far beyond the limit. Memory is backed only as far as it is written.
        let room = content_len_max.min(limit).saturating_add(SLACK);
        let decompressed = out.append_within(room, |bytes| {
            context.decompress_into_with_limit(input, bytes, limit)
        })?;
        match decompressed {
            Ok(_) => Ok(()),
            Err(DecompressError::OutputTooSmall) => Err(Fault::TooLong),
            Err(DecompressError::ChecksumMismatch { .. }) => {
                Err(Fault::Damaged("checksum differs"))
            }
            Err(_) => Err(Fault::Damaged("frame does not decompress")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As librdkafka and Java write frames: their size is not told.
    const FRAME: &[u8] = b"\x28\xb5\x2f\xfd\x00\x58\x6d\x01\x00\x54\x02\xae\x01\x00\x00\x00\x04\x6b\x30\x9c\x01{\"order\":0,\"item\":\"chair\"}\x00\x01\x00\x4c\x9f\xf3\x09";

    fn decompress(bytes_max: usize) -> Result<usize, Fault> {
        let mut out = Output::new(bytes_max);
        Decoder::new().decompress(FRAME, &mut out)?;
        Ok(out.len())
    }

    #[test]
    fn a_limit_within_a_frame_of_unknown_size_is_told_from_damage() {
        let len = decompress(1 << 20).expect("a whole frame");
        assert_eq!(decompress(len), Ok(len));
        for bytes_max in 0..len {
            assert_eq!(
                decompress(bytes_max),
                Err(Fault::TooLong),
                "{bytes_max} of {len}"
            );
        }
    }
}
