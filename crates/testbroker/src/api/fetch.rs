//! Fetch v4-18 for consumers, by topic id from v13: sessions (KIP-227), long poll with min_bytes and
//! max_wait, byte limits, read_committed with the aborted index, leader epochs with leader hints
//! (v16+), diverging epochs (v12+), preferred read replicas and reading from followers (KIP-392).
//!
//! A follower's Fetch reads to the log end of a leader, but moves no high watermark: the replicas of
//! this cluster do not copy by it. Not done: remote storage, quotas.

mod read;
mod replicas;

use std::collections::BTreeMap;
use std::sync::Arc;

use milena_wire::messages::{
    AbortedTransaction, EpochEndOffset, FetchLeaderIdAndEpoch, FetchNodeEndpoint, FetchRequest,
    FetchResponse, FetchableTopicResponse, PartitionData,
};
use milena_wire::{ErrorCode, Payload, Uuid};

use crate::cluster::fetch_sessions::{self, Asked, FetchMode, Said};
use crate::cluster::{Cluster, millis};
use crate::request::{Context, Reply, WaitOn};
use read::{Read, Reader, Room};
pub(crate) use replicas::end_of_epoch;

pub(crate) fn handle(
    cluster: &mut Cluster,
    context: &Context<'_>,
    request: &FetchRequest<'_>,
) -> Reply {
    match begin(cluster, context, request) {
        Ok((mode, asked)) => serve(cluster, context, request, mode, &asked),
        Err(error_code) => context.answer(&FetchResponse {
            throttle_time_ms: context.throttle_time_ms,
            error_code,
            ..Default::default()
        }),
    }
}

/// Which partitions a request is about, by itself or by its session.
fn begin(
    cluster: &mut Cluster,
    context: &Context<'_>,
    request: &FetchRequest<'_>,
) -> Result<(FetchMode, Vec<Asked>), ErrorCode> {
    forced_at_the_top(context)?;
    let by_id = context.version >= 13;
    let topics = &cluster.topics;
    let name = |name: &str, id: Uuid| -> Option<Arc<str>> {
        match by_id {
            true => topics.name_of(id).cloned(),
            false => Some(name.into()),
        }
    };
    let sessions = &mut cluster.fetch_sessions;
    let whose = (context.node, context.request);
    let mode = sessions.begin(whose, context.now, by_id, request, name)?;
    let asked = match mode {
        FetchMode::Incremental(session) => sessions.partitions(context.node, session, name),
        FetchMode::Sessionless | FetchMode::Full => fetch_sessions::asked(request, name),
    };
    Ok((mode, asked))
}

/// An error of a rule that has its place in the answer's own field.
fn forced_at_the_top(context: &Context<'_>) -> Result<(), ErrorCode> {
    const SESSION_ERRORS: [ErrorCode; 3] = [
        ErrorCode::FETCH_SESSION_ID_NOT_FOUND,
        ErrorCode::INVALID_FETCH_SESSION_EPOCH,
        ErrorCode::FETCH_SESSION_TOPIC_ID_ERROR,
    ];
    context.check_top()?;
    match context.check() {
        Err(error) if SESSION_ERRORS.contains(&error) => Err(error),
        _ => Ok(()),
    }
}

fn serve(
    cluster: &mut Cluster,
    context: &Context<'_>,
    request: &FetchRequest<'_>,
    mode: FetchMode,
    asked: &[Asked],
) -> Reply {
    let bytes_max = usize::try_from(request.max_bytes).unwrap_or(0);
    let mut room = Room::new(bytes_max.min(cluster.config.fetch_bytes_max));
    let reader = Reader::new(cluster, context, request);
    // What is not there at all is answered behind the rest, and ends no wait.
    let (found, mut missing): (Vec<_>, Vec<_>) = asked.iter().partition(|it| reader.exists(it));
    // Topic ids that nothing has are found before partitions are looked up.
    missing.sort_by_key(|it| it.topic.is_some());
    let mut reads: Vec<Read> = found
        .into_iter()
        .map(|asked| reader.read(asked, &mut room))
        .collect();
    let unread = missing.len();
    reads.extend(missing.into_iter().map(|asked| reader.missing(asked)));

    let bytes_min = usize::try_from(request.min_bytes)
        .unwrap_or(0)
        .min(room.bytes_max);
    let deadline = context.received + millis(request.max_wait_ms);
    let ready = reads.len() == unread
        || room.taken >= bytes_min
        || room.available >= bytes_min
        || reads[..reads.len() - unread].iter().any(Read::is_urgent);
    let first_unread = cluster.fetch_sessions.unreadable(context.request, unread);
    if !ready && unread == first_unread && context.now < deadline {
        let partitions = reads.into_iter().filter_map(|read| {
            Some(WaitOn::Partition(
                read.asked.topic?,
                read.asked.position.partition,
            ))
        });
        return Reply::Wait {
            until: deadline,
            on: partitions.collect(),
        };
    }
    finish(cluster, context, request, mode, reads)
}

/// Brings the session up to date and answers.
fn finish(
    cluster: &mut Cluster,
    context: &Context<'_>,
    request: &FetchRequest<'_>,
    mode: FetchMode,
    mut reads: Vec<Read>,
) -> Reply {
    let whose = (context.node, context.request);
    let told = |read: &Read| {
        let topic = read.asked.topic.as_deref().unwrap_or_default();
        !context.leaves_out(topic, read.asked.position.partition)
    };
    reads.retain(told);
    let (session_id, error_code) = match mode {
        FetchMode::Sessionless => (0, ErrorCode::NONE),
        FetchMode::Full => {
            let answered = reads.iter().map(|read| (read.asked.clone(), read.said()));
            let kind = (context.version >= 13, read::follower(request).is_some());
            let slots = cluster.config.fetch_session_slots;
            let sessions = &mut cluster.fetch_sessions;
            let id = sessions.create(whose, context.now, slots, kind, answered);
            (id, ErrorCode::NONE)
        }
        FetchMode::Incremental(session) => {
            let answered: Vec<_> = reads
                .iter()
                .map(|read| (read.asked.key(), read.said()))
                .collect();
            match cluster.fetch_sessions.news(whose, session, &answered) {
                Ok(news) => {
                    let mut news = news.into_iter();
                    reads.retain(|_| news.next() == Some(true));
                    (session, ErrorCode::NONE)
                }
                Err(error) => {
                    reads.clear();
                    (session, error)
                }
            }
        }
    };
    answer(cluster, context, (session_id, error_code), reads)
}

fn answer(
    cluster: &Cluster,
    context: &Context<'_>,
    (session_id, error_code): (i32, ErrorCode),
    reads: Vec<Read>,
) -> Reply {
    let mut leaders = BTreeMap::new();
    let mut answers: Vec<(Option<Arc<str>>, Uuid, Vec<PartitionData>)> = Vec::new();
    for read in reads {
        let (topic, id) = (read.asked.topic.clone(), read.asked.id);
        let data = partition_data(cluster, context, read);
        if let Some(node) = cluster.node(data.current_leader.leader_id) {
            leaders.insert(node.id, node);
        }
        // The order of the partitions is kept: only neighbours share a topic's entry.
        match answers.last_mut() {
            Some((last, last_id, partitions)) if *last == topic && *last_id == id => {
                partitions.push(data);
            }
            _ => answers.push((topic, id, vec![data])),
        }
    }
    let responses = answers.iter_mut().map(|(topic, topic_id, partitions)| {
        let topic = topic.as_deref().unwrap_or_default();
        FetchableTopicResponse {
            topic,
            topic_id: *topic_id,
            partitions: std::mem::take(partitions),
        }
    });
    let endpoints = leaders.values().map(|node| FetchNodeEndpoint {
        node_id: node.id,
        host: &node.host,
        port: i32::from(node.port),
        rack: node.rack.as_deref(),
    });
    let response = FetchResponse {
        throttle_time_ms: context.throttle_time_ms,
        error_code,
        session_id,
        responses: responses.collect(),
        node_endpoints: endpoints.collect(),
    };
    context.answer(&response)
}

fn partition_data(cluster: &Cluster, context: &Context<'_>, read: Read) -> PartitionData {
    let index = read.asked.position.partition;
    let partition = read
        .asked
        .topic
        .as_deref()
        .and_then(|topic| cluster.topics.partition(topic, index));
    let aborted = read.aborted.map(|aborted| {
        let entries = aborted.into_iter().map(|aborted| AbortedTransaction {
            producer_id: aborted.producer_id,
            first_offset: aborted.first_offset,
        });
        entries.collect()
    });
    let mut data = PartitionData {
        partition_index: index,
        error_code: read.error,
        high_watermark: read.high_watermark,
        last_stable_offset: read.last_stable_offset,
        log_start_offset: read.log_start_offset,
        aborted_transactions: aborted,
        preferred_read_replica: read.preferred.unwrap_or(-1),
        records: Some(Payload::new(read.records)),
        ..Default::default()
    };
    if let Some((epoch, end_offset)) = read.diverging {
        data.diverging_epoch = EpochEndOffset { epoch, end_offset };
    }
    // What older clients would not recognize (`maybeDownConvertStorageError`).
    if data.error_code == ErrorCode::KAFKA_STORAGE_ERROR && context.version <= 5 {
        data.error_code = ErrorCode::NOT_LEADER_OR_FOLLOWER;
    }
    let moved = [
        ErrorCode::NOT_LEADER_OR_FOLLOWER,
        ErrorCode::FENCED_LEADER_EPOCH,
    ]
    .contains(&read.error);
    if let Some(partition) = partition.filter(|_| moved && context.version >= 16) {
        data.current_leader = FetchLeaderIdAndEpoch {
            leader_id: partition.leader,
            leader_epoch: partition.leader_epoch,
        };
    }
    data
}

impl Read {
    /// Whether it is worth an answer at once.
    fn is_urgent(&self) -> bool {
        !self.error.is_ok() || self.diverging.is_some() || self.preferred.is_some() || self.is_ahead
    }

    fn said(&self) -> Said {
        Said {
            high_watermark: self.high_watermark,
            log_start_offset: self.log_start_offset,
            has_records: !self.records.is_empty(),
            failed: !self.error.is_ok(),
            redirects: self.diverging.is_some() || self.preferred.is_some(),
        }
    }
}
