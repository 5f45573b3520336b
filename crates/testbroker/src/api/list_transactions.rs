//! ListTransactions v0-2: the transactional ids that a node coordinates, by state, producer id, age
//! (v1) and pattern (v2).

use std::collections::BTreeSet;

use milena_wire::ErrorCode;
use milena_wire::messages::{
    ListTransactionsRequest, ListTransactionsResponse, ListTransactionsTransactionState,
};
use regex_lite::Regex;

use crate::cluster::{Cluster, CoordinatorKind};
use crate::request::{Context, Reply};
use crate::transaction::{Transaction, TransactionState};

pub(crate) fn handle(
    cluster: &mut Cluster,
    context: &Context<'_>,
    request: &ListTransactionsRequest<'_>,
) -> Reply {
    cluster.forget_expired_ids();
    let pattern = match check(cluster, context, request) {
        Ok(pattern) => pattern,
        Err(error) => {
            return context.answer(&ListTransactionsResponse {
                throttle_time_ms: context.throttle_time_ms,
                error_code: error,
                ..Default::default()
            });
        }
    };
    let filter = Filter::of(cluster, request, pattern);
    let kind = CoordinatorKind::Transaction;
    let all = cluster.transactions.by_id.iter();
    let found = all.filter(|(id, transaction)| {
        cluster.coordinators.node(kind, id) == context.node && filter.passes(id, transaction)
    });
    let response = ListTransactionsResponse {
        throttle_time_ms: context.throttle_time_ms,
        error_code: context.shown(ErrorCode::NONE),
        unknown_state_filters: unknown_states(request),
        transaction_states: found
            .map(|(id, transaction)| ListTransactionsTransactionState {
                transactional_id: id,
                producer_id: transaction.producer_id,
                transaction_state: transaction.state.name(),
            })
            .collect(),
    };
    context.answer(&response)
}

fn check(
    cluster: &Cluster,
    context: &Context<'_>,
    request: &ListTransactionsRequest<'_>,
) -> Result<Option<Regex>, ErrorCode> {
    context.check()?;
    if cluster.is_loading(context.node) {
        return Err(ErrorCode::COORDINATOR_LOAD_IN_PROGRESS);
    }
    let pattern = request.transactional_id_pattern.unwrap_or_default();
    if pattern.is_empty() {
        return Ok(None);
    }
    // Alone first: `a)(b` is wrong, though it is right between parentheses.
    let whole = Regex::new(pattern).and_then(|_| Regex::new(&format!(r"\A(?:{pattern})\z")));
    whole
        .map(Some)
        .map_err(|_| ErrorCode::INVALID_REGULAR_EXPRESSION)
}

/// Each once, in their order.
fn unknown_states<'a>(request: &ListTransactionsRequest<'a>) -> Vec<&'a str> {
    let mut seen = BTreeSet::new();
    let names = request.state_filters.iter().copied();
    names
        .filter(|name| TransactionState::of_name(name).is_none() && seen.insert(*name))
        .collect()
}

struct Filter {
    /// `None` if every state will do; a name that is no state leaves none.
    states: Option<BTreeSet<TransactionState>>,
    producer_ids: BTreeSet<i64>,
    duration: i64,
    pattern: Option<Regex>,
    now: i64,
}

impl Filter {
    fn of(
        cluster: &Cluster,
        request: &ListTransactionsRequest<'_>,
        pattern: Option<Regex>,
    ) -> Self {
        let names = request.state_filters.iter();
        let states = names.filter_map(|name| TransactionState::of_name(name));
        Self {
            states: (!request.state_filters.is_empty()).then(|| states.collect()),
            producer_ids: request.producer_id_filters.iter().collect(),
            duration: request.duration_filter,
            pattern,
            now: cluster.wall_clock(),
        }
    }

    fn passes(&self, id: &str, transaction: &Transaction) -> bool {
        let state = self.states.as_ref();
        // An id without a start counts as old: Kafka takes the -1 for a time.
        let age = self.now - transaction.started_at;
        state.is_none_or(|states| states.contains(&transaction.state))
            && (self.producer_ids.is_empty()
                || self.producer_ids.contains(&transaction.producer_id))
            && (self.duration < 0 || age > self.duration)
            && (self.pattern.as_ref()).is_none_or(|pattern| pattern.is_match(id))
    }
}
