//! Is this one whole, sound record batch (`ProduceRequest.validateRecords`, `LogValidator`)?

use milena_wire::record::{self, BatchView};
use milena_wire::{ErrorCode, Payload};

use crate::cluster::Cluster;

/// The compression bits of a batch's attributes, and the codec that only Produce v7+ may use.
const COMPRESSION_MASK: i16 = 0x07;
const ZSTD: i16 = 4;

/// The batch of a partition, or the error it is refused with.
pub(super) fn of(
    cluster: &Cluster,
    version: i16,
    records: Option<&Payload>,
) -> Result<BatchView, ErrorCode> {
    let bytes = records.map(Payload::to_bytes).unwrap_or_default();
    let len = bytes.len();
    let batch = match record::batches(bytes).next() {
        Some(Ok(batch)) => batch,
        Some(Err(_)) => return Err(ErrorCode::CORRUPT_MESSAGE),
        None => return Err(ErrorCode::INVALID_RECORD),
    };
    // Exactly one batch a partition since Produce v3.
    if batch.bytes().len() != len || batch.header().magic != 2 {
        return Err(ErrorCode::INVALID_RECORD);
    }
    if batch.verify_crc().is_err() {
        return Err(ErrorCode::CORRUPT_MESSAGE);
    }
    // Its size is judged before its records are: the client splits it then.
    if len > cluster.config.message_bytes_max {
        return Err(ErrorCode::MESSAGE_TOO_LARGE);
    }
    let header = batch.header();
    let counted = header.record_count > 0
        && i64::from(header.record_count) == i64::from(header.last_offset_delta) + 1;
    let sequenced = header.producer_id < 0 || header.base_sequence >= 0;
    let owned = header.producer_id >= 0 || !batch.is_transactional();
    if !counted || !sequenced || !owned || batch.is_control() {
        return Err(ErrorCode::INVALID_RECORD);
    }
    match header.attributes & COMPRESSION_MASK {
        0 if batch.clone().into_records().is_err() => Err(ErrorCode::INVALID_RECORD),
        ZSTD if version < 7 => Err(ErrorCode::UNSUPPORTED_COMPRESSION_TYPE),
        _ => Ok(batch),
    }
}
