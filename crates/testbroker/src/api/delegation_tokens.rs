//! CreateDelegationToken v1-3, RenewDelegationToken and ExpireDelegationToken v1-2,
//! DescribeDelegationToken v1-3, answered as by Kafka to clients that have not proved who they are.
//!
//! Not done: delegation tokens.

use milena_wire::ErrorCode;
use milena_wire::messages::{
    CreateDelegationTokenRequest, CreateDelegationTokenResponse, DescribeDelegationTokenRequest,
    DescribeDelegationTokenResponse, ExpireDelegationTokenRequest, ExpireDelegationTokenResponse,
    RenewDelegationTokenRequest, RenewDelegationTokenResponse,
};

use crate::cluster::Cluster;
use crate::request::{Context, Reply};

pub(crate) mod create {
    pub(crate) use super::create_token as handle;
}

pub(crate) mod renew {
    pub(crate) use super::renew_token as handle;
}

pub(crate) mod expire {
    pub(crate) use super::expire_token as handle;
}

pub(crate) mod describe {
    pub(crate) use super::describe_token as handle;
}

/// `DelegationTokenManager.ERROR_TIMESTAMP`.
const NEVER: i64 = -1;

pub(crate) fn create_token(
    _cluster: &mut Cluster,
    context: &Context<'_>,
    request: &CreateDelegationTokenRequest<'_>,
) -> Reply {
    let owner = request.owner_principal_name.filter(|name| !name.is_empty());
    let kind = request.owner_principal_type.filter(|_| owner.is_some());
    context.answer(&CreateDelegationTokenResponse {
        error_code: refusal(context),
        principal_type: kind.unwrap_or("User"),
        principal_name: owner.unwrap_or("ANONYMOUS"),
        token_requester_principal_type: if context.version >= 3 { "User" } else { "" },
        token_requester_principal_name: if context.version >= 3 {
            "ANONYMOUS"
        } else {
            ""
        },
        issue_timestamp_ms: NEVER,
        expiry_timestamp_ms: NEVER,
        max_timestamp_ms: NEVER,
        throttle_time_ms: context.throttle_time_ms,
        ..Default::default()
    })
}

pub(crate) fn renew_token(
    _cluster: &mut Cluster,
    context: &Context<'_>,
    _request: &RenewDelegationTokenRequest<'_>,
) -> Reply {
    context.answer(&RenewDelegationTokenResponse {
        error_code: refusal(context),
        expiry_timestamp_ms: NEVER,
        throttle_time_ms: context.throttle_time_ms,
    })
}

pub(crate) fn expire_token(
    _cluster: &mut Cluster,
    context: &Context<'_>,
    _request: &ExpireDelegationTokenRequest<'_>,
) -> Reply {
    context.answer(&ExpireDelegationTokenResponse {
        error_code: refusal(context),
        expiry_timestamp_ms: NEVER,
        throttle_time_ms: context.throttle_time_ms,
    })
}

pub(crate) fn describe_token(
    _cluster: &mut Cluster,
    context: &Context<'_>,
    _request: &DescribeDelegationTokenRequest<'_>,
) -> Reply {
    context.answer(&DescribeDelegationTokenResponse {
        error_code: refusal(context),
        throttle_time_ms: context.throttle_time_ms,
        ..Default::default()
    })
}

fn refusal(context: &Context<'_>) -> ErrorCode {
    let refused = ErrorCode::DELEGATION_TOKEN_REQUEST_NOT_ALLOWED;
    context.check().err().unwrap_or(refused)
}
