//! DescribeTransactions v0, at the coordinator of each transactional id.

use std::collections::BTreeMap;

use milena_wire::messages::{
    DescribeTransactionsRequest, DescribeTransactionsResponse, DescribeTransactionsTopicData,
    DescribeTransactionsTransactionState as Described,
};
use milena_wire::{ErrorCode, Numbers};

use crate::cluster::{Cluster, CoordinatorKind};
use crate::request::{Context, Reply};
use crate::transaction::Transaction;

pub(crate) fn handle(
    cluster: &mut Cluster,
    context: &Context<'_>,
    request: &DescribeTransactionsRequest<'_>,
) -> Reply {
    for id in &request.transactional_ids {
        cluster.forget_if_expired(id);
    }
    let cluster = &*cluster;
    let ids = request.transactional_ids.iter();
    let response = DescribeTransactionsResponse {
        throttle_time_ms: context.throttle_time_ms,
        transaction_states: ids
            .map(|id| match find(cluster, context, id) {
                Ok(transaction) => describe(context, id, transaction),
                Err(error) => Described {
                    error_code: error,
                    transactional_id: id,
                    ..Default::default()
                },
            })
            .collect(),
    };
    context.answer(&response)
}

fn find<'c>(
    cluster: &'c Cluster,
    context: &Context<'_>,
    id: &str,
) -> Result<&'c Transaction, ErrorCode> {
    context.check()?;
    if id.is_empty() {
        return Err(ErrorCode::INVALID_REQUEST);
    }
    cluster.check_coordinator(context.node, CoordinatorKind::Transaction, id)?;
    let found = cluster.transactions.by_id.get(id);
    found.ok_or(ErrorCode::TRANSACTIONAL_ID_NOT_FOUND)
}

fn describe<'a>(context: &Context<'_>, id: &'a str, transaction: &'a Transaction) -> Described<'a> {
    let mut topics: BTreeMap<&str, Vec<i32>> = BTreeMap::new();
    for (topic, index) in &transaction.partitions {
        topics.entry(topic).or_default().push(*index);
    }
    let timeout = transaction.timeout.as_millis();
    Described {
        error_code: context.shown(ErrorCode::NONE),
        transactional_id: id,
        transaction_state: transaction.state.name(),
        transaction_timeout_ms: i32::try_from(timeout).unwrap_or(i32::MAX),
        transaction_start_time_ms: transaction.started_at,
        producer_id: transaction.producer_id,
        producer_epoch: transaction.epoch,
        topics: topics
            .into_iter()
            .map(|(topic, partitions)| DescribeTransactionsTopicData {
                topic,
                partitions: Numbers::from(partitions),
            })
            .collect(),
    }
}
