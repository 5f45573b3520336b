//! DescribeProducers v0, at any node that holds the partition.

use milena_wire::ErrorCode;
use milena_wire::messages::{
    DescribeProducersRequest, DescribeProducersResponse, PartitionResponse, ProducerState,
    TopicResponse,
};

use crate::cluster::{Cluster, check_topic_name};
use crate::log::ProducerView;
use crate::request::{Context, Reply};

pub(crate) fn handle(
    cluster: &mut Cluster,
    context: &Context<'_>,
    request: &DescribeProducersRequest<'_>,
) -> Reply {
    let cluster = &*cluster;
    let topics = request.topics.iter().map(|topic| {
        let known = cluster.topics.get(topic.name).is_some();
        let partitions = topic.partition_indexes.iter().map(|index| {
            let found = producers(cluster, context, topic.name, index);
            PartitionResponse {
                partition_index: index,
                error_code: match &found {
                    Ok(_) => context.shown_partition(topic.name, index, ErrorCode::NONE),
                    Err(error) => *error,
                },
                // Only where the topic as a whole is wrong.
                error_message: match found {
                    Err(ErrorCode::INVALID_TOPIC_EXCEPTION) => Some("no topic can have this name"),
                    Err(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION) if !known => {
                        Some("there is no such topic")
                    }
                    _ => None,
                },
                active_producers: found.unwrap_or_default(),
            }
        });
        TopicResponse {
            name: topic.name,
            partitions: partitions.collect(),
        }
    });
    let response = DescribeProducersResponse {
        throttle_time_ms: context.throttle_time_ms,
        topics: topics.collect(),
    };
    context.answer(&response)
}

fn producers(
    cluster: &Cluster,
    context: &Context<'_>,
    topic: &str,
    index: i32,
) -> Result<Vec<ProducerState>, ErrorCode> {
    context.check_partition(topic, index)?;
    if check_topic_name(topic).is_err() {
        return Err(ErrorCode::INVALID_TOPIC_EXCEPTION);
    }
    let Some(partition) = cluster.topics.partition(topic, index) else {
        return Err(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
    };
    if !partition.replicas.contains(&context.node) {
        return Err(ErrorCode::NOT_LEADER_OR_FOLLOWER);
    }
    Ok(partition.log.producers().map(told).collect())
}

fn told(producer: ProducerView) -> ProducerState {
    ProducerState {
        producer_id: producer.producer_id,
        producer_epoch: i32::from(producer.epoch),
        last_sequence: producer.last_sequence,
        last_timestamp: producer.last_timestamp,
        coordinator_epoch: producer.coordinator_epoch,
        current_txn_start_offset: producer.transaction_start.unwrap_or(-1),
    }
}
