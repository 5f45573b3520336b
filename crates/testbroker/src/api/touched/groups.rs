//! The requests about groups and their offsets.

use milena_wire::Uuid;
use milena_wire::messages::{AnyRequest, OffsetFetchRequest};

use super::Finder;

impl Finder<'_> {
    pub(super) fn in_groups(&mut self, request: &AnyRequest<'_>) -> bool {
        match request {
            AnyRequest::JoinGroup(request) => self.group(request.group_id),
            AnyRequest::SyncGroup(request) => self.group(request.group_id),
            AnyRequest::Heartbeat(request) => self.group(request.group_id),
            AnyRequest::LeaveGroup(request) => self.group(request.group_id),
            AnyRequest::ConsumerGroupHeartbeat(request) => self.group(request.group_id),
            AnyRequest::ShareGroupHeartbeat(request) => self.group(request.group_id),
            AnyRequest::StreamsGroupHeartbeat(request) => self.group(request.group_id),
            AnyRequest::DescribeGroups(request) => self.groups(&request.groups),
            AnyRequest::DeleteGroups(request) => self.groups(&request.groups_names),
            AnyRequest::ConsumerGroupDescribe(request) => self.groups(&request.group_ids),
            AnyRequest::ShareGroupDescribe(request) => self.groups(&request.group_ids),
            AnyRequest::StreamsGroupDescribe(request) => self.groups(&request.group_ids),
            AnyRequest::OffsetCommit(request) => {
                self.group(request.group_id);
                for topic in &request.topics {
                    let indexes = topic.partitions.iter().map(|offset| offset.partition_index);
                    self.partitions(topic.name, topic.topic_id, indexes);
                }
            }
            AnyRequest::OffsetDelete(request) => {
                self.group(request.group_id);
                for topic in &request.topics {
                    let indexes = topic.partitions.iter().map(|asked| asked.partition_index);
                    self.partitions(topic.name, Uuid::ZERO, indexes);
                }
            }
            AnyRequest::OffsetFetch(request) => self.offset_fetch(request),
            _ => return false,
        }
        true
    }

    fn offset_fetch(&mut self, request: &OffsetFetchRequest<'_>) {
        self.group(request.group_id);
        for topic in request.topics.iter().flatten() {
            self.numbers(topic.name, &topic.partition_indexes);
        }
        for group in &request.groups {
            self.group(group.group_id);
            for topic in group.topics.iter().flatten() {
                self.partitions(topic.name, topic.topic_id, topic.partition_indexes.iter());
            }
        }
    }

    fn groups(&mut self, ids: &[&str]) {
        for id in ids {
            self.group(id);
        }
    }
}
