//! Settings of a pipeline.

use std::borrow::Cow;
use std::time::Duration;

use milena_consumer::IsolationLevel;
use milena_wire::record::Compression;

use super::{Pipeline, PipelineError, START};
use crate::config::bounded;
use crate::handles::client::ClientHandle;
use crate::handles::error::{BeginError, InitError, QueryError};
use crate::handles::transaction::TransactionalProducerBuilder;

/// Settings of a pipeline. The partitions and the transactional id must be given; the rest has good defaults.
#[derive(Clone, Debug)]
pub struct PipelineBuilder {
    client: ClientHandle,
    group: String,
    transactional_id: Option<String>,
    partitions: Vec<(String, i32)>,
    subscribed: bool,
    until_end: bool,
    linger: Option<Duration>,
    transaction_timeout: Option<Duration>,
    operation_timeout: Option<Duration>,
    delivery_timeout: Option<Duration>,
    compression: Compression,
    compression_level: Option<i32>,
    decompressed_bytes_max: Option<usize>,
    settings: Settings,
}

#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) step_records_max: usize,
    pub(super) transaction_steps_max: usize,
    pub(super) commit_interval: Duration,
    pub(super) stall_timeout: Duration,
}

impl PipelineBuilder {
    pub(crate) fn new(client: ClientHandle, group: &str) -> Self {
        Self {
            client,
            group: group.to_owned(),
            transactional_id: None,
            partitions: Vec::new(),
            subscribed: false,
            until_end: false,
            linger: None,
            transaction_timeout: None,
            operation_timeout: None,
            delivery_timeout: None,
            compression: Compression::None,
            compression_level: None,
            decompressed_bytes_max: None,
            settings: Settings {
                step_records_max: 500,
                transaction_steps_max: 1_000,
                commit_interval: Duration::from_millis(100),
                stall_timeout: Duration::from_secs(120),
            },
        }
    }

    /// Reads these partitions.
    #[must_use]
    pub fn from_partitions<'a>(
        mut self,
        partitions: impl IntoIterator<Item = (&'a str, i32)>,
    ) -> Self {
        self.partitions.extend(
            partitions
                .into_iter()
                .map(|(topic, partition)| (topic.to_owned(), partition)),
        );
        self
    }

    /// Shares topics with other instances of the group. Not supported yet: building is refused with a sentence that says so.
    #[must_use]
    pub fn from<'a>(mut self, topics: impl IntoIterator<Item = &'a str>) -> Self {
        self.subscribed |= topics.into_iter().next().is_some();
        self
    }

    /// The name that makes this instance one with those before it: the newest fences the others. Give each set of
    /// partitions its own.
    #[must_use]
    pub fn transactional_id(mut self, id: &str) -> Self {
        self.transactional_id = Some(id.to_owned());
        self
    }

    /// The most records of a step. Default 500. A step never spans two batches of the log: of a topic that was written record
    /// by record it has one, and a handler that waits for each delivery then waits once a record.
    #[must_use]
    pub fn step_records_max(mut self, records: usize) -> Self {
        self.settings.step_records_max = records.max(1);
        self
    }

    /// The most steps of a transaction. Default 1,000.
    #[must_use]
    pub fn transaction_steps_max(mut self, steps: usize) -> Self {
        self.settings.transaction_steps_max = steps.max(1);
        self
    }

    /// How long a transaction takes in steps before it is committed: the latency that readers of the output see, against the
    /// cost of a commit. Default 100 ms.
    #[must_use]
    pub fn commit_interval(mut self, interval: Duration) -> Self {
        self.settings.commit_interval = bounded(interval);
        self
    }

    /// How long abort may follow abort before `next` gives up with [`PipelineError::Stalled`]. It does not give up on aborts
    /// that the caller asked for, by dropping a step that is not done. Default 120 s.
    #[must_use]
    pub fn stall_timeout(mut self, timeout: Duration) -> Self {
        self.settings.stall_timeout = timeout;
        self
    }

    /// Ends by itself at the end offsets as [`Self::build`] finds them, instead of waiting for more.
    #[must_use]
    pub fn until_end(mut self) -> Self {
        self.until_end = true;
        self
    }

    /// As [`crate::handles::ProducerBuilder::linger`].
    #[must_use]
    pub fn linger(mut self, linger: Duration) -> Self {
        self.linger = Some(linger);
        self
    }

    /// As [`crate::handles::TransactionalProducerBuilder::transaction_timeout`].
    #[must_use]
    pub fn transaction_timeout(mut self, timeout: Duration) -> Self {
        self.transaction_timeout = Some(timeout);
        self
    }

    /// As [`crate::handles::TransactionalProducerBuilder::operation_timeout`].
    #[must_use]
    pub fn operation_timeout(mut self, timeout: Duration) -> Self {
        self.operation_timeout = Some(timeout);
        self
    }

    /// As [`crate::handles::ProducerBuilder::delivery_timeout`].
    #[must_use]
    pub fn delivery_timeout(mut self, timeout: Duration) -> Self {
        self.delivery_timeout = Some(timeout);
        self
    }

    /// As [`crate::handles::ProducerBuilder::compression`].
    #[must_use]
    pub fn compression(mut self, compression: Compression) -> Self {
        self.compression = compression;
        self
    }

    /// As [`crate::handles::ProducerBuilder::compression_level`].
    #[must_use]
    pub fn compression_level(mut self, level: i32) -> Self {
        self.compression_level = Some(level);
        self
    }

    /// As [`crate::handles::ConsumerBuilder::decompressed_bytes_max`].
    #[must_use]
    pub fn decompressed_bytes_max(mut self, bytes: usize) -> Self {
        self.decompressed_bytes_max = Some(bytes);
        self
    }

    /// Makes the pipeline: fences older instances, then reads where the group stands. In this order, because what an older
    /// instance still commits must be seen.
    ///
    /// # Errors
    /// [`PipelineError`].
    ///
    /// # Cancel safety
    /// Dropped, older instances may or may not be fenced, and nothing stays open: build again.
    pub async fn build(self) -> Result<Pipeline, PipelineError> {
        if self.subscribed {
            return Err(invalid(
                "groups with rebalancing are not supported yet, a later version of milena will bring them; use from_partitions",
            ));
        }
        let Some(id) = &self.transactional_id else {
            return Err(invalid("a pipeline needs a transactional id"));
        };
        let producer = self.producer(id).build().await.map_err(init_error)?;
        let partitions = self
            .partitions
            .iter()
            .map(|(topic, partition)| (topic.as_str(), *partition));
        let mut consumer = self
            .client
            .consumer(&self.group)
            .assign(partitions)
            .isolation(IsolationLevel::ReadCommitted)
            .start(START);
        if let Some(bytes) = self.decompressed_bytes_max {
            consumer = consumer.decompressed_bytes_max(bytes);
        }
        let consumer = consumer.build().await.map_err(PipelineError::Consume)?;
        let ends = if self.until_end {
            Some(
                consumer
                    .end_offsets()
                    .await
                    .map_err(PipelineError::Consume)?,
            )
        } else {
            None
        };
        let group = consumer.group_metadata();
        Ok(Pipeline::new(
            self.client,
            consumer,
            producer,
            group,
            self.settings,
            ends,
        ))
    }

    fn producer(&self, id: &str) -> TransactionalProducerBuilder {
        let mut producer = self
            .client
            .transactional_producer(id)
            .compression(self.compression);
        if let Some(level) = self.compression_level {
            producer = producer.compression_level(level);
        }
        if let Some(linger) = self.linger {
            producer = producer.linger(linger);
        }
        if let Some(timeout) = self.transaction_timeout {
            producer = producer.transaction_timeout(timeout);
        }
        if let Some(timeout) = self.operation_timeout {
            producer = producer.operation_timeout(timeout);
        }
        if let Some(timeout) = self.delivery_timeout {
            producer = producer.delivery_timeout(timeout);
        }
        producer
    }
}

fn init_error(error: InitError) -> PipelineError {
    match error {
        InitError::TimedOut { waited } => PipelineError::Begin(BeginError::TimedOut { waited }),
        InitError::Fatal(cause) => PipelineError::Begin(BeginError::Fatal(cause)),
        InitError::Refused(error) => PipelineError::Consume(
            QueryError::Refused {
                error,
                message: None,
            }
            .into(),
        ),
        InitError::Invalid(text) => invalid(text),
        InitError::Closed => PipelineError::Closed,
    }
}

fn invalid(text: impl Into<Cow<'static, str>>) -> PipelineError {
    PipelineError::Consume(QueryError::Invalid(text.into()).into())
}
