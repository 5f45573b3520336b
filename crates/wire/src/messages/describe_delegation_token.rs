//! DescribeDelegationToken (41): the tokens of some owners or of all.
//!
//! Version 0 ended with Kafka 4.0. Who asked for each token came with 3.

use milena_wire_derive::{Fields, Message};

use crate::ErrorCode;

/// Owners whose tokens are wanted.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(key = 41, versions = "1-3", flexible = "2+", response = DescribeDelegationTokenResponse<'a>)]
pub struct DescribeDelegationTokenRequest<'a> {
    /// Owners; null for all tokens.
    #[field(versions = "0+", nullable = "0+", default = Some(Vec::new()))]
    pub owners: Option<Vec<DescribeDelegationTokenOwner<'a>>>,
}

/// One owner.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct DescribeDelegationTokenOwner<'a> {
    /// Owner's principal type, such as `User`.
    #[field(versions = "0+")]
    pub principal_type: &'a str,
    /// Owner's principal name.
    #[field(versions = "0+")]
    pub principal_name: &'a str,
}

/// The tokens.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(key = 41, versions = "1-3", flexible = "2+")]
pub struct DescribeDelegationTokenResponse<'a> {
    /// Error, or none.
    #[field(versions = "0+")]
    pub error_code: ErrorCode,
    /// Tokens.
    #[field(versions = "0+")]
    pub tokens: Vec<DescribedDelegationToken<'a>>,
    /// How long the broker holds or held back for a quota.
    #[field(versions = "0+")]
    pub throttle_time_ms: i32,
}

/// One token.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct DescribedDelegationToken<'a> {
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
    pub issue_timestamp: i64,
    /// When it expires unless renewed, in ms since 1970.
    #[field(versions = "0+")]
    pub expiry_timestamp: i64,
    /// When it expires for good, in ms since 1970.
    #[field(versions = "0+")]
    pub max_timestamp: i64,
    /// Token id, which serves as user name.
    #[field(versions = "0+")]
    pub token_id: &'a str,
    /// Token's HMAC, which serves as password.
    #[field(versions = "0+")]
    pub hmac: &'a [u8],
    /// Who may renew the token besides its owner.
    #[field(versions = "0+")]
    pub renewers: Vec<DescribedDelegationTokenRenewer<'a>>,
}

/// One who may renew the token.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct DescribedDelegationTokenRenewer<'a> {
    /// Principal type, such as `User`.
    #[field(versions = "0+")]
    pub principal_type: &'a str,
    /// Principal name.
    #[field(versions = "0+")]
    pub principal_name: &'a str,
}
