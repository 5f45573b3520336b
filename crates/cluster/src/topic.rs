//! Topics and their partitions.

use std::fmt;
use std::sync::Arc;

/// A topic's name, shared instead of copied.
pub type TopicName = Arc<str>;

/// One partition of one topic.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicPartition {
    /// The topic.
    pub topic: TopicName,
    /// The partition's index in it.
    pub partition: i32,
}

impl TopicPartition {
    /// Partition `partition` of `topic`.
    pub fn new(topic: impl Into<TopicName>, partition: i32) -> Self {
        Self {
            topic: topic.into(),
            partition,
        }
    }
}

impl fmt::Display for TopicPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.topic, self.partition)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_is_written_as_kafka_writes_it() {
        assert_eq!(TopicPartition::new("orders", 3).to_string(), "orders-3");
    }

    #[test]
    fn partitions_sort_by_topic_and_then_by_number() {
        let mut all = [
            TopicPartition::new("b", 1),
            TopicPartition::new("a", 10),
            TopicPartition::new("a", 9),
        ];
        all.sort();
        assert_eq!(all.map(|tp| tp.to_string()), ["a-9", "a-10", "b-1"]);
    }
}
