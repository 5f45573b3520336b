//! What handles ask of the engine.

use std::sync::Arc;
use std::time::{Duration, Instant};

use milena_cluster::TopicPartition;
use milena_consumer::{Cursor, FetchConfig, IsolationLevel, StartPosition};
use milena_producer::transaction::{OffsetsToCommit, TransactionConfig};
use milena_producer::{Accumulator, AccumulatorConfig, Completion};
use milena_wire::compress::Codec;

use crate::handles::{
    AbortError, BeginError, CommitError, InitError, OffsetsError, QueryError, TransactionOutcome,
};
use crate::reply::Reply;
use crate::shared::ConsumerQueue;

#[derive(Debug)]
pub(crate) enum Command {
    OpenProducer {
        producer: usize,
        settings: ProducerSettings,
        transactional: Option<TransactionConfig>,
        reply: Reply<Arc<Accumulator>>,
    },
    CloseProducer {
        producer: usize,
    },
    WantTopic {
        producer: usize,
        topic: Arc<str>,
        reply: Reply<Result<(), TopicUnavailable>>,
    },
    Flush {
        producer: usize,
        reply: Reply<Vec<Arc<Completion>>>,
    },
    Transaction {
        producer: usize,
        command: TransactionCommand,
    },
    OpenConsumer {
        consumer: usize,
        config: FetchConfig,
        partitions: Vec<(TopicPartition, StartPosition)>,
        queue: Arc<ConsumerQueue>,
        reply: Reply<()>,
    },
    CloseConsumer {
        consumer: usize,
    },
    Seek {
        consumer: usize,
        partition: TopicPartition,
        cursor: Cursor,
        version: u64,
    },
    Release {
        consumer: usize,
        partition: TopicPartition,
        bytes: usize,
    },
    Query {
        kind: QueryKind,
        deadline: Instant,
        reply: Reply<Result<QueryAnswer, QueryError>>,
    },
    ShutDown,
}

/// A call to a transactional producer. A number first is the generation: the transaction that it is about.
#[derive(Debug)]
pub(crate) enum TransactionCommand {
    Initialize(Waiting<Result<(), InitError>>),
    Begin(Waiting<Result<u64, BeginError>>),
    SendOffsets(u64, Arc<OffsetsToCommit>, Waiting<Result<(), OffsetsError>>),
    /// A send was refused for a reason that is not the caller's patience: commit is forbidden.
    SendFailed(u64, Arc<str>, Arc<str>),
    Commit(u64, Waiting<Result<(), CommitError>>),
    CommitDropped(u64),
    Abort(u64, Waiting<Result<(), AbortError>>),
    Abandon(u64),
    Resolve(Waiting<TransactionOutcome>),
}

/// A call that waits, and until when.
#[derive(Debug)]
pub(crate) struct Waiting<T> {
    pub(crate) reply: Reply<T>,
    pub(crate) since: Instant,
    pub(crate) deadline: Instant,
}

impl<T> Waiting<T> {
    pub(crate) fn waited(&self) -> Duration {
        self.deadline.duration_since(self.since)
    }
}

#[derive(Clone, Debug)]
pub(crate) struct ProducerSettings {
    pub(crate) accumulator: AccumulatorConfig,
    pub(crate) codec: Codec,
    pub(crate) delivery_timeout: Duration,
    pub(crate) request_bytes_max: usize,
}

/// Metadata says that a topic cannot be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TopicUnavailable(pub(crate) milena_wire::ErrorCode);

/// A question that is repeated until it is answered or its deadline passes.
#[derive(Clone, Debug)]
pub(crate) enum QueryKind {
    Nodes,
    DescribeTopic {
        topic: Arc<str>,
    },
    CreateTopic {
        topic: Arc<str>,
        partitions: i32,
        replication_factor: i16,
        configs: Vec<(Arc<str>, Arc<str>)>,
    },
    DeleteTopic {
        topic: Arc<str>,
    },
    ListOffsets {
        isolation: IsolationLevel,
        timestamp: i64,
        partitions: Vec<TopicPartition>,
    },
    Committed {
        group: Arc<str>,
        partitions: Vec<TopicPartition>,
    },
}

#[derive(Clone, Debug)]
pub(crate) enum QueryAnswer {
    Done,
    Nodes(Vec<(i32, milena_cluster::BrokerAddress)>),
    Topic(Vec<Option<i32>>),
    Offsets(Vec<(TopicPartition, i64)>),
    Committed(Vec<(TopicPartition, Option<CommittedPosition>)>),
}

/// What a group has committed for a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CommittedPosition {
    pub(crate) cursor: Cursor,
    pub(crate) metadata: Arc<str>,
}
