//! Record batches as producers send them, and as they should not.

use std::sync::OnceLock;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::{Bytes, BytesMut};
use milena_wire::compress::{Codec, Compressor};
use milena_wire::record::{BatchBuilder, Compression, RecordFields, Stamp};

/// What the records of all batches say of their time: an hour or two before this program began.
///
/// Much older records would have real Kafka begin a new segment with each marker, whose time is now, and a Fetch ends with its segment.
pub(crate) fn base_time() -> i64 {
    const HOUR_MS: i64 = 3_600_000;
    static BEGUN: OnceLock<i64> = OnceLock::new();
    *BEGUN.get_or_init(|| {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.map_or(0, |now| i64::try_from(now.as_millis()).unwrap_or(0));
        now / HOUR_MS * HOUR_MS - HOUR_MS
    })
}

const CRC_AT: usize = 17;
const CRC_FROM: usize = 21;

/// What a batch holds.
#[derive(Clone, Debug)]
pub(crate) struct Content {
    pub(crate) first: u32,
    pub(crate) count: u32,
    pub(crate) value_len: usize,
    pub(crate) keys: bool,
    pub(crate) compression: Compression,
    pub(crate) fault: Option<Fault>,
}

/// What is wrong with a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    Crc,
    Magic(i8),
    /// The record count says more or less than there are.
    Count(i32),
    LastDelta(i32),
    ControlBit,
    LogAppendTimeBit,
    Codec(i16),
    LengthTooLong,
    CutShort,
    Twice,
    Empty,
    Garbage,
    BaseOffset(i64),
    EpochWithoutId,
}

/// The bytes of a batch. Never the null of the protocol, upon which real Kafka says nothing at all.
pub(crate) fn bytes(content: &Content, stamp: &Stamp) -> Bytes {
    let batch = right(content, stamp);
    let batch = match content.fault {
        Some(fault) => wrong(batch, fault),
        None => batch,
    };
    batch.freeze()
}

fn right(content: &Content, stamp: &Stamp) -> BytesMut {
    let mut builder = BatchBuilder::new();
    for index in 0..content.count {
        let number = content.first + index;
        let key = format!("k{}", number % 3);
        let mut value = format!("v{number}-");
        while value.len() < content.value_len {
            value.push(char::from(
                b'a' + u8::try_from(value.len() % 26).unwrap_or(0),
            ));
        }
        builder.append(&RecordFields {
            timestamp: base_time() + i64::from(number) * 10,
            key: content.keys.then_some(key.as_bytes()),
            value: Some(value.as_bytes()),
            headers: &[],
        });
    }
    let codec = Codec::new(content.compression, None).unwrap_or(Codec::NONE);
    let batch = builder
        .finish()
        .seal_with(codec, &mut Compressor::default());
    BytesMut::from(&batch.stamp(stamp).to_bytes()[..])
}

fn wrong(mut batch: BytesMut, fault: Fault) -> BytesMut {
    let mut or_attributes = |bits: i16| {
        let old = i16::from_be_bytes([batch[21], batch[22]]);
        batch[21..23].copy_from_slice(&(old | bits).to_be_bytes());
    };
    match fault {
        Fault::Crc => {
            batch[CRC_AT] ^= 0xff;
            return batch;
        }
        Fault::Empty => return BytesMut::new(),
        Fault::Garbage => return BytesMut::from(&b"these are no records, nor ever were"[..]),
        Fault::CutShort => {
            let len = batch.len() - 5;
            batch.truncate(len);
            return batch;
        }
        Fault::Twice => {
            let copy = batch.clone();
            batch.unsplit(copy);
            return batch;
        }
        Fault::LengthTooLong => {
            let length = i32::try_from(batch.len()).unwrap_or(i32::MAX);
            batch[8..12].copy_from_slice(&length.to_be_bytes());
            return batch;
        }
        Fault::Magic(magic) => batch[16] = magic.cast_unsigned(),
        Fault::BaseOffset(offset) => batch[..8].copy_from_slice(&offset.to_be_bytes()),
        Fault::ControlBit => or_attributes(0x20),
        Fault::LogAppendTimeBit => or_attributes(0x08),
        Fault::Codec(bits) => or_attributes(bits & 7),
        Fault::Count(more) => {
            let count: [u8; 4] = batch[57..61].try_into().unwrap_or_default();
            let count = i32::from_be_bytes(count) + more;
            batch[57..61].copy_from_slice(&count.to_be_bytes());
        }
        Fault::LastDelta(more) => {
            let delta: [u8; 4] = batch[23..27].try_into().unwrap_or_default();
            let delta = i32::from_be_bytes(delta) + more;
            batch[23..27].copy_from_slice(&delta.to_be_bytes());
        }
        Fault::EpochWithoutId => batch[51..53].copy_from_slice(&3_i16.to_be_bytes()),
    }
    let crc = crc32c(&batch[CRC_FROM..]);
    batch[CRC_AT..CRC_FROM].copy_from_slice(&crc.to_be_bytes());
    batch
}

/// Bit by bit: the batches are small, and the wire crate gives its own to nobody.
fn crc32c(bytes: &[u8]) -> u32 {
    let mut crc = !0_u32;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0x82f6_3b78 & (crc & 1).wrapping_neg());
        }
    }
    !crc
}

#[cfg(test)]
mod tests {
    use milena_wire::record::batches;

    use super::*;

    fn content(fault: Option<Fault>) -> Content {
        Content {
            first: 0,
            count: 2,
            value_len: 10,
            keys: true,
            compression: Compression::None,
            fault,
        }
    }

    fn crc_is_right(fault: Option<Fault>) -> bool {
        let bytes = bytes(&content(fault), &Stamp::NONE);
        let mut read = batches(bytes);
        read.next()
            .expect("one")
            .is_ok_and(|view| view.verify_crc().is_ok())
    }

    #[test]
    fn a_changed_batch_has_the_right_checksum_unless_that_is_the_fault() {
        assert!(crc_is_right(None));
        assert!(crc_is_right(Some(Fault::ControlBit)));
        assert!(crc_is_right(Some(Fault::Count(1))));
        assert!(!crc_is_right(Some(Fault::Crc)));
    }
}
