//! What a request is about, for the fault rules that name partitions, groups or transactional ids.

use milena_wire::messages as wire;
use milena_wire::{ApiKey, Decode, Numbers, Reader, Uuid};

use crate::cluster::Cluster;
use crate::faults::Touched;
use crate::history::RequestName;

/// A body that cannot be read touches nothing.
pub(crate) fn touched(cluster: &Cluster, name: RequestName, reader: &mut Reader<'_>) -> Touched {
    let version = name.version;
    match name.api {
        ApiKey::PRODUCE => wire::ProduceRequest::decode(reader, version).map(|request| {
            let topics = request.topic_data.iter().flat_map(|topic| {
                let name = name_of(cluster, topic.name, topic.topic_id);
                topic
                    .partition_data
                    .iter()
                    .map(move |data| (name.clone(), data.index))
            });
            let mut touched = Touched::partitions(topics);
            touched
                .transactional_ids
                .extend(request.transactional_id.map(str::to_owned));
            touched
        }),
        ApiKey::FETCH => wire::FetchRequest::decode(reader, version).map(|request| {
            Touched::partitions(request.topics.iter().flat_map(|topic| {
                let name = name_of(cluster, topic.topic, topic.topic_id);
                topic
                    .partitions
                    .iter()
                    .map(move |asked| (name.clone(), asked.partition))
            }))
        }),
        ApiKey::LIST_OFFSETS => wire::ListOffsetsRequest::decode(reader, version).map(|request| {
            Touched::partitions(request.topics.iter().flat_map(|topic| {
                let asked = topic.partitions.iter();
                asked.map(|asked| (topic.name.to_owned(), asked.partition_index))
            }))
        }),
        ApiKey::METADATA => wire::MetadataRequest::decode(reader, version).map(|request| {
            let topics = request.topics.iter().flatten();
            Touched::partitions(topics.flat_map(|topic| {
                let name = name_of(cluster, topic.name.unwrap_or_default(), topic.topic_id);
                let known = cluster
                    .topics
                    .get(&name)
                    .map_or(0, |topic| topic.partitions.len());
                // A topic that does not exist is touched as a whole.
                let known = i32::try_from(known).unwrap_or(i32::MAX).max(1);
                (0..known).map(move |index| (name.clone(), index))
            }))
        }),
        ApiKey::OFFSET_COMMIT => {
            wire::OffsetCommitRequest::decode(reader, version).map(|request| {
                let topics = request.topics.iter().flat_map(|topic| {
                    let name = name_of(cluster, topic.name, topic.topic_id);
                    let offsets = topic.partitions.iter();
                    offsets.map(move |offset| (name.clone(), offset.partition_index))
                });
                Touched {
                    groups: vec![request.group_id.to_owned()],
                    ..Touched::partitions(topics)
                }
            })
        }
        ApiKey::DELETE_RECORDS => {
            wire::DeleteRecordsRequest::decode(reader, version).map(|request| {
                Touched::partitions(request.topics.iter().flat_map(|topic| {
                    let asked = topic.partitions.iter();
                    asked.map(|asked| (topic.name.to_owned(), asked.partition_index))
                }))
            })
        }
        _ => return touched_group(cluster, name, reader),
    }
    .unwrap_or_default()
}

fn touched_group(cluster: &Cluster, name: RequestName, reader: &mut Reader<'_>) -> Touched {
    let version = name.version;
    match name.api {
        ApiKey::JOIN_GROUP => wire::JoinGroupRequest::decode(reader, version)
            .map(|request| Touched::groups(&[request.group_id])),
        ApiKey::SYNC_GROUP => wire::SyncGroupRequest::decode(reader, version)
            .map(|request| Touched::groups(&[request.group_id])),
        ApiKey::HEARTBEAT => wire::HeartbeatRequest::decode(reader, version)
            .map(|request| Touched::groups(&[request.group_id])),
        ApiKey::LEAVE_GROUP => wire::LeaveGroupRequest::decode(reader, version)
            .map(|request| Touched::groups(&[request.group_id])),
        ApiKey::DESCRIBE_GROUPS => wire::DescribeGroupsRequest::decode(reader, version)
            .map(|request| Touched::groups(&request.groups)),
        ApiKey::DELETE_GROUPS => wire::DeleteGroupsRequest::decode(reader, version)
            .map(|request| Touched::groups(&request.groups_names)),
        ApiKey::OFFSET_DELETE => {
            wire::OffsetDeleteRequest::decode(reader, version).map(|request| {
                let topics = request.topics.iter().flat_map(|topic| {
                    let asked = topic.partitions.iter();
                    asked.map(|asked| (topic.name.to_owned(), asked.partition_index))
                });
                Touched {
                    groups: vec![request.group_id.to_owned()],
                    ..Touched::partitions(topics)
                }
            })
        }
        _ => return touched_coordinator(cluster, name, reader),
    }
    .unwrap_or_default()
}

fn touched_coordinator(cluster: &Cluster, name: RequestName, reader: &mut Reader<'_>) -> Touched {
    let version = name.version;
    match name.api {
        ApiKey::FIND_COORDINATOR => {
            wire::FindCoordinatorRequest::decode(reader, version).map(|request| {
                let keys = request
                    .coordinator_keys
                    .iter()
                    .copied()
                    .chain([request.key]);
                let keys = keys.filter(|key| !key.is_empty()).map(str::to_owned);
                if request.key_type == 1 {
                    Touched {
                        transactional_ids: keys.collect(),
                        ..Touched::default()
                    }
                } else {
                    Touched {
                        groups: keys.collect(),
                        ..Touched::default()
                    }
                }
            })
        }
        ApiKey::INIT_PRODUCER_ID => wire::InitProducerIdRequest::decode(reader, version)
            .map(|request| Touched::transaction(request.transactional_id.unwrap_or_default())),
        ApiKey::END_TXN => wire::EndTxnRequest::decode(reader, version)
            .map(|request| Touched::transaction(request.transactional_id)),
        ApiKey::ADD_OFFSETS_TO_TXN => {
            wire::AddOffsetsToTxnRequest::decode(reader, version).map(|request| Touched {
                groups: vec![request.group_id.to_owned()],
                ..Touched::transaction(request.transactional_id)
            })
        }
        ApiKey::ADD_PARTITIONS_TO_TXN => wire::AddPartitionsToTxnRequest::decode(reader, version)
            .map(|request| Touched {
                partitions: partitions_of(&request.v3_and_below_topics),
                ..Touched::transaction(request.v3_and_below_transactional_id)
            }),
        ApiKey::TXN_OFFSET_COMMIT => {
            wire::TxnOffsetCommitRequest::decode(reader, version).map(|request| {
                let topics = request.topics.iter().flat_map(|topic| {
                    let offsets = topic.partitions.iter();
                    offsets.map(|offset| (topic.name.to_owned(), offset.partition_index))
                });
                Touched {
                    groups: vec![request.group_id.to_owned()],
                    transactional_ids: vec![request.transactional_id.to_owned()],
                    ..Touched::partitions(topics)
                }
            })
        }
        ApiKey::CONSUMER_GROUP_HEARTBEAT => {
            wire::ConsumerGroupHeartbeatRequest::decode(reader, version).map(|request| Touched {
                groups: vec![request.group_id.to_owned()],
                ..Touched::default()
            })
        }
        ApiKey::CONSUMER_GROUP_DESCRIBE => {
            wire::ConsumerGroupDescribeRequest::decode(reader, version).map(|request| Touched {
                groups: request.group_ids.iter().map(ToString::to_string).collect(),
                ..Touched::default()
            })
        }
        ApiKey::OFFSET_FETCH => wire::OffsetFetchRequest::decode(reader, version)
            .map(|request| offset_fetch(cluster, &request)),
        ApiKey::WRITE_TXN_MARKERS | ApiKey::DESCRIBE_PRODUCERS | ApiKey::DESCRIBE_TRANSACTIONS => {
            return touched_by_tools(name, reader);
        }
        _ => return Touched::default(),
    }
    .unwrap_or_default()
}

/// What the tools for transactions are about.
fn touched_by_tools(name: RequestName, reader: &mut Reader<'_>) -> Touched {
    let version = name.version;
    let of = |name: &str, indexes: &Numbers<'_, i32>| -> Vec<(String, i32)> {
        indexes
            .iter()
            .map(|index| (name.to_owned(), index))
            .collect()
    };
    match name.api {
        ApiKey::WRITE_TXN_MARKERS => {
            wire::WriteTxnMarkersRequest::decode(reader, version).map(|request| {
                let markers = request.markers.iter();
                let topics = markers.flat_map(|marker| &marker.topics);
                Touched::partitions(
                    topics.flat_map(|topic| of(topic.name, &topic.partition_indexes)),
                )
            })
        }
        ApiKey::DESCRIBE_PRODUCERS => {
            wire::DescribeProducersRequest::decode(reader, version).map(|request| {
                let topics = request.topics.iter();
                Touched::partitions(
                    topics.flat_map(|topic| of(topic.name, &topic.partition_indexes)),
                )
            })
        }
        _ => wire::DescribeTransactionsRequest::decode(reader, version).map(|request| Touched {
            transactional_ids: request
                .transactional_ids
                .iter()
                .map(|id| (*id).to_owned())
                .collect(),
            ..Touched::default()
        }),
    }
    .unwrap_or_default()
}

fn offset_fetch(cluster: &Cluster, request: &wire::OffsetFetchRequest<'_>) -> Touched {
    let old = request.topics.iter().flatten().flat_map(|topic| {
        topic
            .partition_indexes
            .iter()
            .map(|index| (topic.name.to_owned(), index))
    });
    let new = request
        .groups
        .iter()
        .flat_map(|group| group.topics.iter().flatten());
    let new = new.flat_map(|topic| {
        let name = name_of(cluster, topic.name, topic.topic_id);
        topic
            .partition_indexes
            .iter()
            .map(move |index| (name.clone(), index))
    });
    let groups = request
        .groups
        .iter()
        .map(|group| group.group_id)
        .chain([request.group_id]);
    Touched {
        groups: groups
            .filter(|group| !group.is_empty())
            .map(str::to_owned)
            .collect(),
        ..Touched::partitions(old.chain(new))
    }
}

fn partitions_of(topics: &[wire::AddPartitionsToTxnTopic<'_>]) -> Vec<(String, i32)> {
    let all = topics.iter().flat_map(|topic| {
        topic
            .partitions
            .iter()
            .map(|index| (topic.name.to_owned(), index))
    });
    all.collect()
}

fn name_of(cluster: &Cluster, name: &str, id: Uuid) -> String {
    match cluster.topics.name_of(id) {
        Some(found) if name.is_empty() => found.to_string(),
        _ => name.to_owned(),
    }
}

impl Touched {
    fn partitions(partitions: impl Iterator<Item = (String, i32)>) -> Self {
        Self {
            partitions: partitions.collect(),
            ..Self::default()
        }
    }

    fn groups(ids: &[&str]) -> Self {
        Self {
            groups: ids.iter().map(|id| (*id).to_owned()).collect(),
            ..Self::default()
        }
    }

    fn transaction(id: &str) -> Self {
        Self {
            transactional_ids: Some(id.to_owned())
                .filter(|id| !id.is_empty())
                .into_iter()
                .collect(),
            ..Self::default()
        }
    }
}
