//! gzip (RFC 1952) around deflate.

use flate2::{Compress, Crc, Decompress, FlushCompress, FlushDecompress, Status};

use super::output::Output;
use super::scratch::Scratch;
use super::{Fault, Records};

/// Magic, deflate, no flags, no time, no hint about speed, an unknown system.
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
const MAGIC: [u8; 2] = [0x1f, 0x8b];
const DEFLATE: u8 = 8;
/// Checksum and length.
const TRAILER_LEN: usize = 8;

mod flags {
    pub(super) const HEADER_CHECKSUM: u8 = 1 << 1;
    pub(super) const EXTRA: u8 = 1 << 2;
    pub(super) const NAME: u8 = 1 << 3;
    pub(super) const COMMENT: u8 = 1 << 4;
    pub(super) const RESERVED: u8 = 0b1110_0000;
}

/// Compresses, with a window and tables that are used again.
#[derive(Default)]
pub(super) struct Encoder {
    deflate: Option<(i32, Compress)>,
}

/// Decompresses, with a window that is used again.
pub(super) struct Decoder {
    inflate: Option<Decompress>,
}

impl Encoder {
    /// Writes one member and returns its length; `None` as soon as it is no shorter than the records.
    pub(super) fn compress(
        &mut self,
        records: Records<'_>,
        level: i32,
        out: &mut Scratch,
    ) -> Option<usize> {
        let deflate = self.deflate(level);
        let out = out.room(records.len.max(HEADER.len() + TRAILER_LEN));
        let (header, room) = out.split_first_chunk_mut()?;
        *header = HEADER;
        let mut crc = Crc::new();
        let mut at = 0;
        for part in records.parts {
            crc.update(part);
            let mut rest = &part[..];
            while !rest.is_empty() {
                let (read, written, _) = step(deflate, rest, &mut room[at..], FlushCompress::None)?;
                at += written;
                rest = &rest[read..];
            }
        }
        loop {
            let (_, written, status) = step(deflate, &[], &mut room[at..], FlushCompress::Finish)?;
            at += written;
            if status == Status::StreamEnd {
                break;
            }
        }
        let trailer = room.get_mut(at..)?.first_chunk_mut::<TRAILER_LEN>()?;
        let (sum, len) = trailer.split_at_mut(4);
        sum.copy_from_slice(&crc.sum().to_le_bytes());
        // The length is counted modulo 2^32.
        len.copy_from_slice(&(records.len as u32).to_le_bytes());
        Some(HEADER.len() + at + TRAILER_LEN)
    }

    fn deflate(&mut self, level: i32) -> &mut Compress {
        match &mut self.deflate {
            Some((kept, _)) if *kept != level => self.deflate = None,
            Some((_, deflate)) => deflate.reset(),
            None => {}
        }
        let (_, deflate) = self.deflate.get_or_insert_with(|| {
            let choice = u32::try_from(level)
                .map_or_else(|_| flate2::Compression::default(), flate2::Compression::new);
            (level, Compress::new(choice, false))
        });
        deflate
    }
}

/// Compresses what fits `room`: how many bytes were read and written. `None` if nothing fits.
fn step(
    deflate: &mut Compress,
    input: &[u8],
    room: &mut [u8],
    flush: FlushCompress,
) -> Option<(usize, usize, Status)> {
    let (read, written) = (deflate.total_in(), deflate.total_out());
    let status = deflate.compress(input, room, flush).ok()?;
    // Both are at most the length of a slice.
    let read = (deflate.total_in() - read) as usize;
    let written = (deflate.total_out() - written) as usize;
    (read > 0 || written > 0 || status == Status::StreamEnd).then_some((read, written, status))
}

impl Decoder {
    pub(super) const fn new() -> Self {
        Self { inflate: None }
    }

    /// Reads members until the bytes end.
    pub(super) fn decompress(&mut self, input: &[u8], out: &mut Output) -> Result<(), Fault> {
        // The last four bytes are the length of the last member, usually the only one.
        let len = input.last_chunk().map_or(0, |len| u32::from_le_bytes(*len));
        out.expect(len as usize, input.len());
        let mut rest = input;
        loop {
            take_header(&mut rest)?;
            self.take_member(&mut rest, out)?;
            if rest.is_empty() {
                return Ok(());
            }
        }
    }

    fn take_member(&mut self, rest: &mut &[u8], out: &mut Output) -> Result<(), Fault> {
        let inflate = match &mut self.inflate {
            Some(inflate) => {
                inflate.reset(false);
                inflate
            }
            none => none.insert(Decompress::new(false)),
        };
        let start = out.len();
        loop {
            let (read, written) = (inflate.total_in(), inflate.total_out());
            // All of the data is there. Told so, the decoder does not keep a window of what it has written.
            let status = out.append_with(|bytes| {
                inflate.decompress_vec(rest, bytes, FlushDecompress::Finish)
            })?;
            // At most the length of a slice.
            let read = (inflate.total_in() - read) as usize;
            *rest = &rest[read..];
            match status {
                Ok(Status::StreamEnd) => break,
                Ok(_) if read > 0 || inflate.total_out() > written => {}
                // There is always room, so bytes are missing.
                Ok(_) => return Err(Fault::Damaged("the bytes end within the data")),
                Err(_) => return Err(Fault::Damaged("data does not decompress")),
            }
        }
        let Some((trailer, after)) = rest.split_first_chunk::<TRAILER_LEN>() else {
            return Err(Fault::Damaged("the bytes end within the checksum"));
        };
        *rest = after;
        let mut crc = Crc::new();
        crc.update(out.since(start));
        let [a, b, c, d, len @ ..] = *trailer;
        if u32::from_le_bytes([a, b, c, d]) != crc.sum() {
            return Err(Fault::Damaged("checksum differs"));
        }
        if u32::from_le_bytes(len) != crc.amount() {
            return Err(Fault::Damaged("length differs"));
        }
        Ok(())
    }
}

fn take_header(rest: &mut &[u8]) -> Result<(), Fault> {
    const ENDS: Fault = Fault::Damaged("the bytes end within the header");
    let whole = *rest;
    let Some(([a, b, method, flags, ..], mut after)) =
        whole.split_first_chunk::<{ HEADER.len() }>()
    else {
        return Err(ENDS);
    };
    if [*a, *b] != MAGIC {
        return Err(Fault::Damaged("no gzip member"));
    }
    if *method != DEFLATE || flags & flags::RESERVED != 0 {
        return Err(Fault::Damaged("unknown method or flags"));
    }
    if flags & flags::EXTRA != 0 {
        let (len, extra) = after.split_first_chunk().ok_or(ENDS)?;
        let len = usize::from(u16::from_le_bytes(*len));
        after = extra.get(len..).ok_or(ENDS)?;
    }
    for text in [flags::NAME, flags::COMMENT] {
        if flags & text != 0 {
            let end = after.iter().position(|byte| *byte == 0).ok_or(ENDS)?;
            after = &after[end + 1..];
        }
    }
    if flags & flags::HEADER_CHECKSUM != 0 {
        let mut crc = Crc::new();
        crc.update(&whole[..whole.len() - after.len()]);
        let (stored, data) = after.split_first_chunk().ok_or(ENDS)?;
        if u16::from_le_bytes(*stored) != crc.sum() as u16 {
            return Err(Fault::Damaged("header checksum differs"));
        }
        after = data;
    }
    *rest = after;
    Ok(())
}
