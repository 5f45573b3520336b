//! The settings of a [`crate::Fetcher`].

use std::time::Duration;

use milena_cluster::Backoff;
use milena_wire::compress::DECOMPRESSED_BYTES_MAX;

use crate::{IsolationLevel, OutOfRange};

/// The settings of a [`crate::Fetcher`].
#[derive(Clone, Debug)]
pub struct FetchConfig {
    /// Which records are shown of transactions. Default: read_committed.
    pub isolation: IsolationLevel,
    /// How many bytes one Fetch may answer with. Default: 8 MiB.
    pub fetch_bytes_max: usize,
    /// How many bytes one partition may answer with, and from how many buffered bytes on it is not asked again. A broker
    /// exceeds it for a batch that is larger by itself (KIP-74). Default: 1 MiB.
    pub partition_bytes_max: usize,
    /// How long a broker may wait for records before it answers with none. Default: 500 ms.
    pub fetch_wait_max: Duration,
    /// How many bytes may be asked for and held in all. Default: 64 MiB.
    pub buffered_bytes_max: usize,
    /// How many bytes the records of one batch may have, decompressed. Default: 64 MiB.
    pub decompressed_bytes_max: usize,
    /// What is done when a position is not in the log. Default: the partition fails.
    pub out_of_range: OutOfRange,
    /// How long to wait after an error.
    pub retry: Backoff,
}

impl Default for FetchConfig {
    fn default() -> Self {
        Self {
            isolation: IsolationLevel::default(),
            fetch_bytes_max: 8 << 20,
            partition_bytes_max: 1 << 20,
            fetch_wait_max: Duration::from_millis(500),
            buffered_bytes_max: 64 << 20,
            decompressed_bytes_max: DECOMPRESSED_BYTES_MAX,
            out_of_range: OutOfRange::default(),
            retry: Backoff::default(),
        }
    }
}

impl FetchConfig {
    /// Limits that fit each other, and the wire's 31 bits: a partition that could never be reserved would never be asked.
    pub(crate) fn normalized(self) -> Self {
        let fit = |bytes: usize, max: usize| bytes.clamp(1, max);
        let buffered_bytes_max = self.buffered_bytes_max.max(1);
        let fetch_bytes_max = fit(
            self.fetch_bytes_max,
            buffered_bytes_max.min(i32::MAX as usize),
        );
        let partition_bytes_max = fit(self.partition_bytes_max, fetch_bytes_max);
        Self {
            fetch_bytes_max,
            partition_bytes_max,
            buffered_bytes_max,
            decompressed_bytes_max: self.decompressed_bytes_max.max(1),
            ..self
        }
    }
}
