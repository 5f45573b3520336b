//! SaslAuthenticate 0-2: the tokens of an authentication, after SaslHandshake v1.

use milena_wire::ErrorCode;
use milena_wire::messages::{SaslAuthenticateRequest, SaslAuthenticateResponse};

use crate::cluster::Cluster;
use crate::request::{Context, Reply};

pub(crate) fn handle(
    cluster: &mut Cluster,
    context: &Context<'_>,
    request: &SaslAuthenticateRequest<'_>,
) -> Reply {
    let refused = |error_code, message: &str| {
        context.answer(&SaslAuthenticateResponse {
            error_code,
            error_message: Some(message),
            auth_bytes: &[],
            session_lifetime_ms: 0,
        })
    };
    if let Err(error) = context.check() {
        return refused(error, "");
    }
    match cluster.take_token(context.connection, request.auth_bytes) {
        None => refused(
            ErrorCode::ILLEGAL_SASL_STATE,
            "SaslAuthenticate request received after successful authentication",
        ),
        Some(Err(sentence)) => {
            refused(ErrorCode::SASL_AUTHENTICATION_FAILED, &sentence).and_close()
        }
        Some(Ok(token)) => context.answer(&SaslAuthenticateResponse {
            error_code: context.shown(ErrorCode::NONE),
            error_message: None,
            auth_bytes: &token.bytes,
            session_lifetime_ms: i64::try_from(token.session_lifetime.as_millis())
                .unwrap_or(i64::MAX),
        }),
    }
}
