//! The settings of topics and groups, in the order of their names.

use super::Emulate;
use super::registry::{GroupSetting, TopicSetting};
use super::value::{Check, Kind};

const HOUR: i64 = 60 * 60 * 1_000;
const MAX: &str = "9223372036854775807";
const POLICIES: &[&str] = &["compact", "delete"];
const CODECS: &[&str] = &["uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"];
const STAMPS: &[&str] = &["CreateTime", "LogAppendTime"];

#[rustfmt::skip]
pub(super) const TOPIC: &[TopicSetting] = &[
    TopicSetting::new("cleanup.policy", Kind::List, "delete", &[("log.cleanup.policy", 1)], Check::ListOf(POLICIES),
        "What happens to old records: they are deleted, or only the last of each key is kept, or both."),
    TopicSetting::new("compression.gzip.level", Kind::Int, "-1", &[("compression.gzip.level", 1)], Check::Gzip,
        "How hard gzip tries, if it is the topic's codec."),
    TopicSetting::new("compression.lz4.level", Kind::Int, "9", &[("compression.lz4.level", 1)], Check::Between(1, 17),
        "How hard LZ4 tries, if it is the topic's codec."),
    TopicSetting::new("compression.type", Kind::String, "producer", &[("compression.type", 1)], Check::OneOf(CODECS),
        "The codec that batches are stored in; `producer` keeps the one they came in."),
    TopicSetting::new("compression.zstd.level", Kind::Int, "3", &[("compression.zstd.level", 1)], Check::Between(-131_072, 22),
        "How hard zstd tries, if it is the topic's codec."),
    TopicSetting::new("delete.retention.ms", Kind::Long, "86400000", &[("log.cleaner.delete.retention.ms", 1)], Check::AtLeast(0),
        "How long a tombstone is kept in a compacted topic."),
    TopicSetting::new("file.delete.delay.ms", Kind::Long, "60000", &[("log.segment.delete.delay.ms", 1)], Check::AtLeast(0),
        "How long a deleted file stays on disk."),
    TopicSetting::new("flush.messages", Kind::Long, MAX, &[("log.flush.interval.messages", 1)], Check::AtLeast(1),
        "After how many records the log is synced to disk."),
    TopicSetting::new("flush.ms", Kind::Long, MAX, &[("log.flush.interval.ms", 1), ("log.flush.scheduler.interval.ms", 1)], Check::AtLeast(0),
        "After how long the log is synced to disk."),
    TopicSetting::new("follower.replication.throttled.replicas", Kind::List, "", &[], Check::Replicas,
        "Replicas whose replication is slowed on the followers' side."),
    TopicSetting::new("index.interval.bytes", Kind::Int, "4096", &[("log.index.interval.bytes", 1)], Check::AtLeast(0),
        "After how many bytes the offset index gets an entry."),
    TopicSetting::new("internal.segment.bytes", Kind::Int, "", &[], Check::Any,
        "The size of a file, for Kafka's own tests.").only(Emulate::V4_3).without_default(),
    TopicSetting::new("leader.replication.throttled.replicas", Kind::List, "", &[], Check::Replicas,
        "Replicas whose replication is slowed on the leader's side."),
    TopicSetting::new("local.retention.bytes", Kind::Long, "-2", &[("log.local.retention.bytes", 1)], Check::AtLeast(-2),
        "Bytes kept locally of a tiered log."),
    TopicSetting::new("local.retention.ms", Kind::Long, "-2", &[("log.local.retention.ms", 1)], Check::AtLeast(-2),
        "Milliseconds that records of a tiered log are kept locally."),
    TopicSetting::new("max.compaction.lag.ms", Kind::Long, MAX, &[("log.cleaner.max.compaction.lag.ms", 1)], Check::AtLeast(1),
        "After how long at most a record may be compacted away."),
    TopicSetting::new("max.message.bytes", Kind::Int, "1048588", &[("message.max.bytes", 1)], Check::AtLeast(0),
        "The largest batch that the topic takes."),
    TopicSetting::new("message.downconversion.enable", Kind::Bool, "true", &[("log.message.downconversion.enable", 1)], Check::Any,
        "Whether old consumers get records in their format.").only(Emulate::V3_9),
    TopicSetting::new("message.format.version", Kind::String, "3.0-IV1", &[("log.message.format.version", 1)], Check::Any,
        "The format of stored batches; without effect.").only(Emulate::V3_9),
    TopicSetting::new("message.timestamp.after.max.ms", Kind::Long, "3600000", &[("log.message.timestamp.after.max.ms", 1)], Check::AtLeast(0),
        "How far in the broker's future a record's time may lie."),
    TopicSetting::new("message.timestamp.before.max.ms", Kind::Long, MAX, &[("log.message.timestamp.before.max.ms", 1)], Check::AtLeast(0),
        "How far in the broker's past a record's time may lie."),
    TopicSetting::new("message.timestamp.difference.max.ms", Kind::Long, MAX, &[("log.message.timestamp.difference.max.ms", 1)], Check::AtLeast(0),
        "How far a record's time may be from the broker's.").only(Emulate::V3_9),
    TopicSetting::new("message.timestamp.type", Kind::String, "CreateTime", &[("log.message.timestamp.type", 1)], Check::OneOf(STAMPS),
        "Whose clock records are stamped with: the producer's or the broker's."),
    TopicSetting::new("min.cleanable.dirty.ratio", Kind::Double, "0.5", &[("log.cleaner.min.cleanable.ratio", 1)], Check::Ratio,
        "How much of a log must be new before it is compacted."),
    TopicSetting::new("min.compaction.lag.ms", Kind::Long, "0", &[("log.cleaner.min.compaction.lag.ms", 1)], Check::AtLeast(0),
        "How long a record is safe from compaction."),
    TopicSetting::new("min.insync.replicas", Kind::Int, "1", &[("min.insync.replicas", 1)], Check::AtLeast(1),
        "How many replicas must be in sync for acks=all."),
    TopicSetting::new("preallocate", Kind::Bool, "false", &[("log.preallocate", 1)], Check::Any,
        "Whether a file gets its full size at once."),
    TopicSetting::new("remote.log.copy.disable", Kind::Bool, "false", &[], Check::Any,
        "Whether a tiered topic stops copying."),
    TopicSetting::new("remote.log.delete.on.disable", Kind::Bool, "false", &[], Check::Any,
        "Whether remote data goes when tiering is switched off."),
    TopicSetting::new("remote.storage.enable", Kind::Bool, "false", &[], Check::Any,
        "Whether old files move to remote storage."),
    TopicSetting::new("retention.bytes", Kind::Long, "-1", &[("log.retention.bytes", 1)], Check::Any,
        "How many bytes a partition keeps; -1: all."),
    TopicSetting::new("retention.ms", Kind::Long, "604800000", &[("log.retention.ms", 1), ("log.retention.minutes", 60_000), ("log.retention.hours", HOUR)], Check::AtLeast(-1),
        "How long records are kept; -1: for ever."),
    TopicSetting::new("segment.bytes", Kind::Int, "1073741824", &[("log.segment.bytes", 1)], Check::AtLeast(1_048_576),
        "The size of a file.").only(Emulate::V4_3),
    TopicSetting::new("segment.bytes", Kind::Int, "1073741824", &[("log.segment.bytes", 1)], Check::AtLeast(14),
        "The size of a file.").only(Emulate::V3_9),
    TopicSetting::new("segment.index.bytes", Kind::Int, "10485760", &[("log.index.size.max.bytes", 1)], Check::AtLeast(4),
        "The size of an index."),
    TopicSetting::new("segment.jitter.ms", Kind::Long, "0", &[("log.roll.jitter.ms", 1), ("log.roll.jitter.hours", HOUR)], Check::AtLeast(0),
        "How much earlier a file may be closed, at random."),
    TopicSetting::new("segment.ms", Kind::Long, "604800000", &[("log.roll.ms", 1), ("log.roll.hours", HOUR)], Check::AtLeast(1),
        "After how long a file is closed and a new one begun."),
    TopicSetting::new("unclean.leader.election.enable", Kind::Bool, "false", &[("unclean.leader.election.enable", 1)], Check::Any,
        "Whether a replica that is not in sync may lead when no other can."),
];

const fn group(
    name: &'static str,
    default: &'static str,
    synonym: &'static str,
    min: i64,
) -> GroupSetting {
    GroupSetting {
        name,
        kind: Kind::Int,
        default,
        synonym: Some(synonym),
        check: Check::AtLeast(min),
    }
}

#[rustfmt::skip]
pub(super) const GROUP: &[GroupSetting] = &[
    group("consumer.assignment.interval.ms", "1000", "group.consumer.assignment.interval.ms", 0),
    group("consumer.heartbeat.interval.ms", "5000", "group.consumer.heartbeat.interval.ms", 1),
    group("consumer.session.timeout.ms", "45000", "group.consumer.session.timeout.ms", 1),
    group("share.assignment.interval.ms", "1000", "group.share.assignment.interval.ms", 0),
    GroupSetting { name: "share.auto.offset.reset", kind: Kind::String, default: "latest", synonym: None, check: Check::Any },
    group("share.delivery.count.limit", "5", "group.share.delivery.count.limit", 1),
    group("share.heartbeat.interval.ms", "5000", "group.share.heartbeat.interval.ms", 1),
    GroupSetting { name: "share.isolation.level", kind: Kind::String, default: "read_uncommitted", synonym: None,
        check: Check::OneOf(&["read_committed", "read_uncommitted"]) },
    group("share.partition.max.record.locks", "2000", "group.share.partition.max.record.locks", 1),
    group("share.record.lock.duration.ms", "30000", "group.share.record.lock.duration.ms", 1),
    GroupSetting { name: "share.renew.acknowledge.enable", kind: Kind::Bool, default: "true", synonym: None, check: Check::Any },
    group("share.session.timeout.ms", "45000", "group.share.session.timeout.ms", 1),
    group("streams.assignment.interval.ms", "1000", "group.streams.assignment.interval.ms", 0),
    group("streams.heartbeat.interval.ms", "5000", "group.streams.heartbeat.interval.ms", 1),
    group("streams.initial.rebalance.delay.ms", "3000", "group.streams.initial.rebalance.delay.ms", 0),
    group("streams.num.standby.replicas", "0", "group.streams.num.standby.replicas", 0),
    group("streams.session.timeout.ms", "45000", "group.streams.session.timeout.ms", 1),
];
