//! Topics, partitions and their logs, as a test sets and reads them.

use super::Broker;
use crate::cluster::is_internal;
use crate::log::PartitionLog;

impl Broker {
    /// Creates a topic led by the nodes in turn; false if it exists or cannot be.
    pub fn create_topic(&mut self, name: &str, partitions: i32) -> bool {
        let replication = self.cluster.default_replication();
        let config = self.cluster.default_topic_config();
        self.cluster
            .create_topic(name, partitions, replication, config)
            .is_ok()
    }

    /// The same with as many replicas, or the cluster's default; false as well if there are fewer
    /// nodes.
    pub fn create_topic_replicated(
        &mut self,
        name: &str,
        partitions: i32,
        replicas: Option<i16>,
    ) -> bool {
        let default = self.cluster.default_replication();
        let replicas = replicas.map_or(Some(default), |count| usize::try_from(count).ok());
        let nodes = 1..=self.cluster.nodes.len();
        let Some(replicas) = replicas.filter(|count| nodes.contains(count)) else {
            return false;
        };
        let config = self.cluster.default_topic_config();
        let created = self
            .cluster
            .create_topic(name, partitions, replicas, config);
        created.is_ok()
    }

    /// Deletes a topic with its records.
    pub fn delete_topic(&mut self, name: &str) -> bool {
        let deleted = self.cluster.delete_topic(name);
        self.cluster.write_due_markers();
        deleted
    }

    /// Makes `node` the leader (-1: nobody) and raises the leader epoch; false without such a
    /// partition or node.
    pub fn move_leader(&mut self, topic: &str, partition: i32, node: i32) -> bool {
        let moved = self.cluster.set_leader(topic, partition, node);
        self.cluster.write_due_markers();
        moved
    }

    /// Deletes the records below `offset`, as DeleteRecords or retention would; nothing that not all
    /// replicas in sync have.
    pub fn delete_records(&mut self, topic: &str, partition: i32, offset: i64) {
        if let Some(found) = self.cluster.topics.partition_mut(topic, partition) {
            let before = found.log.bytes();
            found.delete_until(offset.min(found.log.high_watermark()));
            let freed = before - found.log.bytes();
            self.cluster.topics.log_bytes -= freed;
        }
    }

    /// Drops what is too old or too much now, by each topic's `retention.ms` and `retention.bytes`.
    /// By itself, the cluster looks every `BrokerConfig::retention_check`.
    pub fn apply_retention(&mut self) {
        self.cluster.apply_retention();
    }

    /// Compacts a partition now, whatever its topic's `cleanup.policy`; false without such a
    /// partition. By itself, the cluster looks every `BrokerConfig::cleaner_backoff` and leaves the
    /// newest segment (`segment.ms`, `segment.bytes`) alone.
    pub fn compact(&mut self, topic: &str, partition: i32) -> bool {
        self.cluster.compact(topic, partition)
    }

    /// The leader of a partition, -1 without one or without such a partition.
    pub fn leader(&self, topic: &str, partition: i32) -> i32 {
        self.cluster
            .topics
            .partition(topic, partition)
            .map_or(-1, |found| found.leader)
    }

    /// The leader epoch of a partition, -1 without such a partition.
    pub fn leader_epoch(&self, topic: &str, partition: i32) -> i32 {
        self.cluster
            .topics
            .partition(topic, partition)
            .map_or(-1, |found| found.leader_epoch)
    }

    /// The names of the topics and how many partitions each has, without those that Kafka makes for itself.
    pub fn topics(&self) -> impl Iterator<Item = (&str, i32)> {
        let topics = self.cluster.topics.iter();
        let users = topics.filter(|(name, _)| !is_internal(name));
        users.map(|(name, topic)| {
            (
                &**name,
                i32::try_from(topic.partitions.len()).unwrap_or(i32::MAX),
            )
        })
    }

    /// The log of a partition: the truth that answers are held against.
    pub fn log(&self, topic: &str, partition: i32) -> Option<&PartitionLog> {
        self.cluster
            .topics
            .partition(topic, partition)
            .map(|found| &found.log)
    }

    /// Makes a partition forget one producer or all, as if the file with their states were lost:
    /// how many. A producer whose transaction is open stays.
    pub fn lose_producer_state(
        &mut self,
        topic: &str,
        partition: i32,
        producer_id: Option<i64>,
    ) -> usize {
        let partition = self.cluster.topics.partition_mut(topic, partition);
        partition.map_or(0, |found| found.log.producers_mut().lose(producer_id))
    }

    /// Makes a partition forget a producer, as expiry would; false if it did not know it or its
    /// transaction is open.
    pub fn forget_producer(&mut self, topic: &str, partition: i32, producer_id: i64) -> bool {
        let partition = self.cluster.topics.partition_mut(topic, partition);
        partition.is_some_and(|found| found.log.producers_mut().forget(producer_id))
    }
}
