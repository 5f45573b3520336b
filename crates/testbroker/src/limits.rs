//! Bounds on what a peer's bytes can make the broker keep. Settings a user may want to change are
//! in `BrokerConfig`; these are only there so that nothing grows without end.

/// Bytes of answers a connection may have waiting; its next request is looked at below that. A
/// small request can have a large answer, so bounding what comes in would not be enough; and what
/// is made in one go keeps everybody else waiting.
pub(crate) const ANSWER_BYTES_WAITING_MAX: usize = 64 * 1024;

/// Topics in the cluster; beyond it CreateTopics answers POLICY_VIOLATION.
pub(crate) const TOPICS_MAX: usize = 10_000;

/// Partitions of one topic; beyond it CreateTopics answers INVALID_PARTITIONS.
pub(crate) const PARTITIONS_PER_TOPIC_MAX: i32 = 10_000;

/// Transactional ids; beyond it InitProducerId answers COORDINATOR_NOT_AVAILABLE.
pub(crate) const TRANSACTIONAL_IDS_MAX: usize = 100_000;

/// SCRAM credentials; beyond it AlterUserScramCredentials sets no new ones.
pub(crate) const SCRAM_USERS_MAX: usize = 100_000;

/// Consumer groups with offsets; beyond it JoinGroup and both commits answer COORDINATOR_NOT_AVAILABLE.
pub(crate) const GROUPS_MAX: usize = 100_000;

/// Producers a partition remembers. Kafka forgets by age (`producer.id.expiration.ms`); here the
/// least recently seen one without an open transaction goes first.
pub(crate) const PRODUCERS_PER_PARTITION_MAX: usize = 10_000;

/// Length of the metadata string of a committed offset (`offset.metadata.max.bytes`).
pub(crate) const OFFSET_METADATA_BYTES_MAX: usize = 4_096;

/// Partitions of the internal topic that holds committed offsets: a transaction that commits
/// offsets takes part in one of these.
pub(crate) const OFFSETS_PARTITIONS: i32 = 50;

/// Members of one group, with those that were named and have not joined yet; beyond it JoinGroup and ConsumerGroupHeartbeat answer
/// GROUP_MAX_SIZE_REACHED.
pub(crate) const GROUP_MEMBERS_MAX: usize = 10_000;

/// Topic names that a member subscribes to; beyond it ConsumerGroupHeartbeat answers
/// INVALID_REQUEST.
pub(crate) const SUBSCRIBED_NAMES_MAX: usize = 10_000;

/// Brokers, groups and client metrics subscriptions with settings of their own; beyond it altering
/// answers POLICY_VIOLATION.
pub(crate) const CONFIG_RESOURCES_MAX: usize = 10_000;

/// Settings of one of them: brokers take names they do not know.
pub(crate) const SETTINGS_PER_RESOURCE_MAX: usize = 1_000;

/// Partitions of all topics; beyond it CreateTopics and CreatePartitions answer POLICY_VIOLATION.
pub(crate) const PARTITIONS_MAX: usize = 200_000;

/// Quota entities; beyond it AlterClientQuotas answers POLICY_VIOLATION.
pub(crate) const QUOTA_ENTITIES_MAX: usize = 10_000;
