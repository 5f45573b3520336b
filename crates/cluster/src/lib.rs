//! What milena knows of a Kafka cluster, and how it reaches it: sans-IO, no clock, no socket.
//!
//! - [`Metadata`]: brokers, topics and leaders, and what of them has to be asked for;
//! - [`Coordinators`]: which broker looks after which transactional id or group;
//! - [`Handshake`], [`ApiVersions`]: what the two ends of a connection can say to each other;
//! - [`recovery`]: what every error of every request means for the client, in one table;
//! - [`Backoff`], [`Route`], [`Outcome`], [`TopicPartition`] and the other small values that the layers above share.
//!
//! Time is an argument, randomness a seed given at construction, and nothing here knows of batches, positions or transactions.

mod address;
mod backoff;
mod coordinators;
pub mod group;
mod handshake;
mod ids;
mod metadata;
mod pace;
#[cfg(feature = "plants")]
pub mod plants;
pub mod recovery;
mod route;
mod topic;
mod versions;

pub use address::{BrokerAddress, ParseAddressError};
pub use backoff::Backoff;
pub use coordinators::Coordinators;
pub use group::GroupMetadata;
pub use handshake::{ConnectError, Handshake, HandshakeRequest, Progress};
pub use ids::{LeaderEpoch, NodeId, ProducerEpoch, ProducerId, ProducerIdentity};
pub use metadata::{Metadata, MetadataConfig, PartitionMetadata, TopicMetadata};
pub use route::{CoordinatorKey, Outcome, Route, SendFailure};
pub use topic::{TopicName, TopicPartition};
pub use versions::{ApiVersions, FinalizedFeatures, UnsupportedVersion};
