//! What can be wrong with bytes, or with a message that is to become bytes.

use std::fmt;

use crate::record::Compression;
use crate::{ApiVersion, VersionRange};

/// Bytes that are not what the protocol says. Nothing of them was used.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DecodeError {
    /// The message that was read, as Kafka's schema calls it; `None` in record batches and frame prefixes.
    pub message: Option<&'static str>,
    /// The version it was read in; -1 where there is none.
    pub version: ApiVersion,
    /// The field that was read.
    pub field: &'static str,
    /// How many bytes of the frame, or of the batch, came before.
    pub position: usize,
    /// What is wrong.
    pub kind: DecodeErrorKind,
}

impl DecodeError {
    /// An error outside of any message.
    #[cold]
    pub(crate) const fn plain(field: &'static str, position: usize, kind: DecodeErrorKind) -> Self {
        Self {
            message: None,
            version: ApiVersion(-1),
            field,
            position,
            kind,
        }
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(message) = self.message {
            write!(f, "{message} {}: ", self.version)?;
        }
        write!(f, "{} at byte {}: {}", self.field, self.position, self.kind)
    }
}

impl std::error::Error for DecodeError {}

/// What is wrong with some bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeErrorKind {
    /// The bytes end inside the field.
    #[error("the bytes end here")]
    Truncated,
    /// A variable-length integer is longer than its type can be.
    #[error("variable-length integer too long")]
    OverlongVarint,
    /// A length below zero that does not mean null.
    #[error("negative length {0}")]
    NegativeLength(i32),
    /// More elements are announced than the bytes left can hold.
    #[error("{count} elements announced, {room} bytes left")]
    CountTooLarge {
        /// The announced count.
        count: u32,
        /// The bytes left.
        room: usize,
    },
    /// Null where the version does not allow it.
    #[error("null is not allowed here")]
    UnexpectedNull,
    /// A string that is not UTF-8.
    #[error("not UTF-8")]
    InvalidUtf8,
    /// A string longer than Kafka's 32,767 bytes.
    #[error("string of {0} bytes, at most 32767 allowed")]
    StringTooLong(usize),
    /// A tagged field comes twice, or after one of a higher number.
    #[error("tagged field {tag} is out of order")]
    TagOrder {
        /// Its number.
        tag: u32,
    },
    /// A tagged field is longer or shorter than it says.
    #[error("tagged field {tag} does not fill its announced size")]
    TaggedFieldSize {
        /// Its number.
        tag: u32,
    },
    /// The message ended before the frame did.
    #[error("{0} bytes left over")]
    TrailingBytes(usize),
    /// A version that cannot be read.
    #[error("version not supported, only {0}")]
    UnsupportedVersion(VersionRange),
    /// An API that milena does not speak.
    #[error("there is no API {0} here")]
    UnknownApi(i16),
    /// A frame that is longer than the reader allows.
    #[error("frame of {len} bytes, at most {max} allowed")]
    FrameTooLong {
        /// What the frame's prefix says.
        len: usize,
        /// What the reader allows.
        max: usize,
    },
    /// A message set of before Kafka 0.11 (magic 0 or 1).
    #[error("message format v{0} is older than record batches")]
    OldMagic(i8),
    /// A format of a later Kafka, or garbage.
    #[error("unknown message format v{0}")]
    UnknownMagic(i8),
    /// The batch says a length that a batch cannot have.
    #[error("impossible batch length {0}")]
    BatchLength(i32),
    /// The batch changed since its sender sealed it.
    #[error("CRC-32C is {computed:08x}, the header says {stored:08x}")]
    CrcMismatch {
        /// The checksum in the header.
        stored: u32,
        /// The checksum of the bytes.
        computed: u32,
    },
    /// The records are compressed in a way that cannot be read.
    #[error("{0} compression is not supported")]
    UnsupportedCompression(Compression),
    /// The compressed records are not what their codec writes.
    #[error("{compression} data: {what}")]
    Decompression {
        /// The codec.
        compression: Compression,
        /// What is wrong with its bytes.
        what: &'static str,
    },
    /// The records have more bytes than the reader allows, once decompressed. Nothing beyond that was decompressed.
    #[error("more than {max} bytes when decompressed")]
    DecompressedTooLong {
        /// What the reader allows.
        max: usize,
    },
    /// The records do not add up: a length, a count or bytes left over.
    #[error("record does not fill its length")]
    RecordLength,
    /// The batch holds fewer or more records than its header counts.
    #[error("the header counts {0} records, the batch holds other")]
    RecordCount(i32),
    /// An offset outside of the batch's range, or not above the one before.
    #[error("offset delta {0} is out of order or outside of the batch")]
    OffsetDelta(i32),
    /// The batch's offsets do not fit 64 bits.
    #[error("offsets overflow")]
    OffsetOverflow,
    /// A record's timestamp does not fit 64 bits.
    #[error("timestamp overflows")]
    TimestampOverflow,
}

/// A message that cannot be written in the version asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct EncodeError {
    /// The message that was written, as Kafka's schema calls it.
    pub message: &'static str,
    /// The version it was to be written in.
    pub version: ApiVersion,
    /// The field that does not fit.
    pub field: &'static str,
    /// Why.
    pub kind: EncodeErrorKind,
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {}: {}: {}",
            self.message, self.version, self.field, self.kind
        )
    }
}

impl std::error::Error for EncodeError {}

/// Why a message cannot be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeErrorKind {
    /// The field is set but the version has no room for it, and dropping it would change the meaning.
    #[error("does not exist in this version")]
    NotInVersion,
    /// The field is null but the version does not allow it.
    #[error("null is not allowed in this version")]
    NullNotAllowed,
    /// The value is longer than its length field can say.
    #[error("{0} bytes or elements are too many")]
    TooLong(usize),
    /// The message has no such version.
    #[error("version not supported, only {0}")]
    UnsupportedVersion(VersionRange),
}
