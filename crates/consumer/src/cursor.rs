//! Where reading stands, starts, and starts again.

use milena_cluster::LeaderEpoch;

/// Where reading of a partition stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Cursor {
    /// The next offset to read.
    pub position: i64,
    /// The leader epoch of the last batch read, -1 if it is not known. With it a broker can tell that its log was cut
    /// and written anew below `position` (KIP-320).
    pub leader_epoch: LeaderEpoch,
}

impl Cursor {
    /// A position of which no leader epoch is known.
    #[must_use]
    pub const fn at(position: i64) -> Self {
        Self {
            position,
            leader_epoch: LeaderEpoch(-1),
        }
    }
}

/// Where reading of a partition starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartPosition {
    /// The first offset the partition still has.
    Earliest,
    /// The end: the last stable offset under read_committed, else the high watermark.
    Latest,
    /// This offset, of which no leader epoch is known.
    Offset(i64),
    /// This offset, with the leader epoch that was committed with it.
    Cursor(Cursor),
}

/// What is done when the position is no longer, or not yet, in the partition's log.
///
/// `Fail` is the default, since both others can skip records (`Latest`) or read them again (`Earliest`) unseen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OutOfRange {
    /// The partition fails, and stays so until a seek.
    #[default]
    Fail,
    /// Reading goes on at the first offset there is.
    Earliest,
    /// Reading goes on at the end.
    Latest,
}

/// An end of the log whose offset must be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LogEnd {
    Earliest,
    Latest,
}

impl LogEnd {
    /// What ListOffsets calls it.
    pub(crate) const fn timestamp(self) -> i64 {
        match self {
            Self::Latest => -1,
            Self::Earliest => -2,
        }
    }
}
