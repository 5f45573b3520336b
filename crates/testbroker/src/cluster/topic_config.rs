//! The settings of a topic that the broker acts on.

use std::collections::BTreeMap;
use std::time::Duration;

use milena_wire::record::Compression;

use crate::config::store::Settings;
use crate::config::value;

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
    /// `segment.bytes`, which no batch may exceed.
    pub(crate) segment_bytes: usize,
    /// `segment.ms`, `None` for ever: compaction leaves the newest segment alone.
    pub(crate) segment_age: Option<Duration>,
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
    /// What these values make of a topic. `value` knows those set for the topic (`overrides`) and
    /// what it has for the others, well-formed as `check_topic_settings` wants them.
    pub(crate) fn read(value: impl Fn(&str) -> Option<String>, overrides: Settings) -> Self {
        let text = |name: &str| value(name).unwrap_or_default();
        let number = |name: &str| text(name).parse::<i64>().ok();
        let limit = |name: &str| number(name).and_then(|number| u64::try_from(number).ok());
        let time = |name: &str| {
            let millis = limit(name).filter(|millis| *millis < FOR_EVER)?;
            Some(Duration::from_millis(millis))
        };
        let ever = Duration::from_millis(FOR_EVER);
        let policies = text("cleanup.policy");
        let has = |policy: &str| value::list(&policies).any(|item| item == policy);
        let is = |name: &str| text(name) == "true";
        Self {
            compacted: has("compact"),
            deleted: has("delete"),
            retention: time("retention.ms"),
            retention_bytes: limit("retention.bytes"),
            message_bytes_max: limit("max.message.bytes").map_or(usize::MAX, size),
            segment_bytes: limit("segment.bytes").map_or(usize::MAX, size),
            segment_age: time("segment.ms"),
            min_insync_replicas: limit("min.insync.replicas").map_or(1, size),
            log_append_time: text("message.timestamp.type") == "LogAppendTime",
            timestamp_before_max: time("message.timestamp.before.max.ms"),
            timestamp_after_max: time("message.timestamp.after.max.ms"),
            compression: compression(&text("compression.type")),
            unclean_leader_election: is("unclean.leader.election.enable"),
            delete_retention: time("delete.retention.ms").unwrap_or(ever),
            compaction_lag_min: time("min.compaction.lag.ms").unwrap_or(ever),
            overrides,
        }
    }
}

/// From so many milliseconds on a time is without end, and is not added to any clock.
const FOR_EVER: u64 = i64::MAX as u64 / 4;

fn size(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// `None`: the producer's.
fn compression(name: &str) -> Option<Compression> {
    Some(match name {
        "uncompressed" => Compression::None,
        "gzip" => Compression::Gzip,
        "snappy" => Compression::Snappy,
        "lz4" => Compression::Lz4,
        "zstd" => Compression::Zstd,
        _ => return None,
    })
}
