//! zstd by the C library.

use zstd_safe::{CCtx, CParameter, DCtx, get_error_name};

use super::frames;
use crate::compress::output::Output;
use crate::compress::scratch::Scratch;
use crate::compress::{Fault, Records};

const NO_MEMORY: Fault = Fault::Damaged("no memory for the decoder");
/// How the library calls a result that does not fit.
const TOO_SMALL: &str = "Destination buffer is too small";

/// Compresses, with tables that are used again.
#[derive(Default)]
pub(in crate::compress) struct Encoder {
    context: Option<CCtx<'static>>,
}

/// Decompresses, with tables that are used again.
pub(in crate::compress) struct Decoder {
    context: Option<DCtx<'static>>,
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
        let context = match &mut self.context {
            Some(context) => context,
            none => none.insert(CCtx::try_create()?),
        };
        context
            .set_parameter(CParameter::CompressionLevel(level))
            .ok()?;
        let room = out.room(records.len);
        let mut written = None;
        // One block: the frame's matches reach over all of the records.
        records.blocks(records.len, joined, |whole| {
            written = context.compress2(room, whole).ok();
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
        let left = out.left();
        let context = match &mut self.context {
            Some(context) => context,
            none => none.insert(DCtx::try_create().ok_or(NO_MEMORY)?),
        };
        // The library writes into one piece of memory of a known size. It is backed only as far as it is written to.
        let decompressed = out.append_within(content_len_max.min(left), |bytes| {
            context.decompress(bytes, input)
        })?;
        match decompressed {
            Ok(_) => Ok(()),
            Err(code) if content_len_max > left && get_error_name(code) == TOO_SMALL => {
                Err(Fault::TooLong)
            }
            Err(_) => Err(Fault::Damaged("frame does not decompress")),
        }
    }
}
