//! OffsetForLeaderEpoch v2-4: where a leader epoch ends, from leaders.

use milena_wire::ErrorCode;
use milena_wire::messages::{
    OffsetForLeaderEpochEpochEndOffset, OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse,
    OffsetForLeaderPartition, OffsetForLeaderTopicResult,
};

use super::fetch::end_of_epoch;
use crate::cluster::Cluster;
use crate::request::{Context, Reply};

pub(crate) fn handle(
    cluster: &mut Cluster,
    context: &Context<'_>,
    request: &OffsetForLeaderEpochRequest<'_>,
) -> Reply {
    let topics = request.topics.iter().map(|topic| {
        let partitions = topic
            .partitions
            .iter()
            .map(|asked| end_offset(cluster, context, topic.topic, asked));
        OffsetForLeaderTopicResult {
            topic: topic.topic,
            partitions: partitions.collect(),
        }
    });
    let response = OffsetForLeaderEpochResponse {
        throttle_time_ms: context.throttle_time_ms,
        topics: topics.collect(),
    };
    context.answer(&response)
}

fn end_offset(
    cluster: &Cluster,
    context: &Context<'_>,
    topic: &str,
    asked: &OffsetForLeaderPartition,
) -> OffsetForLeaderEpochEpochEndOffset {
    let found = context
        .check_partition(topic, asked.partition)
        .and_then(|()| {
            let believed_epoch = asked.current_leader_epoch;
            cluster.check_leader(context.node, topic, asked.partition, believed_epoch)
        });
    let (error_code, end) = match found {
        Ok(partition) => {
            let end = partition.log.log_end_offset();
            (
                ErrorCode::NONE,
                end_of_epoch(partition, end, asked.leader_epoch),
            )
        }
        Err(error) => (error, None),
    };
    let (leader_epoch, end_offset) = end.unwrap_or((-1, -1));
    OffsetForLeaderEpochEpochEndOffset {
        error_code,
        partition: asked.partition,
        leader_epoch,
        end_offset,
    }
}
