//! Is this one whole, sound record batch (`ProduceRequest.validateRecords`, `LogValidator`)?

use milena_wire::record::{self, BatchView, Compression};
use milena_wire::{DecodeErrorKind, ErrorCode, Payload};

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
    match batch.compression() {
        Compression::Zstd if version < 7 => Err(ErrorCode::UNSUPPORTED_COMPRESSION_TYPE),
        // Kafka 4.3.1 answers so to the codecs 5 to 7.
        Compression::Unknown(_) => Err(ErrorCode::UNKNOWN_SERVER_ERROR),
        _ => Ok(batch),
    }
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
    let Err(error) = batch.clone().into_records() else {
        return Ok(());
    };
    // As Kafka 4.3.1 was found to answer.
    match error.kind {
        // It sets no limit.
        DecodeErrorKind::DecompressedTooLong { .. } => Ok(()),
        DecodeErrorKind::Decompression { .. } => Err(ErrorCode::UNKNOWN_SERVER_ERROR),
        DecodeErrorKind::OffsetDelta(_) if batch.compression() != Compression::None => {
            Err(ErrorCode::UNKNOWN_SERVER_ERROR)
        }
        _ => Err(ErrorCode::INVALID_RECORD),
    }
}
