//! Topics and brokers: what demos, tests and set-up scripts need.

use std::sync::Arc;
use std::time::Duration;

use milena_cluster::BrokerAddress;

use super::client::ClientHandle;
use super::error::AdminError;
use crate::command::{QueryAnswer, QueryKind};
use crate::config::bounded;

/// Administrative calls. Each waits at most [`Admin::timeout`] (default 15 s) and may be repeated.
#[derive(Clone, Debug)]
pub struct Admin {
    client: ClientHandle,
    timeout: Duration,
}

/// A topic to create.
#[derive(Clone, Debug)]
pub struct NewTopic {
    name: Arc<str>,
    partitions: i32,
    replication_factor: i16,
    configs: Vec<(Arc<str>, Arc<str>)>,
}

/// A topic as its metadata tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TopicDescription {
    /// Its name.
    pub name: String,
    /// Its partitions, by number.
    pub partitions: Vec<PartitionDescription>,
}

/// One partition of a [`TopicDescription`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PartitionDescription {
    /// Its number.
    pub partition: i32,
    /// The node that leads it, if one does.
    pub leader: Option<i32>,
}

impl NewTopic {
    /// A topic with the broker's default replication factor.
    #[must_use]
    pub fn new(name: &str, partitions: i32) -> Self {
        Self {
            name: name.into(),
            partitions,
            replication_factor: -1,
            configs: Vec::new(),
        }
    }

    /// How many brokers keep each record; -1 is the broker's default.
    #[must_use]
    pub fn replication_factor(mut self, factor: i16) -> Self {
        self.replication_factor = factor;
        self
    }

    /// A topic setting, in Kafka's own words.
    #[must_use]
    pub fn config(mut self, name: &str, value: &str) -> Self {
        self.configs.push((name.into(), value.into()));
        self
    }
}

impl Admin {
    pub(crate) fn new(client: ClientHandle) -> Self {
        Self {
            client,
            timeout: Duration::from_secs(15),
        }
    }

    /// How long each call may take.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = bounded(timeout);
        self
    }

    /// Creates a topic and waits until each of its partitions has a leader.
    ///
    /// # Errors
    /// The broker's refusal, or that it took too long. A topic created by an attempt whose answer was lost is a success.
    pub async fn create_topic(&self, topic: NewTopic) -> Result<(), AdminError> {
        let NewTopic {
            name,
            partitions,
            replication_factor,
            configs,
        } = topic;
        let kind = QueryKind::CreateTopic {
            topic: Arc::clone(&name),
            partitions,
            replication_factor,
            configs,
        };
        let deadline = self.client.core.driver().now() + self.timeout;
        self.client.query(kind, self.timeout).await?;
        loop {
            let left = deadline.saturating_duration_since(self.client.core.driver().now());
            match self.describe_within(&name, left).await {
                Ok(description)
                    if description
                        .partitions
                        .iter()
                        .all(|partition| partition.leader.is_some()) =>
                {
                    return Ok(());
                }
                // Brokers learn of a new topic one after the other.
                Ok(_)
                | Err(AdminError::Refused {
                    error: milena_wire::ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
                    ..
                }) if !left.is_zero() => {}
                Ok(_) => {
                    return Err(AdminError::TimedOut {
                        reason: "not every partition has a leader".to_owned(),
                    });
                }
                Err(error) => return Err(error),
            }
            let pause = self.client.core.driver().now() + Duration::from_millis(20);
            self.client.core.driver().sleep_until(pause).await;
        }
    }

    /// Deletes a topic.
    ///
    /// # Errors
    /// The broker's refusal, or that it took too long.
    pub async fn delete_topic(&self, name: &str) -> Result<(), AdminError> {
        self.client
            .query(QueryKind::DeleteTopic { topic: name.into() }, self.timeout)
            .await
            .map(drop)
    }

    /// What a broker knows of a topic now.
    ///
    /// # Errors
    /// The broker's refusal, or that it took too long.
    pub async fn describe_topic(&self, name: &str) -> Result<TopicDescription, AdminError> {
        self.describe_within(&name.into(), self.timeout).await
    }

    /// The cluster's brokers: id and address, as they advertise it.
    ///
    /// # Errors
    /// That it took too long.
    pub async fn nodes(&self) -> Result<Vec<(i32, BrokerAddress)>, AdminError> {
        match self.client.query(QueryKind::Nodes, self.timeout).await? {
            QueryAnswer::Nodes(nodes) => Ok(nodes),
            _ => Err(AdminError::Invalid("an answer to another question".into())),
        }
    }

    async fn describe_within(
        &self,
        name: &Arc<str>,
        timeout: Duration,
    ) -> Result<TopicDescription, AdminError> {
        let answer = self
            .client
            .query(
                QueryKind::DescribeTopic {
                    topic: Arc::clone(name),
                },
                timeout,
            )
            .await?;
        let QueryAnswer::Topic(leaders) = answer else {
            return Err(AdminError::Invalid("an answer to another question".into()));
        };
        let partitions = (0..)
            .zip(leaders)
            .map(|(partition, leader)| PartitionDescription { partition, leader })
            .collect();
        Ok(TopicDescription {
            name: name.to_string(),
            partitions,
        })
    }
}
