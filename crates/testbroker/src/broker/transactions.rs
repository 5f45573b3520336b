//! Transactional ids, as a test sets and reads them.

use super::Broker;
use crate::features::TRANSACTION_VERSION;
use crate::transaction::TransactionStateView;

impl Broker {
    /// Holds back all markers, so that ended transactions stay in Prepare*; `false` writes them.
    pub fn pause_markers(&mut self, paused: bool) {
        self.cluster.markers_paused = paused;
        if !paused {
            self.cluster.write_due_markers();
        }
    }

    /// Finalizes another `transaction.version`, as an administrator would in a running cluster.
    pub fn set_transaction_version(&mut self, version: i16) {
        // A release without this feature stays as it is.
        let _ = self.set_feature(TRANSACTION_VERSION, version);
    }

    /// Sets the producer epoch of a transactional id, to come near the end of the epochs quickly.
    /// False if there is no such id.
    pub fn set_producer_epoch(&mut self, transactional_id: &str, epoch: i16) -> bool {
        let found = self.cluster.transactions.by_id.get_mut(transactional_id);
        found.map(|transaction| transaction.epoch = epoch).is_some()
    }

    /// Makes the coordinator forget a transactional id, as expiry would: INVALID_PRODUCER_ID_MAPPING
    /// follows.
    pub fn forget_transactional_id(&mut self, transactional_id: &str) -> bool {
        self.cluster
            .transactions
            .by_id
            .remove(transactional_id)
            .is_some()
    }

    /// Where a transactional id stands.
    pub fn transaction_state(&self, transactional_id: &str) -> Option<TransactionStateView> {
        let found = self.cluster.transactions.by_id.get(transactional_id);
        found.map(crate::transaction::Transaction::view)
    }
}
