//! Is this one whole, sound record batch (`ProduceRequest.validateRecords`, `LogValidator`)?

use milena_wire::record::{self, BatchView};
use milena_wire::{ErrorCode, Payload};

/// The compression bits of a batch's attributes, and the codec that only Produce v7+ may use.
const COMPRESSION_MASK: i16 = 0x07;
const ZSTD: i16 = 4;

/// The one batch of a partition, as the request is looked at before anything else.
pub(super) fn of(version: i16, records: Option<&Payload>) -> Result<BatchView, ErrorCode> {
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
    if batch.header().attributes & COMPRESSION_MASK == ZSTD && version < 7 {
        return Err(ErrorCode::UNSUPPORTED_COMPRESSION_TYPE);
    }
    Ok(batch)
}

/// Whether the batch contradicts itself, as the log looks at it before the producer's state.
pub(super) fn check(batch: &BatchView) -> Result<(), ErrorCode> {
    let header = batch.header();
    let counted = header.record_count > 0
        && i64::from(header.record_count) == i64::from(header.last_offset_delta) + 1;
    let sequenced = header.producer_id < 0 || header.base_sequence >= 0;
    let owned = header.producer_id >= 0 || !batch.is_transactional();
    if !counted || !sequenced || !owned || batch.is_control() || header.base_offset != 0 {
        return Err(ErrorCode::INVALID_RECORD);
    }
    let compressed = header.attributes & COMPRESSION_MASK != 0;
    if compressed || batch.clone().into_records().is_ok() {
        Ok(())
    } else {
        Err(ErrorCode::INVALID_RECORD)
    }
}
