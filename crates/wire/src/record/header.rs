//! The 61 bytes in front of the records.

use std::fmt;

use super::checksum;
use crate::{DecodeError, DecodeErrorKind};

/// The bytes a header takes.
pub const HEADER_LEN: usize = 61;
/// The bytes of base offset and length, which the length does not count.
pub(crate) const LENGTH_END: usize = 12;
/// The checksum covers everything from here on.
pub(crate) const CRC_START: usize = 21;
/// The only format written since Kafka 0.11.
pub(crate) const MAGIC: i8 = 2;

const COMPRESSION_MASK: i16 = 0x07;
const LOG_APPEND_TIME: i16 = 0x08;
pub(crate) const TRANSACTIONAL: i16 = 0x10;
pub(crate) const CONTROL: i16 = 0x20;

/// A batch's header, as it is in the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchHeader {
    /// Offset of the first record the batch was made of. Compaction may have removed that record since.
    pub base_offset: i64,
    /// The bytes after this field.
    pub length: i32,
    /// Leader epoch in which the batch was appended; -1 before that.
    pub partition_leader_epoch: i32,
    /// The format, always 2.
    pub magic: i8,
    /// CRC-32C of everything after it.
    pub crc: u32,
    /// Compression, timestamp type, transactional, control.
    pub attributes: i16,
    /// Offset of the last record, less the base offset. Compaction keeps it.
    pub last_offset_delta: i32,
    /// What the records' timestamps count from.
    pub base_timestamp: i64,
    /// The highest timestamp, or the time of the append.
    pub max_timestamp: i64,
    /// Producer id; -1 for none.
    pub producer_id: i64,
    /// Its epoch; -1 for none.
    pub producer_epoch: i16,
    /// Sequence number of the first record; -1 for none.
    pub base_sequence: i32,
    /// How many records follow; none if compaction has removed them all.
    pub record_count: i32,
}

/// How a batch's records are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Compression {
    /// Not at all.
    None,
    /// gzip.
    Gzip,
    /// Snappy, in xerial's framing or raw.
    Snappy,
    /// An LZ4 frame.
    Lz4,
    /// Zstandard.
    Zstd,
    /// A codec of a later Kafka.
    Unknown(u8),
}

/// What the records' timestamps say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TimestampType {
    /// What the producer gave each record.
    CreateTime,
    /// When the broker appended the batch, the same for every record.
    LogAppendTime,
}

impl BatchHeader {
    /// How the records are compressed.
    pub const fn compression(&self) -> Compression {
        match self.attributes & COMPRESSION_MASK {
            0 => Compression::None,
            1 => Compression::Gzip,
            2 => Compression::Snappy,
            3 => Compression::Lz4,
            4 => Compression::Zstd,
            other => Compression::Unknown(other as u8),
        }
    }

    /// What the timestamps say.
    pub const fn timestamp_type(&self) -> TimestampType {
        if self.attributes & LOG_APPEND_TIME == 0 {
            TimestampType::CreateTime
        } else {
            TimestampType::LogAppendTime
        }
    }

    /// Whether the batch belongs to a transaction.
    pub const fn is_transactional(&self) -> bool {
        self.attributes & TRANSACTIONAL != 0
    }

    /// Whether the batch is the broker's own, such as the end of a transaction.
    pub const fn is_control(&self) -> bool {
        self.attributes & CONTROL != 0
    }

    /// The header's bytes.
    pub fn to_array(&self) -> [u8; HEADER_LEN] {
        let mut out = [0; HEADER_LEN];
        out[..8].copy_from_slice(&self.base_offset.to_be_bytes());
        out[8..12].copy_from_slice(&self.length.to_be_bytes());
        out[12..16].copy_from_slice(&self.partition_leader_epoch.to_be_bytes());
        out[16..17].copy_from_slice(&self.magic.to_be_bytes());
        out[17..21].copy_from_slice(&self.crc.to_be_bytes());
        out[21..23].copy_from_slice(&self.attributes.to_be_bytes());
        out[23..27].copy_from_slice(&self.last_offset_delta.to_be_bytes());
        out[27..35].copy_from_slice(&self.base_timestamp.to_be_bytes());
        out[35..43].copy_from_slice(&self.max_timestamp.to_be_bytes());
        out[43..51].copy_from_slice(&self.producer_id.to_be_bytes());
        out[51..53].copy_from_slice(&self.producer_epoch.to_be_bytes());
        out[53..57].copy_from_slice(&self.base_sequence.to_be_bytes());
        out[57..].copy_from_slice(&self.record_count.to_be_bytes());
        out
    }

    /// Sets the checksum, given that of the bytes after the header, and returns the header's bytes.
    pub(crate) fn seal(mut self, payload_crc: u32, payload_len: usize) -> [u8; HEADER_LEN] {
        // The checksum is not part of what it covers, so the header's own is that of its later bytes.
        let own = checksum::of_one(&self.to_array()[CRC_START..]);
        self.crc = checksum::combine(own, payload_crc, payload_len);
        self.to_array()
    }

    /// Reads a header of format 2 that stands `position` bytes into what was given, and checks that its offsets make sense.
    pub(crate) fn parse(bytes: &[u8; HEADER_LEN], position: usize) -> Result<Self, DecodeError> {
        let mut rest = Fixed(bytes);
        let header = Self {
            base_offset: i64::from_be_bytes(rest.take()),
            length: i32::from_be_bytes(rest.take()),
            partition_leader_epoch: i32::from_be_bytes(rest.take()),
            magic: i8::from_be_bytes(rest.take()),
            crc: u32::from_be_bytes(rest.take()),
            attributes: i16::from_be_bytes(rest.take()),
            last_offset_delta: i32::from_be_bytes(rest.take()),
            base_timestamp: i64::from_be_bytes(rest.take()),
            max_timestamp: i64::from_be_bytes(rest.take()),
            producer_id: i64::from_be_bytes(rest.take()),
            producer_epoch: i16::from_be_bytes(rest.take()),
            base_sequence: i32::from_be_bytes(rest.take()),
            record_count: i32::from_be_bytes(rest.take()),
        };
        let error = |field, offset, kind| Err(DecodeError::plain(field, position + offset, kind));
        if header.last_offset_delta < 0 {
            return error(
                "last_offset_delta",
                23,
                DecodeErrorKind::OffsetDelta(header.last_offset_delta),
            );
        }
        if header.record_count < 0 {
            return error(
                "record_count",
                57,
                DecodeErrorKind::RecordCount(header.record_count),
            );
        }
        // With this, neither the last offset nor the one after it can overflow.
        if header
            .base_offset
            .checked_add(i64::from(header.last_offset_delta))
            .is_none_or(|last| last == i64::MAX)
        {
            return error("base_offset", 0, DecodeErrorKind::OffsetOverflow);
        }
        Ok(header)
    }

    /// Offset of the last record the batch was made of.
    pub const fn last_offset(&self) -> i64 {
        self.base_offset
            .saturating_add(self.last_offset_delta as i64)
    }

    /// Sequence number of the last record the batch was made of; -1 for none. After the highest comes zero.
    pub const fn last_sequence(&self) -> i32 {
        if self.base_sequence < 0 {
            return -1;
        }
        // Neither is negative: a header with a negative delta is not read.
        self.base_sequence.wrapping_add(self.last_offset_delta) & i32::MAX
    }
}

impl Compression {
    /// Its bits of the attributes.
    pub(crate) const fn bits(self) -> i16 {
        match self {
            Self::None => 0,
            Self::Gzip => 1,
            Self::Snappy => 2,
            Self::Lz4 => 3,
            Self::Zstd => 4,
            Self::Unknown(number) => number as i16 & COMPRESSION_MASK,
        }
    }
}

/// Bytes known to suffice for what is taken.
struct Fixed<'a>(&'a [u8]);

impl Fixed<'_> {
    fn take<const N: usize>(&mut self) -> [u8; N] {
        match self.0.split_first_chunk() {
            Some((taken, rest)) => {
                self.0 = rest;
                *taken
            }
            None => [0; N],
        }
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("no"),
            Self::Gzip => f.write_str("gzip"),
            Self::Snappy => f.write_str("snappy"),
            Self::Lz4 => f.write_str("lz4"),
            Self::Zstd => f.write_str("zstd"),
            Self::Unknown(number) => write!(f, "unknown ({number})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_read_as_written() {
        let header = BatchHeader {
            base_offset: 1,
            length: 2,
            partition_leader_epoch: 3,
            magic: 4,
            crc: 5,
            attributes: 0x1c,
            last_offset_delta: 7,
            base_timestamp: 8,
            max_timestamp: 9,
            producer_id: 10,
            producer_epoch: 11,
            base_sequence: 12,
            record_count: 13,
        };
        assert_eq!(BatchHeader::parse(&header.to_array(), 0), Ok(header));
        assert_eq!(header.compression(), Compression::Zstd);
        assert_eq!(header.timestamp_type(), TimestampType::LogAppendTime);
        assert!(header.is_transactional() && !header.is_control());
        assert_eq!(header.last_offset(), 8);
    }
}
