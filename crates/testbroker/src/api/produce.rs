//! Produce v3-13, by topic id from v13; acks 0, 1 and -1.
//!
//! The way of a request: each partition's batch is looked at; transactional ones join their
//! transaction (v12+) or are verified to be in it, and the request waits inside the broker while
//! that answers CONCURRENT_TRANSACTIONS (v12+); then each batch is validated and appended; with
//! acks=-1, the answer waits until the replicas in sync have it.
//!
//! Not done: message formats before v2 (as Kafka 4, which refuses them), quotas.

mod acks;
mod answer;
mod batch;
mod join;
mod refusal;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use milena_wire::ErrorCode;
use milena_wire::messages::{PartitionProduceData, ProduceRequest};
use milena_wire::record::BatchView;

use crate::cluster::{Cluster, is_internal, millis};
use crate::request::{Context, Reply};
pub(crate) use acks::PendingProduce;
pub(super) use acks::reached;
use refusal::Refusal;

pub(crate) fn handle(
    cluster: &mut Cluster,
    context: &Context<'_>,
    request: &ProduceRequest<'_>,
) -> Reply {
    let mut pending = match cluster.pending_produce.remove(&context.request) {
        Some(pending) => pending,
        None => match apply(cluster, context, request) {
            Ok(writes) => PendingProduce {
                node: context.node,
                deadline: context.now + millis(request.timeout_ms),
                writes,
            },
            Err(later) => return later,
        },
    };
    if request.acks == -1 {
        let waiting = acks::await_replicas(cluster, context, &mut pending);
        if !waiting.is_empty() {
            let until = pending.deadline;
            cluster.pending_produce.insert(context.request, pending);
            return Reply::Wait { until, on: waiting };
        }
    }
    let writes = &pending.writes;
    if request.acks == 0 {
        // Without an answer, closing the connection is the only way to say that something failed.
        let failed = writes.iter().find(|write| !write.error.is_ok());
        return match failed {
            Some(write) => Reply::Close(format!("acks=0 and {}", write.error)),
            None => Reply::Nothing,
        };
    }
    answer::answer(cluster, context, request, writes)
}

/// One partition of a request.
pub(crate) struct Write {
    /// Where the request names its topic first.
    named_at: usize,
    topic: Arc<str>,
    index: i32,
    /// What is to be written; `None` if it is refused already, or written.
    batch: Option<BatchView>,
    /// What the log will refuse it for, whatever else there is.
    contradiction: Option<Refusal>,
    /// Whether Kafka gives up the whole request over it.
    stumbled: bool,
    /// Whether it is in a transaction.
    transactional: bool,
    /// Whether the transaction coordinator has agreed.
    verified: bool,
    error: ErrorCode,
    /// -1 for what is not written. An error that came later leaves it.
    base_offset: i64,
    /// Where the log sets the time, or of a copy: the time-stamp of what was written before.
    append_time: i64,
    /// -1 for what is refused before the log has looked at it.
    log_start_offset: i64,
    /// What was wrong with another batch for the same partition.
    overruled: Option<ErrorCode>,
    /// What was wrong with it.
    refusal: Option<Refusal>,
    /// What replicas in sync must have: everything below this offset, written in this leader epoch.
    required: Option<(i64, i32)>,
}

impl Write {
    fn refuse(&mut self, error: ErrorCode) {
        self.batch = None;
        self.error = error;
    }

    /// The same, with more to say.
    fn refuse_by(&mut self, refusal: Refusal) {
        self.refuse(refusal.code);
        self.refusal = Some(refusal);
    }

    /// The request has another batch for this partition: the last good one is written, and what is
    /// wrong with any of them is answered (`KafkaApis.handleProduceRequest` has a map for each).
    fn again(&mut self, other: Self) {
        let refused = [&other, self].map(|write| (!write.error.is_ok()).then_some(write.error));
        let overruled = refused[0].or(refused[1]).or(self.overruled);
        let stumbled = self.stumbled || other.stumbled;
        if other.error.is_ok() || !self.error.is_ok() {
            let named_at = self.named_at;
            *self = Self { named_at, ..other };
        }
        self.stumbled = stumbled;
        self.overruled = overruled;
    }

    /// Answers what was wrong with another batch for the same partition, if anything was.
    fn overrule(&mut self) {
        if let Some(error) = self.overruled {
            self.refuse(error);
            self.base_offset = -1;
            self.append_time = -1;
            self.log_start_offset = -1;
            self.refusal = None;
            self.required = None;
        }
    }
}

/// Writes what can be written, or asks to be called later.
fn apply(
    cluster: &mut Cluster,
    context: &Context<'_>,
    request: &ProduceRequest<'_>,
) -> Result<Vec<Write>, Reply> {
    let mut writes = collect(cluster, context, request);
    let stumbled = writes.iter().any(|write| write.stumbled);
    let stumbled = stumbled.then(|| Refusal::before_log(ErrorCode::UNKNOWN_SERVER_ERROR));
    if let Some(refusal) = batch::refused_as_a_whole(request).or(stumbled) {
        for write in &mut writes {
            write.refuse_by(refusal.clone());
        }
        return Ok(writes);
    }
    match join::join(cluster, context, request.transactional_id, &mut writes) {
        join::Joined::Done => {}
        join::Joined::Later(until) => {
            return Err(Reply::Wait {
                until,
                on: Vec::new(),
            });
        }
    }
    for write in &mut writes {
        if let Some(batch) = write.batch.take()
            && let Err(refusal) = append(cluster, context, request.acks, write, &batch)
        {
            write.error = refusal.code;
            if refusal.by_log {
                let partition = cluster.topics.partition(&write.topic, write.index);
                let start = partition.map(|found| found.log.log_start_offset());
                write.log_start_offset = start.unwrap_or(-1);
            }
            write.refusal = Some(refusal);
        }
        write.overrule();
    }
    Ok(writes)
}

/// Every partition once, where the request names it first.
fn collect(cluster: &Cluster, context: &Context<'_>, request: &ProduceRequest<'_>) -> Vec<Write> {
    let count = request.topic_data.iter();
    let count = count.map(|topic| topic.partition_data.len()).sum();
    let mut writes: Vec<Write> = Vec::with_capacity(count);
    let mut topics = BTreeMap::new();
    let mut places = BTreeMap::new();
    for (at, topic) in request.topic_data.iter().enumerate() {
        let named = (topic.name, topic.topic_id);
        let named_at = *topics.entry(named).or_insert(at);
        let name: Option<Arc<str>> = match context.version {
            13.. => cluster.topics.name_of(topic.topic_id).cloned(),
            _ => Some(topic.name.into()),
        };
        for data in &topic.partition_data {
            let write = look_at(cluster, context, name.as_ref(), data);
            match places.entry((named_at, data.index)) {
                Entry::Occupied(place) => {
                    let place: usize = *place.get();
                    writes[place].again(write);
                }
                Entry::Vacant(place) => {
                    place.insert(writes.len());
                    writes.push(Write { named_at, ..write });
                }
            }
        }
    }
    writes
}

fn look_at(
    cluster: &Cluster,
    context: &Context<'_>,
    topic: Option<&Arc<str>>,
    data: &PartitionProduceData,
) -> Write {
    let found = batch::of(context.version, data.records.as_ref());
    let found = found.map(|found| (found.batch, found.contradiction));
    let transactional = matches!(&found, Ok((batch, _)) if batch.is_transactional());
    let checked = match topic {
        None => Err(ErrorCode::UNKNOWN_TOPIC_ID),
        Some(name) => check(cluster, context, name, data.index).and(found),
    };
    let stumbled = checked.is_ok() && batch::stumbles(context.version, data.records.as_ref());
    let (batch, contradiction, error) = match checked {
        Ok((batch, contradiction)) => (Some(batch), contradiction, ErrorCode::NONE),
        Err(error) => (None, None, error),
    };
    Write {
        named_at: 0,
        topic: topic.cloned().unwrap_or_else(|| "".into()),
        index: data.index,
        error,
        batch,
        contradiction,
        stumbled,
        transactional,
        verified: false,
        base_offset: -1,
        append_time: -1,
        log_start_offset: -1,
        overruled: None,
        refusal: None,
        required: None,
    }
}

fn check(
    cluster: &Cluster,
    context: &Context<'_>,
    topic: &str,
    index: i32,
) -> Result<(), ErrorCode> {
    if cluster.topics.partition(topic, index).is_none() {
        return Err(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
    }
    context.check_partition(topic, index)
}

fn append(
    cluster: &mut Cluster,
    context: &Context<'_>,
    acks: i16,
    write: &mut Write,
    batch: &BatchView,
) -> Result<(), Refusal> {
    // Only now: `ReplicaManager.appendRecords` comes after verification.
    if !(-1..=1).contains(&acks) {
        return Err(Refusal::before_log(ErrorCode::INVALID_REQUIRED_ACKS));
    }
    // Kafka's own tool may.
    if is_internal(&write.topic) && context.client_id != Some("__admin_client") {
        let refused = ErrorCode::INVALID_TOPIC_EXCEPTION;
        return Err(Refusal::before_log(refused));
    }
    cluster
        .check_leader(context.node, &write.topic, write.index, -1)
        .map_err(Refusal::before_log)?;
    let wall_clock = cluster.wall_clock();
    let topics = &mut cluster.topics;
    let full = topics.log_bytes + batch.bytes().len() as u64 > cluster.config.log_bytes_max;
    let Some((config, partition)) = topics.partition_to_write(&write.topic, write.index) else {
        let gone = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
        return Err(Refusal::before_log(gone));
    };
    if acks == -1 && partition.is_under_min_isr(config.min_insync_replicas) {
        return Err(Refusal::by_log(ErrorCode::NOT_ENOUGH_REPLICAS));
    }
    if let Some(contradiction) = write.contradiction.take() {
        return Err(contradiction);
    }
    let compacted = config.compacted;
    let checked = batch::check(batch, config, wall_clock, &mut cluster.codecs)?;
    if full {
        return Err(Refusal::before_log(ErrorCode::KAFKA_STORAGE_ERROR));
    }
    let log = &mut partition.log;
    let before = log.bytes();
    let epoch = partition.leader_epoch;
    let appended = log
        .append(&checked.batch, checked.times, write.verified, epoch)
        .map_err(Refusal::by_log)?;
    if let Some(bytes_max) = cluster.config.retention_bytes {
        partition.retain_bytes(bytes_max);
    }
    write.log_start_offset = partition.log.log_start_offset();
    write.append_time = appended.copy_of.unwrap_or(checked.append_time);
    let after = partition.log.bytes();
    topics.log_bytes = topics.log_bytes + after - before;
    write.required = Some((appended.next_offset, epoch));
    write.base_offset = appended.base_offset;
    if appended.copy_of.is_none() {
        cluster.arm_housekeeping();
        if compacted {
            cluster.arm_cleaner();
        }
        cluster.wake(&write.topic, write.index);
    }
    let shown = context.shown_partition(&write.topic, write.index, ErrorCode::NONE);
    if !shown.is_ok() {
        write.error = shown;
        write.base_offset = -1;
        write.required = None;
    }
    Ok(())
}
