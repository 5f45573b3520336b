//! Transactional batches must be in an open transaction that the coordinator knows of
//! (`ReplicaManager.handleProduceAppend`, KIP-890).

use std::collections::BTreeSet;
use std::time::Instant;

use milena_wire::ErrorCode;

use super::Write;
use super::refusal::Refusal;
use crate::cluster::{Cluster, JoinMode};
use crate::config::Emulate;
use crate::request::Context;
use crate::transaction::{Identity, Participant};

/// Whether the request can go on.
pub(super) enum Joined {
    /// Each write is verified, needs no verification, or is refused.
    Done,
    /// The transaction before is still completing: ask again then.
    Later(Instant),
}

pub(super) fn join(
    cluster: &mut Cluster,
    context: &Context<'_>,
    transactional_id: Option<&str>,
    writes: &mut [Write],
) -> Joined {
    if !writes.iter().any(|write| write.transactional) {
        return Joined::Done;
    }
    // Without an id, such a request was refused as a whole.
    let Some(id) = transactional_id else {
        return Joined::Done;
    };
    let Some(identity) = identity_of(writes) else {
        return Joined::Done;
    };
    let mode = JoinMode::of_produce(context.version);
    let strangers = first_batches(cluster, context, mode, writes);
    if strangers.is_empty() {
        return Joined::Done;
    }
    let result = cluster.join_transaction(id, identity, strangers.clone(), mode);
    let waited = context.now.saturating_duration_since(context.received);
    // A retry by the client would cost it far more than the wait costs the broker.
    if result == Err(ErrorCode::CONCURRENT_TRANSACTIONS)
        && mode == JoinMode::Add
        && waited < cluster.config.concurrent_retry_max
    {
        return Joined::Later(context.now + cluster.config.concurrent_retry);
    }
    for write in writes.iter_mut() {
        let key = (write.topic.clone(), write.index);
        if write.batch.is_none() || !strangers.contains(&key) {
            continue;
        }
        match &result {
            Ok(outside) if outside.contains(&key) => write.refuse_by(told(mode.outside_error())),
            Ok(_) => write.verified = true,
            Err(error) => write.refuse_by(told(for_clients(*error, mode))),
        }
    }
    Joined::Done
}

/// Whose transaction it is. A request of several producers is refused as a whole.
fn identity_of(writes: &mut [Write]) -> Option<Identity> {
    let batches = writes.iter().filter_map(|write| write.batch.as_ref());
    let transactional =
        batches.filter(|batch| batch.is_transactional() && batch.header().producer_id >= 0);
    let identities: BTreeSet<(i64, i16)> = transactional
        .map(|batch| (batch.header().producer_id, batch.header().producer_epoch))
        .collect();
    if identities.len() > 1 {
        for write in writes {
            write.refuse_by(Refusal {
                message: Some("batches of several producers in one transactional request"),
                ..Refusal::before_log(ErrorCode::INVALID_PRODUCER_ID_MAPPING)
            });
        }
        return None;
    }
    identities.first().map(|(producer_id, epoch)| Identity {
        producer_id: *producer_id,
        epoch: *epoch,
    })
}

/// The partitions that do not have this transaction open yet.
fn first_batches(
    cluster: &mut Cluster,
    context: &Context<'_>,
    mode: JoinMode,
    writes: &mut [Write],
) -> BTreeSet<Participant> {
    let mut strangers = BTreeSet::new();
    let looks_at_epochs = cluster.config.emulate != Emulate::V3_9;
    for write in writes {
        let Some(batch) = write
            .batch
            .as_ref()
            .filter(|batch| batch.is_transactional() && batch.header().producer_id >= 0)
        else {
            continue;
        };
        let header = *batch.header();
        if let Err(error) = cluster.check_leader(context.node, &write.topic, write.index, -1) {
            write.refuse(error);
            continue;
        }
        let Some(partition) = cluster.topics.partition_mut(&write.topic, write.index) else {
            continue;
        };
        let producers = partition.log.producers_mut();
        // 3.9 leaves the epoch to the coordinator, and to the log afterwards.
        let (producer_id, epoch) = (header.producer_id, header.producer_epoch);
        if looks_at_epochs && producers.is_stale(producer_id, epoch) {
            write.refuse(ErrorCode::INVALID_PRODUCER_EPOCH);
        } else if !looks_at_epochs && producers.has_transaction_of_any_epoch(producer_id) {
            write.verified = true;
        } else if !producers.has_open_transaction(producer_id, epoch) {
            producers.start_verification(
                header.producer_id,
                header.producer_epoch,
                header.base_sequence,
                mode == JoinMode::Add,
            );
            strangers.insert((write.topic.clone(), write.index));
        }
    }
    strangers
}

/// The errors that come with a sentence.
fn told(code: ErrorCode) -> Refusal {
    let message = match code {
        ErrorCode::INVALID_TXN_STATE => Some("the partition is not in the transaction"),
        ErrorCode::NOT_ENOUGH_REPLICAS => {
            Some("the coordinator could not say whether the partition is in the transaction")
        }
        _ => None,
    };
    Refusal {
        message,
        ..Refusal::before_log(code)
    }
}

/// Errors that older clients would not retry a Produce after become one that they do retry.
fn for_clients(error: ErrorCode, mode: JoinMode) -> ErrorCode {
    match error {
        ErrorCode::COORDINATOR_LOAD_IN_PROGRESS
        | ErrorCode::COORDINATOR_NOT_AVAILABLE
        | ErrorCode::NOT_COORDINATOR => ErrorCode::NOT_ENOUGH_REPLICAS,
        ErrorCode::CONCURRENT_TRANSACTIONS if mode != JoinMode::Add => {
            ErrorCode::NOT_ENOUGH_REPLICAS
        }
        other => other,
    }
}
