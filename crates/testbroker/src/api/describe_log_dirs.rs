//! DescribeLogDirs v1-5: the one directory that each node has.
//!
//! Not done: followers' logs are as long as the leader's (`offset_lag` is 0).

use std::collections::BTreeMap;

use milena_wire::ErrorCode;
use milena_wire::messages::{
    DescribeLogDirsPartition, DescribeLogDirsRequest, DescribeLogDirsResponse,
    DescribeLogDirsResult, DescribeLogDirsTopic,
};

use crate::cluster::Cluster;
use crate::config::sources::log_dir;
use crate::request::{Context, Reply};

pub(crate) fn handle(
    cluster: &mut Cluster,
    context: &Context<'_>,
    request: &DescribeLogDirsRequest<'_>,
) -> Reply {
    let wanted = |name: &str, index: i32| match &request.topics {
        None => true,
        Some(topics) => topics
            .iter()
            .any(|topic| topic.topic == name && topic.partitions.iter().any(|it| it == index)),
    };
    let mut by_topic: BTreeMap<&str, Vec<DescribeLogDirsPartition>> = BTreeMap::new();
    let mut used = 0;
    for (name, index, partition) in cluster.topics.partitions() {
        if !partition.replicas.contains(&context.node) {
            continue;
        }
        used += partition.log.bytes();
        if wanted(name, index) {
            let shown = DescribeLogDirsPartition {
                partition_index: index,
                partition_size: signed(partition.log.bytes()),
                offset_lag: 0,
                is_future_key: false,
            };
            by_topic.entry(name).or_default().push(shown);
        }
    }
    let topics = by_topic.into_iter();
    let topics = topics.map(|(name, partitions)| DescribeLogDirsTopic { name, partitions });
    let total = cluster.config.log_bytes_max;
    let directory = log_dir(context.node);
    let result = DescribeLogDirsResult {
        error_code: context.shown(ErrorCode::NONE),
        log_dir: &directory,
        topics: topics.collect(),
        total_bytes: signed(total),
        usable_bytes: signed(total.saturating_sub(used)),
        is_cordoned: false,
    };
    let refused = context.check().err();
    context.answer(&DescribeLogDirsResponse {
        throttle_time_ms: context.throttle_time_ms,
        error_code: refused.unwrap_or_default(),
        results: refused.map_or_else(|| vec![result], |_| Vec::new()),
    })
}

fn signed(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}
