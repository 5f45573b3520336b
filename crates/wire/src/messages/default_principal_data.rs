//! DefaultPrincipalData: who sent a forwarded request, as the `request_principal` bytes of Envelope, after an int16 version.
//!
//! This is the form of Kafka's own principals; a broker with a principal builder of its own may write something else.

use milena_wire_derive::Message;

/// Who sent a request.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(versions = "0", flexible = "0+")]
pub struct DefaultPrincipalData<'a> {
    /// Type of the principal, such as `User`.
    #[field(versions = "0+")]
    pub r#type: &'a str,
    /// Name of the principal.
    #[field(versions = "0+")]
    pub name: &'a str,
    /// Whether a delegation token proved it to the broker that forwards.
    #[field(versions = "0+")]
    pub token_authenticated: bool,
}
