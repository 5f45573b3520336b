//! Altering settings, and what Kafka says to values it does not want
//! (`ConfigAdminManager`, then `ConfigurationControlManager`).

use milena_wire::ErrorCode;

use super::Emulate;
use super::check::{check_broker, check_client_metrics, check_group};
use super::registry::{broker_settings, topic_setting, topic_settings};
use super::store::{ResourceKind, Settings};
use super::value::{self, Kind};
use crate::cluster::{Cluster, check_topic_name};
use crate::limits::{CONFIG_RESOURCES_MAX, SETTINGS_PER_RESOURCE_MAX};
use crate::refusal::Refusal;

/// What to do with one setting.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Change<'a> {
    pub(crate) name: &'a str,
    /// 0 set, 1 delete, 2 append, 3 subtract.
    pub(crate) operation: i8,
    pub(crate) value: Option<&'a str>,
}

const SET: i8 = 0;
const DELETE: i8 = 1;
const APPEND: i8 = 2;
const SUBTRACT: i8 = 3;

/// `ConfigurationControlManager` stores no longer values.
const VALUE_LEN_MAX: usize = i16::MAX as usize;

impl Cluster {
    /// Alters a resource's settings, as the broker `node` was asked to. `replace`: what is not
    /// named goes (AlterConfigs).
    pub(crate) fn alter_settings(
        &mut self,
        node: i32,
        kind: ResourceKind,
        name: &str,
        changes: &[Change<'_>],
        replace: bool,
        validate_only: bool,
    ) -> Result<(), Refusal> {
        check_changes(changes)?;
        if kind == ResourceKind::Broker {
            self.check_broker_name(node, name)?;
            self.check_broker_changes(changes)?;
        }
        let before = self.own_settings(kind, name);
        let start = if replace { Settings::new() } else { before };
        let settings = self.changed(kind, start, changes)?;
        self.check_settings(node, kind, name, &settings, changes)?;
        if !validate_only {
            self.put_settings(kind, name, settings)?;
        }
        Ok(())
    }

    fn own_settings(&self, kind: ResourceKind, name: &str) -> Settings {
        let own = match kind {
            ResourceKind::Topic => self.topics.get(name).map(|topic| &topic.config.overrides),
            _ => self.configs.get(kind, name),
        };
        own.cloned().unwrap_or_default()
    }

    fn put_settings(
        &mut self,
        kind: ResourceKind,
        name: &str,
        settings: Settings,
    ) -> Result<(), Refusal> {
        if settings.len() > SETTINGS_PER_RESOURCE_MAX || self.configs.len() >= CONFIG_RESOURCES_MAX
        {
            let message = "the test broker has no room for more settings";
            return Err(Refusal::new(ErrorCode::POLICY_VIOLATION, message));
        }
        if kind == ResourceKind::Topic {
            let config = self.topic_config(settings);
            self.set_topic_config(name, config);
        } else {
            self.configs.put(kind, name, settings);
        }
        if kind == ResourceKind::Broker {
            self.reload_topics();
        }
        Ok(())
    }

    /// What a resource has after the changes.
    fn changed(
        &self,
        kind: ResourceKind,
        mut settings: Settings,
        changes: &[Change<'_>],
    ) -> Result<Settings, Refusal> {
        for change in changes {
            let text = change.value.unwrap_or_default();
            match change.operation {
                SET => {
                    settings.insert(change.name.to_owned(), text.to_owned());
                }
                DELETE => {
                    settings.remove(change.name);
                }
                APPEND | SUBTRACT => {
                    let list = self.list_of(kind, &settings, change)?;
                    settings.insert(change.name.to_owned(), list.join(","));
                }
                // An operation nobody knows: Kafka falls over it.
                _ => return Err(Refusal::bare(ErrorCode::UNKNOWN_SERVER_ERROR)),
            }
        }
        Ok(settings)
    }

    /// A list with some items more or less.
    fn list_of<'a>(
        &self,
        kind: ResourceKind,
        settings: &'a Settings,
        change: &Change<'a>,
    ) -> Result<Vec<&'a str>, Refusal> {
        let emulate = self.config.emulate;
        let (is_list, default) = match kind {
            ResourceKind::Topic => topic_setting(emulate, change.name)
                .map_or((false, None), |it| (it.kind == Kind::List, it.default)),
            ResourceKind::Broker => broker_settings(emulate)
                .get(change.name)
                .map_or((false, None), |it| (it.kind == Kind::List, it.default)),
            ResourceKind::ClientMetrics => (matches!(change.name, "metrics" | "match"), None),
            _ => (false, None),
        };
        if !is_list {
            let verb = if change.operation == APPEND {
                "APPEND"
            } else {
                "SUBTRACT"
            };
            let name = change.name;
            return Err(Refusal::invalid_config(format!(
                "Can't {verb} to key {name} because its type is not LIST."
            )));
        }
        let old = settings.get(change.name).map(String::as_str).or(default);
        let old = old.unwrap_or_default().split(',');
        let mut items: Vec<&str> = old.filter(|item| !item.is_empty()).collect();
        for item in change.value.unwrap_or_default().split(',') {
            if change.operation == SUBTRACT {
                items.retain(|kept| *kept != item);
            } else if !items.contains(&item) {
                items.push(item);
            }
        }
        Ok(items)
    }

    fn check_settings(
        &self,
        node: i32,
        kind: ResourceKind,
        name: &str,
        settings: &Settings,
        changes: &[Change<'_>],
    ) -> Result<(), Refusal> {
        if settings.values().any(|value| value.len() > VALUE_LEN_MAX) {
            return Err(Refusal::invalid_config(format!(
                "The configuration value cannot be added because it exceeds the maximum value \
                 size of {VALUE_LEN_MAX} bytes."
            )));
        }
        match kind {
            ResourceKind::Topic => {
                if name.is_empty() {
                    let message = "Default topic resources are not allowed.";
                    return Err(Refusal::invalid_request(message));
                }
                check_topic_name(name)?;
                self.check_topic_settings(settings)?;
                if self.topics.get(name).is_none() {
                    let message = format!("The topic '{name}' does not exist.");
                    let code = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
                    return Err(Refusal::new(code, message));
                }
                Ok(())
            }
            ResourceKind::Broker => check_broker(self, node, name, settings, changes),
            ResourceKind::ClientMetrics => check_client_metrics(name, settings),
            ResourceKind::Group => check_group(self, name, settings),
            ResourceKind::BrokerLogger => Ok(()),
        }
    }

    /// Whether a topic may have these settings (`LogConfig.validate`).
    pub(crate) fn check_topic_settings(&self, settings: &Settings) -> Result<(), Refusal> {
        let emulate = self.config.emulate;
        let unknown = |name: &&String| topic_setting(emulate, name).is_none();
        if let Some(name) = settings.keys().find(unknown) {
            let message = format!("Unknown topic config name: {name}");
            return Err(Refusal::invalid_config(message));
        }
        for setting in topic_settings(emulate) {
            if let Some(text) = settings.get(setting.name) {
                value::check(setting.name, setting.kind, setting.check, text)
                    .map_err(Refusal::invalid_config)?;
            }
        }
        self.check_compaction_lags(settings)?;
        let remote = settings.get("remote.storage.enable");
        if remote.is_some_and(|text| value::parse_bool(text) == Some(true)) {
            return Err(Refusal::invalid_config(
                "Tiered Storage functionality is disabled in the broker. Topic cannot be \
                 configured with remote log storage.",
            ));
        }
        Ok(())
    }

    fn check_compaction_lags(&self, settings: &Settings) -> Result<(), Refusal> {
        let lag = |name: &str| {
            let own = settings.get(name).cloned();
            let setting = topic_setting(self.config.emulate, name)?;
            let text = own.or_else(|| Some(self.inherited(setting)?.0))?;
            text.trim().parse::<i64>().ok()
        };
        let (low, high) = ("min.compaction.lag.ms", "max.compaction.lag.ms");
        match (lag(low), lag(high)) {
            (Some(min), Some(max)) if min > max => Err(Refusal::invalid_config(format!(
                "conflict topic config setting {low} ({min}) > {high} ({max})"
            ))),
            _ => Ok(()),
        }
    }

    fn check_broker_name(&self, node: i32, name: &str) -> Result<(), Refusal> {
        if name.is_empty() {
            return Ok(());
        }
        match name.parse::<i32>() {
            Err(_) => Err(Refusal::invalid_request(format!(
                "Node id must be an integer, but it is: {name}"
            ))),
            Ok(id) if id != node => Err(Refusal::invalid_request(format!(
                "Unexpected broker id, expected {node}, but received {name}"
            ))),
            Ok(_) => Ok(()),
        }
    }

    /// What a broker says of the operations themselves, before it looks at values.
    fn check_broker_changes(&self, changes: &[Change<'_>]) -> Result<(), Refusal> {
        for change in changes {
            if !(SET..=SUBTRACT).contains(&change.operation) {
                let message = format!("Unknown operations type {}", change.operation);
                return Err(Refusal::invalid_request(message));
            }
            if !matches!(change.operation, APPEND | SUBTRACT) {
                continue;
            }
            let name = change.name;
            let setting = broker_settings(self.config.emulate).get(name);
            let Some(setting) = setting else {
                return Err(match self.config.emulate {
                    Emulate::V4_3 => {
                        Refusal::invalid_config(format!("Unknown config name: {name}"))
                    }
                    Emulate::V3_9 => Refusal::bare(ErrorCode::UNKNOWN_SERVER_ERROR),
                });
            };
            if setting.kind != Kind::List {
                let verb = if change.operation == APPEND {
                    "append"
                } else {
                    "subtract"
                };
                return Err(Refusal::invalid_config(format!(
                    "Config value {verb} is not allowed for config key: {name}"
                )));
            }
        }
        Ok(())
    }
}

/// What is wrong with a list of changes, whatever they are about.
pub(crate) fn check_changes(changes: &[Change<'_>]) -> Result<(), Refusal> {
    let mut names: Vec<&str> = changes.iter().map(|change| change.name).collect();
    names.sort_unstable();
    if names.windows(2).any(|pair| pair[0] == pair[1]) {
        let message = "Error due to duplicate config keys";
        return Err(Refusal::invalid_request(message));
    }
    let without_value = changes
        .iter()
        .filter(|change| change.operation != DELETE && change.value.is_none());
    let nulls: Vec<&str> = without_value.map(|change| change.name).collect();
    if !nulls.is_empty() {
        let message = format!("Null value not supported for : {}", nulls.join(", "));
        return Err(Refusal::invalid_request(message));
    }
    Ok(())
}
