//! AlterUserScramCredentials (51): sets and removes the SCRAM credentials of users.

use milena_wire_derive::{Fields, Message};

use crate::ErrorCode;

/// Credentials to set and to remove.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(key = 51, versions = "0", flexible = "0+", response = AlterUserScramCredentialsResponse<'a>)]
pub struct AlterUserScramCredentialsRequest<'a> {
    /// Credentials to take away.
    #[field(versions = "0+")]
    pub deletions: Vec<ScramCredentialDeletion<'a>>,
    /// Credentials to add or replace.
    #[field(versions = "0+")]
    pub upsertions: Vec<ScramCredentialUpsertion<'a>>,
}

/// One credential to remove.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct ScramCredentialDeletion<'a> {
    /// User name.
    #[field(versions = "0+")]
    pub name: &'a str,
    /// Mechanism: 1 SCRAM-SHA-256, 2 SCRAM-SHA-512.
    #[field(versions = "0+")]
    pub mechanism: i8,
}

/// One credential to set.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct ScramCredentialUpsertion<'a> {
    /// User name.
    #[field(versions = "0+")]
    pub name: &'a str,
    /// Mechanism: 1 SCRAM-SHA-256, 2 SCRAM-SHA-512.
    #[field(versions = "0+")]
    pub mechanism: i8,
    /// How often the password was hashed.
    #[field(versions = "0+")]
    pub iterations: i32,
    /// Salt, chosen at random by the client.
    #[field(versions = "0+")]
    pub salt: &'a [u8],
    /// Password after salting and hashing.
    #[field(versions = "0+")]
    pub salted_password: &'a [u8],
}

/// What became of them.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(key = 51, versions = "0", flexible = "0+")]
pub struct AlterUserScramCredentialsResponse<'a> {
    /// How long the broker holds or held back for a quota.
    #[field(versions = "0+")]
    pub throttle_time_ms: i32,
    /// Users.
    #[field(versions = "0+")]
    pub results: Vec<AlterUserScramCredentialsResult<'a>>,
}

/// One user's answer.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct AlterUserScramCredentialsResult<'a> {
    /// User name.
    #[field(versions = "0+")]
    pub user: &'a str,
    /// Error, or none.
    #[field(versions = "0+")]
    pub error_code: ErrorCode,
    /// The error in words.
    #[field(versions = "0+", nullable = "0+", default = Some(""))]
    pub error_message: Option<&'a str>,
}
