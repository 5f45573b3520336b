//! InitProducerId v0-5: idempotent at any node, transactional at the coordinator.
//!
//! Not done: two-phase commit (v6, not stable in Kafka either).

use milena_wire::ErrorCode;
use milena_wire::messages::{InitProducerIdRequest, InitProducerIdResponse};

use crate::cluster::{Cluster, CoordinatorKind, millis};
use crate::request::{Context, Reply};
use crate::transaction::{Identity, InitRequest};

pub(crate) fn handle(
    cluster: &mut Cluster,
    context: &Context<'_>,
    request: &InitProducerIdRequest<'_>,
) -> Reply {
    let result = init(cluster, context, request);
    let identity = result.unwrap_or(Identity::NONE);
    let error = match result {
        // Older clients do not know the newer code.
        Err(ErrorCode::PRODUCER_FENCED) if context.version < 4 => ErrorCode::INVALID_PRODUCER_EPOCH,
        Err(error) => error,
        Ok(_) => context.shown(ErrorCode::NONE),
    };
    let shown = if error.is_ok() {
        identity
    } else {
        Identity::NONE
    };
    let response = InitProducerIdResponse {
        throttle_time_ms: context.throttle_time_ms,
        error_code: error,
        producer_id: shown.producer_id,
        producer_epoch: shown.epoch,
    };
    context.answer(&response)
}

fn init(
    cluster: &mut Cluster,
    context: &Context<'_>,
    request: &InitProducerIdRequest<'_>,
) -> Result<Identity, ErrorCode> {
    context.check()?;
    let expected = match (request.producer_id, request.producer_epoch) {
        (-1, -1) => None,
        (-1, _) | (_, -1) => return Err(ErrorCode::INVALID_REQUEST),
        (producer_id, epoch) => Some(Identity { producer_id, epoch }),
    };
    let Some(id) = request.transactional_id else {
        // Whatever it had: an idempotent producer gets a new id (it raises epochs by itself).
        let producer_id = cluster.transactions.allocate_producer_id(context.node);
        return Ok(Identity {
            producer_id,
            epoch: 0,
        });
    };
    if id.is_empty() {
        return Err(ErrorCode::INVALID_REQUEST);
    }
    let timeout = millis(request.transaction_timeout_ms);
    // Before it is asked whose id it is.
    if timeout.is_zero() || timeout > cluster.config.transaction_timeout_max {
        return Err(ErrorCode::INVALID_TRANSACTION_TIMEOUT);
    }
    cluster.check_coordinator(context.node, CoordinatorKind::Transaction, id)?;
    cluster.init_transactional(id, InitRequest { expected, timeout })
}
