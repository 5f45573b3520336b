//! Reading one partition for a Fetch, within the limits (`ReplicaManager.readFromLog`,
//! `Partition.fetchRecords`).

use bytes::Bytes;
use milena_wire::messages::FetchRequest;
use milena_wire::{ErrorCode, Uuid};

use super::replicas;
use crate::cluster::fetch_sessions::Asked;
use crate::cluster::{Cluster, Partition};
use crate::log::AbortedTransaction;
use crate::request::Context;

/// What a Fetch answer may still hold.
pub(super) struct Room {
    pub(super) bytes_max: usize,
    pub(super) taken: usize,
    /// Bytes that the partitions have for this request, counted as a waiting Fetch counts them:
    /// without the limit of the answer.
    pub(super) available: usize,
}

/// How a request wants to read.
pub(super) struct Reader<'a> {
    cluster: &'a Cluster,
    context: &'a Context<'a>,
    rack: &'a str,
    committed_only: bool,
    follower: Option<i32>,
    /// Only from leaders: a follower, or a consumer that does not know of other replicas (before
    /// v11).
    leaders_only: bool,
}

/// What one partition contributes.
pub(super) struct Read {
    pub(super) asked: Asked,
    pub(super) error: ErrorCode,
    pub(super) high_watermark: i64,
    pub(super) last_stable_offset: i64,
    pub(super) log_start_offset: i64,
    /// Only for read_committed.
    pub(super) aborted: Option<Vec<AbortedTransaction>>,
    pub(super) records: Vec<Bytes>,
    /// Where the reader's log parts from ours: the end of this epoch.
    pub(super) diverging: Option<(i32, i64)>,
    pub(super) preferred: Option<i32>,
    /// It asks for offsets that are there but may not be read: waiting is no use.
    pub(super) is_ahead: bool,
}

/// What of a log one replica may hand out.
struct View {
    end: i64,
    high_watermark: i64,
    last_stable_offset: i64,
}

/// The follower that asks; `None` for consumers.
pub(super) fn follower(request: &FetchRequest<'_>) -> Option<i32> {
    let old = Some(request.replica_id).filter(|id| *id >= 0);
    old.or_else(|| Some(request.replica_state.replica_id).filter(|id| *id >= 0))
}

impl Room {
    pub(super) fn new(bytes_max: usize) -> Self {
        Self {
            bytes_max,
            taken: 0,
            available: 0,
        }
    }

    fn left(&self) -> usize {
        self.bytes_max.saturating_sub(self.taken)
    }
}

impl<'a> Reader<'a> {
    pub(super) fn new(
        cluster: &'a Cluster,
        context: &'a Context<'a>,
        request: &'a FetchRequest<'a>,
    ) -> Self {
        let follower = follower(request);
        Self {
            cluster,
            context,
            rack: request.rack_id,
            committed_only: request.isolation_level == 1 && follower.is_none(),
            follower,
            leaders_only: follower.is_some() || context.version < 11,
        }
    }

    /// Whether the cluster has such a partition.
    pub(super) fn exists(&self, asked: &Asked) -> bool {
        let topic = asked.topic.as_deref();
        let index = asked.position.partition;
        topic.is_some_and(|topic| self.cluster.topics.partition(topic, index).is_some())
    }

    /// The answer about a partition that does not exist.
    pub(super) fn missing(&self, asked: &Asked) -> Read {
        let error = match &asked.topic {
            None => ErrorCode::UNKNOWN_TOPIC_ID,
            Some(_) => ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
        };
        Read {
            // Kafka answers these two with an empty list whatever was asked.
            aborted: Some(Vec::new()),
            ..Read::failed(asked, error)
        }
    }

    pub(super) fn read(&self, asked: &Asked, room: &mut Room) -> Read {
        match self.find(asked) {
            Ok(partition) => self.read_from(partition, asked, room),
            Err(error) => Read::failed(asked, error),
        }
    }

    fn find(&self, asked: &Asked) -> Result<&'a Partition, ErrorCode> {
        let topic = asked.topic.as_deref().unwrap_or_default();
        let position = &asked.position;
        self.context.check_partition(topic, position.partition)?;
        let id = self.cluster.topics.get(topic).map(|topic| topic.id);
        // The topic was deleted and made again while a session reads it.
        if asked.id != Uuid::ZERO && Some(asked.id) != id {
            return Err(ErrorCode::INCONSISTENT_TOPIC_ID);
        }
        let believed_epoch = position.current_leader_epoch;
        let node = self.context.node;
        self.cluster.check_replica(
            node,
            topic,
            position.partition,
            believed_epoch,
            self.leaders_only,
        )
    }

    fn read_from(&self, partition: &Partition, asked: &Asked, room: &mut Room) -> Read {
        let log = &partition.log;
        let view = self.view(partition);
        let mut read = Read {
            high_watermark: view.high_watermark,
            last_stable_offset: view.last_stable_offset,
            log_start_offset: log.log_start_offset(),
            ..Read::failed(asked, ErrorCode::NONE)
        };
        let offset = asked.position.fetch_offset;
        if self.context.version >= 11 && self.follower.is_none() {
            let node = self.context.node;
            read.preferred = replicas::preferred(self.cluster, partition, node, self.rack, offset);
            if read.preferred.is_some() {
                return read;
            }
        }
        match replicas::diverging(partition, view.end, &asked.position) {
            Ok(diverging) => read.diverging = diverging,
            Err(error) => return Read::failed(asked, error),
        }
        if offset < log.log_start_offset() || read.diverging.is_none() && offset > view.end {
            return Read::failed(asked, ErrorCode::OFFSET_OUT_OF_RANGE);
        }
        if read.diverging.is_some() {
            return read;
        }
        read.aborted = self.committed_only.then(Vec::new);
        let until = match (self.follower, self.committed_only) {
            (Some(_), _) => view.end,
            (None, true) => view.last_stable_offset,
            (None, false) => view.high_watermark,
        };
        // Kafka stumbles over it where there is something to read.
        if asked.position.partition_max_bytes < 0 && offset < until {
            return Read::failed(asked, ErrorCode::UNKNOWN_SERVER_ERROR);
        }
        read.is_ahead = offset > until;
        read.fill(partition, until, room, self.cluster.config.truncate_fetches);
        read
    }

    fn view(&self, partition: &Partition) -> View {
        let log = &partition.log;
        let end = partition.replica_end(self.context.node);
        let end = end.unwrap_or_else(|| log.log_end_offset());
        View {
            end,
            high_watermark: log.high_watermark().min(end),
            last_stable_offset: log.last_stable_offset().min(end),
        }
    }
}

impl Read {
    fn failed(asked: &Asked, error: ErrorCode) -> Self {
        Self {
            asked: asked.clone(),
            error,
            high_watermark: -1,
            last_stable_offset: -1,
            log_start_offset: -1,
            aborted: None,
            records: Vec::new(),
            diverging: None,
            preferred: None,
            is_ahead: false,
        }
    }

    fn fill(&mut self, partition: &Partition, until: i64, room: &mut Room, truncate: bool) {
        let log = &partition.log;
        let position = &self.asked.position;
        let partition_max = usize::try_from(position.partition_max_bytes).unwrap_or(0);
        let limit = partition_max.min(room.left());
        let (mut size, mut available) = (0, 0);
        let mut end = position.fetch_offset;
        let mut full = false;
        for batch in log.batches_from(position.fetch_offset, until) {
            let bytes = batch.bytes();
            available += bytes.len();
            if full {
                if available >= partition_max {
                    break;
                }
                continue;
            }
            end = batch.next_offset();
            if size + bytes.len() <= limit {
                size += bytes.len();
                self.records.push(bytes.clone());
            } else if size == 0 && room.taken == 0 {
                // The first batch of an answer comes whole whatever the limits are, or a client with
                // too small a limit would never get on (KIP-74).
                size = bytes.len();
                self.records.push(bytes.clone());
            } else {
                if truncate && size > 0 && size < limit {
                    self.records.push(bytes.slice(..limit - size));
                    size = limit;
                }
                full = true;
            }
        }
        room.taken += size;
        room.available += available.min(partition_max);
        if let Some(aborted) = self.aborted.as_mut().filter(|_| size > 0) {
            let further = log.aborted_transactions().last();
            if further.is_some_and(|last| last.first_offset >= end) {
                end = end.max(log.index_bound(position.fetch_offset, size));
            }
            *aborted = log.aborted_between(position.fetch_offset, end);
        }
    }
}
