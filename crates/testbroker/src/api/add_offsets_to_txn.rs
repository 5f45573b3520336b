//! AddOffsetsToTxn v0-4: a group's offsets join the transaction (TV1; under TV2 TxnOffsetCommit
//! does that itself).

use milena_wire::ErrorCode;
use milena_wire::messages::{AddOffsetsToTxnRequest, AddOffsetsToTxnResponse};

use crate::cluster::{Cluster, CoordinatorKind, offsets_participant};
use crate::request::{Context, Reply};
use crate::transaction::Identity;

pub(crate) fn handle(
    cluster: &mut Cluster,
    context: &Context<'_>,
    request: &AddOffsetsToTxnRequest<'_>,
) -> Reply {
    let error = match add(cluster, context, request) {
        // Older clients do not know the newer code.
        Err(ErrorCode::PRODUCER_FENCED) if context.version < 2 => ErrorCode::INVALID_PRODUCER_EPOCH,
        Err(error) => error,
        Ok(()) => context.shown(ErrorCode::NONE),
    };
    let response = AddOffsetsToTxnResponse {
        throttle_time_ms: context.throttle_time_ms,
        error_code: error,
    };
    context.answer(&response)
}

fn add(
    cluster: &mut Cluster,
    context: &Context<'_>,
    request: &AddOffsetsToTxnRequest<'_>,
) -> Result<(), ErrorCode> {
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
    cluster.add_to_transaction(id, identity, [offsets_participant(request.group_id)])
}
