//! Transactional ids, as a test sets and reads them.

use milena_wire::ErrorCode;

use super::Broker;
use crate::features::TRANSACTION_VERSION;
use crate::transaction::TransactionStateView;

impl Broker {
    /// Holds back all markers, so that ended transactions stay in Prepare*; `false` writes them.
    pub fn pause_markers(&mut self, paused: bool) {
        self.cluster.transactions.pauses.all = paused;
        self.cluster.write_due_markers();
    }

    /// Holds back the markers of one transactional id.
    pub fn pause_markers_of(&mut self, transactional_id: &str, paused: bool) {
        let ids = &mut self.cluster.transactions.pauses.ids;
        if paused {
            ids.insert(transactional_id.to_owned());
        } else {
            ids.remove(transactional_id);
        }
        self.cluster.write_due_markers();
    }

    /// Holds back the markers to one partition, as if its leader could not be reached: the other
    /// partitions of a transaction get theirs, and it stays in Prepare*.
    pub fn pause_markers_to(&mut self, topic: &str, partition: i32, paused: bool) {
        let participant = (topic.into(), partition);
        let partitions = &mut self.cluster.transactions.pauses.partitions;
        if paused {
            partitions.insert(participant);
        } else {
            partitions.remove(&participant);
        }
        self.cluster.write_due_markers();
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

    /// Makes the coordinator forget a transactional id in whichever state: INVALID_PRODUCER_ID_MAPPING
    /// follows. What is open in partitions stays so and hangs.
    pub fn forget_transactional_id(&mut self, transactional_id: &str) -> bool {
        self.cluster.forget_transactional_id(transactional_id)
    }

    /// Lets a transactional id expire before its time. As in Kafka only an id without an open or
    /// unfinished transaction does; false if it does not.
    pub fn expire_transactional_id(&mut self, transactional_id: &str) -> bool {
        let found = self.cluster.transactions.by_id.get(transactional_id);
        let may = found.is_some_and(|transaction| transaction.state.may_expire());
        may && self.cluster.forget_transactional_id(transactional_id)
    }

    /// Lets the coordinator's next write for this transactional id fail, as the transaction log
    /// would with `error`: the request changes nothing, and NOT_ENOUGH_REPLICAS is answered
    /// COORDINATOR_NOT_AVAILABLE, NOT_LEADER_OR_FOLLOWER is answered NOT_COORDINATOR. Called twice,
    /// two writes fail.
    pub fn fail_next_append(&mut self, transactional_id: &str, error: ErrorCode) {
        self.cluster
            .transactions
            .fail_append(transactional_id, error);
    }

    /// Makes the coordinator forget that a partition takes part in the transaction of an id: its
    /// end writes no marker there, and the transaction hangs in that partition. False if it did not
    /// take part.
    pub fn leave_hanging(&mut self, transactional_id: &str, topic: &str, partition: i32) -> bool {
        let found = self.cluster.transactions.by_id.get_mut(transactional_id);
        found.is_some_and(|transaction| transaction.leave_out(&(topic.into(), partition)))
    }

    /// The transactional ids that a coordinator knows.
    pub fn transactional_ids(&self) -> impl Iterator<Item = &str> {
        let all = self.cluster.transactions.by_id.iter();
        let known = all.filter(|(_, transaction)| !self.cluster.is_expired(transaction));
        known.map(|(id, _)| &**id)
    }

    /// Where a transactional id stands.
    pub fn transaction_state(&self, transactional_id: &str) -> Option<TransactionStateView> {
        let found = self.cluster.transactions.by_id.get(transactional_id);
        let known = found.filter(|transaction| !self.cluster.is_expired(transaction));
        known.map(crate::transaction::Transaction::view)
    }
}
