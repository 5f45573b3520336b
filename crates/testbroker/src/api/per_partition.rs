//! Answers of the APIs about offsets: a result for each partition.

use std::collections::BTreeMap;

use milena_wire::{ErrorCode, Uuid};

/// A topic as the request names it: by name, by id where the version has ids, or both.
pub(super) type Topic<'a> = (&'a str, Uuid);

/// The results of partitions, by topic. What is refused before the coordinator is asked comes
/// first, as in Kafka's builders of these answers.
#[derive(Debug, Default)]
pub(super) struct Results<'a> {
    topics: Vec<(Topic<'a>, Vec<(i32, ErrorCode)>)>,
    places: BTreeMap<Topic<'a>, usize>,
}

impl<'a> Results<'a> {
    /// A partition's result, with those its topic has already.
    pub(super) fn add(&mut self, topic: Topic<'a>, index: i32, error: ErrorCode) {
        let place = *self.places.entry(topic).or_insert_with(|| {
            self.topics.push((topic, Vec::new()));
            self.topics.len() - 1
        });
        self.topics[place].1.push((index, error));
    }

    /// The coordinator's results of one topic. As long as nothing was refused, a topic that is asked
    /// for twice is answered twice.
    pub(super) fn merge(&mut self, topic: Topic<'a>, results: Vec<(i32, ErrorCode)>) {
        match self.places.get(&topic) {
            Some(place) => self.topics[*place].1.extend(results),
            None => self.topics.push((topic, results)),
        }
    }

    pub(super) fn into_topics(self) -> impl Iterator<Item = (Topic<'a>, Vec<(i32, ErrorCode)>)> {
        self.topics.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_refused_comes_first_and_its_topic_is_not_split() {
        let topic = |name| (name, Uuid::ZERO);
        let mut results = Results::default();
        let unknown = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
        results.add(topic("b"), 7, unknown);
        results.merge(topic("a"), vec![(0, ErrorCode::NONE)]);
        results.merge(topic("b"), vec![(0, ErrorCode::NONE)]);
        let topics: Vec<_> = results.into_topics().collect();
        assert_eq!(
            topics,
            [
                (topic("b"), vec![(7, unknown), (0, ErrorCode::NONE)]),
                (topic("a"), vec![(0, ErrorCode::NONE)]),
            ]
        );
    }
}
