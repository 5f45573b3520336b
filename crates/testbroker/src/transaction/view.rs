//! A transactional id as tests see it.

use std::fmt;
use std::time::Duration;

use milena_wire::ErrorCode;

use super::{Participant, Transaction, TransactionState};
use crate::cluster::OFFSETS_TOPIC;

/// What a test may know of a transactional id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransactionStateView {
    /// Its state.
    pub state: TransactionState,
    /// The state it is on the way to: in Prepare* the markers are being written.
    pub pending: Option<TransactionState>,
    /// Its producer id.
    pub producer_id: i64,
    /// The producer id before the last transition, -1 for none.
    pub previous_producer_id: i64,
    /// The producer id it gets with the markers, if the epochs of the present one are used up.
    pub next_producer_id: Option<i64>,
    /// Its producer epoch, as the coordinator has it (in Prepare* already the next one under TV2).
    pub producer_epoch: i16,
    /// The epoch before, -1 if a new instance fenced it.
    pub last_producer_epoch: i16,
    /// After how long an open transaction is aborted.
    pub timeout: Duration,
    /// When the transaction began, in milliseconds since 1970; -1 if there was none.
    pub started_at: i64,
    /// When it changed last, in milliseconds since 1970: expiry counts from here.
    pub updated_at: i64,
    /// Data partitions in the transaction; in Prepare* those whose marker is missing.
    pub partitions: Vec<(String, i32)>,
    /// Whether offsets of some group are in the transaction.
    pub has_offsets: bool,
    /// Why the coordinator has given up its markers: a partition knows a newer epoch. Only the next
    /// coordinator tries again.
    pub markers_refused: Option<ErrorCode>,
}

/// One line.
impl fmt::Display for TransactionStateView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.state)?;
        if let Some(pending) = self.pending {
            write!(f, " (on the way to {pending})")?;
        }
        write!(
            f,
            " producer {} epoch {} (last {})",
            self.producer_id, self.producer_epoch, self.last_producer_epoch
        )?;
        if let Some(next) = self.next_producer_id {
            write!(f, " next producer {next}")?;
        }
        for (topic, partition) in &self.partitions {
            write!(f, " {topic}-{partition}")?;
        }
        if self.has_offsets {
            f.write_str(" and offsets")?;
        }
        if self.started_at >= 0 {
            write!(f, " since {}", self.started_at)?;
        }
        if let Some(error) = self.markers_refused {
            write!(f, " markers given up: {error}")?;
        }
        write!(f, " updated {}", self.updated_at)
    }
}

impl Transaction {
    pub(crate) fn view(&self) -> TransactionStateView {
        let is_data = |(topic, _): &&Participant| **topic != *OFFSETS_TOPIC;
        let data = self.partitions.iter().filter(is_data);
        TransactionStateView {
            state: self.state,
            pending: self.pending(),
            producer_id: self.producer_id,
            previous_producer_id: self.previous_producer_id,
            next_producer_id: self.next_producer_id,
            producer_epoch: self.epoch,
            last_producer_epoch: self.last_epoch,
            timeout: self.timeout,
            started_at: self.started_at,
            updated_at: self.updated_at,
            partitions: data
                .map(|(topic, partition)| (topic.to_string(), *partition))
                .collect(),
            has_offsets: !self.partitions.iter().all(|found| is_data(&found)),
            markers_refused: self.markers_refused,
        }
    }
}
