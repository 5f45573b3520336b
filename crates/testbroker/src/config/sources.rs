//! Where a setting gets its value from: the broker's file, what was altered since, the default.

use std::borrow::Cow;

use super::registry::{TopicSetting, broker_settings, broker_synonyms, topic_setting};
use super::store::{ResourceKind, Settings};
use super::value;
use crate::cluster::{Cluster, TopicConfig};

/// A place that a value comes from, numbered as DescribeConfigs does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Topic = 1,
    Broker = 2,
    AllBrokers = 3,
    File = 4,
    Default = 5,
    Logger = 6,
    ClientMetrics = 7,
    Group = 8,
}

/// A value and where it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sourced {
    pub(crate) name: Cow<'static, str>,
    pub(crate) value: String,
    pub(crate) source: Source,
}

impl Cluster {
    /// The node whose settings act on what all nodes share, such as topics.
    pub(crate) fn first_node(&self) -> i32 {
        self.nodes.first().map_or(1, |node| node.id)
    }

    /// All values that a broker knows for a setting and its synonyms, the one that counts first.
    pub(crate) fn broker_sources(&self, node: i32, name: &str) -> Vec<Sourced> {
        let settings = broker_settings(self.config.emulate);
        let known = settings.get_key_value(name).map(|(known, _)| *known);
        let synonyms = known.map_or(&[][..], broker_synonyms);
        let names: Vec<Cow<'static, str>> = match (synonyms, known) {
            ([], Some(known)) => vec![Cow::Borrowed(known)],
            ([], None) => vec![Cow::Owned(name.to_owned())],
            _ => synonyms.iter().map(|name| Cow::Borrowed(*name)).collect(),
        };
        let mut found = Vec::new();
        for source in [
            Source::Broker,
            Source::AllBrokers,
            Source::File,
            Source::Default,
        ] {
            for name in &names {
                let value = self.value_in(source, node, name);
                found.extend(value.map(|value| Sourced {
                    name: name.clone(),
                    value,
                    source,
                }));
            }
        }
        let own = found.iter().position(|sourced| sourced.name == name);
        found.split_off(own.unwrap_or(found.len()))
    }

    /// The value of a broker's setting, without its synonyms.
    pub(crate) fn broker_value(&self, node: i32, name: &str) -> Option<(String, Source)> {
        let sources = [
            Source::Broker,
            Source::AllBrokers,
            Source::File,
            Source::Default,
        ];
        sources
            .into_iter()
            .find_map(|source| Some((self.value_in(source, node, name)?, source)))
    }

    fn value_in(&self, source: Source, node: i32, name: &str) -> Option<String> {
        let dynamic = |resource: &str| {
            let settings = self.configs.get(ResourceKind::Broker, resource)?;
            settings.get(name).cloned()
        };
        match source {
            Source::Broker => dynamic(&node.to_string()),
            Source::AllBrokers => dynamic(""),
            Source::File => self.file_value(node, name),
            _ => {
                let setting = broker_settings(self.config.emulate).get(name)?;
                setting.default.map(str::to_owned)
            }
        }
    }

    /// What the broker's file would say.
    fn file_value(&self, id: i32, name: &str) -> Option<String> {
        let node = self.node(id)?;
        let listener = || format!("PLAINTEXT://{}:{}", node.host, node.port);
        match name {
            "node.id" | "broker.id" => Some(id.to_string()),
            "broker.rack" => node.rack.clone(),
            "listeners" | "advertised.listeners" => Some(listener()),
            "log.dirs" => Some(log_dir(id)),
            "process.roles" => Some("broker,controller".to_owned()),
            "controller.listener.names" => Some("CONTROLLER".to_owned()),
            _ => self.config.property(name),
        }
    }

    /// What a topic without the setting of its own has.
    pub(crate) fn inherited(&self, setting: &TopicSetting) -> Option<(String, Source)> {
        let node = self.first_node();
        for (synonym, factor) in setting.synonyms {
            let Some((value, source)) = self.broker_value(node, synonym) else {
                continue;
            };
            let scaled = match value.parse::<i64>() {
                Ok(number) if *factor > 1 => number.saturating_mul(*factor).to_string(),
                _ => value,
            };
            return Some((scaled, source));
        }
        let default = setting.default?;
        Some((default.to_owned(), Source::Default))
    }

    /// The settings of a topic for which these were set.
    pub(crate) fn topic_config(&self, overrides: Settings) -> TopicConfig {
        let value = |name: &str| {
            let setting = topic_setting(self.config.emulate, name)?;
            let text = match overrides.get(name) {
                Some(text) => text.clone(),
                None => self.inherited(setting)?.0,
            };
            Some(value::normal(setting.kind, &text))
        };
        TopicConfig::read(value, overrides.clone())
    }

    /// Lets all topics follow what has changed of the brokers' settings.
    pub(crate) fn reload_topics(&mut self) {
        let names: Vec<_> = self.topics.iter().map(|(name, _)| name.clone()).collect();
        for name in names {
            let Some(topic) = self.topics.get(&name) else {
                continue;
            };
            let config = self.topic_config(topic.config.overrides.clone());
            self.set_topic_config(&name, config);
        }
    }

    /// Gives a topic other settings and lets those that wait for it look again.
    pub(crate) fn set_topic_config(&mut self, name: &str, config: TopicConfig) {
        let Some(topic) = self.topics.get_mut(name) else {
            return;
        };
        topic.config = config;
        self.settle_topic(name);
    }
}

/// The only log directory of a node.
pub(crate) fn log_dir(node: i32) -> String {
    format!("/milena/node-{node}")
}
