//! Why a partition's batch was not written, as the answer tells it.

use milena_wire::ErrorCode;
use milena_wire::messages::BatchIndexAndErrorMessage;

/// Why a batch was not written.
#[derive(Clone, Debug, Default)]
pub(super) struct Refusal {
    pub(super) code: ErrorCode,
    /// Whether the log had looked at it: then the answer says where the log starts.
    pub(super) by_log: bool,
    pub(super) message: Option<&'static str>,
    pub(super) records: Vec<RecordRefusal>,
}

/// What is wrong with one record.
#[derive(Clone, Copy, Debug)]
pub(super) struct RecordRefusal {
    index: i32,
    code: ErrorCode,
    message: &'static str,
}

impl Refusal {
    pub(super) fn before_log(code: ErrorCode) -> Self {
        Self {
            code,
            ..Self::default()
        }
    }

    pub(super) fn by_log(code: ErrorCode) -> Self {
        Self {
            by_log: true,
            ..Self::before_log(code)
        }
    }

    /// One wrong time-stamp makes the whole an INVALID_TIMESTAMP (`LogValidator.processRecordErrors`).
    pub(super) fn of_records(records: Vec<RecordRefusal>) -> Self {
        let timely = |record: &RecordRefusal| record.code != ErrorCode::INVALID_TIMESTAMP;
        let (code, message) = if records.iter().all(timely) {
            (
                ErrorCode::INVALID_RECORD,
                "records of the batch are invalid",
            )
        } else {
            let message = "records of the batch have an invalid timestamp";
            (ErrorCode::INVALID_TIMESTAMP, message)
        };
        Self {
            message: Some(message),
            records,
            ..Self::by_log(code)
        }
    }

    /// The records at fault, for the answer.
    pub(super) fn record_errors<'a>(&self) -> Vec<BatchIndexAndErrorMessage<'a>> {
        let error = |record: &RecordRefusal| BatchIndexAndErrorMessage {
            batch_index: record.index,
            batch_index_error_message: Some(record.message),
        };
        self.records.iter().map(error).collect()
    }
}

impl RecordRefusal {
    pub(super) fn no_key(index: i32) -> Self {
        Self {
            index,
            code: ErrorCode::INVALID_RECORD,
            message: "a record of a compacted topic needs a key",
        }
    }

    pub(super) fn timestamp(index: i32) -> Self {
        Self {
            index,
            code: ErrorCode::INVALID_TIMESTAMP,
            message: "the timestamp is too far from the broker's time",
        }
    }

    pub(super) fn timestamp_type(index: i32) -> Self {
        Self {
            index,
            code: ErrorCode::INVALID_TIMESTAMP,
            message: "only the broker may say that a timestamp is of the append",
        }
    }
}
