//! TxnOffsetCommit v0-5 at the group's coordinator: the offsets wait for the transaction's marker.
//! From v5 on the group joins the transaction by itself (KIP-890); before, it must have been added
//! with AddOffsetsToTxn.
//!
//! Not done: group membership. A commit without generation (assigned consumers) is accepted; one
//! with a generation is answered ILLEGAL_GENERATION or UNKNOWN_MEMBER_ID, as by a group without
//! members.

use std::collections::BTreeSet;

use milena_wire::ErrorCode;
use milena_wire::messages::{
    TxnOffsetCommitRequest, TxnOffsetCommitResponse, TxnOffsetCommitResponsePartition,
    TxnOffsetCommitResponseTopic,
};

use crate::cluster::{Cluster, CoordinatorKind, JoinMode, offsets_participant};
use crate::config::Emulate;
use crate::group::{CommittedOffset, offsets_partition};
use crate::limits::OFFSET_METADATA_BYTES_MAX;
use crate::request::{Context, Reply};
use crate::transaction::Identity;

pub(crate) fn handle(
    cluster: &mut Cluster,
    context: &Context<'_>,
    request: &TxnOffsetCommitRequest<'_>,
) -> Reply {
    let checked = check(cluster, context, request);
    let mut topics = Vec::new();
    for topic in &request.topics {
        let mut partitions = Vec::new();
        for partition in &topic.partitions {
            let index = partition.partition_index;
            let metadata = partition.committed_metadata.unwrap_or_default();
            let checked = checked
                .and_then(|()| context.check_partition(topic.name, index))
                .and_then(|()| match cluster.topics.partition(topic.name, index) {
                    Some(_) if metadata.len() > OFFSET_METADATA_BYTES_MAX => {
                        Err(ErrorCode::OFFSET_METADATA_TOO_LARGE)
                    }
                    Some(_) => Ok(()),
                    None => Err(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION),
                });
            if checked.is_ok() {
                let offset = CommittedOffset {
                    offset: partition.committed_offset,
                    leader_epoch: partition.committed_leader_epoch,
                    metadata: metadata.to_owned(),
                };
                let key = (topic.name.into(), index);
                let group = cluster.groups.get_or_create(request.group_id);
                group.offsets.add_pending(request.producer_id, key, offset);
            }
            let error_code = match checked {
                Ok(()) => context.shown_partition(topic.name, index, ErrorCode::NONE),
                Err(error) => error,
            };
            partitions.push(TxnOffsetCommitResponsePartition {
                partition_index: index,
                error_code,
            });
        }
        topics.push(TxnOffsetCommitResponseTopic {
            name: topic.name,
            partitions,
        });
    }
    let response = TxnOffsetCommitResponse {
        throttle_time_ms: context.throttle_time_ms,
        topics,
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
    cluster.check_coordinator(context.node, CoordinatorKind::Group, group)?;
    if !cluster.groups.has_room_for(group) {
        return Err(ErrorCode::COORDINATOR_NOT_AVAILABLE);
    }
    let identity = Identity {
        producer_id: request.producer_id,
        epoch: request.producer_epoch,
    };
    join(cluster, context, request, identity)?;
    if request.generation_id >= 0 {
        // 3.9 makes the group first and then misses the member.
        let known = cluster.groups.get(group).is_some();
        return Err(if known || cluster.config.emulate == Emulate::V3_9 {
            ErrorCode::UNKNOWN_MEMBER_ID
        } else {
            ErrorCode::ILLEGAL_GENERATION
        });
    }
    let producers = cluster.groups.producers_mut(offsets_partition(group));
    producers.write_offsets(identity.producer_id, identity.epoch)
}

fn join(
    cluster: &mut Cluster,
    context: &Context<'_>,
    request: &TxnOffsetCommitRequest<'_>,
    identity: Identity,
) -> Result<(), ErrorCode> {
    let group = request.group_id;
    let producers = cluster.groups.producers_mut(offsets_partition(group));
    if producers.is_stale(identity.producer_id, identity.epoch) {
        return Err(ErrorCode::INVALID_PRODUCER_EPOCH);
    }
    if producers.has_open_transaction(identity.producer_id, identity.epoch) {
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
