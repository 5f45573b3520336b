//! A Kafka cluster inside one process, for tests and demos.
//!
//! [`Broker`] is the whole cluster, all its nodes, as one state machine without sockets and clock:
//! bytes in, bytes out, `now` in. Around it, with feature `tcp`, `TestBroker` listens on loopback
//! for any Kafka client. Logs hold real record batches; idempotence, transactions (both protocol
//! versions), markers, aborted ranges and offsets follow Apache Kafka's sources. [`Faults`] breaks
//! it on request, and its logs, offsets and transactions can be read back as the truth.
//!
//! It shares nothing with milena's client cores but the wire crate: it is a witness of its own.
//! What it does not do is listed in `SKIPPED.md`.
//!
//! ```text
//!  connect, handle_bytes --> frame --> Faults --> api::* --> Cluster { topics, transactions, groups }
//!                                        |                      |
//!  poll_output <---------- answer <------'<---------------------'      poll_timeout, handle_timeout
//! ```

mod api;
mod broker;
mod cluster;
mod config;
mod connection;
mod faults;
mod features;
mod flow;
mod group;
mod history;
mod limits;
mod log;
mod refusal;
#[cfg(feature = "tcp")]
pub mod relay;
mod request;
mod sasl;
#[cfg(feature = "tcp")]
mod tcp;
mod timers;
mod transaction;

pub use broker::{Broker, TopicSpec};
pub use cluster::{CoordinatorKind, Keep, Node};
pub use config::{BrokerConfig, ConfigError, Emulate, UnknownRelease};
pub use connection::{ConnectionId, Output};
pub use faults::{Action, Faults, HoldId, Level, Rule, RuleId, Unfired};
pub use features::FeatureError;
pub use group::{GroupMemberView, GroupOffsetView, GroupView};
pub use history::{Entry, History, Outcome, RequestName};
pub use log::{AbortedTransaction, PartitionLog, ProducerView, StoredRecord};
pub use milena_wire::{ApiKey, ErrorCode};
pub use sasl::SaslMechanism;
#[cfg(feature = "tcp")]
pub use tcp::{TestBroker, TestBrokerBuilder};
pub use transaction::{TransactionState, TransactionStateView};
