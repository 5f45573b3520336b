//! Why a partition cannot be read on.

use milena_cluster::LeaderEpoch;
use milena_wire::record::Compression;
use milena_wire::{DecodeError, ErrorCode, Uuid};

/// Why a partition cannot be read on. It stays where it is until a seek, or until it is asked for again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// The position is not in the log: its records were deleted by retention, or it never existed.
    #[error("offset {requested} is out of range: the log starts at {} and ends at {}", Known(*log_start_offset), Known(*high_watermark))]
    OffsetOutOfRange {
        /// The position that was asked for.
        requested: i64,
        /// The first offset of the log as last heard.
        log_start_offset: Option<i64>,
        /// The end of the log as last heard.
        high_watermark: Option<i64>,
    },
    /// Reading the topic is not allowed.
    #[error("not authorized to read the topic")]
    TopicAuthorization,
    /// The topic was deleted and created anew: its offsets mean other records now.
    #[error("the topic was re-created: its id was {was} and is {now}")]
    TopicRecreated {
        /// The id of the topic that the position belongs to.
        was: Uuid,
        /// The id of the topic there is now.
        now: Uuid,
    },
    /// Records below the position were cut off the log, after an unclean election.
    #[error("the log was truncated: what was read up to {position} in leader epoch {} ends at {end_offset} in epoch {}", leader_epoch.0, diverging_epoch.0)]
    Truncated {
        /// The next offset to read.
        position: i64,
        /// The leader epoch of the last batch read.
        leader_epoch: LeaderEpoch,
        /// The largest epoch up to ours that the log has.
        diverging_epoch: LeaderEpoch,
        /// Where that epoch ends: what was read from there on is gone.
        end_offset: i64,
    },
    /// Bytes that are not what was once written.
    #[error("corrupt batch: {0}")]
    Corrupt(#[source] DecodeError),
    /// A batch in a compression that cannot be read.
    #[error(
        "the batch at offset {offset} is compressed with {compression}, which is not supported"
    )]
    UnsupportedCompression {
        /// The batch's first offset.
        offset: i64,
        /// How it is compressed.
        compression: Compression,
    },
    /// The records of a batch take more memory than is allowed. A seek to `next_offset` goes on behind it.
    #[error(
        "the records of the batch at offset {offset} have more than {decompressed_bytes_max} bytes; the next batch begins at {next_offset}"
    )]
    DecompressedTooLong {
        /// The batch's first offset.
        offset: i64,
        /// The offset behind its last.
        next_offset: i64,
        /// What the records of a batch may have.
        decompressed_bytes_max: usize,
    },
    /// The broker cut the batch at the position short, because it is larger than what was asked for.
    #[error(
        "the batch at offset {position} does not fit {partition_bytes_max} bytes: {fetched} bytes of it came"
    )]
    RecordTooLarge {
        /// The batch's offset.
        position: i64,
        /// How many bytes of it came.
        fetched: usize,
        /// How many were asked for.
        partition_bytes_max: usize,
    },
    /// The broker answers again and again with batches that all lie below the position.
    #[error("{fetched} bytes came, but no batch at or above offset {position}")]
    NoProgress {
        /// The next offset to read.
        position: i64,
        /// How many bytes came.
        fetched: usize,
    },
    /// A broker's error that waiting does not cure.
    #[error("the broker answered {code}")]
    Broker {
        /// The error.
        code: ErrorCode,
    },
}

/// An offset that may be unknown.
struct Known(Option<i64>);

impl std::fmt::Display for Known {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Some(offset) => write!(f, "{offset}"),
            None => f.write_str("an unknown offset"),
        }
    }
}
