//! Where else to read (KIP-392), and where a reader's log parts from ours (KIP-320, KIP-595).

use milena_wire::ErrorCode;
use milena_wire::messages::FetchPartition;

use crate::cluster::{Cluster, Partition};

/// The replica in sync that is in the reader's rack, if this node leads and is not
/// (`RackAwareReplicaSelector`, which is what a cluster with racks uses).
pub(super) fn preferred(
    cluster: &Cluster,
    partition: &Partition,
    node: i32,
    rack: &str,
    offset: i64,
) -> Option<i32> {
    if rack.is_empty() || partition.leader != node {
        return None;
    }
    let in_rack = |id: i32| cluster.node(id).and_then(|node| node.rack.as_deref()) == Some(rack);
    if in_rack(node) {
        return None;
    }
    let has_it = |id: i32| {
        let end = partition.replica_end(id).unwrap_or(-1);
        end >= offset && partition.log.log_start_offset() <= offset
    };
    let candidates = partition.isr.iter().copied();
    candidates
        .filter(|id| *id != node && cluster.is_up(*id) && in_rack(*id) && has_it(*id))
        .max_by_key(|id| (partition.replica_end(*id), *id))
}

/// The last epoch and its end that the reader and a replica whose log ends at `end` have in common,
/// if the reader's last record is not ours.
pub(super) fn diverging(
    partition: &Partition,
    end: i64,
    position: &FetchPartition,
) -> Result<Option<(i32, i64)>, ErrorCode> {
    let last = position.last_fetched_epoch;
    if last < 0 {
        return Ok(None);
    }
    // Nothing is known of the epoch: the reader has records that we cannot compare.
    let Some((epoch, end_offset)) = end_of_epoch(partition, end, last) else {
        return Err(ErrorCode::OFFSET_OUT_OF_RANGE);
    };
    let diverges = epoch < last || end_offset < position.fetch_offset;
    Ok(diverges.then_some((epoch, end_offset)))
}

/// The largest epoch up to `asked` that a replica knows, and where it ends
/// (`LeaderEpochFileCache.endOffsetFor`).
pub(crate) fn end_of_epoch(partition: &Partition, end: i64, asked: i32) -> Option<(i32, i64)> {
    let starts = &partition.epoch_starts;
    let (latest, _) = starts.last_key_value()?;
    if asked < 0 || asked > *latest {
        return None;
    }
    if asked == *latest {
        return Some((asked, end));
    }
    let (_, next_start) = starts.range(asked + 1..).next()?;
    let floor = starts.range(..=asked).next_back();
    Some((
        floor.map_or(asked, |(epoch, _)| *epoch),
        (*next_start).min(end),
    ))
}
