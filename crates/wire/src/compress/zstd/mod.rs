//! Zstandard frames.

#[cfg(feature = "zstd-c")]
mod c;
mod frames;
#[cfg(not(feature = "zstd-c"))]
mod pure;

use self::frames::BLOCK_LEN;
use super::output::Output;
use super::scratch::Scratch;
use super::{Fault, Records};

#[cfg(feature = "zstd-c")]
use self::c::{Decoder as Frames, Encoder as Compress, SLACK};
#[cfg(not(feature = "zstd-c"))]
use self::pure::{Decoder as Frames, Encoder as Compress, SLACK};

/// The most that frames which do not say their size may become and still be decompressed into memory that is used again, and copied from there.
/// Such frames are what Java and librdkafka write. Their last block is usually far shorter than the 128 KiB that it may be, so that new memory
/// would be many times too large for a small batch; for a large one it is little too large, and the copy would cost more.
const UNSURE_LEN: usize = 512 * 1024;
const FRAME: Fault = Fault::Damaged("frame does not decompress");
/// How many times its bytes a small batch usually becomes at most.
const USUAL_RATIO: usize = 8;

/// Compresses, with tables that are used again.
#[derive(Default)]
pub(super) struct Encoder {
    library: Compress,
}

/// Decompresses, with tables that are used again.
pub(super) struct Decoder {
    frames: Frames,
    /// What frames became that do not say their size.
    unsure: Vec<u8>,
}

impl Encoder {
    /// Writes a frame and returns its length; `None` as soon as it is no shorter than the records.
    pub(super) fn compress(
        &mut self,
        records: Records<'_>,
        level: i32,
        joined: &mut Scratch,
        out: &mut Scratch,
    ) -> Option<usize> {
        let room = out.room(records.len);
        let mut written = None;
        // One block: the frame's matches reach over all of the records.
        records.blocks(records.len, joined, |whole| {
            written = self.library.compress(whole, level, room);
            written.map(|_| ())
        })?;
        written
    }
}

impl Decoder {
    pub(super) const fn new() -> Self {
        Self {
            frames: Frames::new(),
            unsure: Vec::new(),
        }
    }

    /// Reads frames until the bytes end.
    pub(super) fn decompress(&mut self, input: &[u8], out: &mut Output) -> Result<(), Fault> {
        let size = frames::size(input)?;
        // Decoders call a sequence corrupt that goes beyond the limit. So the limit is a block further than what is allowed: the block that
        // crosses that can be written, and it is seen that there are too many bytes.
        let limit = out.left().saturating_add(BLOCK_LEN);
        let most = size.max.min(limit);
        if size.is_exact || most > UNSURE_LEN {
            // All at once: a decoder would double what it has, and so go far beyond the limit. Memory is backed only as far as it is written.
            let room = most.saturating_add(SLACK);
            let decompressed =
                out.append_within(room, |bytes| self.frames.decompress(input, bytes, most))?;
            return decompressed.map_err(|fault| match fault {
                // Not too much for us, but for the size that the frame says.
                Fault::TooLong if size.max <= limit => FRAME,
                fault => fault,
            });
        }
        // The decoder makes room for a whole block unless it is told that there cannot be so much.
        let usual = most.min(input.len().saturating_mul(USUAL_RATIO));
        let decompressed = match self.decompress_unsure(input, usual) {
            Err(_) if usual < most => self.decompress_unsure(input, most),
            decompressed => decompressed,
        };
        // Once it is full, too much is told from damage by what was written.
        if self.unsure.len() > out.left() {
            return Err(Fault::TooLong);
        }
        decompressed?;
        out.extend(&self.unsure)
    }

    fn decompress_unsure(&mut self, input: &[u8], limit: usize) -> Result<(), Fault> {
        self.unsure.clear();
        self.unsure.reserve(limit + SLACK);
        self.frames.decompress(input, &mut self.unsure, limit)
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
