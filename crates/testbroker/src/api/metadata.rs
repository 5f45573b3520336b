//! Metadata v0-13, with topic ids from v10 (asked for from v12).
//!
//! Not done: authorized operations (always "unknown"), racks, offline replicas of a live node.

use milena_wire::messages::{
    MetadataRequest, MetadataRequestTopic, MetadataResponse, MetadataResponseBroker,
    MetadataResponsePartition, MetadataResponseTopic,
};
use milena_wire::{ErrorCode, Uuid};

use crate::cluster::{Cluster, Partition, is_legal_name};
use crate::request::{Context, Reply};

pub(crate) const CLUSTER_ID: &str = "milena-testbroker-0000";

pub(crate) fn handle(
    cluster: &mut Cluster,
    context: &Context<'_>,
    request: &MetadataRequest<'_>,
) -> Reply {
    if cluster.config.auto_create_topics && request.allow_auto_topic_creation {
        create_missing(cluster, request);
    }
    let cluster = &*cluster;
    let topics = match &request.topics {
        None => every_topic(cluster, context),
        // Before version 1 there was no null: an empty list asked for everything.
        Some(topics) if topics.is_empty() && context.version == 0 => every_topic(cluster, context),
        Some(topics) => topics
            .iter()
            .map(|topic| asked_topic(cluster, context, topic))
            .collect(),
    };
    let brokers = cluster.up_nodes().map(|node| MetadataResponseBroker {
        node_id: node.id,
        host: &node.host,
        port: i32::from(node.port),
        ..Default::default()
    });
    let response = MetadataResponse {
        throttle_time_ms: context.throttle_time_ms,
        brokers: brokers.collect(),
        cluster_id: Some(CLUSTER_ID),
        controller_id: cluster.up_nodes().next().map_or(-1, |node| node.id),
        topics,
        error_code: context.check().err().unwrap_or_default(),
        ..Default::default()
    };
    context.answer(&response)
}

fn create_missing(cluster: &mut Cluster, request: &MetadataRequest<'_>) {
    let partitions = cluster.config.default_partitions;
    for name in request
        .topics
        .iter()
        .flatten()
        .filter_map(|topic| topic.name)
    {
        if cluster.topics.get(name).is_none() {
            // A refused name is answered below as a topic that does not exist.
            let replication = cluster.default_replication();
            let config = cluster.default_topic_config();
            let _ = cluster.create_topic(name, partitions, replication, config);
        }
    }
}

fn every_topic<'a>(cluster: &'a Cluster, context: &Context<'_>) -> Vec<MetadataResponseTopic<'a>> {
    let names = cluster.topics.iter().map(|(name, _)| &**name);
    names
        .map(|name| known_topic(cluster, context, name))
        .collect()
}

fn asked_topic<'a>(
    cluster: &'a Cluster,
    context: &Context<'_>,
    asked: &MetadataRequestTopic<'a>,
) -> MetadataResponseTopic<'a> {
    let unknown = |error_code, name, topic_id| MetadataResponseTopic {
        error_code,
        name,
        topic_id,
        ..Default::default()
    };
    match asked.name {
        Some(name) if cluster.topics.get(name).is_some() => known_topic(cluster, context, name),
        Some(name) if is_legal_name(name) => unknown(
            ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
            Some(name),
            Uuid::ZERO,
        ),
        Some(name) => unknown(ErrorCode::INVALID_TOPIC_EXCEPTION, Some(name), Uuid::ZERO),
        None => match cluster.topics.name_of(asked.topic_id) {
            Some(name) => known_topic(cluster, context, name),
            None => unknown(ErrorCode::UNKNOWN_TOPIC_ID, None, asked.topic_id),
        },
    }
}

fn known_topic<'a>(
    cluster: &'a Cluster,
    context: &Context<'_>,
    name: &'a str,
) -> MetadataResponseTopic<'a> {
    let forced = context.check_partition(name, -1).err();
    let topic = cluster.topics.get(name);
    let partitions = match (forced, topic) {
        (None, Some(topic)) => &topic.partitions[..],
        _ => &[],
    };
    let partitions = (0..)
        .zip(partitions)
        .map(|(index, partition)| partition_of(cluster, context, name, index, partition));
    MetadataResponseTopic {
        error_code: forced.unwrap_or_default(),
        name: Some(name),
        topic_id: topic.map_or(Uuid::ZERO, |topic| topic.id),
        partitions: partitions.collect(),
        ..Default::default()
    }
}

fn partition_of(
    cluster: &Cluster,
    context: &Context<'_>,
    name: &str,
    index: i32,
    partition: &Partition,
) -> MetadataResponsePartition<'static> {
    let down = partition.replicas.iter().filter(|id| !cluster.is_up(**id));
    let down: Vec<i32> = down.copied().collect();
    let leader = if cluster.is_up(partition.leader) {
        partition.leader
    } else {
        -1
    };
    let missing = if leader < 0 {
        ErrorCode::LEADER_NOT_AVAILABLE
    } else {
        ErrorCode::NONE
    };
    MetadataResponsePartition {
        error_code: context
            .check_partition(name, index)
            .err()
            .unwrap_or(missing),
        partition_index: index,
        leader_id: leader,
        leader_epoch: partition.leader_epoch,
        replica_nodes: partition.replicas.clone().into(),
        isr_nodes: partition.isr.clone().into(),
        offline_replicas: down.into(),
    }
}
