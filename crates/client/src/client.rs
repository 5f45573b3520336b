//! The client: an engine on a thread of its own, and the handle to it.

use milena_engine::ClientHandle;

use crate::{
    Admin, ClientBuilder, ConnectError, ConsumerBuilder, PipelineBuilder, ProducerBuilder,
    TransactionalProducerBuilder,
};

/// A client of one Kafka cluster. Clones share connections, metadata and the engine's thread.
///
/// When the last clone and everything made from it is dropped, what was accepted still goes out and open transactions are
/// aborted, for at most five seconds; then the thread ends. No drop waits for that.
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use milena::{Client, Record};
/// let client = Client::connect("127.0.0.1:9092").await?;
/// let producer = client.producer().build().await?;
/// let acknowledged = producer.send(Record::to("greetings").key("a").value("hello")).await?.await?;
/// println!("offset {:?}", acknowledged.offset());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Client {
    handle: ClientHandle,
}

impl Client {
    /// Connects to the cluster that one of the brokers (`host:port`, several separated by commas) belongs to, with the
    /// default settings.
    ///
    /// # Errors
    /// [`ConnectError`], after at most 10 s.
    ///
    /// # Cancel safety
    /// Dropped, nothing is left behind.
    pub async fn connect(bootstrap: &str) -> Result<Self, ConnectError> {
        Self::builder()
            .bootstrap(bootstrap.split(',').map(str::trim))
            .build()
            .await
    }

    /// A client with settings of its own.
    pub fn builder() -> ClientBuilder {
        ClientBuilder::new()
    }

    pub(crate) fn new(handle: ClientHandle) -> Self {
        Self { handle }
    }

    /// An idempotent producer.
    #[must_use]
    pub fn producer(&self) -> ProducerBuilder {
        self.handle.producer()
    }

    /// A transactional producer. Building it fences every older instance with the same id.
    #[must_use]
    pub fn transactional_producer(&self, transactional_id: &str) -> TransactionalProducerBuilder {
        self.handle.transactional_producer(transactional_id)
    }

    /// A consumer that knows what `group` has committed.
    #[must_use]
    pub fn consumer(&self, group: &str) -> ConsumerBuilder {
        self.handle.consumer(group)
    }

    /// A consumer without a group.
    #[must_use]
    pub fn reader(&self) -> ConsumerBuilder {
        self.handle.reader()
    }

    /// An exactly-once pipeline with `group`'s offsets in its transactions.
    #[must_use]
    pub fn exactly_once(&self, group: &str) -> PipelineBuilder {
        self.handle.exactly_once(group)
    }

    /// Topics and brokers.
    #[must_use]
    pub fn admin(&self) -> Admin {
        self.handle.admin()
    }
}
