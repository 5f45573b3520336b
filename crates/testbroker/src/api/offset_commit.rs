//! OffsetCommit v2-10: by members, and by anybody for a group without members (a "simple" group).
//! Topics by id from v10 on; a time to keep the offsets from v2 to v4.
//!
//! Not done: classic members in a group of the consumer protocol.

use milena_wire::messages::{
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitResponse,
    OffsetCommitResponsePartition, OffsetCommitResponseTopic,
};
use milena_wire::{ErrorCode, Uuid};

use super::per_partition::{Results, Topic};
use crate::cluster::{Cluster, Topics};
use crate::config::Emulate;
use crate::group::{CommittedOffset, ConsumerGroup, Members};
use crate::limits::OFFSET_METADATA_BYTES_MAX;
use crate::request::{Context, Reply};

pub(crate) fn handle(
    cluster: &mut Cluster,
    context: &Context<'_>,
    request: &OffsetCommitRequest<'_>,
) -> Reply {
    // Names that were looked up, which the answer borrows.
    let names: Vec<_> = request
        .topics
        .iter()
        .map(|topic| cluster.topics.name_of(topic.topic_id).cloned())
        .collect();
    let mut results = Results::default();
    let mut accepted = Vec::new();
    for (topic, name) in request.topics.iter().zip(&names) {
        let by_id = context.version >= 10;
        let (key, unknown) = if by_id {
            let name = name.as_deref().unwrap_or_default();
            ((name, topic.topic_id), ErrorCode::UNKNOWN_TOPIC_ID)
        } else {
            let unknown = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
            ((topic.name, Uuid::ZERO), unknown)
        };
        let exists = cluster.topics.get(key.0).is_some();
        let mut partitions = Vec::new();
        for partition in &topic.partitions {
            let index = partition.partition_index;
            if !exists {
                results.add(key, index, unknown);
            } else if cluster.topics.partition(key.0, index).is_none() {
                results.add(key, index, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
            } else {
                partitions.push(partition);
            }
        }
        if !partitions.is_empty() {
            accepted.push((key, partitions));
        }
    }
    // The coordinator is asked only if something is left to commit.
    if !accepted.is_empty() {
        let checked = check(cluster, context, request);
        for (topic, partitions) in accepted {
            let committed = partitions.iter().map(|partition| {
                let index = partition.partition_index;
                let result =
                    checked.and_then(|()| commit(cluster, context, request, topic, partition));
                let error = match result {
                    Ok(()) => context.shown_partition(topic.0, index, ErrorCode::NONE),
                    Err(error) => error,
                };
                (index, error)
            });
            let committed = committed.collect();
            results.merge(topic, committed);
        }
        cluster.group_changed(request.group_id);
    }
    answer(context, results)
}

/// Whether this group takes offsets from this sender.
fn check(
    cluster: &mut Cluster,
    context: &Context<'_>,
    request: &OffsetCommitRequest<'_>,
) -> Result<(), ErrorCode> {
    context.check()?;
    cluster.check_group(context.node, request.group_id)?;
    let generation = request.generation_id_or_member_epoch;
    let member_id = request.member_id;
    let Some(around) = cluster.surroundings() else {
        return Err(ErrorCode::COORDINATOR_NOT_AVAILABLE);
    };
    let emulate = cluster.config.emulate;
    let Some(group) = cluster.groups.get_mut(request.group_id) else {
        return match generation {
            // It is there from now on, whatever becomes of the offsets.
            ..0 => {
                if cluster.groups.has_room_for(request.group_id) {
                    cluster.groups.get_or_create(request.group_id);
                }
                Ok(())
            }
            _ if context.version >= 9 && emulate != Emulate::V3_9 => {
                Err(ErrorCode::GROUP_ID_NOT_FOUND)
            }
            _ => Err(ErrorCode::ILLEGAL_GENERATION),
        };
    };
    match &mut group.members {
        Members::None if generation < 0 => Ok(()),
        Members::None => Err(ErrorCode::UNKNOWN_MEMBER_ID),
        Members::Classic(members) => {
            let instance_id = request.group_instance_id;
            members.check_commit(member_id, instance_id, generation, false)?;
            members.committed(&around, member_id);
            Ok(())
        }
        Members::Consumer(members) if generation < 0 && members.is_empty() => Ok(()),
        Members::Consumer(members) => {
            let checked = members.check_commit(member_id, generation);
            // Who asks in an older version cannot know what a stale epoch is.
            match checked {
                Err(ErrorCode::UNKNOWN_MEMBER_ID) => checked?,
                _ if context.version < 9 => return Err(ErrorCode::UNSUPPORTED_VERSION),
                checked => checked?,
            }
            check_epochs(&cluster.topics, members, request)
        }
    }
}

/// A member of an epoch that is over may commit what it has had since then. One partition that it
/// may not refuses them all.
fn check_epochs(
    topics: &Topics,
    members: &ConsumerGroup,
    request: &OffsetCommitRequest<'_>,
) -> Result<(), ErrorCode> {
    let epoch = request.generation_id_or_member_epoch;
    for topic in &request.topics {
        let id = match topics.get(topic.name) {
            Some(found) => found.id,
            None => topic.topic_id,
        };
        let partitions = topic.partitions.iter();
        let short = |metadata: Option<&str>| !is_too_long(metadata.unwrap_or_default());
        for partition in partitions.filter(|partition| short(partition.committed_metadata)) {
            let index = partition.partition_index;
            members.check_partition(request.member_id, epoch, id, index)?;
        }
    }
    Ok(())
}

fn commit(
    cluster: &mut Cluster,
    context: &Context<'_>,
    request: &OffsetCommitRequest<'_>,
    (topic, _): Topic<'_>,
    partition: &OffsetCommitRequestPartition<'_>,
) -> Result<(), ErrorCode> {
    let index = partition.partition_index;
    context.check_partition(topic, index)?;
    let metadata = partition.committed_metadata.unwrap_or_default();
    if is_too_long(metadata) {
        return Err(ErrorCode::OFFSET_METADATA_TOO_LARGE);
    }
    let now = cluster.wall_clock();
    let keeps = Some(request.retention_time_ms).filter(|keeps| *keeps != -1);
    let offset = CommittedOffset {
        offset: partition.committed_offset,
        leader_epoch: partition.committed_leader_epoch,
        metadata: metadata.to_owned(),
        topic_id: cluster
            .topics
            .get(topic)
            .map_or(Uuid::ZERO, |topic| topic.id),
        committed_at: now,
        expires: keeps.map(|keeps| now.saturating_add(keeps)),
    };
    let group = cluster.groups.get_or_create(request.group_id);
    group.offsets.commit((topic.into(), index), offset);
    Ok(())
}

fn answer(context: &Context<'_>, results: Results<'_>) -> Reply {
    let topics = results.into_topics().map(|((name, topic_id), partitions)| {
        let partitions = partitions.into_iter();
        let partitions =
            partitions.map(
                |(partition_index, error_code)| OffsetCommitResponsePartition {
                    partition_index,
                    error_code,
                },
            );
        OffsetCommitResponseTopic {
            name,
            topic_id,
            partitions: partitions.collect(),
        }
    });
    let response = OffsetCommitResponse {
        throttle_time_ms: context.throttle_time_ms,
        topics: topics.collect(),
    };
    context.answer(&response)
}

/// Java counts a string's UTF-16 units.
pub(super) fn is_too_long(metadata: &str) -> bool {
    metadata.len() > OFFSET_METADATA_BYTES_MAX
        && metadata.encode_utf16().count() > OFFSET_METADATA_BYTES_MAX
}
