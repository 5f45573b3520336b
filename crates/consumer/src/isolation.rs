//! Which records a reader sees.

/// Which records a reader sees of transactions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum IsolationLevel {
    /// Everything up to the high watermark, records of open and aborted transactions too.
    ReadUncommitted,
    /// Only what no transaction wrote, or a committed one; nothing at or above the last stable offset.
    #[default]
    ReadCommitted,
}

impl IsolationLevel {
    /// The number of it in Fetch and ListOffsets requests.
    #[must_use]
    pub const fn code(self) -> i8 {
        match self {
            Self::ReadUncommitted => 0,
            Self::ReadCommitted => 1,
        }
    }
}
