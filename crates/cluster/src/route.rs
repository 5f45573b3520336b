//! Where a request goes, and what became of it.

use std::fmt;
use std::sync::Arc;

use milena_wire::EncodeError;

use crate::{NodeId, TopicPartition, UnsupportedVersion};

/// Where a request goes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Route {
    /// To the broker that leads the partition.
    Leader(TopicPartition),
    /// To the broker that looks after the transactional id or group.
    Coordinator(CoordinatorKey),
    /// To the broker that changes the cluster.
    Controller,
    /// To this broker.
    Node(NodeId),
    /// To any broker.
    Any,
}

/// What a coordinator is looked up by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CoordinatorKey {
    /// A transactional id.
    Transaction(Arc<str>),
    /// A consumer group.
    Group(Arc<str>),
}

impl CoordinatorKey {
    /// The id or group itself, as FindCoordinator carries it.
    pub fn name(&self) -> &str {
        match self {
            Self::Transaction(name) | Self::Group(name) => name,
        }
    }

    /// The `key_type` of FindCoordinator.
    pub fn key_type(&self) -> i8 {
        match self {
            Self::Group(_) => 0,
            Self::Transaction(_) => 1,
        }
    }
}

impl fmt::Display for CoordinatorKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Transaction(name) => write!(f, "transactional id `{name}`"),
            Self::Group(name) => write!(f, "group `{name}`"),
        }
    }
}

/// What became of a request.
///
/// A lost answer is a third outcome: the broker may have acted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome<R> {
    /// The broker answered.
    Answered(R),
    /// No byte of the request was offered to a socket: the broker cannot have acted.
    NotSent(SendFailure),
    /// The request, or a part of it, was offered to a socket, and no answer came.
    Unsure(SendFailure),
}

impl<R> Outcome<R> {
    /// The same outcome with another view of the answer.
    pub fn map<T>(self, answer: impl FnOnce(R) -> T) -> Outcome<T> {
        match self {
            Self::Answered(response) => Outcome::Answered(answer(response)),
            Self::NotSent(failure) => Outcome::NotSent(failure),
            Self::Unsure(failure) => Outcome::Unsure(failure),
        }
    }
}

/// Why a request has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendFailure {
    /// No connection to the broker could be made.
    #[error("the broker could not be reached")]
    ConnectFailed,
    /// The connection ended.
    #[error("the connection was closed")]
    ConnectionClosed,
    /// No answer within the request time-out.
    #[error("the request timed out")]
    RequestTimedOut,
    /// The broker does not speak a version of the request that milena does.
    #[error(transparent)]
    Unsupported(#[from] UnsupportedVersion),
    /// It is not known (yet) where the request has to go.
    #[error("no broker is known for the request")]
    NoRoute,
    /// The request cannot be written in the version negotiated.
    #[error("the request cannot be written: {0}")]
    Encode(#[from] EncodeError),
    /// The answer made no sense; the connection that brought it is closed.
    #[error("the broker's answer could not be read")]
    BadAnswer,
    /// Taken back by the client before it was sent.
    #[error("the request was taken back")]
    Recalled,
    /// The client is closed.
    #[error("the client is closed")]
    Closed,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_coordinator_key_knows_its_type_on_the_wire() {
        let (group, transaction) = (
            CoordinatorKey::Group("a".into()),
            CoordinatorKey::Transaction("a".into()),
        );
        assert_eq!((group.key_type(), transaction.key_type()), (0, 1));
        assert_eq!((group.name(), transaction.name()), ("a", "a"));
        assert_ne!(group, transaction);
    }

    #[test]
    fn only_the_answer_of_an_outcome_is_mapped() {
        assert_eq!(Outcome::Answered(2).map(|n| n + 1), Outcome::Answered(3));
        let unsure: Outcome<i32> = Outcome::Unsure(SendFailure::RequestTimedOut);
        assert_eq!(
            unsure.map(|n| n + 1),
            Outcome::Unsure(SendFailure::RequestTimedOut)
        );
    }
}
