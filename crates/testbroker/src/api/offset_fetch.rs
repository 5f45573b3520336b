//! OffsetFetch v1-10: several groups from v8, topic ids from v10; RequireStable (v7+) answers
//! UNSTABLE_OFFSET_COMMIT while a transaction may still change the offset.
//!
//! A group of the consumer protocol checks member ids and epochs (v9+). A topic of an id that is not
//! the one the offset was committed for has none.

use std::sync::Arc;

use milena_wire::messages::{
    OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchResponse, OffsetFetchResponseGroup,
    OffsetFetchResponsePartition, OffsetFetchResponsePartitions, OffsetFetchResponseTopic,
    OffsetFetchResponseTopics,
};
use milena_wire::{ErrorCode, Uuid};

use crate::cluster::{Cluster, CoordinatorKind};
use crate::group::{CommittedOffset, Members};
use crate::request::{Context, Reply};

pub(crate) fn handle(
    cluster: &mut Cluster,
    context: &Context<'_>,
    request: &OffsetFetchRequest<'_>,
) -> Reply {
    if context.version < 8 {
        one_group(cluster, context, request)
    } else {
        groups(cluster, context, request)
    }
}

/// One partition's answer, whatever the version.
struct Found {
    index: i32,
    offset: i64,
    leader_epoch: i32,
    metadata: String,
    error: ErrorCode,
}

/// One topic's answers.
struct FoundTopic {
    name: String,
    id: Uuid,
    partitions: Vec<Found>,
}

/// A topic by its name, or by an id that no topic has, and the partitions asked for.
type AskedTopic = (Result<Arc<str>, Uuid>, Vec<i32>);

/// A question about one group, whatever the version.
struct Question {
    group: String,
    /// A member of a group of the consumer protocol, and its epoch.
    member: Option<(String, i32)>,
    /// `None`: all that the group has committed.
    topics: Option<Vec<AskedTopic>>,
    require_stable: bool,
}

fn one_group(cluster: &Cluster, context: &Context<'_>, request: &OffsetFetchRequest<'_>) -> Reply {
    let topics = request.topics.as_ref().map(|topics| {
        topics
            .iter()
            .map(|topic| (Ok(topic.name.into()), topic.partition_indexes.to_vec()))
            .collect()
    });
    let question = Question {
        group: request.group_id.to_owned(),
        member: None,
        topics,
        require_stable: request.require_stable,
    };
    let found = find(cluster, context, &question);
    let error = found.as_ref().err().copied().unwrap_or_default();
    // Version 1 has no error of its own: it shows in every partition.
    let found = match found {
        Err(error) if context.version < 2 => failed(&question, error),
        found => found.unwrap_or_default(),
    };
    let topics = found.iter().map(|topic| {
        let partitions = topic
            .partitions
            .iter()
            .map(|found| OffsetFetchResponsePartition {
                partition_index: found.index,
                committed_offset: found.offset,
                committed_leader_epoch: found.leader_epoch,
                metadata: Some(&found.metadata),
                error_code: found.error,
            });
        OffsetFetchResponseTopic {
            name: &topic.name,
            partitions: partitions.collect(),
        }
    });
    let response = OffsetFetchResponse {
        throttle_time_ms: context.throttle_time_ms,
        topics: topics.collect(),
        error_code: error,
        ..Default::default()
    };
    context.answer(&response)
}

fn groups(cluster: &Cluster, context: &Context<'_>, request: &OffsetFetchRequest<'_>) -> Reply {
    let answers: Vec<_> = request
        .groups
        .iter()
        .map(|group| {
            let question = question(cluster, context, group, request.require_stable);
            (group.group_id, find(cluster, context, &question))
        })
        .collect();
    let groups = answers.iter().map(|(group_id, found)| {
        let topics = found.iter().flatten().map(|topic| {
            let partitions = topic
                .partitions
                .iter()
                .map(|found| OffsetFetchResponsePartitions {
                    partition_index: found.index,
                    committed_offset: found.offset,
                    committed_leader_epoch: found.leader_epoch,
                    metadata: Some(&found.metadata),
                    error_code: found.error,
                });
            OffsetFetchResponseTopics {
                name: &topic.name,
                topic_id: topic.id,
                partitions: partitions.collect(),
            }
        });
        OffsetFetchResponseGroup {
            group_id,
            topics: topics.collect(),
            error_code: found.as_ref().err().copied().unwrap_or_default(),
        }
    });
    let response = OffsetFetchResponse {
        throttle_time_ms: context.throttle_time_ms,
        groups: groups.collect(),
        ..Default::default()
    };
    context.answer(&response)
}

fn question(
    cluster: &Cluster,
    context: &Context<'_>,
    group: &OffsetFetchRequestGroup<'_>,
    require_stable: bool,
) -> Question {
    let topics = group.topics.as_ref().map(|topics| {
        let named = topics.iter().map(|topic| {
            let name = if context.version >= 10 {
                cluster
                    .topics
                    .name_of(topic.topic_id)
                    .cloned()
                    .ok_or(topic.topic_id)
            } else {
                Ok(topic.name.into())
            };
            (name, topic.partition_indexes.to_vec())
        });
        named.collect()
    });
    let member_id = group.member_id.unwrap_or_default();
    let is_member = group.member_id.is_some() || group.member_epoch >= 0;
    Question {
        group: group.group_id.to_owned(),
        member: is_member.then(|| (member_id.to_owned(), group.member_epoch)),
        topics,
        require_stable,
    }
}

fn find(
    cluster: &Cluster,
    context: &Context<'_>,
    question: &Question,
) -> Result<Vec<FoundTopic>, ErrorCode> {
    context.check()?;
    cluster.check_coordinator(context.node, CoordinatorKind::Group, &question.group)?;
    check_member(cluster, question)?;
    let Some(topics) = &question.topics else {
        return Ok(everything(cluster, context, question));
    };
    let named = topics.iter().filter_map(|(name, indexes)| {
        let name = name.as_ref().ok()?;
        let find = |index: &i32| find_one(cluster, context, question, name, *index);
        Some(FoundTopic {
            name: name.to_string(),
            id: topic_id(cluster, name),
            partitions: indexes.iter().map(find).collect(),
        })
    });
    // Behind the others, as by Kafka.
    let unknown = topics.iter().filter_map(|(name, indexes)| {
        let id = name.as_ref().err()?;
        let indexes = indexes.iter();
        Some(FoundTopic {
            name: String::new(),
            id: *id,
            partitions: indexes
                .map(|index| Found::failed(*index, ErrorCode::UNKNOWN_TOPIC_ID))
                .collect(),
        })
    });
    Ok(named.chain(unknown).collect())
}

/// Kafka's simple and classic groups tell everybody, as does one that is not there.
fn check_member(cluster: &Cluster, question: &Question) -> Result<(), ErrorCode> {
    let group = cluster.groups.get(&question.group);
    match (group.map(|group| &group.members), &question.member) {
        (Some(Members::Consumer(members)), Some((member_id, epoch))) => {
            members.check_fetch(member_id, *epoch)
        }
        _ => Ok(()),
    }
}

fn topic_id(cluster: &Cluster, name: &str) -> Uuid {
    cluster
        .topics
        .get(name)
        .map_or(Uuid::ZERO, |topic| topic.id)
}

fn everything(cluster: &Cluster, context: &Context<'_>, question: &Question) -> Vec<FoundTopic> {
    let mut topics: Vec<FoundTopic> = Vec::new();
    let Some(group) = cluster.groups.get(&question.group) else {
        return topics;
    };
    for ((name, index), _) in group.offsets.committed() {
        let id = topic_id(cluster, name);
        if context.version >= 10 && id == Uuid::ZERO {
            // There is no way to speak of it.
            continue;
        }
        let found = find_one(cluster, context, question, name, *index);
        match topics.last_mut().filter(|topic| topic.name == **name) {
            Some(topic) => topic.partitions.push(found),
            None => topics.push(FoundTopic {
                name: name.to_string(),
                id,
                partitions: vec![found],
            }),
        }
    }
    topics
}

fn find_one(
    cluster: &Cluster,
    context: &Context<'_>,
    question: &Question,
    topic: &str,
    index: i32,
) -> Found {
    if let Err(error) = context.check_partition(topic, index) {
        return Found::failed(index, error);
    }
    let Some(group) = cluster.groups.get(&question.group) else {
        return Found::failed(index, ErrorCode::NONE);
    };
    if question.require_stable && group.offsets.is_pending(topic, index) {
        return Found::failed(index, ErrorCode::UNSTABLE_OFFSET_COMMIT);
    }
    let committed = group.offsets.committed_offset(topic, index);
    let asked_by_id = context.version >= 10 && question.topics.is_some();
    match committed.filter(|it| !asked_by_id || is_of(it, topic_id(cluster, topic))) {
        Some(committed) => Found {
            index,
            offset: committed.offset,
            leader_epoch: committed.leader_epoch,
            metadata: committed.metadata.clone(),
            error: ErrorCode::NONE,
        },
        None => Found::failed(index, ErrorCode::NONE),
    }
}

/// Whether an offset was committed for this topic, and not for another of the same name.
fn is_of(committed: &CommittedOffset, topic: Uuid) -> bool {
    committed.topic_id == Uuid::ZERO || committed.topic_id == topic
}

fn failed(question: &Question, error: ErrorCode) -> Vec<FoundTopic> {
    let topics = question
        .topics
        .iter()
        .flatten()
        .map(|(name, indexes)| FoundTopic {
            name: name.as_ref().map(ToString::to_string).unwrap_or_default(),
            id: Uuid::ZERO,
            partitions: indexes
                .iter()
                .map(|index| Found::failed(*index, error))
                .collect(),
        });
    topics.collect()
}

impl Found {
    /// No offset, with or without an error.
    fn failed(index: i32, error: ErrorCode) -> Self {
        Self {
            index,
            offset: -1,
            leader_epoch: -1,
            metadata: String::new(),
            error,
        }
    }
}
