//! DescribeUserScramCredentials (50): which SCRAM credentials users have, without the secrets.

use milena_wire_derive::{Fields, Message};

use crate::ErrorCode;

/// Users to describe.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(key = 50, versions = "0", flexible = "0+", response = DescribeUserScramCredentialsResponse<'a>)]
pub struct DescribeUserScramCredentialsRequest<'a> {
    /// Users; null or empty for all.
    #[field(versions = "0+", nullable = "0+", default = Some(Vec::new()))]
    pub users: Option<Vec<UserName<'a>>>,
}

/// One user.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct UserName<'a> {
    /// User name.
    #[field(versions = "0+")]
    pub name: &'a str,
}

/// The users' credentials.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(key = 50, versions = "0", flexible = "0+")]
pub struct DescribeUserScramCredentialsResponse<'a> {
    /// How long the broker holds or held back for a quota.
    #[field(versions = "0+")]
    pub throttle_time_ms: i32,
    /// Error of the whole request, or none; users have their own.
    #[field(versions = "0+")]
    pub error_code: ErrorCode,
    /// The error in words.
    #[field(versions = "0+", nullable = "0+", default = Some(""))]
    pub error_message: Option<&'a str>,
    /// Users.
    #[field(versions = "0+")]
    pub results: Vec<DescribeUserScramCredentialsResult<'a>>,
}

/// One user's credentials.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct DescribeUserScramCredentialsResult<'a> {
    /// User name.
    #[field(versions = "0+")]
    pub user: &'a str,
    /// Error, or none.
    #[field(versions = "0+")]
    pub error_code: ErrorCode,
    /// The error in words.
    #[field(versions = "0+", nullable = "0+", default = Some(""))]
    pub error_message: Option<&'a str>,
    /// Credentials.
    #[field(versions = "0+")]
    pub credential_infos: Vec<CredentialInfo>,
}

/// One credential.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct CredentialInfo {
    /// Mechanism: 1 SCRAM-SHA-256, 2 SCRAM-SHA-512.
    #[field(versions = "0+")]
    pub mechanism: i8,
    /// How often the password was hashed.
    #[field(versions = "0+")]
    pub iterations: i32,
}
