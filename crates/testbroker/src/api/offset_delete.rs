//! OffsetDelete v0. Offsets of topics that the group's members read stay.

use milena_wire::messages::{
    OffsetDeleteRequest, OffsetDeleteResponse, OffsetDeleteResponsePartition,
    OffsetDeleteResponseTopic,
};
use milena_wire::{ErrorCode, Uuid};

use super::per_partition::Results;
use crate::cluster::{Cluster, CoordinatorKind};
use crate::group::Members;
use crate::request::{Context, Reply};

pub(crate) fn handle(
    cluster: &mut Cluster,
    context: &Context<'_>,
    request: &OffsetDeleteRequest<'_>,
) -> Reply {
    let mut response = OffsetDeleteResponse {
        throttle_time_ms: context.throttle_time_ms,
        ..Default::default()
    };
    match delete(cluster, context, request) {
        Err(error) => response.error_code = error,
        Ok(results) => {
            response.error_code = context.shown(ErrorCode::NONE);
            for ((name, _), partitions) in results.into_topics() {
                let partitions = partitions.into_iter();
                let partitions =
                    partitions.map(
                        |(partition_index, error_code)| OffsetDeleteResponsePartition {
                            partition_index,
                            error_code,
                        },
                    );
                response.topics.push(OffsetDeleteResponseTopic {
                    name,
                    partitions: partitions.collect(),
                });
            }
        }
    }
    context.answer(&response)
}

fn delete<'a>(
    cluster: &mut Cluster,
    context: &Context<'_>,
    request: &OffsetDeleteRequest<'a>,
) -> Result<Results<'a>, ErrorCode> {
    check(cluster, context, request.group_id)?;
    let mut results = Results::default();
    let mut known = Vec::new();
    for topic in &request.topics {
        let key = (topic.name, Uuid::ZERO);
        let mut indexes = Vec::new();
        for index in topic.partitions.iter().map(|it| it.partition_index) {
            if cluster.topics.partition(topic.name, index).is_some() {
                indexes.push(index);
            } else {
                results.add(key, index, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
            }
        }
        if !indexes.is_empty() {
            known.push((key, indexes));
        }
    }
    let mut removed = false;
    for (key, indexes) in known {
        let group = cluster.groups.get_mut(request.group_id);
        let group = group.ok_or(ErrorCode::GROUP_ID_NOT_FOUND)?;
        let read = group.is_subscribed_to(key.0);
        let mut deleted = Vec::new();
        for index in indexes {
            let checked = match context.check_partition(key.0, index) {
                Ok(()) if read => Err(ErrorCode::GROUP_SUBSCRIBED_TO_TOPIC),
                checked => checked,
            };
            removed |= checked.is_ok();
            if checked.is_ok() {
                group.offsets.remove(key.0, index);
            }
            let error = match checked {
                Ok(()) => context.shown_partition(key.0, index, ErrorCode::NONE),
                Err(error) => error,
            };
            deleted.push((index, error));
        }
        results.merge(key, deleted);
    }
    if removed {
        cluster.drop_if_forsaken(request.group_id);
    }
    Ok(results)
}

fn check(cluster: &Cluster, context: &Context<'_>, id: &str) -> Result<(), ErrorCode> {
    context.check()?;
    if id.is_empty() {
        return Err(ErrorCode::INVALID_GROUP_ID);
    }
    cluster.check_coordinator(context.node, CoordinatorKind::Group, id)?;
    let group = cluster.groups.get(id);
    let group = group.ok_or(ErrorCode::GROUP_ID_NOT_FOUND)?;
    match &group.members {
        // What members of another kind than consumers use, nobody knows.
        Members::Classic(members) if !members.is_empty() && !members.is_of_consumers() => {
            Err(ErrorCode::NON_EMPTY_GROUP)
        }
        Members::None | Members::Classic(_) | Members::Consumer(_) => Ok(()),
    }
}
