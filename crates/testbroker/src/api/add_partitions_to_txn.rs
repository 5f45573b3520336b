//! AddPartitionsToTxn v0-3, and v4-5 as brokers send it to each other (a batch of transactions,
//! with a flag to verify only).

use std::collections::BTreeSet;

use milena_wire::ErrorCode;
use milena_wire::messages::{
    AddPartitionsToTxnPartitionResult, AddPartitionsToTxnRequest, AddPartitionsToTxnResponse,
    AddPartitionsToTxnResult, AddPartitionsToTxnTopic, AddPartitionsToTxnTopicResult,
};

use crate::cluster::{Cluster, CoordinatorKind};
use crate::request::{Context, Reply};
use crate::transaction::{Identity, Participant};

/// Kafka's own topics (`Topic.INTERNAL_TOPICS`).
const INTERNAL_TOPICS: [&str; 3] = [
    "__consumer_offsets",
    "__transaction_state",
    "__share_group_state",
];

pub(crate) fn handle(
    cluster: &mut Cluster,
    context: &Context<'_>,
    request: &AddPartitionsToTxnRequest<'_>,
) -> Reply {
    let mut response = AddPartitionsToTxnResponse {
        throttle_time_ms: context.throttle_time_ms,
        ..Default::default()
    };
    if context.version < 4 {
        let identity = Identity {
            producer_id: request.v3_and_below_producer_id,
            epoch: request.v3_and_below_producer_epoch,
        };
        let asked = Asked {
            id: request.v3_and_below_transactional_id,
            identity,
            topics: &request.v3_and_below_topics,
            verify_only: false,
        };
        response.results_by_topic_v3_and_below = results(cluster, context, &asked);
        return context.answer(&response);
    }
    for transaction in &request.transactions {
        let identity = Identity {
            producer_id: transaction.producer_id,
            epoch: transaction.producer_epoch,
        };
        let asked = Asked {
            id: transaction.transactional_id,
            identity,
            topics: &transaction.topics,
            verify_only: transaction.verify_only,
        };
        response
            .results_by_transaction
            .push(AddPartitionsToTxnResult {
                transactional_id: transaction.transactional_id,
                topic_results: results(cluster, context, &asked),
            });
    }
    context.answer(&response)
}

struct Asked<'r, 'a> {
    id: &'a str,
    identity: Identity,
    topics: &'r [AddPartitionsToTxnTopic<'a>],
    verify_only: bool,
}

fn results<'a>(
    cluster: &mut Cluster,
    context: &Context<'_>,
    asked: &Asked<'_, 'a>,
) -> Vec<AddPartitionsToTxnTopicResult<'a>> {
    let decided = decide(cluster, context, asked);
    let topics = asked.topics.iter().map(|topic| {
        let partitions = topic
            .partitions
            .iter()
            .map(|index| AddPartitionsToTxnPartitionResult {
                partition_index: index,
                partition_error_code: decided.error_of(context, topic.name, index),
            });
        AddPartitionsToTxnTopicResult {
            name: topic.name,
            results_by_partition: partitions.collect(),
        }
    });
    topics.collect()
}

/// What becomes of the request: all partitions or none are added.
enum Decided {
    All(ErrorCode),
    /// These failed on their own, so the others were not tried.
    Some(Vec<(String, i32, ErrorCode)>),
    /// Verified only: these are not in the transaction.
    Outside(BTreeSet<(String, i32)>),
}

impl Decided {
    fn error_of(&self, context: &Context<'_>, topic: &str, index: i32) -> ErrorCode {
        match self {
            Self::All(ErrorCode::NONE) => context.shown_partition(topic, index, ErrorCode::NONE),
            Self::All(error) => *error,
            Self::Some(failed) => failed
                .iter()
                .find(|(name, partition, _)| name == topic && *partition == index)
                .map_or(ErrorCode::OPERATION_NOT_ATTEMPTED, |(_, _, error)| *error),
            Self::Outside(outside) if outside.contains(&(topic.to_owned(), index)) => {
                ErrorCode::TRANSACTION_ABORTABLE
            }
            Self::Outside(_) => ErrorCode::NONE,
        }
    }
}

fn decide(cluster: &mut Cluster, context: &Context<'_>, asked: &Asked<'_, '_>) -> Decided {
    if let Err(error) = context.check() {
        return Decided::All(error);
    }
    let mut failed = Vec::new();
    let mut participants: BTreeSet<Participant> = BTreeSet::new();
    for topic in asked.topics {
        for index in &topic.partitions {
            let checked = context.check_partition(topic.name, index).and_then(|()| {
                // Clients have no business there; other nodes add offsets by it.
                if context.version < 4 && INTERNAL_TOPICS.contains(&topic.name) {
                    return Err(ErrorCode::TOPIC_AUTHORIZATION_FAILED);
                }
                let known = cluster.topics.partition(topic.name, index).is_some();
                if known {
                    Ok(())
                } else {
                    Err(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)
                }
            });
            match checked {
                Ok(()) => {
                    participants.insert((topic.name.into(), index));
                }
                Err(error) => failed.push((topic.name.to_owned(), index, error)),
            }
        }
    }
    if !failed.is_empty() {
        return Decided::Some(failed);
    }
    let checked = cluster.check_coordinator(context.node, CoordinatorKind::Transaction, asked.id);
    let empty = if asked.id.is_empty() {
        Err(ErrorCode::INVALID_REQUEST)
    } else {
        Ok(())
    };
    if let Err(error) = empty.and(checked) {
        return Decided::All(error);
    }
    if asked.verify_only {
        return verify(cluster, asked, participants);
    }
    let added = cluster.add_to_transaction(asked.id, asked.identity, participants);
    Decided::All(match added {
        // Older clients do not know the newer code.
        Err(ErrorCode::PRODUCER_FENCED) if context.version < 2 => ErrorCode::INVALID_PRODUCER_EPOCH,
        Err(error) => error,
        Ok(()) => ErrorCode::NONE,
    })
}

fn verify(
    cluster: &mut Cluster,
    asked: &Asked<'_, '_>,
    participants: BTreeSet<Participant>,
) -> Decided {
    cluster.forget_if_expired(asked.id);
    let Some(transaction) = cluster.transactions.by_id.get(asked.id) else {
        return Decided::All(ErrorCode::INVALID_PRODUCER_ID_MAPPING);
    };
    let mut outside = BTreeSet::new();
    for participant in participants {
        match transaction.verify(asked.identity, &participant) {
            Ok(()) => {}
            Err(ErrorCode::TRANSACTION_ABORTABLE) => {
                outside.insert((participant.0.to_string(), participant.1));
            }
            Err(error) => return Decided::All(error),
        }
    }
    Decided::Outside(outside)
}
