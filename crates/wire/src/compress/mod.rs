//! How records are compressed, and read again.
//!
//! A [`Codec`] is a choice that was checked once; a [`Compressor`] and a [`Decompressor`] hold the memory that a worker uses again from batch
//! to batch. Batches use them through [`BatchPayload::seal_with`](crate::record::BatchPayload::seal_with) and
//! [`BatchView::into_records_with`](crate::record::BatchView::into_records_with).
//!
//! What is written, and what is read, follows Kafka's own clients:
//!
//! - gzip: one member is written; several in a row are read.
//! - snappy: written in xerial's framing, 32 KiB a block; read in that framing, streams in a row included, and raw.
//! - lz4: one frame of independent blocks of 64 KiB without checksums is written. One frame with independent blocks of any size is read; its
//!   header's checksum and those of blocks must be right, that of the content is not looked at, as Kafka does not.
//! - zstd: one frame that says its size is written. Frames in a row are read, with or without their size, and skippable ones between them.
//!
//! Bytes of a peer are never trusted with memory: what a batch may become is limited while it is decompressed, and a size that it claims is
//! believed only as far as its codec could reach from the bytes there are.
//!
//! Each codec is a feature of this crate, all four on by default and pure Rust. `zstd-c` replaces the pure zstd by the C library's, which has
//! all its levels and compresses faster.

#![cfg_attr(
    not(all(
        feature = "gzip",
        feature = "lz4",
        feature = "snappy",
        feature = "zstd"
    )),
    allow(
        dead_code,
        unused_mut,
        unused_variables,
        reason = "what no codec of this build needs"
    )
)]

mod codec;
#[cfg(feature = "gzip")]
mod gzip;
#[cfg(feature = "lz4")]
mod lz4;
mod output;
mod scratch;
#[cfg(feature = "snappy")]
mod snappy;
#[cfg(feature = "lz4")]
mod xxh32;
#[cfg(any(feature = "zstd", feature = "zstd-c"))]
mod zstd;

use std::fmt;

use bytes::Bytes;

use self::output::Output;
use self::scratch::Scratch;
use crate::record::Compression;

pub use self::codec::{Codec, InvalidCodec};

/// The most bytes that the records of one batch may have when decompressed, unless a [`Decompressor`] is told otherwise: 64 MiB.
pub const DECOMPRESSED_BYTES_MAX: usize = 64 << 20;

/// Contexts and memory of one worker that compresses, used again from batch to batch. A new one holds no memory; one that has worked keeps
/// its codec's tables, and buffers of at most 2 MiB each.
#[derive(Default)]
pub struct Compressor {
    /// What the codec writes.
    compressed: Scratch,
    /// Records from several chunks, where the codec wants them in one piece.
    joined: Scratch,
    #[cfg(feature = "gzip")]
    gzip: gzip::Encoder,
    #[cfg(feature = "lz4")]
    lz4: lz4::Encoder,
    #[cfg(feature = "snappy")]
    snappy: snappy::Encoder,
    #[cfg(any(feature = "zstd", feature = "zstd-c"))]
    zstd: zstd::Encoder,
}

/// Contexts and memory of one worker that decompresses, used again from batch to batch. A new one holds no memory.
pub struct Decompressor {
    bytes_max: usize,
    #[cfg(feature = "lz4")]
    block: Scratch,
    #[cfg(feature = "gzip")]
    gzip: gzip::Decoder,
    #[cfg(any(feature = "zstd", feature = "zstd-c"))]
    zstd: zstd::Decoder,
}

/// What the records of a batch are made of: slices of `len` bytes in all.
#[derive(Clone, Copy)]
struct Records<'a> {
    parts: &'a [Bytes],
    len: usize,
}

/// Why records cannot be decompressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The codec is not in this build, or not known.
    Unsupported,
    /// The bytes are not what the codec writes.
    Damaged(&'static str),
    /// There are more bytes than allowed.
    TooLong,
}

impl Compressor {
    /// Encoded records, compressed; `None` if that takes no fewer bytes. For brokers, which compress records that are encoded already.
    pub fn compress_records(&mut self, codec: Codec, records: &Bytes) -> Option<Bytes> {
        self.compress(codec, std::slice::from_ref(records), records.len())
    }

    /// `parts`, `len` bytes in all, compressed. `None` if that takes no fewer bytes.
    pub(crate) fn compress(&mut self, codec: Codec, parts: &[Bytes], len: usize) -> Option<Bytes> {
        let records = Records { parts, len };
        let out = &mut self.compressed;
        let written = match codec.compression() {
            #[cfg(feature = "gzip")]
            Compression::Gzip => self.gzip.compress(records, codec.level(), out),
            #[cfg(feature = "snappy")]
            Compression::Snappy => self.snappy.compress(records, &mut self.joined, out),
            #[cfg(feature = "lz4")]
            Compression::Lz4 => self.lz4.compress(records, &mut self.joined, out),
            #[cfg(any(feature = "zstd", feature = "zstd-c"))]
            Compression::Zstd => {
                let joined = &mut self.joined;
                self.zstd.compress(records, codec.level(), joined, out)
            }
            _ => None,
        };
        // An exact copy, because it is kept until the batch is acknowledged, and the scratch is as long as the records.
        let compressed = written
            .filter(|written| *written < len)
            .and_then(|written| out.filled(written))
            .map(Bytes::copy_from_slice);
        self.compressed.trim();
        self.joined.trim();
        compressed
    }
}

impl Decompressor {
    /// Refuses batches whose records have more than `decompressed_bytes_max` bytes.
    pub const fn new(decompressed_bytes_max: usize) -> Self {
        Self {
            bytes_max: decompressed_bytes_max,
            #[cfg(feature = "lz4")]
            block: Scratch::new(),
            #[cfg(feature = "gzip")]
            gzip: gzip::Decoder::new(),
            #[cfg(any(feature = "zstd", feature = "zstd-c"))]
            zstd: zstd::Decoder::new(),
        }
    }

    /// The most bytes that the records of one batch may have.
    pub const fn decompressed_bytes_max(&self) -> usize {
        self.bytes_max
    }

    /// Sets how many bytes the records of the next batches may have.
    pub const fn set_decompressed_bytes_max(&mut self, bytes_max: usize) {
        self.bytes_max = bytes_max;
    }

    /// What `input` was before `compression`.
    pub(crate) fn decompress(
        &mut self,
        compression: Compression,
        input: &[u8],
    ) -> Result<Bytes, Fault> {
        let mut out = Output::new(self.bytes_max);
        let decompressed = match compression {
            #[cfg(feature = "gzip")]
            Compression::Gzip => self.gzip.decompress(input, &mut out),
            #[cfg(feature = "snappy")]
            Compression::Snappy => snappy::decompress(input, &mut out),
            #[cfg(feature = "lz4")]
            Compression::Lz4 => lz4::decompress(input, &mut self.block, &mut out),
            #[cfg(any(feature = "zstd", feature = "zstd-c"))]
            Compression::Zstd => self.zstd.decompress(input, &mut out),
            _ => Err(Fault::Unsupported),
        };
        #[cfg(feature = "lz4")]
        self.block.trim();
        decompressed.map(|()| out.into_bytes())
    }
}

impl Default for Decompressor {
    fn default() -> Self {
        Self::new(DECOMPRESSED_BYTES_MAX)
    }
}

impl fmt::Debug for Compressor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Compressor").finish_non_exhaustive()
    }
}

impl fmt::Debug for Decompressor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decompressor")
            .field("bytes_max", &self.bytes_max)
            .finish_non_exhaustive()
    }
}

impl<'a> Records<'a> {
    /// Hands out the records in blocks of `block_len` bytes, the last one as long as it comes. A block that lies in several parts is joined
    /// in `joined` first. Stops where `write` has no room.
    fn blocks(
        self,
        block_len: usize,
        joined: &mut Scratch,
        mut write: impl FnMut(&[u8]) -> Option<()>,
    ) -> Option<()> {
        let mut parts = self.parts.iter().map(|part| &part[..]);
        let mut part: &[u8] = &[];
        let mut left = self.len;
        while left > 0 {
            let wanted = left.min(block_len);
            left -= wanted;
            while part.is_empty() {
                part = parts.next()?;
            }
            if let Some((block, rest)) = part.split_at_checked(wanted) {
                part = rest;
                write(block)?;
                continue;
            }
            let mut block = joined.room(wanted);
            while !block.is_empty() {
                while part.is_empty() {
                    part = parts.next()?;
                }
                let (now, rest) = part.split_at(part.len().min(block.len()));
                let (head, tail) = block.split_at_mut(now.len());
                head.copy_from_slice(now);
                (part, block) = (rest, tail);
            }
            write(joined.filled(wanted)?)?;
        }
        Some(())
    }
}
