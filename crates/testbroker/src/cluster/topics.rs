//! Topics, their partitions and who leads them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use milena_wire::{ErrorCode, Uuid};

use super::replicas::Followers;
use super::{Cluster, OFFSETS_TOPIC, TopicConfig};
use crate::config::Emulate;
use crate::limits::{PARTITIONS_MAX, PARTITIONS_PER_TOPIC_MAX, TOPICS_MAX};
use crate::log::PartitionLog;
use crate::refusal::Refusal;

/// The topics by name.
#[derive(Debug)]
pub(crate) struct Topics {
    by_name: BTreeMap<Arc<str>, Topic>,
    names: BTreeMap<Uuid, Arc<str>>,
    /// Bytes of all logs.
    pub(crate) log_bytes: u64,
    random: fastrand::Rng,
}

#[derive(Debug)]
pub(crate) struct Topic {
    pub(crate) id: Uuid,
    pub(crate) config: TopicConfig,
    pub(crate) partitions: Vec<Partition>,
}

#[derive(Debug)]
pub(crate) struct Partition {
    /// -1 while there is none.
    pub(crate) leader: i32,
    pub(crate) leader_epoch: i32,
    /// The leader epoch since which this leader leads without a break.
    pub(crate) led_since: i32,
    /// The nodes that hold the partition, the preferred leader first.
    pub(crate) replicas: Vec<i32>,
    /// Those of them that are in sync, in the order of `replicas`.
    pub(crate) isr: Vec<i32>,
    pub(crate) log: PartitionLog,
    /// First offset of each leader epoch in which something was written, and of the last one.
    pub(crate) epoch_starts: BTreeMap<i32, i64>,
    pub(crate) followers: Followers,
    /// Requests that want to know when this partition changes.
    pub(crate) waiting: BTreeSet<u64>,
}

impl Topics {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            by_name: BTreeMap::new(),
            names: BTreeMap::new(),
            log_bytes: 0,
            random: fastrand::Rng::with_seed(seed),
        }
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Topic> {
        self.by_name.get(name)
    }

    pub(crate) fn name_of(&self, id: Uuid) -> Option<&Arc<str>> {
        self.names.get(&id)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Arc<str>, &Topic)> {
        self.by_name.iter()
    }

    pub(crate) fn partition(&self, topic: &str, index: i32) -> Option<&Partition> {
        self.by_name
            .get(topic)?
            .partitions
            .get(usize::try_from(index).ok()?)
    }

    pub(crate) fn partition_mut(&mut self, topic: &str, index: i32) -> Option<&mut Partition> {
        self.by_name
            .get_mut(topic)?
            .partitions
            .get_mut(usize::try_from(index).ok()?)
    }

    pub(crate) fn partitions_mut(&mut self) -> impl Iterator<Item = &mut Partition> {
        let topics = self.by_name.values_mut();
        topics.flat_map(|topic| &mut topic.partitions)
    }

    /// A partition and the settings of its topic.
    pub(crate) fn partition_to_write(
        &mut self,
        topic: &str,
        index: i32,
    ) -> Option<(&TopicConfig, &mut Partition)> {
        let Topic {
            config, partitions, ..
        } = self.by_name.get_mut(topic)?;
        let partition = partitions.get_mut(usize::try_from(index).ok()?)?;
        Some((config, partition))
    }

    pub(crate) fn partitions(&self) -> impl Iterator<Item = (&Arc<str>, i32, &Partition)> {
        self.by_name.iter().flat_map(|(name, topic)| {
            (0..)
                .zip(&topic.partitions)
                .map(move |(index, partition)| (name, index, partition))
        })
    }

    pub(crate) fn get_mut(&mut self, name: &str) -> Option<&mut Topic> {
        self.by_name.get_mut(name)
    }

    /// Whether a topic of this name may be created.
    pub(crate) fn check_new_name(&self, name: &str) -> Result<(), Refusal> {
        check_topic_name(name)?;
        if self.by_name.contains_key(name) || name == OFFSETS_TOPIC {
            let message = format!("Topic '{name}' already exists.");
            return Err(Refusal::new(ErrorCode::TOPIC_ALREADY_EXISTS, message));
        }
        if let Some(existing) = self.colliding(name) {
            return Err(Refusal::new(
                ErrorCode::INVALID_TOPIC_EXCEPTION,
                format!("Topic '{name}' collides with existing topic: {existing}"),
            ));
        }
        Ok(())
    }

    /// Whether there is room for so many more partitions, in one topic and in all.
    pub(crate) fn check_room(&self, before: usize, count: usize) -> Result<(), Refusal> {
        let most = usize::try_from(PARTITIONS_PER_TOPIC_MAX).unwrap_or(usize::MAX);
        let all: usize = self.by_name.values().map(|it| it.partitions.len()).sum();
        let topics = self.by_name.len() + usize::from(before == 0);
        if before + count > most || all + count > PARTITIONS_MAX || topics > TOPICS_MAX {
            return Err(Refusal::new(
                ErrorCode::POLICY_VIOLATION,
                "the test broker has no room for so many topics or partitions",
            ));
        }
        Ok(())
    }

    /// A topic that would have the same metrics: Kafka makes `_` of `.` there.
    fn colliding(&self, name: &str) -> Option<&Arc<str>> {
        let unified = |name: &str| -> String { name.replace('.', "_") };
        if !name.contains(['.', '_']) {
            return None;
        }
        let wanted = unified(name);
        let same = |other: &&Arc<str>| other.len() == wanted.len() && unified(other) == wanted;
        self.by_name.keys().find(same)
    }

    /// An id that no topic has.
    pub(crate) fn next_id(&mut self) -> Uuid {
        loop {
            let id = Uuid(self.random.u128(1..).to_be_bytes());
            if !self.names.contains_key(&id) {
                return id;
            }
        }
    }

    pub(super) fn insert(
        &mut self,
        name: &str,
        config: TopicConfig,
        partitions: Vec<Partition>,
    ) -> Uuid {
        let id = self.next_id();
        let name: Arc<str> = name.into();
        self.names.insert(id, name.clone());
        self.by_name.insert(
            name,
            Topic {
                id,
                config,
                partitions,
            },
        );
        id
    }
}

impl Partition {
    /// An empty partition on these nodes, led by `leader` (-1: nobody).
    pub(crate) fn new(leader: i32, replicas: Vec<i32>, isr: Vec<i32>) -> Self {
        Self {
            leader,
            leader_epoch: 0,
            led_since: 0,
            replicas,
            isr,
            log: PartitionLog::default(),
            epoch_starts: BTreeMap::from([(0, 0)]),
            followers: Followers::default(),
            waiting: BTreeSet::new(),
        }
    }
}

impl Cluster {
    /// Creates a topic on `replication` nodes a partition, led by the nodes in turn.
    pub(crate) fn create_topic(
        &mut self,
        name: &str,
        partitions: i32,
        replication: usize,
        config: TopicConfig,
    ) -> Result<Uuid, Refusal> {
        let assignment = self.spread(0, partitions, replication)?;
        self.create_topic_on(name, assignment, config)
    }

    /// Replicas for `count` partitions from `first` on: the nodes in turn.
    pub(crate) fn spread(
        &self,
        first: usize,
        count: i32,
        replication: usize,
    ) -> Result<Vec<Vec<i32>>, Refusal> {
        let Some(count) = usize::try_from(count).ok().filter(|count| *count > 0) else {
            return Err(Refusal::new(
                ErrorCode::INVALID_PARTITIONS,
                "Number of partitions was set to an invalid non-positive value.",
            ));
        };
        let nodes = self.nodes.len();
        if !(1..=nodes).contains(&replication) {
            let cordoned = match self.config.emulate {
                Emulate::V4_3 => " or some brokers have all their log directories cordoned",
                Emulate::V3_9 => "",
            };
            let message = format!(
                "Unable to replicate the partition {replication} time(s): The target replication \
                 factor of {replication} cannot be reached because only {nodes} broker(s) are \
                 registered{cordoned}."
            );
            return Err(Refusal::new(ErrorCode::INVALID_REPLICATION_FACTOR, message));
        }
        self.topics.check_room(first, count)?;
        let ring = |start: usize| {
            let places = (start..start + replication).map(|place| place % nodes);
            places.map(|place| self.nodes[place].id).collect()
        };
        Ok((first..first + count).map(ring).collect())
    }

    /// Creates a topic whose partitions are on just these nodes, the preferred leader first.
    pub(crate) fn create_topic_on(
        &mut self,
        name: &str,
        assignment: Vec<Vec<i32>>,
        config: TopicConfig,
    ) -> Result<Uuid, Refusal> {
        self.topics.check_new_name(name)?;
        self.topics.check_room(0, assignment.len())?;
        let min_isr = config.min_insync_replicas;
        let place = |replicas| self.new_partition(replicas, min_isr);
        let partitions = assignment.into_iter().map(place).collect();
        Ok(self.topics.insert(name, config, partitions))
    }

    /// Gives a topic more partitions, on these nodes.
    pub(crate) fn add_partitions(&mut self, name: &str, assignment: Vec<Vec<i32>>) {
        let Some(topic) = self.topics.get(name) else {
            return;
        };
        let min_isr = topic.config.min_insync_replicas;
        let place = |replicas| self.new_partition(replicas, min_isr);
        let partitions: Vec<Partition> = assignment.into_iter().map(place).collect();
        if let Some(topic) = self.topics.get_mut(name) {
            topic.partitions.extend(partitions);
        }
    }

    /// How many nodes hold a partition of a topic created without a count.
    pub(crate) fn default_replication(&self) -> usize {
        usize::try_from(self.config.replication_factor()).unwrap_or(1)
    }

    pub(crate) fn default_topic_config(&self) -> TopicConfig {
        self.topic_config(BTreeMap::new())
    }

    pub(crate) fn delete_topic(&mut self, name: &str) -> bool {
        let Some(topic) = self.topics.by_name.remove(name) else {
            return false;
        };
        self.topics.names.remove(&topic.id);
        self.reassignments.forget_topic(name);
        for partition in topic.partitions {
            self.topics.log_bytes -= partition.log.bytes();
            self.woken.extend(partition.waiting);
        }
        self.forget_offsets_of(name);
        true
    }

    /// Lets everybody who waits for this partition look again.
    pub(crate) fn wake(&mut self, topic: &str, index: i32) {
        let Some(partition) = self.topics.partition_mut(topic, index) else {
            return;
        };
        let waiting = std::mem::take(&mut partition.waiting);
        let lags = partition.lags();
        self.woken.extend(waiting);
        if lags {
            self.watch_lag(topic, index);
        }
    }

    /// A partition that this node leads, checked against the leader epoch the client believes in
    /// (-1: any).
    pub(crate) fn check_leader(
        &self,
        node: i32,
        topic: &str,
        index: i32,
        believed_epoch: i32,
    ) -> Result<&Partition, ErrorCode> {
        self.check_replica(node, topic, index, believed_epoch, true)
    }

    /// A partition that this node leads or follows.
    pub(crate) fn check_replica(
        &self,
        node: i32,
        topic: &str,
        index: i32,
        believed_epoch: i32,
        leaders_only: bool,
    ) -> Result<&Partition, ErrorCode> {
        let Some(partition) = self.topics.partition(topic, index) else {
            return Err(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
        };
        // A node without a replica knows of no epoch.
        if !partition.replicas.contains(&node) {
            return Err(ErrorCode::NOT_LEADER_OR_FOLLOWER);
        }
        // The epoch before the leader, as `Partition.getLocalLog` does: the old leader answers
        // FENCED_LEADER_EPOCH to a client that does not know of the move.
        if believed_epoch >= 0 && believed_epoch < partition.leader_epoch {
            return Err(ErrorCode::FENCED_LEADER_EPOCH);
        }
        if believed_epoch > partition.leader_epoch {
            return Err(ErrorCode::UNKNOWN_LEADER_EPOCH);
        }
        if leaders_only && partition.leader != node {
            return Err(ErrorCode::NOT_LEADER_OR_FOLLOWER);
        }
        Ok(partition)
    }
}

/// Whether a topic may have this name (`Topic.validate`).
pub(crate) fn check_topic_name(name: &str) -> Result<(), Refusal> {
    const LEN_MAX: usize = 249;
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    let reason = match name {
        "" => "the empty string is not allowed".to_owned(),
        "." | ".." => format!("'{name}' is not allowed"),
        _ if name.len() > LEN_MAX => {
            format!("the length of '{name}' is longer than the max allowed length {LEN_MAX}")
        }
        _ if !name.bytes().all(legal) => format!(
            "'{name}' contains one or more characters other than ASCII alphanumerics, '.', '_' and \
             '-'"
        ),
        _ => return Ok(()),
    };
    Err(Refusal::new(
        ErrorCode::INVALID_TOPIC_EXCEPTION,
        format!("Topic name is invalid: {reason}"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_kafkas_rules() {
        assert_eq!(check_topic_name("orders-1.eu_west"), Ok(()));
        for name in ["", ".", "..", "a b", "a/b", "ä", &"x".repeat(250)] {
            assert!(check_topic_name(name).is_err(), "{name}");
        }
    }

    #[test]
    fn topic_ids_repeat_with_the_seed() {
        let mut first = Topics::new(3);
        let mut second = Topics::new(3);
        let config = || TopicConfig::read(|_| None, BTreeMap::new());
        let id = first.insert("a", config(), Vec::new());
        assert_eq!(id, second.insert("a", config(), Vec::new()));
        assert_ne!(id, first.insert("b", config(), Vec::new()));
    }
}
