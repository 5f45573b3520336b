//! An Apache Kafka client for programs that must not lose, double or tear a record.
//!
//! - [`Client`] connects; everything else is made from it.
//! - [`Producer`]: idempotent, acks=all, five batches in flight a partition, order kept.
//! - [`TransactionalProducer`] and [`Transaction`]: transactions that live and die with their future.
//! - [`Consumer`]: assigned partitions, read_committed by default.
//! - [`Pipeline`]: consume, transform, produce, exactly once.
//!
//! Every operation has an error type of its own, which says what the caller can do ([`Advice`]); a [`DeliveryError`] also says
//! whether the record may be in the log. Every wait for a broker has a deadline; only waiting for records to read has none.
//!
//! Records are compressed and read by gzip, snappy, lz4 and zstd, each a cargo feature of that name, all on by default and pure
//! Rust. The feature `zstd-c` takes C's zstd instead: all of its levels, and faster compression.
//!
//! The engine runs on a thread of its own, with its own timers: a busy application runtime does not stop deadlines. The
//! futures here need no particular runtime.
#![cfg_attr(doctest, doc = include_str!("../../../README.md"))]

mod builder;
mod client;
mod driver;

pub use builder::{ClientBuilder, Security};
pub use client::Client;
pub use milena_engine::handles::{
    Abort, AbortError, Acknowledged, Admin, AdminError, Advice, Batch, BeginError, BrokerAddress,
    Commit, CommitError, Compression, ConnectError, ConsumeError, Consumer, ConsumerBuilder,
    Delivery, DeliveryError, DeliveryErrorKind, ErrorCode, FetchError, FlushError, GroupMetadata,
    HeaderRef, InitError, IntoPayload, IsolationLevel, NewTopic, OffsetsError, OutOfRange,
    PartitionDescription, Persistence, Pipeline, PipelineBuilder, PipelineError, PipelineMetrics,
    Position, Producer, ProducerBuilder, QueryError, Record, RecordRef, Records, RunError,
    SendError, Start, Step, StepHandler, StopHandle, TopicDescription, Transaction,
    TransactionError, TransactionOutcome, TransactionSender, TransactionalProducer,
    TransactionalProducerBuilder, TrySendError,
};
pub use milena_engine::handles::{AbortCause, FatalCause};
