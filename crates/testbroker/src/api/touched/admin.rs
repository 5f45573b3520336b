//! The requests of admin tools about topics, partitions and their settings.

use milena_wire::Uuid;
use milena_wire::messages::AnyRequest;

use super::Finder;

/// The kinds of resources that settings are for.
const TOPIC: i8 = 2;
const GROUP: i8 = 32;

impl Finder<'_> {
    pub(super) fn in_tools(&mut self, request: &AnyRequest<'_>) -> bool {
        match request {
            AnyRequest::CreateTopics(request) => {
                for topic in &request.topics {
                    self.topic(topic.name, Uuid::ZERO);
                }
            }
            AnyRequest::DeleteTopics(request) => {
                for topic in &request.topics {
                    self.topic(topic.name.unwrap_or_default(), topic.topic_id);
                }
                for name in &request.topic_names {
                    self.topic(name, Uuid::ZERO);
                }
            }
            AnyRequest::CreatePartitions(request) => {
                for topic in &request.topics {
                    self.topic(topic.name, Uuid::ZERO);
                }
            }
            AnyRequest::DescribeTopicPartitions(request) => {
                for topic in &request.topics {
                    self.topic(topic.name, Uuid::ZERO);
                }
            }
            AnyRequest::DeleteRecords(request) => {
                for topic in &request.topics {
                    let indexes = topic.partitions.iter().map(|asked| asked.partition_index);
                    self.partitions(topic.name, Uuid::ZERO, indexes);
                }
            }
            AnyRequest::ElectLeaders(request) => {
                for topic in request.topic_partitions.iter().flatten() {
                    self.numbers(topic.topic, &topic.partitions);
                }
            }
            _ => return self.in_settings(request) || self.in_replicas(request),
        }
        true
    }

    fn in_settings(&mut self, request: &AnyRequest<'_>) -> bool {
        match request {
            AnyRequest::DescribeConfigs(request) => {
                for resource in &request.resources {
                    self.resource(resource.resource_type, resource.resource_name);
                }
            }
            AnyRequest::AlterConfigs(request) => {
                for resource in &request.resources {
                    self.resource(resource.resource_type, resource.resource_name);
                }
            }
            AnyRequest::IncrementalAlterConfigs(request) => {
                for resource in &request.resources {
                    self.resource(resource.resource_type, resource.resource_name);
                }
            }
            _ => return false,
        }
        true
    }

    fn in_replicas(&mut self, request: &AnyRequest<'_>) -> bool {
        match request {
            AnyRequest::AlterPartitionReassignments(request) => {
                for topic in &request.topics {
                    let indexes = topic.partitions.iter().map(|asked| asked.partition_index);
                    self.partitions(topic.name, Uuid::ZERO, indexes);
                }
            }
            AnyRequest::ListPartitionReassignments(request) => {
                for topic in request.topics.iter().flatten() {
                    self.numbers(topic.name, &topic.partition_indexes);
                }
            }
            AnyRequest::DescribeLogDirs(request) => {
                for topic in request.topics.iter().flatten() {
                    self.numbers(topic.topic, &topic.partitions);
                }
            }
            AnyRequest::AlterReplicaLogDirs(request) => {
                for topic in request.dirs.iter().flat_map(|dir| &dir.topics) {
                    self.numbers(topic.name, &topic.partitions);
                }
            }
            _ => return false,
        }
        true
    }

    fn resource(&mut self, kind: i8, name: &str) {
        match kind {
            TOPIC => self.topic(name, Uuid::ZERO),
            GROUP => self.group(name),
            _ => {}
        }
    }
}
