//! AlterReplicaLogDirs v1-2: a node has one directory, so there is nowhere to move to.

use milena_wire::ErrorCode;
use milena_wire::messages::{
    AlterReplicaLogDirPartitionResult, AlterReplicaLogDirTopicResult, AlterReplicaLogDirsRequest,
    AlterReplicaLogDirsResponse,
};

use crate::cluster::Cluster;
use crate::config::sources::log_dir;
use crate::request::{Context, Reply};

pub(crate) fn handle(
    cluster: &mut Cluster,
    context: &Context<'_>,
    request: &AlterReplicaLogDirsRequest<'_>,
) -> Reply {
    let here = log_dir(context.node);
    let mut results = Vec::new();
    for directory in &request.dirs {
        for topic in &directory.topics {
            let partitions = topic.partitions.iter().map(|index| {
                let hosted = cluster
                    .topics
                    .partition(topic.name, index)
                    .is_some_and(|partition| partition.replicas.contains(&context.node));
                let error_code = match context.check_partition(topic.name, index) {
                    Err(code) => code,
                    Ok(()) if directory.path != here => ErrorCode::LOG_DIR_NOT_FOUND,
                    Ok(()) if !hosted => ErrorCode::REPLICA_NOT_AVAILABLE,
                    Ok(()) => ErrorCode::NONE,
                };
                AlterReplicaLogDirPartitionResult {
                    partition_index: index,
                    error_code: context.shown_partition(topic.name, index, error_code),
                }
            });
            results.push(AlterReplicaLogDirTopicResult {
                topic_name: topic.name,
                partitions: partitions.collect(),
            });
        }
    }
    context.answer(&AlterReplicaLogDirsResponse {
        throttle_time_ms: context.throttle_time_ms,
        results,
    })
}
