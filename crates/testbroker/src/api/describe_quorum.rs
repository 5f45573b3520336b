//! DescribeQuorum v0-2: every node is a voter and has all of the metadata.
//!
//! Not done: there is no metadata log; its end counts what there is.

use milena_wire::ErrorCode;
use milena_wire::messages::{
    DescribeQuorumListener, DescribeQuorumReplicaState, DescribeQuorumRequest,
    DescribeQuorumResponse, DescribeQuorumResponsePartitionData, DescribeQuorumResponseTopicData,
    Node,
};

use super::metadata::controller;
use crate::cluster::Cluster;
use crate::request::{Context, Reply};

const TOPIC: &str = "__cluster_metadata";

pub(crate) fn handle(
    cluster: &mut Cluster,
    context: &Context<'_>,
    request: &DescribeQuorumRequest<'_>,
) -> Reply {
    if let Err(error_code) = context.check() {
        return context.answer(&DescribeQuorumResponse {
            error_code,
            ..Default::default()
        });
    }
    // The one partition there is, and nothing besides.
    let only = |topic: &milena_wire::messages::DescribeQuorumRequestTopicData<'_>| {
        topic.topic_name == TOPIC
            && topic.partitions.len() == 1
            && topic.partitions[0].partition_index == 0
    };
    let sound = request.topics.len() == 1 && request.topics.iter().all(only);
    let mut response = DescribeQuorumResponse::default();
    if sound {
        response.topics = vec![DescribeQuorumResponseTopicData {
            topic_name: TOPIC,
            partitions: vec![state(cluster, context.version)],
        }];
        if context.version >= 2 {
            response.nodes = nodes(cluster);
        }
    } else {
        let topics = request.topics.iter();
        let topics = topics.map(|topic| DescribeQuorumResponseTopicData {
            topic_name: topic.topic_name,
            partitions: topic
                .partitions
                .iter()
                .map(|asked| DescribeQuorumResponsePartitionData {
                    partition_index: asked.partition_index,
                    error_code: ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
                    error_message: Some("This server does not host this topic-partition."),
                    ..Default::default()
                })
                .collect(),
        });
        response.topics = topics.collect();
    }
    context.answer(&response)
}

fn state(cluster: &Cluster, version: i16) -> DescribeQuorumResponsePartitionData<'static> {
    let records = cluster.topics.partitions().count() + cluster.topics.iter().count();
    let end = i64::try_from(records)
        .unwrap_or(i64::MAX)
        .saturating_add(10);
    let now = if version >= 1 {
        cluster.wall_clock()
    } else {
        -1
    };
    let voters = cluster.nodes.iter().map(|node| DescribeQuorumReplicaState {
        replica_id: node.id,
        log_end_offset: if node.up { end } else { -1 },
        last_fetch_timestamp: if node.up { now } else { -1 },
        last_caught_up_timestamp: if node.up { now } else { -1 },
        ..Default::default()
    });
    DescribeQuorumResponsePartitionData {
        partition_index: 0,
        leader_id: controller(cluster),
        leader_epoch: 1,
        high_watermark: end,
        current_voters: voters.collect(),
        ..Default::default()
    }
}

fn nodes(cluster: &Cluster) -> Vec<Node<'_>> {
    let nodes = cluster.nodes.iter().map(|node| Node {
        node_id: node.id,
        listeners: vec![DescribeQuorumListener {
            name: "CONTROLLER",
            host: &node.host,
            port: node.port,
        }],
    });
    nodes.collect()
}
