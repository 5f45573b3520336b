//! The settings that Kafka knows of brokers, topics and groups: names, types, defaults.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use super::Emulate;
use super::value::{Check, Kind};

/// A broker's setting.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BrokerSetting {
    pub(crate) kind: Kind,
    pub(crate) default: Option<&'static str>,
    /// Whether it can be changed while the broker runs.
    pub(crate) dynamic: bool,
}

/// A topic's setting.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TopicSetting {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    /// `None`: those that have a value only if somebody sets one.
    pub(crate) default: Option<&'static str>,
    /// The broker's settings that it follows, the first that has a value, with the factor from
    /// theirs to its unit.
    pub(crate) synonyms: &'static [(&'static str, i64)],
    pub(crate) check: Check,
    pub(crate) documentation: &'static str,
    /// The only release that knows it.
    only: Option<Emulate>,
}

/// A group's setting.
#[derive(Clone, Copy, Debug)]
pub(crate) struct GroupSetting {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) default: &'static str,
    /// The broker's setting that it follows.
    pub(crate) synonym: Option<&'static str>,
    pub(crate) check: Check,
}

type BrokerSettings = BTreeMap<&'static str, BrokerSetting>;

/// The broker's settings of a release, by name.
pub(crate) fn broker_settings(emulate: Emulate) -> &'static BrokerSettings {
    static OF_4_3: OnceLock<BrokerSettings> = OnceLock::new();
    static OF_3_9: OnceLock<BrokerSettings> = OnceLock::new();
    match emulate {
        Emulate::V4_3 => OF_4_3.get_or_init(|| read_broker_settings("4.3")),
        Emulate::V3_9 => OF_3_9.get_or_init(|| read_broker_settings("3.9")),
    }
}

/// The topic's settings of a release, in the order of their names.
pub(crate) fn topic_settings(emulate: Emulate) -> impl Iterator<Item = &'static TopicSetting> {
    super::topic_table::TOPIC
        .iter()
        .filter(move |setting| setting.only.is_none_or(|only| only == emulate))
}

pub(crate) fn topic_setting(emulate: Emulate, name: &str) -> Option<&'static TopicSetting> {
    topic_settings(emulate).find(|setting| setting.name == name)
}

/// The group's settings; Kafka 3.9 has none.
pub(crate) fn group_settings() -> &'static [GroupSetting] {
    super::topic_table::GROUP
}

/// The names that a broker takes for the same thing, the one that counts first
/// (`DynamicBrokerConfig.brokerConfigSynonyms`).
pub(crate) fn broker_synonyms(name: &'static str) -> &'static [&'static str] {
    const ROLL: &[&str] = &["log.roll.ms", "log.roll.hours"];
    const JITTER: &[&str] = &["log.roll.jitter.ms", "log.roll.jitter.hours"];
    const RETENTION: &[&str] = &[
        "log.retention.ms",
        "log.retention.minutes",
        "log.retention.hours",
    ];
    const FLUSH: &[&str] = &["log.flush.interval.ms", "log.flush.scheduler.interval.ms"];
    match name {
        "log.roll.ms" | "log.roll.hours" => ROLL,
        "log.roll.jitter.ms" | "log.roll.jitter.hours" => JITTER,
        "log.retention.ms" | "log.retention.minutes" | "log.retention.hours" => RETENTION,
        "log.flush.interval.ms" => FLUSH,
        _ => &[],
    }
}

/// Whether a setting can be changed for one broker only, not for all (`PER_BROKER_CONFIGS`).
pub(crate) fn is_per_broker(name: &str) -> bool {
    let starts = [
        "ssl.",
        "sasl.",
        "listeners",
        "listener.",
        "advertised.",
        "principal.",
    ];
    starts.iter().any(|start| name.starts_with(start)) || name == "cordoned.log.dirs"
}

/// What a broker's value must fulfil: that of the topic's setting that follows it.
pub(crate) fn broker_check(emulate: Emulate, name: &str) -> Check {
    let follows = |setting: &&TopicSetting| {
        setting
            .synonyms
            .first()
            .is_some_and(|(synonym, _)| *synonym == name)
    };
    topic_settings(emulate)
        .find(follows)
        .map_or(Check::Any, |setting| setting.check)
}

impl TopicSetting {
    pub(crate) const fn new(
        name: &'static str,
        kind: Kind,
        default: &'static str,
        synonyms: &'static [(&'static str, i64)],
        check: Check,
        documentation: &'static str,
    ) -> Self {
        Self {
            name,
            kind,
            default: Some(default),
            synonyms,
            check,
            documentation,
            only: None,
        }
    }

    pub(crate) const fn only(mut self, emulate: Emulate) -> Self {
        self.only = Some(emulate);
        self
    }

    pub(crate) const fn without_default(mut self) -> Self {
        self.default = None;
        self
    }
}

/// A line is: release, name, type, default, whether it can be altered.
fn read_broker_settings(release: &str) -> BrokerSettings {
    let lines = include_str!("broker.txt").lines();
    let fields = lines
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| {
            let (of, rest) = line.split_once(' ')?;
            let (name, rest) = rest.split_once(' ')?;
            let (kind, rest) = rest.split_once(' ')?;
            let (default, alter) = rest.rsplit_once(' ')?;
            (of == "all" || of == release).then_some((name, kind, default, alter))
        });
    fields
        .map(|(name, kind, default, alter)| {
            let default = match default {
                "-" => None,
                "\"\"" => Some(""),
                text => Some(text),
            };
            let setting = BrokerSetting {
                kind: Kind::of(kind),
                default,
                dynamic: alter == "alter",
            };
            (name, setting)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_table_is_read() {
        assert_eq!(broker_settings(Emulate::V4_3).len(), 340);
        assert_eq!(broker_settings(Emulate::V3_9).len(), 315);
        let setting = broker_settings(Emulate::V4_3)["log.retention.hours"];
        assert_eq!(setting.default, Some("168"));
        assert!(!setting.dynamic);
    }

    #[test]
    fn topics_follow_settings_that_brokers_have() {
        for emulate in [Emulate::V3_9, Emulate::V4_3] {
            for setting in topic_settings(emulate) {
                for (synonym, _) in setting.synonyms {
                    let found = broker_settings(emulate).contains_key(synonym);
                    assert!(found, "{} follows {synonym}", setting.name);
                }
            }
        }
    }

    #[test]
    fn the_releases_have_as_many_topic_settings_as_kafka() {
        let shown = |emulate| topic_settings(emulate).filter(|it| it.default.is_some());
        assert_eq!(shown(Emulate::V4_3).count(), 33);
        assert_eq!(shown(Emulate::V3_9).count(), 36);
    }
}
