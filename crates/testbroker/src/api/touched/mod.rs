//! What a request is about, for the fault rules that name partitions, groups or transactional ids.

mod admin;
mod groups;

use milena_wire::messages::{AnyRequest, FetchRequest, FindCoordinatorRequest};
use milena_wire::{Numbers, Reader, Uuid};

use crate::cluster::Cluster;
use crate::faults::Touched;
use crate::history::RequestName;

/// A body that cannot be read touches nothing.
pub(crate) fn touched(
    cluster: &Cluster,
    node: i32,
    name: RequestName,
    reader: &mut Reader<'_>,
) -> Touched {
    let mut found = Finder {
        cluster,
        touched: Touched::default(),
    };
    if let Ok(request) = AnyRequest::decode(name.api, reader, name.version) {
        // One of them knows it, or it is about nothing that a rule can name.
        let _ = found.in_data(node, &request)
            || found.in_transactions(&request)
            || found.in_groups(&request)
            || found.in_tools(&request);
    }
    found.touched
}

struct Finder<'c> {
    cluster: &'c Cluster,
    touched: Touched,
}

impl Finder<'_> {
    /// Records, positions and what is known of topics; false for a request of another kind.
    fn in_data(&mut self, node: i32, request: &AnyRequest<'_>) -> bool {
        match request {
            AnyRequest::Produce(request) => {
                self.transaction(request.transactional_id.unwrap_or_default());
                for topic in &request.topic_data {
                    let indexes = topic.partition_data.iter().map(|data| data.index);
                    self.partitions(topic.name, topic.topic_id, indexes);
                }
            }
            AnyRequest::Fetch(request) => self.fetch(node, request),
            AnyRequest::ListOffsets(request) => {
                for topic in &request.topics {
                    let indexes = topic.partitions.iter().map(|asked| asked.partition_index);
                    self.partitions(topic.name, Uuid::ZERO, indexes);
                }
            }
            AnyRequest::OffsetForLeaderEpoch(request) => {
                for topic in &request.topics {
                    let indexes = topic.partitions.iter().map(|asked| asked.partition);
                    self.partitions(topic.topic, Uuid::ZERO, indexes);
                }
            }
            AnyRequest::Metadata(request) => {
                for topic in request.topics.iter().flatten() {
                    self.topic(topic.name.unwrap_or_default(), topic.topic_id);
                }
            }
            _ => return false,
        }
        true
    }

    /// An incremental Fetch reads what its session holds, whatever it names.
    fn fetch(&mut self, node: i32, request: &FetchRequest<'_>) {
        for topic in &request.topics {
            let indexes = topic.partitions.iter().map(|asked| asked.partition);
            self.partitions(topic.topic, topic.topic_id, indexes);
        }
        if request.session_epoch > 0 {
            let sessions = &self.cluster.fetch_sessions;
            let held = sessions.topics_of(node, request.session_id);
            let held = held.map(|(topic, index)| (topic.to_string(), index));
            self.touched.partitions.extend(held);
        }
    }

    fn in_transactions(&mut self, request: &AnyRequest<'_>) -> bool {
        match request {
            AnyRequest::InitProducerId(request) => {
                self.transaction(request.transactional_id.unwrap_or_default());
            }
            AnyRequest::EndTxn(request) => self.transaction(request.transactional_id),
            AnyRequest::AddOffsetsToTxn(request) => {
                self.transaction(request.transactional_id);
                self.group(request.group_id);
            }
            AnyRequest::AddPartitionsToTxn(request) => {
                self.transaction(request.v3_and_below_transactional_id);
                let batched = request.transactions.iter().flat_map(|it| &it.topics);
                for topic in request.v3_and_below_topics.iter().chain(batched) {
                    self.numbers(topic.name, &topic.partitions);
                }
                for transaction in &request.transactions {
                    self.transaction(transaction.transactional_id);
                }
            }
            AnyRequest::TxnOffsetCommit(request) => {
                self.transaction(request.transactional_id);
                self.group(request.group_id);
                for topic in &request.topics {
                    let indexes = topic.partitions.iter().map(|offset| offset.partition_index);
                    self.partitions(topic.name, Uuid::ZERO, indexes);
                }
            }
            AnyRequest::FindCoordinator(request) => self.coordinators(request),
            AnyRequest::WriteTxnMarkers(request) => {
                for topic in request.markers.iter().flat_map(|marker| &marker.topics) {
                    self.numbers(topic.name, &topic.partition_indexes);
                }
            }
            AnyRequest::DescribeTransactions(request) => {
                for id in &request.transactional_ids {
                    self.transaction(id);
                }
            }
            AnyRequest::DescribeProducers(request) => {
                for topic in &request.topics {
                    self.numbers(topic.name, &topic.partition_indexes);
                }
            }
            _ => return false,
        }
        true
    }

    fn coordinators(&mut self, request: &FindCoordinatorRequest<'_>) {
        for key in request.coordinator_keys.iter().chain([&request.key]) {
            match request.key_type {
                1 => self.transaction(key),
                _ => self.group(key),
            }
        }
    }

    fn partitions(&mut self, name: &str, id: Uuid, indexes: impl Iterator<Item = i32>) {
        let name = match self.cluster.topics.name_of(id) {
            Some(found) if name.is_empty() => found.to_string(),
            _ => name.to_owned(),
        };
        let all = indexes.map(|index| (name.clone(), index));
        self.touched.partitions.extend(all);
    }

    fn numbers(&mut self, name: &str, indexes: &Numbers<'_, i32>) {
        self.partitions(name, Uuid::ZERO, indexes.iter());
    }

    /// All partitions of a topic, and the topic itself (-1), which need not exist.
    fn topic(&mut self, name: &str, id: Uuid) {
        let topics = &self.cluster.topics;
        let known = topics.name_of(id).filter(|_| name.is_empty());
        let name = known.map_or(name, |known| known).to_owned();
        let count = topics.get(&name).map_or(0, |topic| topic.partitions.len());
        let count = i32::try_from(count).unwrap_or(i32::MAX);
        self.partitions(&name, Uuid::ZERO, -1..count);
    }

    fn transaction(&mut self, id: &str) {
        if !id.is_empty() {
            self.touched.transactional_ids.push(id.to_owned());
        }
    }

    fn group(&mut self, id: &str) {
        if !id.is_empty() {
            self.touched.groups.push(id.to_owned());
        }
    }
}
