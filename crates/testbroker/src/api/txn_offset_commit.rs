//! TxnOffsetCommit v0-5 at the group's coordinator: the offsets wait for the transaction's marker.
//! From v5 on the group joins the transaction by itself (KIP-890); before, it must have been added
//! with AddOffsetsToTxn. From v3 on a member may be named, and then has to be one (KIP-447).

use std::collections::BTreeSet;

use milena_wire::messages::{
    TxnOffsetCommitRequest, TxnOffsetCommitRequestPartition, TxnOffsetCommitResponse,
    TxnOffsetCommitResponsePartition, TxnOffsetCommitResponseTopic,
};
use milena_wire::{ErrorCode, Uuid};

use super::offset_commit::is_too_long;
use super::per_partition::Results;
use crate::cluster::{Cluster, JoinMode, Topics, offsets_participant};
use crate::config::Emulate;
use crate::group::{CommittedOffset, ConsumerGroup, Members, offsets_partition};
use crate::request::{Context, Reply};
use crate::transaction::Identity;

pub(crate) fn handle(
    cluster: &mut Cluster,
    context: &Context<'_>,
    request: &TxnOffsetCommitRequest<'_>,
) -> Reply {
    let mut results = Results::default();
    let mut accepted = Vec::new();
    for topic in &request.topics {
        let key = (topic.name, Uuid::ZERO);
        let mut partitions = Vec::new();
        for partition in &topic.partitions {
            let index = partition.partition_index;
            if cluster.topics.partition(topic.name, index).is_some() {
                partitions.push(partition);
            } else {
                results.add(key, index, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
            }
        }
        if !partitions.is_empty() {
            accepted.push((key, partitions));
        }
    }
    // The coordinator is asked, and the group joins the transaction, only if something is left.
    if !accepted.is_empty() {
        let checked = check(cluster, context, request);
        for (key, partitions) in accepted {
            let committed = partitions.iter().map(|partition| {
                let index = partition.partition_index;
                let result =
                    checked.and_then(|()| commit(cluster, context, request, key.0, partition));
                let error = match result {
                    Ok(()) => context.shown_partition(key.0, index, ErrorCode::NONE),
                    Err(error) => error,
                };
                (index, error)
            });
            let committed = committed.collect();
            results.merge(key, committed);
        }
        cluster.group_changed(request.group_id);
    }
    answer(context, results)
}

fn commit(
    cluster: &mut Cluster,
    context: &Context<'_>,
    request: &TxnOffsetCommitRequest<'_>,
    topic: &str,
    partition: &TxnOffsetCommitRequestPartition<'_>,
) -> Result<(), ErrorCode> {
    let index = partition.partition_index;
    context.check_partition(topic, index)?;
    let metadata = partition.committed_metadata.unwrap_or_default();
    if is_too_long(metadata) {
        return Err(ErrorCode::OFFSET_METADATA_TOO_LARGE);
    }
    let topic_id = cluster
        .topics
        .get(topic)
        .map_or(Uuid::ZERO, |topic| topic.id);
    let offset = CommittedOffset {
        offset: partition.committed_offset,
        leader_epoch: partition.committed_leader_epoch,
        metadata: metadata.to_owned(),
        topic_id,
        committed_at: cluster.wall_clock(),
        expires: None,
    };
    let group = cluster.groups.get_or_create(request.group_id);
    let key = (topic.into(), index);
    group.offsets.add_pending(request.producer_id, key, offset);
    Ok(())
}

fn answer(context: &Context<'_>, results: Results<'_>) -> Reply {
    // Producers before version 2 know no loading coordinator (KAFKA-7296).
    let known = |error| match error {
        ErrorCode::COORDINATOR_LOAD_IN_PROGRESS if context.version < 2 => {
            ErrorCode::COORDINATOR_NOT_AVAILABLE
        }
        error => error,
    };
    let topics = results.into_topics().map(|((name, _), partitions)| {
        let partitions = partitions.into_iter();
        let partitions = partitions.map(|(index, error)| TxnOffsetCommitResponsePartition {
            partition_index: index,
            error_code: known(error),
        });
        TxnOffsetCommitResponseTopic {
            name,
            partitions: partitions.collect(),
        }
    });
    let response = TxnOffsetCommitResponse {
        throttle_time_ms: context.throttle_time_ms,
        topics: topics.collect(),
    };
    context.answer(&response)
}

/// Whether the group may take the offsets; joins the transaction.
fn check(
    cluster: &mut Cluster,
    context: &Context<'_>,
    request: &TxnOffsetCommitRequest<'_>,
) -> Result<(), ErrorCode> {
    context.check()?;
    let group = request.group_id;
    if group.is_empty() {
        return Err(ErrorCode::INVALID_GROUP_ID);
    }
    cluster.check_group(context.node, group)?;
    if cluster.config.emulate == Emulate::V3_9 {
        // Before anything is verified, and even if it is refused then.
        cluster.groups.get_or_create(group);
    }
    let identity = Identity {
        producer_id: request.producer_id,
        epoch: request.producer_epoch,
    };
    join(cluster, context, request, identity)?;
    check_member(cluster, request)?;
    let producers = cluster.groups.producers_mut(offsets_partition(group));
    producers.write_offsets(identity.producer_id, identity.epoch)
}

/// KIP-447: who consumes in this transaction has to be a member still. Who names no member, as those
/// that assign partitions to themselves, is not asked.
fn check_member(cluster: &Cluster, request: &TxnOffsetCommitRequest<'_>) -> Result<(), ErrorCode> {
    let generation = request.generation_id;
    let (member_id, instance_id) = (request.member_id, request.group_instance_id);
    let group = cluster.groups.get(request.group_id);
    match group.map(|group| &group.members) {
        None | Some(Members::None) if generation < 0 => Ok(()),
        None => Err(ErrorCode::ILLEGAL_GENERATION),
        Some(Members::None) => Err(ErrorCode::UNKNOWN_MEMBER_ID),
        Some(Members::Classic(members)) => {
            members.check_commit(member_id, instance_id, generation, true)
        }
        Some(Members::Consumer(members)) => {
            let names_nobody = member_id.is_empty() && instance_id.is_none();
            if generation < 0 && (members.is_empty() || names_nobody) {
                return Ok(());
            }
            let checked = members.check_commit(member_id, generation);
            let checked = checked.and_then(|()| check_epochs(&cluster.topics, members, request));
            // A producer does not know of epochs.
            checked.map_err(|error| match error {
                ErrorCode::STALE_MEMBER_EPOCH => ErrorCode::ILLEGAL_GENERATION,
                error => error,
            })
        }
    }
}

/// As for a commit without a transaction.
fn check_epochs(
    topics: &Topics,
    members: &ConsumerGroup,
    request: &TxnOffsetCommitRequest<'_>,
) -> Result<(), ErrorCode> {
    let (member_id, epoch) = (request.member_id, request.generation_id);
    for topic in &request.topics {
        let id = topics.get(topic.name).map_or(Uuid::ZERO, |topic| topic.id);
        for partition in &topic.partitions {
            if !is_too_long(partition.committed_metadata.unwrap_or_default()) {
                members.check_partition(member_id, epoch, id, partition.partition_index)?;
            }
        }
    }
    Ok(())
}

fn join(
    cluster: &mut Cluster,
    context: &Context<'_>,
    request: &TxnOffsetCommitRequest<'_>,
    identity: Identity,
) -> Result<(), ErrorCode> {
    let group = request.group_id;
    let producers = cluster.groups.producers_mut(offsets_partition(group));
    let Identity { producer_id, epoch } = identity;
    // 3.9 leaves the epoch to the coordinator, and to the log afterwards.
    let looks_at_epochs = cluster.config.emulate != Emulate::V3_9;
    if looks_at_epochs && producers.is_stale(producer_id, epoch) {
        return Err(ErrorCode::INVALID_PRODUCER_EPOCH);
    }
    let open = if looks_at_epochs {
        producers.has_open_transaction(producer_id, epoch)
    } else {
        producers.has_transaction_of_any_epoch(producer_id)
    };
    if open {
        return Ok(());
    }
    let mode = JoinMode::of_offset_commit(context.version);
    let participant = BTreeSet::from([offsets_participant(group)]);
    let outside =
        cluster.join_transaction(request.transactional_id, identity, participant, mode)?;
    if outside.is_empty() {
        Ok(())
    } else {
        Err(mode.outside_error())
    }
}
