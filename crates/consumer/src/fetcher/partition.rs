//! What is known of one assigned partition.

use std::time::Instant;

use milena_cluster::LeaderEpoch;
use milena_wire::Uuid;

use crate::cursor::LogEnd;
use crate::{Cursor, StartPosition};

/// One assigned partition.
#[derive(Debug)]
pub(crate) struct Partition {
    /// Names what is asked for it now: answers to an older version are void. Never used twice, not even by the next
    /// assignment of the same partition.
    pub(crate) version: u64,
    pub(crate) stage: Stage,
    pub(crate) cursor: Cursor,
    /// The id of the topic that the position belongs to, as answers said it; zero if none did.
    pub(crate) topic_id: Uuid,
    /// Consecutive failures.
    pub(crate) attempt: u32,
    /// Not to be asked before, unless a newer leader than the one asked last is known.
    pub(crate) retry_at: Option<Instant>,
    /// The epoch of the leader that was asked last.
    pub(crate) asked_epoch: LeaderEpoch,
    /// Consecutive answers with bytes that did not move the position.
    pub(crate) stalls: u32,
    /// Partitions with a lower turn are asked for first: those that had no records for longer.
    pub(crate) turn: u64,
    pub(crate) high_watermark: Option<i64>,
    pub(crate) last_stable_offset: Option<i64>,
    pub(crate) log_start_offset: Option<i64>,
}

/// What a partition waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// To be put into a ListOffsets.
    Unresolved(LogEnd),
    /// The answer to a ListOffsets.
    ExpectOffset(LogEnd),
    /// To be put into a Fetch.
    Resolved,
    /// The answer to a Fetch.
    ExpectRecords,
    /// The end of its decode job.
    ExpectDecoded,
    /// A command: it failed, in this stage.
    Failed(Start),
}

/// Where a partition begins: with a position, or with the search for one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    At,
    Find(LogEnd),
}

impl Partition {
    pub(crate) fn new(version: u64, start: StartPosition) -> Self {
        let (cursor, start) = match start {
            StartPosition::Earliest => (Cursor::at(0), Start::Find(LogEnd::Earliest)),
            StartPosition::Latest => (Cursor::at(0), Start::Find(LogEnd::Latest)),
            StartPosition::Offset(offset) => (Cursor::at(offset), Start::At),
            StartPosition::Cursor(cursor) => (cursor, Start::At),
        };
        Self {
            version,
            stage: start.stage(),
            cursor,
            topic_id: Uuid::ZERO,
            attempt: 0,
            retry_at: None,
            asked_epoch: LeaderEpoch::UNKNOWN,
            stalls: 0,
            turn: 0,
            high_watermark: None,
            last_stable_offset: None,
            log_start_offset: None,
        }
    }

    /// Where it begins again.
    pub(crate) const fn start(&self) -> Start {
        match self.stage {
            Stage::Unresolved(end) | Stage::ExpectOffset(end) => Start::Find(end),
            Stage::Resolved | Stage::ExpectRecords | Stage::ExpectDecoded => Start::At,
            Stage::Failed(start) => start,
        }
    }
}

impl Start {
    /// The stage in which it waits to be asked.
    pub(crate) const fn stage(self) -> Stage {
        match self {
            Self::At => Stage::Resolved,
            Self::Find(end) => Stage::Unresolved(end),
        }
    }
}
