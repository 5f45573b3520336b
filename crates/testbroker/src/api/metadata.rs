//! Metadata v0-13, with topic ids from v10 (asked for from v12).
//!
//! A topic that is created on the way is there at the next look: the answer that creates it still
//! says UNKNOWN_TOPIC_OR_PARTITION, as KRaft's does. `__consumer_offsets` and `__transaction_state`
//! are there as soon as somebody has looked for a coordinator.

use std::collections::BTreeSet;

use milena_wire::messages::{
    MetadataRequest, MetadataRequestTopic, MetadataResponse, MetadataResponseBroker,
    MetadataResponsePartition, MetadataResponseTopic,
};
use milena_wire::{ErrorCode, Uuid};

use crate::cluster::{Cluster, Partition, check_topic_name, is_internal};
use crate::request::{Context, Reply};

/// Sixteen bytes in base64, as Kafka's cluster ids are.
pub(crate) const CLUSTER_ID: &str = "milena-testbroker-000A";

/// What everybody may do without an authorizer, a bit for each `AclOperation`: with a cluster
/// (create, alter, describe, cluster action, configurations, idempotent write) and with a topic
/// (read, write, create, delete, alter, describe, configurations).
pub(crate) const CLUSTER_OPERATIONS: i32 = 8096;
pub(crate) const TOPIC_OPERATIONS: i32 = 3576;

pub(crate) fn handle(
    cluster: &mut Cluster,
    context: &Context<'_>,
    request: &MetadataRequest<'_>,
) -> Reply {
    let nameless =
        |topic: &MetadataRequestTopic<'_>| topic.name.is_none() && topic.topic_id.is_zero();
    if request.topics.iter().flatten().any(nameless) {
        return neither_name_nor_id(context);
    }
    let missing = missing(cluster, request);
    let creates = cluster.config.auto_create_topics && request.allow_auto_topic_creation;
    let cluster_before = &*cluster;
    let topics = match &request.topics {
        None => every_topic(cluster_before, context),
        // Before version 1 there was no null: an empty list asked for everything.
        Some(topics) if topics.is_empty() && context.version == 0 => {
            every_topic(cluster_before, context)
        }
        Some(topics) => asked_topics(cluster_before, context, topics),
    };
    let mut response = MetadataResponse {
        throttle_time_ms: context.throttle_time_ms,
        brokers: brokers(cluster_before),
        cluster_id: Some(CLUSTER_ID),
        controller_id: controller(cluster_before),
        topics,
        error_code: context.check().err().unwrap_or_default(),
        ..Default::default()
    };
    if request.include_topic_authorized_operations {
        let named = response.topics.iter_mut().filter(|it| it.name.is_some());
        named.for_each(|topic| topic.topic_authorized_operations = TOPIC_OPERATIONS);
    }
    if request.include_cluster_authorized_operations {
        response.cluster_authorized_operations = CLUSTER_OPERATIONS;
    }
    let reply = context.answer(&response);
    if creates {
        create(cluster, &missing);
    }
    reply
}

/// The node that counts as the controller: any that is up, since KRaft brokers pass on what is the
/// controller's.
pub(crate) fn controller(cluster: &Cluster) -> i32 {
    cluster.up_nodes().next().map_or(-1, |node| node.id)
}

/// Kafka falls over this one.
fn neither_name_nor_id(context: &Context<'_>) -> Reply {
    let topic = MetadataResponseTopic {
        error_code: ErrorCode::UNKNOWN_SERVER_ERROR,
        name: Some(""),
        ..Default::default()
    };
    context.answer(&MetadataResponse {
        throttle_time_ms: context.throttle_time_ms,
        topics: vec![topic],
        error_code: ErrorCode::UNKNOWN_SERVER_ERROR,
        ..Default::default()
    })
}

/// The names asked for that are no topics.
fn missing(cluster: &Cluster, request: &MetadataRequest<'_>) -> Vec<String> {
    let topics = request.topics.iter().flatten();
    let names = topics.filter_map(|topic| topic.name);
    let names = names.filter(|name| cluster.topics.get(name).is_none());
    names.map(str::to_owned).collect()
}

fn create(cluster: &mut Cluster, names: &[String]) {
    let partitions = cluster.config.default_partitions;
    let replication = cluster.default_replication();
    for name in names.iter().filter(|name| !is_internal(name)) {
        let config = cluster.default_topic_config();
        // A refused name goes on being answered as a topic that does not exist.
        let _ = cluster.create_topic(name, partitions, replication, config);
    }
}

fn brokers(cluster: &Cluster) -> Vec<MetadataResponseBroker<'_>> {
    let nodes = cluster.up_nodes().map(|node| MetadataResponseBroker {
        node_id: node.id,
        host: &node.host,
        port: i32::from(node.port),
        rack: node.rack.as_deref(),
    });
    nodes.collect()
}

fn every_topic<'a>(cluster: &'a Cluster, context: &Context<'_>) -> Vec<MetadataResponseTopic<'a>> {
    let names = cluster.topics.iter().map(|(name, _)| &**name);
    names
        .map(|name| known_topic(cluster, context, name))
        .collect()
}

/// Each topic once, however often it is asked for. As soon as there is one id, ids count only.
fn asked_topics<'a>(
    cluster: &'a Cluster,
    context: &Context<'_>,
    topics: &[MetadataRequestTopic<'a>],
) -> Vec<MetadataResponseTopic<'a>> {
    let mut seen = BTreeSet::new();
    let ids: Vec<Uuid> = topics
        .iter()
        .map(|topic| topic.topic_id)
        .filter(|id| !id.is_zero() && seen.insert(*id))
        .collect();
    if !ids.is_empty() {
        return ids
            .into_iter()
            .map(|id| topic_by_id(cluster, context, id))
            .collect();
    }
    let mut seen = BTreeSet::new();
    let names = topics.iter().filter_map(|topic| topic.name);
    names
        .filter(|name| seen.insert(*name))
        .map(|name| topic_by_name(cluster, context, name))
        .collect()
}

fn topic_by_id<'a>(
    cluster: &'a Cluster,
    context: &Context<'_>,
    topic_id: Uuid,
) -> MetadataResponseTopic<'a> {
    match cluster.topics.name_of(topic_id) {
        Some(name) => known_topic(cluster, context, name),
        None => MetadataResponseTopic {
            error_code: ErrorCode::UNKNOWN_TOPIC_ID,
            name: None,
            topic_id,
            ..Default::default()
        },
    }
}

fn topic_by_name<'a>(
    cluster: &'a Cluster,
    context: &Context<'_>,
    name: &'a str,
) -> MetadataResponseTopic<'a> {
    if cluster.topics.get(name).is_some() {
        return known_topic(cluster, context, name);
    }
    let error_code = match check_topic_name(name) {
        Ok(()) => ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
        Err(refusal) => refusal.code,
    };
    MetadataResponseTopic {
        error_code: context
            .check_partition(name, -1)
            .err()
            .unwrap_or(error_code),
        name: Some(name),
        is_internal: is_internal(name),
        ..Default::default()
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
        is_internal: is_internal(name),
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
    // Version 0 could not tell a replica that is down (`KRaftMetadataCache.getPartitionMetadata`).
    let missing = match leader {
        -1 => ErrorCode::LEADER_NOT_AVAILABLE,
        _ if context.version == 0 && !down.is_empty() => ErrorCode::REPLICA_NOT_AVAILABLE,
        _ => ErrorCode::NONE,
    };
    let shown = |nodes: &[i32]| -> Vec<i32> {
        let nodes = nodes.iter().copied();
        let there = |id: &i32| context.version > 0 || cluster.is_up(*id);
        nodes.filter(there).collect()
    };
    MetadataResponsePartition {
        error_code: context
            .check_partition(name, index)
            .err()
            .unwrap_or(missing),
        partition_index: index,
        leader_id: leader,
        leader_epoch: partition.leader_epoch,
        replica_nodes: shown(&partition.replicas).into(),
        isr_nodes: shown(&partition.isr).into(),
        offline_replicas: down.into(),
    }
}
