//! How each request is written, in whichever version its link negotiated.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

#[cfg(feature = "plants")]
use milena_cluster::plants::{Plant, is_planted};
use milena_cluster::{CoordinatorKey, ProducerIdentity, TopicName, TopicPartition};
use milena_consumer::{FetcherRequest, IsolationLevel};
use milena_producer::transaction::OffsetsToCommit;
use milena_wire::messages::{
    AddOffsetsToTxnRequest, AddPartitionsToTxnRequest, AddPartitionsToTxnTopic, CreatableTopic,
    CreatableTopicConfig, CreateTopicsRequest, DeleteTopicState, DeleteTopicsRequest,
    EndTxnRequest, FetchRequest, FindCoordinatorRequest, InitProducerIdRequest,
    ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic, MetadataRequest,
    MetadataRequestTopic, OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchRequestTopic,
    OffsetFetchRequestTopics, PartitionProduceData, ProduceRequest, TopicProduceData,
    TxnOffsetCommitRequest, TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic,
};
use milena_wire::{ApiKey, ApiMessage, ApiVersion, Payload, Uuid, VersionRange, encode_request};

use crate::router::EncodeCall;

/// A request, ready to be written once its version is known.
pub(super) struct Prepared {
    pub(super) key: ApiKey,
    pub(super) versions: VersionRange,
    pub(super) encode: EncodeCall,
}

const fn versions(min: i16, max: i16) -> VersionRange {
    VersionRange {
        min: ApiVersion(min),
        max: ApiVersion(max),
    }
}

fn prepared<M: ApiMessage>(versions: VersionRange, encode: EncodeCall) -> Prepared {
    Prepared {
        key: M::KEY,
        versions,
        encode,
    }
}

/// The topics of `partitions`, each with its partitions, in a stable order.
fn by_topic<'a, T>(
    items: impl IntoIterator<Item = (&'a TopicPartition, T)>,
) -> BTreeMap<&'a str, Vec<(i32, T)>> {
    let mut topics: BTreeMap<&str, Vec<(i32, T)>> = BTreeMap::new();
    for (partition, item) in items {
        topics
            .entry(&partition.topic)
            .or_default()
            .push((partition.partition, item));
    }
    topics
}

fn millis(duration: Duration) -> i32 {
    i32::try_from(duration.as_millis()).unwrap_or(i32::MAX)
}

pub(super) fn metadata(topics: Vec<TopicName>) -> Prepared {
    // From version 4 on a broker can be told not to create the topics it is asked about.
    prepared::<MetadataRequest<'_>>(
        versions(4, 13),
        Box::new(move |version, correlation, client_id| {
            let topics = topics
                .iter()
                .map(|name| MetadataRequestTopic {
                    name: Some(name),
                    ..Default::default()
                })
                .collect();
            let request = MetadataRequest {
                topics: Some(topics),
                allow_auto_topic_creation: false,
                ..Default::default()
            };
            encode_request(&request, version, correlation, Some(client_id))
        }),
    )
}

pub(super) fn find_coordinator(key: CoordinatorKey) -> Prepared {
    prepared::<FindCoordinatorRequest<'_>>(
        versions(1, 6),
        Box::new(move |version, correlation, client_id| {
            let mut request = FindCoordinatorRequest {
                key_type: key.key_type(),
                ..Default::default()
            };
            if version >= ApiVersion(4) {
                request.coordinator_keys = vec![key.name()];
            } else {
                request.key = key.name();
            }
            encode_request(&request, version, correlation, Some(client_id))
        }),
    )
}

pub(super) fn init_producer_id(
    transactional: Option<Arc<str>>,
    expected: ProducerIdentity,
    timeout: Duration,
) -> Prepared {
    prepared::<InitProducerIdRequest<'_>>(
        versions(if expected.is_some() { 3 } else { 0 }, 5),
        Box::new(move |version, correlation, client_id| {
            let request = InitProducerIdRequest {
                transactional_id: transactional.as_deref(),
                transaction_timeout_ms: millis(timeout),
                producer_id: expected.producer_id.0,
                producer_epoch: expected.epoch.0,
            };
            encode_request(&request, version, correlation, Some(client_id))
        }),
    )
}

pub(super) fn add_partitions(
    transactional: Arc<str>,
    identity: ProducerIdentity,
    partitions: Vec<TopicPartition>,
) -> Prepared {
    // From version 4 on the request is for brokers among themselves.
    prepared::<AddPartitionsToTxnRequest<'_>>(
        versions(0, 3),
        Box::new(move |version, correlation, client_id| {
            let topics = by_topic(partitions.iter().map(|partition| (partition, ())));
            let topics = topics
                .into_iter()
                .map(|(name, partitions)| AddPartitionsToTxnTopic {
                    name,
                    partitions: partitions
                        .into_iter()
                        .map(|(partition, ())| partition)
                        .collect(),
                });
            let request = AddPartitionsToTxnRequest {
                v3_and_below_transactional_id: &transactional,
                v3_and_below_producer_id: identity.producer_id.0,
                v3_and_below_producer_epoch: identity.epoch.0,
                v3_and_below_topics: topics.collect(),
                ..Default::default()
            };
            encode_request(&request, version, correlation, Some(client_id))
        }),
    )
}

pub(super) fn add_offsets(
    transactional: Arc<str>,
    identity: ProducerIdentity,
    group: Arc<str>,
) -> Prepared {
    prepared::<AddOffsetsToTxnRequest<'_>>(
        versions(0, 4),
        Box::new(move |version, correlation, client_id| {
            let request = AddOffsetsToTxnRequest {
                transactional_id: &transactional,
                producer_id: identity.producer_id.0,
                producer_epoch: identity.epoch.0,
                group_id: &group,
            };
            encode_request(&request, version, correlation, Some(client_id))
        }),
    )
}

/// TV2 speaks version 5 only, TV1 below it: the version is what tells the coordinator whether the offsets join implicitly.
pub(super) fn txn_offset_commit(
    transactional: Arc<str>,
    identity: ProducerIdentity,
    offsets: Arc<OffsetsToCommit>,
    v2: bool,
) -> Prepared {
    prepared::<TxnOffsetCommitRequest<'_>>(
        if v2 { versions(5, 5) } else { versions(3, 4) },
        Box::new(move |version, correlation, client_id| {
            let topics = by_topic(
                offsets
                    .offsets
                    .iter()
                    .map(|(partition, offset)| (partition, offset)),
            );
            let topics = topics
                .into_iter()
                .map(|(name, partitions)| TxnOffsetCommitRequestTopic {
                    name,
                    partitions: partitions
                        .into_iter()
                        .map(|(partition, offset)| TxnOffsetCommitRequestPartition {
                            partition_index: partition,
                            committed_offset: offset.offset,
                            committed_leader_epoch: offset.leader_epoch.0,
                            committed_metadata: Some(&offset.metadata),
                        })
                        .collect(),
                });
            let group = &offsets.group;
            let request = TxnOffsetCommitRequest {
                transactional_id: &transactional,
                group_id: &group.group,
                producer_id: identity.producer_id.0,
                producer_epoch: identity.epoch.0,
                generation_id: group.generation,
                member_id: &group.member,
                group_instance_id: group.instance.as_deref(),
                topics: topics.collect(),
            };
            encode_request(&request, version, correlation, Some(client_id))
        }),
    )
}

pub(super) fn end_txn(
    transactional: Arc<str>,
    identity: ProducerIdentity,
    committing: bool,
    v2: bool,
) -> Prepared {
    prepared::<EndTxnRequest<'_>>(
        if v2 { versions(5, 5) } else { versions(0, 4) },
        Box::new(move |version, correlation, client_id| {
            let request = EndTxnRequest {
                transactional_id: &transactional,
                producer_id: identity.producer_id.0,
                producer_epoch: identity.epoch.0,
                committed: committing,
            };
            encode_request(&request, version, correlation, Some(client_id))
        }),
    )
}

/// One partition's part of a Produce request.
pub(super) struct ProducePart {
    pub(super) partition: TopicPartition,
    pub(super) topic_id: Uuid,
    pub(super) records: Payload,
}

/// `transaction` is the transactional id and whether the transaction is a TV2 one: brokers add partitions to it implicitly
/// from version 12 on, and must not on TV1.
pub(super) fn produce(
    transaction: Option<(Arc<str>, bool)>,
    timeout: Duration,
    parts: Vec<ProducePart>,
) -> Prepared {
    // Version 13 names topics by id only, all of them or none (KIP-516).
    let newest = if parts.iter().all(|part| part.topic_id != Uuid::ZERO) {
        13
    } else {
        12
    };
    let range = match &transaction {
        None => versions(3, newest),
        Some((_, true)) => versions(12, newest),
        Some((_, false)) => versions(3, 11),
    };
    prepared::<ProduceRequest<'_>>(
        range,
        Box::new(move |version, correlation, client_id| {
            let mut topics: Vec<TopicProduceData<'_>> = Vec::new();
            for part in &parts {
                let data = PartitionProduceData {
                    index: part.partition.partition,
                    records: Some(part.records.clone()),
                };
                match topics
                    .iter_mut()
                    .find(|topic| topic.name == &*part.partition.topic)
                {
                    Some(topic) => topic.partition_data.push(data),
                    None => {
                        topics.push(TopicProduceData {
                            name: &part.partition.topic,
                            topic_id: part.topic_id,
                            partition_data: vec![data],
                        });
                    }
                }
            }
            for topic in &mut topics {
                if version >= ApiVersion(13) {
                    topic.name = ""
                } else {
                    topic.topic_id = Uuid::ZERO
                }
            }
            let request = ProduceRequest {
                transactional_id: transaction.as_ref().map(|(id, _)| &**id),
                acks: -1,
                timeout_ms: millis(timeout),
                topic_data: topics,
            };
            encode_request(&request, version, correlation, Some(client_id))
        }),
    )
}

/// A Fetch, as its fetcher planned it; `topics` are the ids of the topics it names, if metadata knows them all.
pub(super) fn fetch(
    request: FetcherRequest,
    isolation: IsolationLevel,
    topics: Vec<(Uuid, TopicName)>,
) -> Prepared {
    // From version 13 on topics are named by id only (KIP-516).
    let newest = if topics.iter().all(|(id, _)| *id != Uuid::ZERO) {
        18
    } else {
        12
    };
    prepared::<FetchRequest<'_>>(
        versions(4, newest),
        Box::new(move |version, correlation, client_id| {
            let id_of = |name: &str| match topics.iter().find(|(_, topic)| &**topic == name) {
                Some((id, _)) if version >= ApiVersion(13) => *id,
                _ => Uuid::ZERO,
            };
            let mut body = request
                .to_fetch(isolation, version, &id_of)
                .unwrap_or_default();
            if version >= ApiVersion(13) {
                body.topics.iter_mut().for_each(|topic| topic.topic = "");
            }
            encode_request(&body, version, correlation, Some(client_id))
        }),
    )
}

/// The offsets that a fetcher must know before it can start.
pub(super) fn fetcher_offsets(request: FetcherRequest, isolation: IsolationLevel) -> Prepared {
    prepared::<ListOffsetsRequest<'_>>(
        versions(2, 11),
        Box::new(move |version, correlation, client_id| {
            let body = request.to_list_offsets(isolation).unwrap_or_default();
            encode_request(&body, version, correlation, Some(client_id))
        }),
    )
}

fn isolation_level(isolation: IsolationLevel) -> i8 {
    match isolation {
        IsolationLevel::ReadUncommitted => 0,
        IsolationLevel::ReadCommitted => 1,
    }
}

/// Partitions with the leader epoch known and the timestamp asked for (-1 the end, -2 the beginning).
pub(super) fn list_offsets(
    isolation: IsolationLevel,
    partitions: Vec<(TopicPartition, i64, i32)>,
) -> Prepared {
    prepared::<ListOffsetsRequest<'_>>(
        versions(2, 11),
        Box::new(move |version, correlation, client_id| {
            let topics = by_topic(
                partitions
                    .iter()
                    .map(|(partition, timestamp, epoch)| (partition, (*timestamp, *epoch))),
            );
            let topics = topics
                .into_iter()
                .map(|(name, partitions)| ListOffsetsTopic {
                    name,
                    partitions: partitions
                        .into_iter()
                        .map(|(partition_index, (timestamp, current_leader_epoch))| {
                            ListOffsetsPartition {
                                partition_index,
                                current_leader_epoch,
                                timestamp,
                            }
                        })
                        .collect(),
                });
            let request = ListOffsetsRequest {
                replica_id: -1,
                isolation_level: isolation_level(isolation),
                topics: topics.collect(),
                ..Default::default()
            };
            encode_request(&request, version, correlation, Some(client_id))
        }),
    )
}

/// What a group has committed; `require_stable` makes the coordinator wait out transactions that are not settled (KIP-447).
pub(super) fn offset_fetch(group: Arc<str>, partitions: Vec<TopicPartition>) -> Prepared {
    // Version 10 names topics by id; nothing is gained by it here.
    prepared::<OffsetFetchRequest<'_>>(
        versions(7, 9),
        Box::new(move |version, correlation, client_id| {
            let topics = by_topic(partitions.iter().map(|partition| (partition, ())));
            let topics = topics.into_iter().map(|(name, partitions)| {
                (
                    name,
                    partitions
                        .into_iter()
                        .map(|(partition, ())| partition)
                        .collect(),
                )
            });
            let mut request = OffsetFetchRequest {
                require_stable: true,
                ..Default::default()
            };
            #[cfg(feature = "plants")]
            if is_planted(Plant::OffsetsFetchedWithoutRequireStable) {
                request.require_stable = false;
            }
            if version >= ApiVersion(8) {
                let topics = topics.map(|(name, partition_indexes)| OffsetFetchRequestTopics {
                    name,
                    partition_indexes,
                    ..Default::default()
                });
                request.groups = vec![OffsetFetchRequestGroup {
                    group_id: &group,
                    topics: Some(topics.collect()),
                    member_epoch: -1,
                    ..Default::default()
                }];
            } else {
                let topics = topics.map(|(name, partition_indexes)| OffsetFetchRequestTopic {
                    name,
                    partition_indexes,
                });
                request.group_id = &group;
                request.topics = Some(topics.collect());
            }
            encode_request(&request, version, correlation, Some(client_id))
        }),
    )
}

pub(super) fn create_topic(
    topic: Arc<str>,
    partitions: i32,
    replication_factor: i16,
    configs: Vec<(Arc<str>, Arc<str>)>,
    timeout: Duration,
) -> Prepared {
    prepared::<CreateTopicsRequest<'_>>(
        versions(4, 7),
        Box::new(move |version, correlation, client_id| {
            let configs = configs
                .iter()
                .map(|(name, value)| CreatableTopicConfig {
                    name,
                    value: Some(value),
                })
                .collect();
            let topic = CreatableTopic {
                name: &topic,
                num_partitions: partitions,
                replication_factor,
                configs,
                ..Default::default()
            };
            let request = CreateTopicsRequest {
                topics: vec![topic],
                timeout_ms: millis(timeout),
                ..Default::default()
            };
            encode_request(&request, version, correlation, Some(client_id))
        }),
    )
}

pub(super) fn delete_topic(topic: Arc<str>, timeout: Duration) -> Prepared {
    prepared::<DeleteTopicsRequest<'_>>(
        versions(1, 6),
        Box::new(move |version, correlation, client_id| {
            let mut request = DeleteTopicsRequest {
                timeout_ms: millis(timeout),
                ..Default::default()
            };
            if version >= ApiVersion(6) {
                request.topics = vec![DeleteTopicState {
                    name: Some(&topic),
                    ..Default::default()
                }];
            } else {
                request.topic_names = vec![&topic];
            }
            encode_request(&request, version, correlation, Some(client_id))
        }),
    )
}
