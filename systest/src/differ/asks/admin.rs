//! Topics, partitions and settings, and what tells of them. The topics are two of its own: what other steps write to stays as it is.

use milena_wire::messages::{
    AlterConfigsAlterConfigsResource, AlterConfigsAlterableConfig, AlterConfigsRequest,
    CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig, CreatePartitionsRequest,
    CreatePartitionsTopic, CreateTopicsRequest, DeleteTopicState, DeleteTopicsRequest,
    DescribeClusterRequest, DescribeConfigsRequest, DescribeConfigsResource,
    DescribeTopicPartitionsRequest, DescribeTopicPartitionsTopicRequest,
    IncrementalAlterConfigsAlterConfigsResource, IncrementalAlterConfigsAlterableConfig,
    IncrementalAlterConfigsRequest, ListPartitionReassignmentsRequest,
    ListPartitionReassignmentsTopics, MetadataRequest, MetadataRequestTopic,
};
use milena_wire::{ApiKey, EncodeError, Numbers, Uuid};

use super::{pick, weighted};
use crate::differ::ask::{Ask, Pen, Sent};
use crate::differ::tree::Value;
use crate::differ::vars::{MISSING, Vars};

/// The topics that steps create and delete.
pub(crate) const OWN: [usize; 2] = [5, 6];
const TOPIC_RESOURCE: i8 = 2;

fn own(random: &mut fastrand::Rng) -> usize {
    let one = pick(random, &OWN);
    weighted(random, &[(14, one), (1, MISSING)])
}

/// A name that no topic may have.
fn bad_name(random: &mut fastrand::Rng) -> &'static str {
    pick(random, &["", ".", "no spaces"])
}

const SETTINGS: &[(&str, &str)] = &[
    ("cleanup.policy", "compact"),
    ("cleanup.policy", "compact,delete"),
    ("cleanup.policy", "shred"),
    ("retention.ms", "60000"),
    ("retention.ms", "-2"),
    ("retention.bytes", "1000000"),
    ("max.message.bytes", "1000"),
    ("max.message.bytes", "many"),
    ("min.insync.replicas", "1"),
    ("min.insync.replicas", "0"),
    ("compression.type", "zstd"),
    ("compression.type", "rar"),
    ("message.timestamp.type", "LogAppendTime"),
    ("segment.bytes", "1048576"),
    ("no.such.setting", "1"),
    ("unclean.leader.election.enable", "true"),
];

#[derive(Clone, Debug)]
pub(crate) struct CreateTopics {
    topics: Vec<usize>,
    bad_name: Option<&'static str>,
    partitions: i32,
    replicas: i16,
    assigned: Vec<(i32, i32)>,
    settings: Vec<(&'static str, &'static str)>,
    validate_only: bool,
}

impl CreateTopics {
    pub(crate) fn random(random: &mut fastrand::Rng) -> Self {
        let setting = pick(random, SETTINGS);
        let one = pick(random, &OWN);
        let bad = bad_name(random);
        Self {
            topics: weighted(
                random,
                &[
                    (8, vec![one]),
                    (2, OWN.to_vec()),
                    (1, vec![one, one]),
                    (1, vec![]),
                ],
            ),
            bad_name: weighted(random, &[(14, None), (1, Some(bad))]),
            partitions: weighted(random, &[(6, 1), (4, 3), (2, -1), (1, 0), (1, -2)]),
            replicas: weighted(random, &[(8, 1), (3, -1), (1, 2), (1, 0)]),
            assigned: weighted(
                random,
                &[
                    (14, vec![]),
                    (1, vec![(0, 1)]),
                    (1, vec![(0, 1), (2, 1)]),
                    (1, vec![(0, 9)]),
                ],
            ),
            settings: weighted(random, &[(4, vec![]), (3, vec![setting])]),
            validate_only: random.u32(..6) == 0,
        }
    }
}

impl Ask for CreateTopics {
    fn key(&self) -> ApiKey {
        ApiKey::CREATE_TOPICS
    }

    fn write(&self, vars: &Vars, pen: &Pen) -> Result<Sent, EncodeError> {
        let mut names: Vec<String> = self.topics.iter().map(|topic| vars.topic(*topic)).collect();
        names.extend(self.bad_name.map(str::to_owned));
        let assignments = self.assigned.iter();
        let assignments = assignments.map(|(partition, node)| CreatableReplicaAssignment {
            partition_index: *partition,
            broker_ids: Numbers::from(vec![*node]),
        });
        let assignments: Vec<_> = assignments.collect();
        let configs = self
            .settings
            .iter()
            .map(|(name, value)| CreatableTopicConfig {
                name,
                value: Some(value),
            });
        let configs: Vec<_> = configs.collect();
        let topics = names.iter().map(|name| CreatableTopic {
            name,
            num_partitions: if assignments.is_empty() {
                self.partitions
            } else {
                -1
            },
            replication_factor: if assignments.is_empty() {
                self.replicas
            } else {
                -1
            },
            assignments: assignments.clone(),
            configs: configs.clone(),
        });
        pen.write(CreateTopicsRequest {
            topics: topics.collect(),
            timeout_ms: 5000,
            validate_only: self.validate_only,
        })
    }
}

#[derive(Clone, Debug)]
pub(crate) struct DeleteTopics {
    topics: Vec<usize>,
    by_id: bool,
}

impl DeleteTopics {
    pub(crate) fn random(random: &mut fastrand::Rng) -> Self {
        let one = own(random);
        Self {
            topics: weighted(
                random,
                &[(8, vec![one]), (1, OWN.to_vec()), (1, vec![one, one])],
            ),
            by_id: random.u32(..6) == 0,
        }
    }
}

impl Ask for DeleteTopics {
    fn key(&self) -> ApiKey {
        ApiKey::DELETE_TOPICS
    }

    fn write(&self, vars: &Vars, pen: &Pen) -> Result<Sent, EncodeError> {
        let names: Vec<String> = self.topics.iter().map(|topic| vars.topic(*topic)).collect();
        if pen.version <= 5 {
            return pen.write(DeleteTopicsRequest {
                topic_names: names.iter().map(String::as_str).collect(),
                timeout_ms: 5000,
                ..Default::default()
            });
        }
        let topics = names
            .iter()
            .zip(&self.topics)
            .map(|(name, topic)| DeleteTopicState {
                name: (!self.by_id).then_some(&**name),
                topic_id: if self.by_id {
                    vars.topic_id(*topic)
                } else {
                    Uuid::ZERO
                },
            });
        pen.write(DeleteTopicsRequest {
            topics: topics.collect(),
            timeout_ms: 5000,
            ..Default::default()
        })
    }
}

#[derive(Clone, Debug)]
pub(crate) struct CreatePartitions {
    topic: usize,
    count: i32,
    validate_only: bool,
}

impl CreatePartitions {
    pub(crate) fn random(random: &mut fastrand::Rng) -> Self {
        Self {
            topic: own(random),
            count: pick(random, &[2, 3, 4, 4, 5, 1, 0, -1]),
            validate_only: random.u32(..6) == 0,
        }
    }
}

impl Ask for CreatePartitions {
    fn key(&self) -> ApiKey {
        ApiKey::CREATE_PARTITIONS
    }

    fn write(&self, vars: &Vars, pen: &Pen) -> Result<Sent, EncodeError> {
        pen.write(CreatePartitionsRequest {
            topics: vec![CreatePartitionsTopic {
                name: &vars.topic(self.topic),
                count: self.count,
                assignments: None,
            }],
            timeout_ms: 5000,
            validate_only: self.validate_only,
        })
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Metadata {
    topics: Vec<usize>,
    bad_name: Option<&'static str>,
    by_id: bool,
    all: bool,
}

impl Metadata {
    pub(crate) fn random(random: &mut fastrand::Rng) -> Self {
        let bad = bad_name(random);
        Self {
            topics: pick(
                random,
                &[vec![0], vec![5], vec![6], vec![5, 6], vec![9, 5], vec![]],
            ),
            bad_name: weighted(random, &[(14, None), (1, Some(bad))]),
            by_id: random.u32(..6) == 0,
            all: random.u32(..8) == 0,
        }
    }
}

impl Ask for Metadata {
    fn key(&self) -> ApiKey {
        ApiKey::METADATA
    }

    fn write(&self, vars: &Vars, pen: &Pen) -> Result<Sent, EncodeError> {
        let mut names: Vec<String> = self.topics.iter().map(|topic| vars.topic(*topic)).collect();
        let by_id = self.by_id && pen.version >= 12;
        if !by_id {
            names.extend(self.bad_name.map(str::to_owned));
        }
        let indexes = self.topics.iter().map(Some).chain([None]);
        let topics = names
            .iter()
            .zip(indexes)
            .map(|(name, topic)| MetadataRequestTopic {
                topic_id: if by_id {
                    topic.map_or(Uuid::ZERO, |topic| vars.topic_id(*topic))
                } else {
                    Uuid::ZERO
                },
                name: (!by_id).then_some(&**name),
            });
        pen.write(MetadataRequest {
            topics: (!self.all || pen.version == 0).then(|| topics.collect()),
            allow_auto_topic_creation: pen.version < 4,
            ..Default::default()
        })
    }

    fn absorb(&self, answer: &Value, vars: &mut Vars) {
        for topic in answer.get("topics").map_or(&[][..], Value::items) {
            let index = vars.topic_index(topic.string("name"));
            let id: Option<Uuid> = topic.string("topic_id").parse().ok();
            if let (Some(index), Some(id)) = (index, id)
                && !id.is_zero()
            {
                vars.topic_ids.insert(index, id);
            }
        }
    }

    fn reads_metadata(&self) -> bool {
        true
    }

    fn narrow(&self, answer: &mut Value, vars: &Vars) {
        if let Some(Value::List(topics)) = answer.get_mut("topics") {
            // In version 0, no topics are all topics.
            let all = self.all || (self.topics.is_empty() && self.bad_name.is_none());
            let listed_by_all =
                |topic: &Value| all && !topic.string("name").starts_with(&vars.prefix);
            topics.retain(|topic| !listed_by_all(topic));
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct DescribeCluster {
    with_operations: bool,
    endpoints: i8,
}

impl DescribeCluster {
    pub(crate) fn random(random: &mut fastrand::Rng) -> Self {
        Self {
            with_operations: random.bool(),
            endpoints: weighted(random, &[(6, 1), (1, 2), (1, 3)]),
        }
    }
}

impl Ask for DescribeCluster {
    fn key(&self) -> ApiKey {
        ApiKey::DESCRIBE_CLUSTER
    }

    fn write(&self, _: &Vars, pen: &Pen) -> Result<Sent, EncodeError> {
        pen.write(DescribeClusterRequest {
            include_cluster_authorized_operations: self.with_operations,
            endpoint_type: if pen.version >= 1 { self.endpoints } else { 1 },
            include_fenced_brokers: false,
        })
    }
}

#[derive(Clone, Debug)]
pub(crate) struct DescribeConfigs {
    topic: usize,
    kind: i8,
    keys: Option<Vec<&'static str>>,
    synonyms: bool,
}

impl DescribeConfigs {
    pub(crate) fn random(random: &mut fastrand::Rng) -> Self {
        let some = vec![
            "cleanup.policy",
            "retention.ms",
            "max.message.bytes",
            "no.such",
        ];
        Self {
            topic: weighted(random, &[(2, 0), (4, 5), (4, 6), (1, MISSING)]),
            kind: weighted(random, &[(20, TOPIC_RESOURCE), (1, 77)]),
            keys: weighted(random, &[(3, None), (4, Some(some)), (1, Some(vec![]))]),
            synonyms: random.bool(),
        }
    }
}

impl Ask for DescribeConfigs {
    fn key(&self) -> ApiKey {
        ApiKey::DESCRIBE_CONFIGS
    }

    fn write(&self, vars: &Vars, pen: &Pen) -> Result<Sent, EncodeError> {
        pen.write(DescribeConfigsRequest {
            resources: vec![DescribeConfigsResource {
                resource_type: self.kind,
                resource_name: &vars.topic(self.topic),
                configuration_keys: self.keys.clone(),
            }],
            include_synonyms: self.synonyms,
            include_documentation: false,
        })
    }

    fn reads_metadata(&self) -> bool {
        true
    }
}

#[derive(Clone, Debug)]
pub(crate) struct AlterConfigs {
    topic: usize,
    settings: Vec<(&'static str, i8, Option<&'static str>)>,
    validate_only: bool,
    incremental: bool,
}

impl AlterConfigs {
    pub(crate) fn random(random: &mut fastrand::Rng) -> Self {
        let settings = (0..random.u32(0..3)).map(|_| {
            let (name, value) = pick(random, SETTINGS);
            let operation = weighted(random, &[(8, 0), (4, 1), (2, 2), (2, 3), (1, 9)]);
            (name, operation, (operation != 1).then_some(value))
        });
        let mut settings: Vec<_> = settings.collect();
        // Of several that are wrong, real Kafka tells the first of a hash table.
        if settings.iter().any(|(_, operation, _)| *operation != 0) {
            settings.truncate(1);
        }
        Self {
            topic: own(random),
            settings,
            validate_only: random.u32(..6) == 0,
            incremental: random.u32(..3) > 0,
        }
    }
}

impl Ask for AlterConfigs {
    fn key(&self) -> ApiKey {
        if self.incremental {
            ApiKey::INCREMENTAL_ALTER_CONFIGS
        } else {
            ApiKey::ALTER_CONFIGS
        }
    }

    fn write(&self, vars: &Vars, pen: &Pen) -> Result<Sent, EncodeError> {
        let name = vars.topic(self.topic);
        if self.incremental {
            let configs = self.settings.iter();
            let configs =
                configs.map(
                    |(name, operation, value)| IncrementalAlterConfigsAlterableConfig {
                        name,
                        config_operation: *operation,
                        value: *value,
                    },
                );
            return pen.write(IncrementalAlterConfigsRequest {
                resources: vec![IncrementalAlterConfigsAlterConfigsResource {
                    resource_type: TOPIC_RESOURCE,
                    resource_name: &name,
                    configs: configs.collect(),
                }],
                validate_only: self.validate_only,
            });
        }
        let configs = self
            .settings
            .iter()
            .map(|(name, _, value)| AlterConfigsAlterableConfig {
                name,
                value: *value,
            });
        pen.write(AlterConfigsRequest {
            resources: vec![AlterConfigsAlterConfigsResource {
                resource_type: TOPIC_RESOURCE,
                resource_name: &name,
                configs: configs.collect(),
            }],
            validate_only: self.validate_only,
        })
    }
}

#[derive(Clone, Debug)]
pub(crate) struct DescribeTopics {
    topics: Vec<usize>,
    limit: i32,
}

impl DescribeTopics {
    pub(crate) fn random(random: &mut fastrand::Rng) -> Self {
        Self {
            topics: pick(random, &[vec![5], vec![6, 5], vec![9], vec![0, 5, 9]]),
            limit: pick(random, &[2000, 2000, 1, 2, 0]),
        }
    }
}

impl Ask for DescribeTopics {
    fn key(&self) -> ApiKey {
        ApiKey::DESCRIBE_TOPIC_PARTITIONS
    }

    fn write(&self, vars: &Vars, pen: &Pen) -> Result<Sent, EncodeError> {
        let names: Vec<String> = self.topics.iter().map(|topic| vars.topic(*topic)).collect();
        let topics = names.iter();
        let topics = topics.map(|name| DescribeTopicPartitionsTopicRequest { name });
        pen.write(DescribeTopicPartitionsRequest {
            topics: topics.collect(),
            response_partition_limit: self.limit,
            cursor: None,
        })
    }

    fn reads_metadata(&self) -> bool {
        true
    }
}

#[derive(Clone, Debug)]
pub(crate) struct ListReassignments {
    topics: Option<Vec<usize>>,
}

impl ListReassignments {
    pub(crate) fn random(random: &mut fastrand::Rng) -> Self {
        Self {
            topics: pick(random, &[Some(vec![0]), Some(vec![9]), Some(vec![5])]),
        }
    }
}

impl Ask for ListReassignments {
    fn key(&self) -> ApiKey {
        ApiKey::LIST_PARTITION_REASSIGNMENTS
    }

    fn write(&self, vars: &Vars, pen: &Pen) -> Result<Sent, EncodeError> {
        let topics = self.topics.clone().unwrap_or_default();
        let names: Vec<String> = topics.iter().map(|topic| vars.topic(*topic)).collect();
        let topics = names.iter().map(|name| ListPartitionReassignmentsTopics {
            name,
            partition_indexes: Numbers::from(vec![0, 1]),
        });
        pen.write(ListPartitionReassignmentsRequest {
            timeout_ms: 5000,
            topics: self.topics.is_some().then(|| topics.collect()),
        })
    }
}
