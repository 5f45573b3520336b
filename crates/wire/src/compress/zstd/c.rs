//! zstd by the C library.

use zstd_safe::{CCtx, CParameter, DCtx, get_error_name};

use crate::compress::Fault;

const NO_MEMORY: Fault = Fault::Damaged("no memory for the decoder");
/// What the decoder wants to be there beyond the last byte.
pub(super) const SLACK: usize = 0;
/// How the library calls a result that does not fit.
const TOO_SMALL: &str = "Destination buffer is too small";

/// Compresses, with tables that are used again.
#[derive(Default)]
pub(super) struct Encoder {
    context: Option<CCtx<'static>>,
}

/// Decompresses, with tables that are used again.
pub(super) struct Decoder {
    context: Option<DCtx<'static>>,
}

impl Encoder {
    /// Writes a frame and returns its length; `None` if there is no room for it.
    pub(super) fn compress(&mut self, whole: &[u8], level: i32, room: &mut [u8]) -> Option<usize> {
        let context = match &mut self.context {
            Some(context) => context,
            none => none.insert(CCtx::try_create()?),
        };
        context
            .set_parameter(CParameter::CompressionLevel(level))
            .ok()?;
        context.compress2(room, whole).ok()
    }
}

impl Decoder {
    pub(super) const fn new() -> Self {
        Self { context: None }
    }

    /// Appends what the frames of `input` become, to bytes with room for `limit` of them: that is all it may be.
    pub(super) fn decompress(
        &mut self,
        input: &[u8],
        bytes: &mut Vec<u8>,
        limit: usize,
    ) -> Result<(), Fault> {
        let context = match &mut self.context {
            Some(context) => context,
            none => none.insert(DCtx::try_create().ok_or(NO_MEMORY)?),
        };
        debug_assert!(bytes.is_empty() && bytes.capacity() >= limit);
        match context.decompress(bytes, input) {
            Ok(_) => Ok(()),
            Err(code) if get_error_name(code) == TOO_SMALL => Err(Fault::TooLong),
            Err(_) => Err(super::FRAME),
        }
    }
}
