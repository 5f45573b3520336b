//! How records are compressed, and read again.
//!
//! A [`Codec`] is a choice that was checked once; a [`Compressor`] and a [`Decompressor`] hold the memory that a worker uses again from batch
//! to batch. Batches use them through [`BatchPayload::seal_with`](crate::record::BatchPayload::seal_with) and
//! [`BatchView::into_records_with`](crate::record::BatchView::into_records_with).

use crate::record::Compression;

/// The most bytes that the records of one batch may have when decompressed, unless a [`Decompressor`] is told otherwise: 64 MiB.
pub const DECOMPRESSED_BYTES_MAX: usize = 64 << 20;

/// A codec and its level, valid by construction. By default records are not compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Codec {
    compression: Compression,
}

/// A codec that cannot be had, or not at that level.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidCodec {
    /// There is no such codec in this build.
    #[error("{0} compression is not supported")]
    Unsupported(Compression),
}

/// Contexts and memory of one worker that compresses, used again from batch to batch. A new one holds no memory.
#[derive(Debug, Default)]
pub struct Compressor {}

/// Contexts and memory of one worker that decompresses, used again from batch to batch. A new one holds no memory.
#[derive(Debug)]
pub struct Decompressor {
    bytes_max: usize,
}

impl Codec {
    /// No compression.
    pub const NONE: Self = Self {
        compression: Compression::None,
    };

    /// A codec at a level; `None` is the level that Kafka's own clients use by default.
    pub fn new(compression: Compression, level: Option<i32>) -> Result<Self, InvalidCodec> {
        let _ = level;
        match compression {
            Compression::None => Ok(Self::NONE),
            other => Err(InvalidCodec::Unsupported(other)),
        }
    }

    /// Which codec.
    pub const fn compression(self) -> Compression {
        self.compression
    }
}

impl Default for Codec {
    fn default() -> Self {
        Self::NONE
    }
}

impl Decompressor {
    /// Refuses batches whose records have more than `decompressed_bytes_max` bytes.
    pub const fn new(decompressed_bytes_max: usize) -> Self {
        Self {
            bytes_max: decompressed_bytes_max,
        }
    }

    /// The most bytes that the records of one batch may have.
    pub const fn decompressed_bytes_max(&self) -> usize {
        self.bytes_max
    }
}

impl Default for Decompressor {
    fn default() -> Self {
        Self::new(DECOMPRESSED_BYTES_MAX)
    }
}
