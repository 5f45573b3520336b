//! Topics with settings, settings of brokers, reassignments, as a test makes them.

use std::collections::BTreeMap;

use super::Broker;
use crate::config::ConfigError;
use crate::config::alter::Change;
use crate::config::registry::topic_setting;
use crate::config::store::ResourceKind;
use crate::config::value;
use crate::refusal::Refusal;

/// A topic to be made: as many partitions and replicas as the cluster's settings say, unless told
/// otherwise.
///
/// ```
/// # use milena_testbroker::{Broker, BrokerConfig, TopicSpec};
/// let mut broker = Broker::new(BrokerConfig { nodes: 3, ..BrokerConfig::default() });
/// let spec = TopicSpec::new().partitions(6).config("cleanup.policy", "compact");
/// broker.create_topic_with("orders", spec)?;
/// # Ok::<(), milena_testbroker::ConfigError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct TopicSpec {
    partitions: Option<i32>,
    replicas: Option<i16>,
    assignment: Vec<Vec<i32>>,
    config: BTreeMap<String, String>,
}

impl TopicSpec {
    /// A topic by the cluster's settings.
    pub fn new() -> Self {
        Self::default()
    }

    /// Number of partitions. Default: `num.partitions`.
    pub fn partitions(mut self, partitions: i32) -> Self {
        self.partitions = Some(partitions);
        self
    }

    /// Replicas of each partition. Default: `default.replication.factor`.
    pub fn replicas(mut self, replicas: i16) -> Self {
        self.replicas = Some(replicas);
        self
    }

    /// The nodes of each partition, the preferred leader first; the counts follow from it.
    pub fn assignment(mut self, assignment: Vec<Vec<i32>>) -> Self {
        self.assignment = assignment;
        self
    }

    /// A setting by Kafka's name, such as `retention.ms`.
    pub fn config(mut self, name: &str, value: &str) -> Self {
        self.config.insert(name.to_owned(), value.to_owned());
        self
    }
}

impl Broker {
    /// Creates a topic as CreateTopics would.
    pub fn create_topic_with(&mut self, name: &str, spec: TopicSpec) -> Result<(), ConfigError> {
        let cluster = &mut self.cluster;
        cluster.check_topic_settings(&spec.config).map_err(said)?;
        let assignment = if spec.assignment.is_empty() {
            let partitions = spec.partitions.unwrap_or(cluster.config.default_partitions);
            let replicas = spec.replicas.map_or_else(
                || cluster.default_replication(),
                |count| usize::try_from(count).unwrap_or(0),
            );
            cluster.spread(0, partitions, replicas).map_err(said)?
        } else {
            for replicas in &spec.assignment {
                cluster.check_replicas(replicas).map_err(said)?;
            }
            spec.assignment
        };
        let config = cluster.topic_config(spec.config);
        let created = cluster.create_topic_on(name, assignment, config);
        created.map(|_| ()).map_err(said)
    }

    /// Sets a topic's setting by Kafka's name, as IncrementalAlterConfigs would. It acts at once.
    pub fn set_topic_config(
        &mut self,
        topic: &str,
        name: &str,
        value: &str,
    ) -> Result<(), ConfigError> {
        self.set_config(ResourceKind::Topic, topic, name, value)
    }

    /// What a topic has for a setting, its own or the broker's; `None` without such a topic or
    /// setting.
    pub fn topic_config(&self, topic: &str, name: &str) -> Option<String> {
        let found = self.cluster.topics.get(topic)?;
        let setting = topic_setting(self.cluster.config.emulate, name)?;
        let text = match found.config.overrides.get(name) {
            Some(text) => text.clone(),
            None => self.cluster.inherited(setting)?.0,
        };
        Some(value::normal(setting.kind, &text))
    }

    /// Sets a broker's setting in the running cluster, for one node or (`None`) for all. Kafka lets
    /// some be changed only; what a broker starts with is `BrokerConfig::set`'s.
    pub fn set_broker_config(
        &mut self,
        node: Option<i32>,
        name: &str,
        value: &str,
    ) -> Result<(), ConfigError> {
        let resource = node.map_or_else(String::new, |id| id.to_string());
        self.set_config(ResourceKind::Broker, &resource, name, value)
    }

    /// Sets a group's setting, such as `consumer.session.timeout.ms` (KIP-848).
    pub fn set_group_config(
        &mut self,
        group: &str,
        name: &str,
        value: &str,
    ) -> Result<(), ConfigError> {
        self.set_config(ResourceKind::Group, group, name, value)
    }

    /// Whether reassignments of partitions stay under way, adding and removing replicas, as
    /// ListPartitionReassignments shows; `false` ends those that are.
    pub fn hold_reassignments(&mut self, held: bool) {
        self.cluster.hold_reassignments(held);
    }

    fn set_config(
        &mut self,
        kind: ResourceKind,
        resource: &str,
        name: &str,
        value: &str,
    ) -> Result<(), ConfigError> {
        let change = Change {
            name,
            operation: 0,
            value: Some(value),
        };
        let node = resource.parse().ok();
        let node = node.unwrap_or_else(|| self.cluster.first_node());
        let altered = self
            .cluster
            .alter_settings(node, kind, resource, &[change], false, false);
        self.pump();
        altered.map_err(said)
    }
}

fn said(refusal: Refusal) -> ConfigError {
    let name = refusal.code.name();
    ConfigError::Refused(match refusal.message {
        Some(message) => format!("{name}: {message}"),
        None => name.to_owned(),
    })
}
