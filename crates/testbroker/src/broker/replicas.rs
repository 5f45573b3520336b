//! Replicas, as a test moves and reads them.

use milena_wire::ErrorCode;

use super::Broker;

impl Broker {
    /// Stops the copying of one follower. It stays in sync until
    /// `BrokerConfig::replica_lag_max` after the first record that it lacks; until then, the high
    /// watermark waits for it. False without such a replica.
    pub fn pause_replica(&mut self, topic: &str, partition: i32, node: i32) -> bool {
        let cluster = &mut self.cluster;
        cluster.pause_replica(topic, partition, node, true)
    }

    /// Lets a paused follower go on: it has everything at once and is in sync again.
    pub fn resume_replica(&mut self, topic: &str, partition: i32, node: i32) -> bool {
        let cluster = &mut self.cluster;
        cluster.pause_replica(topic, partition, node, false)
    }

    /// Takes a follower out of the ISR, where it stays out until it is put back in or leads; false if
    /// it is not in it, or leads.
    pub fn shrink_isr(&mut self, topic: &str, partition: i32, node: i32) -> bool {
        self.cluster.shrink_isr(topic, partition, node)
    }

    /// Puts a follower back into the ISR; false if it does not have everything.
    pub fn expand_isr(&mut self, topic: &str, partition: i32, node: i32) -> bool {
        self.cluster.expand_isr(topic, partition, node)
    }

    /// Moves a partition to these nodes, the preferred leader first, at once; false without such a
    /// partition or without nodes.
    pub fn set_replicas(&mut self, topic: &str, partition: i32, nodes: &[i32]) -> bool {
        let known = nodes.iter().all(|id| self.cluster.node(*id).is_some());
        let moved = known && self.cluster.set_replicas(topic, partition, nodes.to_vec());
        self.cluster.write_due_markers();
        moved
    }

    /// Gives a partition back to its first replica, as ElectLeaders does.
    pub fn elect_preferred(&mut self, topic: &str, partition: i32) -> Result<(), ErrorCode> {
        let elected = self.cluster.elect_preferred(topic, partition);
        self.cluster.write_due_markers();
        elected
    }

    /// Gives a partition without a leader to a replica that may lack records, which are then lost.
    pub fn elect_unclean(&mut self, topic: &str, partition: i32) -> Result<(), ErrorCode> {
        let elected = self.cluster.elect_unclean(topic, partition);
        self.cluster.write_due_markers();
        elected
    }

    /// The nodes that hold a partition, the preferred leader first.
    pub fn replicas(&self, topic: &str, partition: i32) -> &[i32] {
        let found = self.cluster.topics.partition(topic, partition);
        found.map_or(&[], |found| &found.replicas)
    }

    /// Those of them that are in sync.
    pub fn isr(&self, topic: &str, partition: i32) -> &[i32] {
        let found = self.cluster.topics.partition(topic, partition);
        found.map_or(&[], |found| &found.isr)
    }

    /// Where a replica's copy of the log ends; `None` without such a replica.
    pub fn replica_end(&self, topic: &str, partition: i32, node: i32) -> Option<i64> {
        let found = self.cluster.topics.partition(topic, partition)?;
        found.replica_end(node)
    }

    /// Leader epochs and their first offsets.
    pub fn epoch_starts(&self, topic: &str, partition: i32) -> Vec<(i32, i64)> {
        let found = self.cluster.topics.partition(topic, partition);
        let starts = found.into_iter().flat_map(|found| &found.epoch_starts);
        starts.map(|(epoch, start)| (*epoch, *start)).collect()
    }
}
