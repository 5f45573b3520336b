//! Is this one whole, sound record batch, fit for its topic (`ProduceRequest.validateRecords`,
//! `UnifiedLog.analyzeAndValidateRecords`, `LogValidator`)?

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use milena_wire::messages::ProduceRequest;
use milena_wire::record::{self, BatchView, Compression, RecordRef, TimestampType};
use milena_wire::{DecodeErrorKind, ErrorCode, Payload};

use super::refusal::{RecordRefusal, Refusal};
use crate::cluster::{Codecs, TopicConfig};
use crate::log::rewrite::{self, LOG_APPEND_TIME, Times};

/// A record that says no time.
const NO_TIMESTAMP: i64 = -1;

/// A batch as it is to be written.
pub(super) struct Checked {
    pub(super) batch: BatchView,
    /// Its times if they are not what they should be.
    pub(super) times: Option<Times>,
    /// What the answer says of the time of the append.
    pub(super) append_time: i64,
}

/// The low byte of a batch's attributes.
const ATTRIBUTES_LOW: usize = 22;
const TRANSACTIONAL: u8 = 0x10;
/// The last codec that there is.
const CODEC_ZSTD: u8 = 4;

/// What stands at the front of some bytes (`ByteBufferLogInputStream`).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Front {
    /// Nothing that is all there.
    Nothing,
    /// A length or a format that nothing has.
    Corrupt,
    /// So many bytes of some format.
    Batch { len: usize, magic: u8 },
}

fn front(bytes: &[u8]) -> Front {
    const LENGTH_END: usize = 12;
    const MAGIC_AT: usize = 16;
    /// What a record of the oldest format has.
    const LENGTH_MIN: i32 = 14;
    let Some(length) = bytes.get(8..LENGTH_END) else {
        return Front::Nothing;
    };
    let length = i32::from_be_bytes(length.try_into().unwrap_or_default());
    if length < LENGTH_MIN {
        return Front::Corrupt;
    }
    let len = LENGTH_END + usize::try_from(length).unwrap_or(usize::MAX - LENGTH_END);
    match bytes.get(MAGIC_AT) {
        None => Front::Nothing,
        Some(3..) => Front::Corrupt,
        Some(_) if bytes.len() < len => Front::Nothing,
        Some(magic) => Front::Batch { len, magic: *magic },
    }
}

/// What is looked at before anything else, until a transactional batch is met, refuses every
/// partition (`KafkaApis.handleProduceRequest`).
pub(super) fn refused_as_a_whole(request: &ProduceRequest<'_>) -> Option<Refusal> {
    let partitions = request.topic_data.iter();
    for data in partitions.flat_map(|topic| &topic.partition_data) {
        let bytes = data
            .records
            .as_ref()
            .map(Payload::to_bytes)
            .unwrap_or_default();
        match front(&bytes) {
            Front::Corrupt => {
                return Some(Refusal {
                    message: Some("a batch has a length or a format that none has"),
                    ..Refusal::before_log(ErrorCode::CORRUPT_MESSAGE)
                });
            }
            Front::Batch { magic: 2, .. }
                if bytes
                    .get(ATTRIBUTES_LOW)
                    .is_some_and(|bits| bits & TRANSACTIONAL != 0) =>
            {
                let nobody = request.transactional_id.is_none();
                let code = ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
                return nobody.then(|| Refusal::before_log(code));
            }
            _ => {}
        }
    }
    None
}

/// Kafka stumbles over a codec that it does not know as soon as it looks for one, which it does
/// before version 7 to find zstd.
pub(super) fn stumbles(version: i16, data: Option<&Payload>) -> bool {
    let bytes = data.map(Payload::to_bytes).unwrap_or_default();
    version < 7
        && matches!(front(&bytes), Front::Batch { magic: 2, .. })
        && codec_of(&bytes) > CODEC_ZSTD
}

/// The one batch of a partition.
pub(super) struct Found {
    pub(super) batch: BatchView,
    /// What the log will refuse it for, if its header says what no header can.
    pub(super) contradiction: Option<Refusal>,
}

/// The one batch of a partition, as the request is looked at before the log does.
pub(super) fn of(version: i16, records: Option<&Payload>) -> Result<Found, ErrorCode> {
    let bytes = records.map(Payload::to_bytes).unwrap_or_default();
    match front(&bytes) {
        Front::Corrupt => return Err(ErrorCode::CORRUPT_MESSAGE),
        // Looked for in the first batch, before a second one is (`ProduceRequest.validateRecords`).
        Front::Batch { magic: 2, .. } if version < 7 && codec_of(&bytes) == CODEC_ZSTD => {
            return Err(ErrorCode::UNSUPPORTED_COMPRESSION_TYPE);
        }
        // Exactly one batch a partition since Produce v3, of the only format left.
        Front::Batch { len, magic: 2 } if len == bytes.len() => {}
        _ => return Err(ErrorCode::INVALID_RECORD),
    }
    let (batch, contradiction) = match record::batches(bytes.clone()).next() {
        Some(Ok(batch)) => (batch, None),
        _ => {
            let refusal = contradiction_of(&bytes);
            let batch = without_contradiction(&bytes).ok_or(ErrorCode::CORRUPT_MESSAGE)?;
            (batch, Some(refusal))
        }
    };
    Ok(Found {
        batch,
        contradiction,
    })
}

/// The number of the codec in the attributes of the first batch.
fn codec_of(bytes: &[u8]) -> u8 {
    const CODEC: u8 = 0x07;
    bytes.get(ATTRIBUTES_LOW).copied().unwrap_or_default() & CODEC
}

fn contradiction_of(bytes: &Bytes) -> Refusal {
    const CRC_AT: usize = 17;
    let covered = bytes.get(CRC_AT + 4..).unwrap_or_default();
    let crc = crc32c::crc32c(covered).to_be_bytes();
    if bytes.get(CRC_AT..CRC_AT + 4) == Some(&crc[..]) {
        Refusal::by_log(ErrorCode::INVALID_RECORD)
    } else {
        Refusal::before_log(ErrorCode::CORRUPT_MESSAGE)
    }
}

/// The same with no records to speak of: its identity is asked about before it is refused.
fn without_contradiction(bytes: &Bytes) -> Option<BatchView> {
    const LAST_OFFSET_DELTA: std::ops::Range<usize> = 23..27;
    const RECORD_COUNT: std::ops::Range<usize> = 57..61;
    let mut copy = BytesMut::from(&bytes[..]);
    copy.get_mut(..8)?.fill(0);
    copy.get_mut(LAST_OFFSET_DELTA)?.fill(0);
    copy.get_mut(RECORD_COUNT)?.fill(0);
    record::batches(copy.freeze()).next()?.ok()
}

/// What the log looks at before the producer's state, and what the batch becomes by it.
pub(super) fn check(
    batch: &BatchView,
    config: &TopicConfig,
    wall_clock: i64,
    codecs: &mut Codecs,
) -> Result<Checked, Refusal> {
    if batch.header().base_offset != 0 {
        return Err(Refusal::by_log(ErrorCode::INVALID_RECORD));
    }
    if batch.bytes().len() > config.message_bytes_max {
        return Err(Refusal::before_log(ErrorCode::MESSAGE_TOO_LARGE));
    }
    if batch.verify_crc().is_err() {
        return Err(Refusal::before_log(ErrorCode::CORRUPT_MESSAGE));
    }
    // Kafka 4.3.1 answers so to the codecs 5 to 7.
    if let Compression::Unknown(_) = batch.compression() {
        return Err(Refusal::by_log(ErrorCode::UNKNOWN_SERVER_ERROR));
    }
    check_header(batch)?;
    let mut look = Look {
        keyless: config.compacted,
        span: span(config, wall_clock),
        marked: batch.timestamp_type() == TimestampType::LogAppendTime,
        index: 0,
        max_timestamp: NO_TIMESTAMP,
        refused: Vec::new(),
    };
    let read = batch
        .clone()
        .visit_records(&mut codecs.decompressor, |record| look.at(&record));
    let records = match read {
        Ok(records) => Some(records),
        Err(error) => refusal_of(batch, &error.kind).map_or(Ok(None), Err)?,
    };
    if !look.refused.is_empty() {
        return Err(Refusal::of_records(look.refused));
    }
    let max_timestamp = match (&records, config.log_append_time) {
        (_, true) => wall_clock,
        (Some(_), false) => look.max_timestamp,
        (None, false) => batch.header().max_timestamp,
    };
    let batch = match (config.compression, &records) {
        (Some(wanted), Some(records)) if wanted != batch.compression() => {
            recompressed(batch, records.payload(), wanted, config, codecs)?
        }
        _ => batch.clone(),
    };
    if batch.bytes().len() > config.segment_bytes {
        return Err(Refusal::before_log(ErrorCode::RECORD_LIST_TOO_LARGE));
    }
    let (header, kind) = (batch.header(), kind_of(config));
    let times = Times {
        attributes: header.attributes & !LOG_APPEND_TIME | kind,
        max_timestamp,
    };
    let differs =
        times.attributes != header.attributes || times.max_timestamp != header.max_timestamp;
    Ok(Checked {
        times: differs.then_some(times),
        append_time: if config.log_append_time {
            wall_clock
        } else {
            -1
        },
        batch,
    })
}

/// The same records as the topic wants them compressed.
fn recompressed(
    batch: &BatchView,
    records: &Bytes,
    wanted: Compression,
    config: &TopicConfig,
    codecs: &mut Codecs,
) -> Result<BatchView, Refusal> {
    // What builds batches in Kafka checks more than what takes them.
    if batch.is_transactional() && batch.header().producer_id < 0 {
        return Err(Refusal::by_log(ErrorCode::UNKNOWN_SERVER_ERROR));
    }
    let sealed = rewrite::sealed(*batch.header(), records, wanted, &mut codecs.compressor);
    if sealed.len() > config.message_bytes_max {
        return Err(Refusal::before_log(ErrorCode::MESSAGE_TOO_LARGE));
    }
    let again = record::batches(sealed).next().and_then(Result::ok);
    Ok(again.unwrap_or_else(|| batch.clone()))
}

fn kind_of(config: &TopicConfig) -> i16 {
    if config.log_append_time {
        LOG_APPEND_TIME
    } else {
        0
    }
}

/// Whether the header contradicts itself (`LogValidator.validateBatch`).
fn check_header(batch: &BatchView) -> Result<(), Refusal> {
    let header = batch.header();
    let counted = header.record_count > 0
        && i64::from(header.record_count) == i64::from(header.last_offset_delta) + 1;
    let sequenced = header.producer_id < 0 || header.base_sequence >= 0;
    if !counted || !sequenced || batch.is_control() {
        return Err(Refusal::by_log(ErrorCode::INVALID_RECORD));
    }
    Ok(())
}

/// The time-stamps that records of a topic may have; `None` where the broker sets them.
fn span(config: &TopicConfig, wall_clock: i64) -> Option<(i64, i64)> {
    let millis = |max: Option<Duration>| {
        let max = max.and_then(|max| i64::try_from(max.as_millis()).ok());
        max.unwrap_or(i64::MAX)
    };
    (!config.log_append_time).then(|| {
        let earliest = wall_clock.saturating_sub(millis(config.timestamp_before_max));
        let latest = wall_clock.saturating_add(millis(config.timestamp_after_max));
        (earliest, latest)
    })
}

/// The look at each record in the one pass over them.
struct Look {
    /// Whether a record without a key is refused.
    keyless: bool,
    span: Option<(i64, i64)>,
    /// Whether the batch claims to have the time of the append already.
    marked: bool,
    index: i32,
    max_timestamp: i64,
    refused: Vec<RecordRefusal>,
}

impl Look {
    fn at(&mut self, record: &RecordRef<'_>) {
        let timestamp = record.timestamp();
        self.max_timestamp = self.max_timestamp.max(timestamp);
        let refusal = match self.span {
            _ if self.keyless && record.key().is_none() => Some(RecordRefusal::no_key(self.index)),
            Some((earliest, latest)) if timestamp != NO_TIMESTAMP => {
                let right = (earliest..=latest).contains(&timestamp);
                (!right).then(|| RecordRefusal::timestamp(self.index))
            }
            _ if self.marked => Some(RecordRefusal::timestamp_type(self.index)),
            _ => None,
        };
        self.refused.extend(refusal);
        self.index += 1;
    }
}

/// As Kafka 4.3.1 was found to answer to records that cannot be read.
fn refusal_of(batch: &BatchView, kind: &DecodeErrorKind) -> Option<Refusal> {
    let code = match kind {
        // It sets no limit.
        DecodeErrorKind::DecompressedTooLong { .. } => return None,
        DecodeErrorKind::Decompression { .. } => ErrorCode::UNKNOWN_SERVER_ERROR,
        DecodeErrorKind::OffsetDelta(_) if batch.compression() != Compression::None => {
            ErrorCode::UNKNOWN_SERVER_ERROR
        }
        _ => ErrorCode::INVALID_RECORD,
    };
    Some(Refusal::by_log(code))
}
