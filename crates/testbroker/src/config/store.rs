//! Settings that were altered while the cluster runs. Those of a topic live in the topic.

use std::collections::BTreeMap;

use super::{BrokerConfig, Emulate};

/// Settings by name, as they were set.
pub(crate) type Settings = BTreeMap<String, String>;

/// What can have settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum ResourceKind {
    Topic,
    Broker,
    BrokerLogger,
    ClientMetrics,
    Group,
}

/// Of brokers (by id, "" for all), client metrics subscriptions and groups.
#[derive(Debug, Default)]
pub(crate) struct Configs {
    by_resource: BTreeMap<(ResourceKind, String), Settings>,
}

impl ResourceKind {
    pub(crate) const ALL: [Self; 5] = [
        Self::Group,
        Self::ClientMetrics,
        Self::BrokerLogger,
        Self::Broker,
        Self::Topic,
    ];

    pub(crate) fn of(number: i8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.number() == number)
    }

    pub(crate) fn number(self) -> i8 {
        match self {
            Self::Topic => 2,
            Self::Broker => 4,
            Self::BrokerLogger => 8,
            Self::ClientMetrics => 16,
            Self::Group => 32,
        }
    }
}

impl Configs {
    /// With eligible leader replicas (KIP-966), which 4.3 has, the setting of how many must be in
    /// sync is the cluster's: a new cluster takes it from the first broker's file.
    pub(crate) fn new(config: &BrokerConfig) -> Self {
        let mut configs = Self::default();
        if config.emulate == Emulate::V4_3 {
            let name = "min.insync.replicas";
            let value = config.property(name).unwrap_or_else(|| "1".to_owned());
            let settings = Settings::from([(name.to_owned(), value)]);
            configs.put(ResourceKind::Broker, "", settings);
        }
        configs
    }

    pub(crate) fn get(&self, kind: ResourceKind, name: &str) -> Option<&Settings> {
        self.by_resource.get(&(kind, name.to_owned()))
    }

    /// Replaces a resource's settings; none at all forget it.
    pub(crate) fn put(&mut self, kind: ResourceKind, name: &str, settings: Settings) {
        let key = (kind, name.to_owned());
        if settings.is_empty() {
            self.by_resource.remove(&key);
        } else {
            self.by_resource.insert(key, settings);
        }
    }

    /// The resources of a kind that have settings.
    pub(crate) fn names(&self, kind: ResourceKind) -> impl Iterator<Item = &str> {
        let all = self.by_resource.keys();
        all.filter(move |(of, _)| *of == kind)
            .map(|(_, name)| &**name)
    }

    pub(crate) fn len(&self) -> usize {
        self.by_resource.len()
    }

    /// A setting that somebody set for a group.
    pub(crate) fn of_group(&self, group: &str, name: &str) -> Option<&str> {
        let settings = self.get(ResourceKind::Group, group)?;
        settings.get(name).map(String::as_str)
    }
}
