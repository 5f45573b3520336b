//! SaslHandshake (17): chooses how a connection authenticates.
//!
//! After version 1 the tokens travel in SaslAuthenticate (36), after version 0 bare.

use milena_wire_derive::Message;

use crate::ErrorCode;

/// The mechanism the client wants.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(key = 17, versions = "0-1", response = SaslHandshakeResponse<'a>)]
pub struct SaslHandshakeRequest<'a> {
    /// Mechanism, such as `PLAIN` or `SCRAM-SHA-512`.
    #[field(versions = "0+")]
    pub mechanism: &'a str,
}

/// Whether the broker goes along.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(key = 17, versions = "0-1")]
pub struct SaslHandshakeResponse<'a> {
    /// Error, or none.
    #[field(versions = "0+")]
    pub error_code: ErrorCode,
    /// Mechanisms the broker offers.
    #[field(versions = "0+")]
    pub mechanisms: Vec<&'a str>,
}
