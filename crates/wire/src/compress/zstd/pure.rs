//! zstd in Rust.

use zrip::{CompressContext, DecompressContext, DecompressError};

use crate::compress::scratch::Scratch;
use crate::compress::{Fault, Records};

/// What 0 stands for in Kafka, as in the C library.
const DEFAULT_LEVEL: i32 = 3;

/// What the decoder wants to be there beyond the last byte.
pub(super) const SLACK: usize = 64;

/// Compresses, with tables that are used again.
#[derive(Default)]
pub(in crate::compress) struct Encoder {
    context: Option<Box<CompressContext>>,
}

/// Decompresses, with tables that are used again.
pub(super) struct Decoder {
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
    pub(super) const fn new() -> Self {
        Self { context: None }
    }

    /// Appends what the frames of `input` become, `limit` bytes at most.
    pub(super) fn decompress(
        &mut self,
        input: &[u8],
        bytes: &mut Vec<u8>,
        limit: usize,
    ) -> Result<(), Fault> {
        let context = match &mut self.context {
            Some(context) => context,
            none => none.insert(Box::default()),
        };
        match context.decompress_into_with_limit(input, bytes, limit) {
            Ok(_) => Ok(()),
            Err(DecompressError::OutputTooSmall) => Err(Fault::TooLong),
            Err(DecompressError::ChecksumMismatch { .. }) => {
                Err(Fault::Damaged("checksum differs"))
            }
            Err(_) => Err(super::FRAME),
        }
    }
}
