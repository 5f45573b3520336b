//! Reading one partition for a Fetch, within the limits.

use std::sync::Arc;

use bytes::Bytes;
use milena_wire::ErrorCode;
use milena_wire::messages::FetchPartition;

use crate::cluster::{Cluster, Partition};
use crate::log::AbortedTransaction;
use crate::request::Context;

/// What a Fetch answer may still hold.
pub(super) struct Room {
    pub(super) bytes_max: usize,
    pub(super) taken: usize,
}

/// What one partition contributes.
pub(super) struct Read {
    /// `None` for an unknown topic id.
    pub(super) topic: Option<Arc<str>>,
    pub(super) index: i32,
    pub(super) error: ErrorCode,
    pub(super) high_watermark: i64,
    pub(super) last_stable_offset: i64,
    pub(super) log_start_offset: i64,
    /// Only for read_committed.
    pub(super) aborted: Option<Vec<AbortedTransaction>>,
    pub(super) records: Vec<Bytes>,
}

impl Room {
    pub(super) fn new(bytes_max: usize) -> Self {
        Self {
            bytes_max,
            taken: 0,
        }
    }

    fn left(&self) -> usize {
        self.bytes_max.saturating_sub(self.taken)
    }
}

pub(super) fn partition(
    cluster: &Cluster,
    context: &Context<'_>,
    topic: Option<Arc<str>>,
    asked: &FetchPartition,
    committed_only: bool,
    room: &mut Room,
) -> Read {
    let index = asked.partition;
    let checked = match topic.as_deref() {
        None => Err(ErrorCode::UNKNOWN_TOPIC_ID),
        Some(name) => context.check_partition(name, index).and_then(|()| {
            cluster.check_leader(context.node, name, index, asked.current_leader_epoch)
        }),
    };
    let mut read = Read {
        topic,
        index,
        error: ErrorCode::NONE,
        high_watermark: -1,
        last_stable_offset: -1,
        log_start_offset: -1,
        aborted: committed_only.then(Vec::new),
        records: Vec::new(),
    };
    match checked {
        Ok(partition) => {
            fill(
                &mut read,
                partition,
                asked,
                room,
                cluster.config.truncate_fetches,
            );
        }
        Err(error) => {
            read.error = error;
            // Kafka answers these two with an empty list whatever was asked.
            let unknown = [
                ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
                ErrorCode::UNKNOWN_TOPIC_ID,
            ];
            if unknown.contains(&error) {
                read.aborted = Some(Vec::new());
            }
        }
    }
    read
}

fn fill(
    read: &mut Read,
    partition: &Partition,
    asked: &FetchPartition,
    room: &mut Room,
    truncate: bool,
) {
    let log = &partition.log;
    if asked.fetch_offset < log.log_start_offset() || asked.fetch_offset > log.high_watermark() {
        read.error = ErrorCode::OFFSET_OUT_OF_RANGE;
        return;
    }
    read.high_watermark = log.high_watermark();
    read.last_stable_offset = log.last_stable_offset();
    read.log_start_offset = log.log_start_offset();
    let until = if read.aborted.is_some() {
        read.last_stable_offset
    } else {
        read.high_watermark
    };
    let limit = usize::try_from(asked.partition_max_bytes)
        .unwrap_or(0)
        .min(room.left());
    let mut size = 0;
    let mut end = asked.fetch_offset;
    for batch in log.batches_from(asked.fetch_offset, until) {
        let bytes = batch.bytes();
        // One batch more than was read: Kafka finds the end of the aborted ranges by its sparse
        // offset index, so clients get entries that start behind their records.
        end = batch.next_offset();
        if size + bytes.len() <= limit {
            size += bytes.len();
            read.records.push(bytes.clone());
        } else if size == 0 && room.taken == 0 {
            // The first batch of an answer comes whole whatever the limits are, or a client with
            // too small a limit would never get on (KIP-74).
            size = bytes.len();
            read.records.push(bytes.clone());
        } else {
            if truncate && size > 0 && size < limit {
                read.records.push(bytes.slice(..limit - size));
                size = limit;
            }
            break;
        }
    }
    room.taken += size;
    if let Some(aborted) = read.aborted.as_mut().filter(|_| size > 0) {
        *aborted = log.aborted_between(asked.fetch_offset, end);
    }
}
