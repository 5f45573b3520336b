//! All transactional ids of a cluster, the producer ids handed out, and what tests have switched.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Range;
use std::sync::Arc;

use milena_wire::ErrorCode;

use super::{Participant, Transaction};

/// Producer ids that a node gets from the controller at once
/// (`ProducerIdsBlock.PRODUCER_ID_BLOCK_SIZE`).
const BLOCK_LEN: i64 = 1_000;

/// All transactional ids.
#[derive(Clone, Debug, Default)]
pub(crate) struct Transactions {
    pub(crate) by_id: BTreeMap<Arc<str>, Transaction>,
    pub(crate) pauses: Pauses,
    producer_ids: ProducerIds,
    /// By transactional id: how its next writes to the transaction log fail.
    append_failures: BTreeMap<String, VecDeque<ErrorCode>>,
}

/// Whose markers are held back.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pauses {
    pub(crate) all: bool,
    pub(crate) ids: BTreeSet<String>,
    pub(crate) partitions: BTreeSet<Participant>,
}

/// Each node hands out the ids of a block of its own.
#[derive(Clone, Debug, Default)]
struct ProducerIds {
    next_block: i64,
    blocks: BTreeMap<i32, Range<i64>>,
}

impl Transactions {
    /// Runs `change` on a transactional id, with a source of one new producer id of `node`. An
    /// unknown id is INVALID_PRODUCER_ID_MAPPING.
    pub(crate) fn with_fresh_id<T>(
        &mut self,
        id: &str,
        node: i32,
        change: impl FnOnce(&mut Transaction, &mut dyn FnMut() -> i64) -> T,
    ) -> Result<T, ErrorCode> {
        let Some(transaction) = self.by_id.get_mut(id) else {
            return Err(ErrorCode::INVALID_PRODUCER_ID_MAPPING);
        };
        let ids = &mut self.producer_ids;
        let mut fresh_id = || ids.allocate(node);
        Ok(change(transaction, &mut fresh_id))
    }

    pub(crate) fn allocate_producer_id(&mut self, node: i32) -> i64 {
        self.producer_ids.allocate(node)
    }

    /// A node that starts gets a new block; the rest of its last one is lost.
    pub(crate) fn forget_block(&mut self, node: i32) {
        self.producer_ids.blocks.remove(&node);
    }

    /// Lets the next write of this id to the transaction log fail.
    pub(crate) fn fail_append(&mut self, id: &str, error: ErrorCode) {
        let failures = self.append_failures.entry(id.to_owned()).or_default();
        failures.push_back(error);
    }

    pub(crate) fn fails_append(&self, id: &str) -> bool {
        self.append_failures.contains_key(id)
    }

    /// What the coordinator answers because its write fails, if it does
    /// (`TransactionStateManager.appendTransactionToLog`).
    pub(crate) fn take_append_failure(&mut self, id: &str) -> Option<ErrorCode> {
        let failures = self.append_failures.get_mut(id)?;
        let error = failures.pop_front();
        if failures.is_empty() {
            self.append_failures.remove(id);
        }
        error.map(|error| match error {
            ErrorCode::UNKNOWN_TOPIC_OR_PARTITION
            | ErrorCode::NOT_ENOUGH_REPLICAS
            | ErrorCode::NOT_ENOUGH_REPLICAS_AFTER_APPEND
            | ErrorCode::REQUEST_TIMED_OUT => ErrorCode::COORDINATOR_NOT_AVAILABLE,
            ErrorCode::NOT_LEADER_OR_FOLLOWER | ErrorCode::KAFKA_STORAGE_ERROR => {
                ErrorCode::NOT_COORDINATOR
            }
            ErrorCode::MESSAGE_TOO_LARGE | ErrorCode::RECORD_LIST_TOO_LARGE => {
                ErrorCode::UNKNOWN_SERVER_ERROR
            }
            other => other,
        })
    }
}

impl ProducerIds {
    fn allocate(&mut self, node: i32) -> i64 {
        let block = self.blocks.entry(node).or_default();
        if block.is_empty() {
            *block = self.next_block..self.next_block + BLOCK_LEN;
            self.next_block += BLOCK_LEN;
        }
        let allocated = block.start;
        block.start += 1;
        allocated
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_node_hands_out_its_own_block_of_a_thousand() {
        let mut ids = ProducerIds::default();
        assert_eq!((ids.allocate(1), ids.allocate(2)), (0, 1_000));
        for expected in 1..1_000 {
            assert_eq!(ids.allocate(1), expected);
        }
        assert_eq!((ids.allocate(1), ids.allocate(2)), (2_000, 1_001));
    }
}
