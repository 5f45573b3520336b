//! CreateDelegationToken (38): issues a token that can authenticate in its owner's name.
//!
//! Version 0 ended with Kafka 4.0. Tokens for another owner than the one who asks came with 3.

use milena_wire_derive::{Fields, Message};

use crate::ErrorCode;

/// Whom the token is for, and how long.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(key = 38, versions = "1-3", flexible = "2+", response = CreateDelegationTokenResponse<'a>)]
pub struct CreateDelegationTokenRequest<'a> {
    /// Owner's principal type, such as `User`; null for the one who asks (since 3).
    #[field(versions = "3+", nullable = "3+", default = Some(""))]
    pub owner_principal_type: Option<&'a str>,
    /// Owner's principal name; null for the one who asks (since 3).
    #[field(versions = "3+", nullable = "3+", default = Some(""))]
    pub owner_principal_name: Option<&'a str>,
    /// Who may renew the token besides its owner.
    #[field(versions = "0+")]
    pub renewers: Vec<CreatableRenewers<'a>>,
    /// Longest life of the token, renewals included, in ms; -1 for the broker's setting.
    #[field(versions = "0+")]
    pub max_lifetime_ms: i64,
}

/// One who may renew the token.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct CreatableRenewers<'a> {
    /// Principal type, such as `User`.
    #[field(versions = "0+")]
    pub principal_type: &'a str,
    /// Principal name.
    #[field(versions = "0+")]
    pub principal_name: &'a str,
}

/// The new token.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(key = 38, versions = "1-3", flexible = "2+")]
pub struct CreateDelegationTokenResponse<'a> {
    /// Error, or none.
    #[field(versions = "0+")]
    pub error_code: ErrorCode,
    /// Owner's principal type.
    #[field(versions = "0+")]
    pub principal_type: &'a str,
    /// Owner's principal name.
    #[field(versions = "0+")]
    pub principal_name: &'a str,
    /// Principal type of who asked for the token (since 3).
    #[field(versions = "3+")]
    pub token_requester_principal_type: &'a str,
    /// Principal name of who asked for the token (since 3).
    #[field(versions = "3+")]
    pub token_requester_principal_name: &'a str,
    /// When it was issued, in ms since 1970.
    #[field(versions = "0+")]
    pub issue_timestamp_ms: i64,
    /// When it expires unless renewed, in ms since 1970.
    #[field(versions = "0+")]
    pub expiry_timestamp_ms: i64,
    /// When it expires for good, in ms since 1970.
    #[field(versions = "0+")]
    pub max_timestamp_ms: i64,
    /// Token id, which serves as user name.
    #[field(versions = "0+")]
    pub token_id: &'a str,
    /// Token's HMAC, which serves as password.
    #[field(versions = "0+")]
    pub hmac: &'a [u8],
    /// How long the broker holds or held back for a quota.
    #[field(versions = "0+")]
    pub throttle_time_ms: i32,
}
