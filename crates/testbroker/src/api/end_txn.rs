//! EndTxn v0-5. From v5 on the answer carries the identity of the next transaction (KIP-890), and
//! so it does under every `transaction.version`: it is the request's version that decides.

use milena_wire::ErrorCode;
use milena_wire::messages::{EndTxnRequest, EndTxnResponse};

use crate::cluster::{Cluster, CoordinatorKind};
use crate::request::{Context, Reply};
use crate::transaction::{EndRequest, Identity};

pub(crate) fn handle(
    cluster: &mut Cluster,
    context: &Context<'_>,
    request: &EndTxnRequest<'_>,
) -> Reply {
    let result = end(cluster, context, request);
    let error = match result {
        // Older clients do not know the newer code.
        Err(ErrorCode::PRODUCER_FENCED) if context.version < 2 => ErrorCode::INVALID_PRODUCER_EPOCH,
        Err(error) => error,
        Ok(_) => context.shown(ErrorCode::NONE),
    };
    let identity = result
        .ok()
        .filter(|_| error.is_ok())
        .unwrap_or(Identity::NONE);
    let response = EndTxnResponse {
        throttle_time_ms: context.throttle_time_ms,
        error_code: error,
        producer_id: identity.producer_id,
        producer_epoch: identity.epoch,
    };
    context.answer(&response)
}

fn end(
    cluster: &mut Cluster,
    context: &Context<'_>,
    request: &EndTxnRequest<'_>,
) -> Result<Identity, ErrorCode> {
    context.check()?;
    let id = request.transactional_id;
    if id.is_empty() {
        return Err(ErrorCode::INVALID_REQUEST);
    }
    cluster.check_coordinator(context.node, CoordinatorKind::Transaction, id)?;
    let identity = Identity {
        producer_id: request.producer_id,
        epoch: request.producer_epoch,
    };
    let ending = EndRequest {
        identity,
        committed: request.committed,
    };
    cluster.end_transaction(id, ending, context.version >= 5)
}
