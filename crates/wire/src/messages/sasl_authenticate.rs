//! SaslAuthenticate (36): carries the tokens of an authentication, after SaslHandshake (17).
//!
//! Session lifetimes came with 1.

use milena_wire_derive::Message;

use crate::ErrorCode;

/// The client's next token.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(key = 36, versions = "0-2", flexible = "2+", response = SaslAuthenticateResponse<'a>)]
pub struct SaslAuthenticateRequest<'a> {
    /// Token, in the format of the mechanism.
    #[field(versions = "0+")]
    pub auth_bytes: &'a [u8],
}

/// The broker's next token.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(key = 36, versions = "0-2", flexible = "2+")]
pub struct SaslAuthenticateResponse<'a> {
    /// Error, or none.
    #[field(versions = "0+")]
    pub error_code: ErrorCode,
    /// The error in words.
    #[field(versions = "0+", nullable = "0+", default = Some(""))]
    pub error_message: Option<&'a str>,
    /// Token, in the format of the mechanism.
    #[field(versions = "0+")]
    pub auth_bytes: &'a [u8],
    /// Time until the connection must authenticate again, in ms; 0 for never (since 1).
    #[field(versions = "1+", ignorable)]
    pub session_lifetime_ms: i64,
}
