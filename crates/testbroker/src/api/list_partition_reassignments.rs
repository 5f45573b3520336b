//! ListPartitionReassignments v0: those that a test holds under way.

use std::collections::BTreeMap;

use milena_wire::messages::{
    ListPartitionReassignmentsRequest, ListPartitionReassignmentsResponse,
    OngoingPartitionReassignment, OngoingTopicReassignment,
};

use crate::cluster::Cluster;
use crate::request::{Context, Reply};

pub(crate) fn handle(
    cluster: &mut Cluster,
    context: &Context<'_>,
    request: &ListPartitionReassignmentsRequest<'_>,
) -> Reply {
    if let Err(error_code) = context.check() {
        return context.answer(&ListPartitionReassignmentsResponse {
            throttle_time_ms: context.throttle_time_ms,
            error_code,
            ..Default::default()
        });
    }
    let wanted = |name: &str, index: i32| match &request.topics {
        None => true,
        Some(topics) => topics.iter().any(|topic| {
            topic.name == name && topic.partition_indexes.iter().any(|it| it == index)
        }),
    };
    let mut by_topic: BTreeMap<&str, Vec<OngoingPartitionReassignment<'_>>> = BTreeMap::new();
    for (name, index, ongoing) in cluster.reassignments.iter() {
        let partition = cluster.topics.partition(name, index);
        if let Some(partition) = partition.filter(|_| wanted(name, index)) {
            let shown = OngoingPartitionReassignment {
                partition_index: index,
                replicas: partition.replicas.clone().into(),
                adding_replicas: ongoing.adding().into(),
                removing_replicas: ongoing.removing().into(),
            };
            by_topic.entry(name).or_default().push(shown);
        }
    }
    let topics = by_topic.into_iter();
    let topics = topics.map(|(name, partitions)| OngoingTopicReassignment { name, partitions });
    context.answer(&ListPartitionReassignmentsResponse {
        throttle_time_ms: context.throttle_time_ms,
        error_message: None,
        topics: topics.collect(),
        ..Default::default()
    })
}
