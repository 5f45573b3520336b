//! zstd in Rust.

use zrip::{CompressContext, DecompressContext, DecompressError};

use crate::compress::Fault;

/// What 0 stands for in Kafka, as in the C library.
const DEFAULT_LEVEL: i32 = 3;

/// What the decoder wants to be there beyond the last byte.
pub(super) const SLACK: usize = 64;

/// Compresses, with tables that are used again.
#[derive(Default)]
pub(super) struct Encoder {
    context: Option<Box<CompressContext>>,
}

/// Decompresses, with tables that are used again.
pub(super) struct Decoder {
    context: Option<Box<DecompressContext>>,
}

impl Encoder {
    /// Writes a frame and returns its length; `None` if there is no room for it.
    pub(super) fn compress(&mut self, whole: &[u8], level: i32, room: &mut [u8]) -> Option<usize> {
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
        context.compress_into(whole, room).ok()
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
