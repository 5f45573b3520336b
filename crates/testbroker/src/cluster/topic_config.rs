//! The settings of a topic that the broker acts on.

use std::collections::BTreeMap;
use std::time::Duration;

use milena_wire::record::Compression;

use crate::config::BrokerConfig;

/// A topic's settings: those that somebody has set, and what follows for the broker.
#[derive(Clone, Debug)]
pub(crate) struct TopicConfig {
    /// By Kafka's names, as they were set.
    pub(crate) overrides: BTreeMap<String, String>,
    /// `cleanup.policy` has `compact`.
    pub(crate) compacted: bool,
    /// `cleanup.policy` has `delete`.
    pub(crate) deleted: bool,
    /// `retention.ms`, `None` for ever.
    pub(crate) retention: Option<Duration>,
    /// `retention.bytes`, `None` without limit.
    pub(crate) retention_bytes: Option<u64>,
    /// `max.message.bytes`.
    pub(crate) message_bytes_max: usize,
    /// `min.insync.replicas`.
    pub(crate) min_insync_replicas: usize,
    /// `message.timestamp.type` is `LogAppendTime`.
    pub(crate) log_append_time: bool,
    /// `message.timestamp.before.max.ms`, `None` without limit.
    pub(crate) timestamp_before_max: Option<Duration>,
    /// `message.timestamp.after.max.ms`.
    pub(crate) timestamp_after_max: Option<Duration>,
    /// `compression.type`, `None` for the producer's.
    pub(crate) compression: Option<Compression>,
    /// `unclean.leader.election.enable`.
    pub(crate) unclean_leader_election: bool,
    /// `delete.retention.ms`: how long a tombstone outlives compaction.
    pub(crate) delete_retention: Duration,
    /// `min.compaction.lag.ms`.
    pub(crate) compaction_lag_min: Duration,
}

impl TopicConfig {
    /// What a topic without settings of its own has: Kafka's defaults, and the cluster's.
    pub(crate) fn of_cluster(config: &BrokerConfig) -> Self {
        const DAY: Duration = Duration::from_secs(24 * 60 * 60);
        Self {
            overrides: BTreeMap::new(),
            compacted: false,
            deleted: true,
            retention: Some(7 * DAY),
            retention_bytes: config.retention_bytes,
            message_bytes_max: config.message_bytes_max,
            min_insync_replicas: 1,
            log_append_time: false,
            timestamp_before_max: None,
            timestamp_after_max: Some(Duration::from_secs(60 * 60)),
            compression: None,
            unclean_leader_election: false,
            delete_retention: DAY,
            compaction_lag_min: Duration::ZERO,
        }
    }
}
