//! Why an administrative request, or a part of one, was not done.

use milena_wire::ErrorCode;

/// An error code and the words that go with it, which clients show to their users.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) code: ErrorCode,
    pub(crate) message: Option<String>,
}

impl Refusal {
    pub(crate) fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: Some(message.into()),
        }
    }

    pub(crate) fn invalid_request(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::INVALID_REQUEST, message)
    }

    pub(crate) fn invalid_config(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::INVALID_CONFIG, message)
    }

    /// A code that says it all.
    pub(crate) fn bare(code: ErrorCode) -> Self {
        Self {
            code,
            message: None,
        }
    }

    /// What a fault rule wants to be answered.
    pub(crate) fn forced(code: ErrorCode) -> Self {
        Self::new(code, "a fault wants it")
    }
}

/// The code and the words of a result, as answers have them.
pub(crate) fn parts<T>(result: &Result<T, Refusal>) -> (ErrorCode, Option<&str>) {
    match result {
        Ok(_) => (ErrorCode::NONE, None),
        Err(refusal) => (refusal.code, refusal.message.as_deref()),
    }
}
