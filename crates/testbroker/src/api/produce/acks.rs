//! acks=-1: the answer waits until every replica in sync has the batch (`DelayedProduce`).

use std::time::Instant;

use milena_wire::ErrorCode;

use super::Write;
use crate::cluster::Cluster;
use crate::request::{Context, WaitOn};

/// A request whose batches are written and whose answer waits.
pub(crate) struct PendingProduce {
    pub(crate) node: i32,
    pub(super) deadline: Instant,
    pub(super) writes: Vec<Write>,
}

/// Decides what can be decided; the partitions that must go on before the rest can be.
pub(super) fn await_replicas(
    cluster: &Cluster,
    context: &Context<'_>,
    pending: &mut PendingProduce,
) -> Vec<WaitOn> {
    let late = context.now >= pending.deadline;
    let mut waiting = Vec::new();
    for write in &mut pending.writes {
        let Some((offset, epoch)) = write.required else {
            continue;
        };
        match reached(
            cluster,
            context.node,
            &write.topic,
            write.index,
            (offset, epoch),
        ) {
            Some(result) => write.error = result.err().unwrap_or_default(),
            None if late => write.error = ErrorCode::REQUEST_TIMED_OUT,
            None => {
                waiting.push(WaitOn::Partition(write.topic.clone(), write.index));
                continue;
            }
        }
        write.required = None;
    }
    waiting
}

/// Whether the replicas in sync have everything below an offset that was written in a leader epoch
/// (`Partition.checkEnoughReplicasReachOffset`); `None`: not yet.
pub(crate) fn reached(
    cluster: &Cluster,
    node: i32,
    topic: &str,
    index: i32,
    (offset, epoch): (i64, i32),
) -> Option<Result<(), ErrorCode>> {
    let Some(topic) = cluster.topics.get(topic) else {
        return Some(Err(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION));
    };
    let index = usize::try_from(index).ok();
    let Some(partition) = index.and_then(|index| topic.partitions.get(index)) else {
        return Some(Err(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION));
    };
    // Somebody else may have led in between, and not have had it.
    if partition.leader != node || partition.led_since > epoch {
        return Some(Err(ErrorCode::NOT_LEADER_OR_FOLLOWER));
    }
    if partition.log.high_watermark() < offset {
        return None;
    }
    if partition.is_under_min_isr(topic.config.min_insync_replicas) {
        return Some(Err(ErrorCode::NOT_ENOUGH_REPLICAS_AFTER_APPEND));
    }
    Some(Ok(()))
}
