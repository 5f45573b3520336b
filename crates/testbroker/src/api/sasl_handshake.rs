//! SaslHandshake 0-1: how a connection authenticates. After version 0 the tokens travel bare.
//!
//! Mechanisms: PLAIN, SCRAM-SHA-256, SCRAM-SHA-512.

use milena_wire::ErrorCode;
use milena_wire::messages::{SaslHandshakeRequest, SaslHandshakeResponse};

use crate::cluster::Cluster;
use crate::request::{Context, Reply};

pub(crate) fn handle(
    cluster: &mut Cluster,
    context: &Context<'_>,
    request: &SaslHandshakeRequest<'_>,
) -> Reply {
    let bare = context.version == 0;
    let shaken = match context.check() {
        Ok(()) => cluster.shake_hands(context.connection, request.mechanism, bare),
        Err(error) => Err(error),
    };
    let error_code = context.shown(shaken.err().unwrap_or_default());
    // Where there is nothing to choose, Kafka does not say what there is.
    let offered = error_code != ErrorCode::ILLEGAL_SASL_STATE;
    let mechanisms = cluster.sasl_mechanisms().filter(|_| offered);
    let answer = context.answer(&SaslHandshakeResponse {
        error_code,
        mechanisms: mechanisms.map(|it| it.name()).collect(),
    });
    match shaken {
        Err(ErrorCode::UNSUPPORTED_SASL_MECHANISM) => answer.and_close(),
        _ => answer,
    }
}
