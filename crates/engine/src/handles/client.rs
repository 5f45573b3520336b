//! The handle that all other handles are made from.

use std::sync::Arc;
use std::time::Duration;

use super::admin::Admin;
use super::consumer::ConsumerBuilder;
use super::error::{ConnectError, QueryError};
use super::pipeline::PipelineBuilder;
use super::producer::ProducerBuilder;
use super::transaction::TransactionalProducerBuilder;
use crate::command::{Command, QueryAnswer, QueryKind};
use crate::config::bounded;
use crate::reply::reply;
use crate::shared::Core;

/// A client, without the driver that turns it. Cloning is cheap; when the last clone and everything made from it is
/// dropped, the engine ends.
#[derive(Clone, Debug)]
pub struct ClientHandle {
    pub(crate) core: Arc<Core>,
}

impl ClientHandle {
    pub(crate) fn new(core: Arc<Core>) -> Self {
        Self { core }
    }

    /// Waits until one broker has answered.
    ///
    /// # Errors
    /// [`ConnectError::NoBroker`] with what the last attempt met, after `timeout`.
    pub async fn connect(&self, addresses: &str, timeout: Duration) -> Result<(), ConnectError> {
        match self.query(QueryKind::Nodes, timeout).await {
            Ok(_) => Ok(()),
            Err(error) => {
                let reason = match error {
                    QueryError::TimedOut { reason } => reason,
                    other => other.to_string(),
                };
                Err(ConnectError::NoBroker {
                    addresses: addresses.to_owned(),
                    waited: timeout,
                    reason,
                })
            }
        }
    }

    /// An idempotent producer: acks=all, five batches in flight a partition, order kept.
    #[must_use]
    pub fn producer(&self) -> ProducerBuilder {
        ProducerBuilder::new(self.clone())
    }

    /// A transactional producer. Building it fences every older instance with the same id.
    #[must_use]
    pub fn transactional_producer(&self, transactional_id: &str) -> TransactionalProducerBuilder {
        TransactionalProducerBuilder::new(self.clone(), transactional_id)
    }

    /// A consumer that knows what `group` has committed.
    #[must_use]
    pub fn consumer(&self, group: &str) -> ConsumerBuilder {
        ConsumerBuilder::new(self.clone(), Some(group))
    }

    /// A consumer without a group.
    #[must_use]
    pub fn reader(&self) -> ConsumerBuilder {
        ConsumerBuilder::new(self.clone(), None)
    }

    /// An exactly-once pipeline: what it reads, what it writes and `group`'s offsets are committed together.
    #[must_use]
    pub fn exactly_once(&self, group: &str) -> PipelineBuilder {
        PipelineBuilder::new(self.clone(), group)
    }

    /// Topics and brokers.
    #[must_use]
    pub fn admin(&self) -> Admin {
        Admin::new(self.clone())
    }

    pub(crate) async fn query(
        &self,
        kind: QueryKind,
        timeout: Duration,
    ) -> Result<QueryAnswer, QueryError> {
        let (reply, answer) = reply();
        let deadline = self.core.driver().now() + bounded(timeout);
        self.core.send(Command::Query {
            kind,
            deadline,
            reply,
        });
        answer.await.unwrap_or(Err(QueryError::Closed))
    }
}
