//! What users hold. Every future here is made of `std::task` alone, above the private driver, so that the simulation runs
//! the very ones that ship.

mod admin;
mod client;
mod consumer;
mod error;
mod names;
mod pipeline;
mod producer;
mod transaction;
mod wait;

pub use admin::{Admin, NewTopic, PartitionDescription, TopicDescription};
pub use client::ClientHandle;
pub use consumer::{Batch, Consumer, ConsumerBuilder, GroupMetadata, Position, Records, Start};
pub use error::{
    AbortError, AdminError, Advice, BeginError, CommitError, ConnectError, ConsumeError,
    DeliveryError, DeliveryErrorKind, FetchError, FlushError, InitError, OffsetsError, Persistence,
    QueryError, SendError, TrySendError,
};
pub use milena_cluster::BrokerAddress;
pub use milena_consumer::{IsolationLevel, OutOfRange};
pub use milena_producer::transaction::{AbortCause, FatalCause};
pub use milena_producer::{Acknowledged, Delivery, IntoPayload, Record};
pub use milena_wire::ErrorCode;
pub use milena_wire::record::{Compression, HeaderRef, RecordRef};
pub use pipeline::{
    Pipeline, PipelineBuilder, PipelineError, PipelineMetrics, RunError, Step, StepHandler,
    StopHandle,
};
pub use producer::{Producer, ProducerBuilder};
pub use transaction::{
    Abort, Commit, Transaction, TransactionError, TransactionOutcome, TransactionSender,
    TransactionalProducer, TransactionalProducerBuilder,
};
