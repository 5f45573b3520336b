//! The configs of a single group (resource type GROUP), and the settings that come of them.

use std::time::Duration;

use super::Settings;
use crate::config::BrokerConfig;
use crate::limits::GROUP_MEMBERS_MAX;

/// One config: its name, the broker's setting behind it, and what is allowed.
struct Known {
    name: &'static str,
    /// The rest of `group.consumer.min.` and `group.consumer.max.`.
    bound: &'static str,
    min: i32,
    max: i32,
}

/// In the order of [`GroupConfig::values`]. The bounds are Kafka's defaults for the broker.
const KNOWN: [Known; 3] = [
    Known {
        name: "consumer.heartbeat.interval.ms",
        bound: "heartbeat.interval.ms",
        min: 5_000,
        max: 15_000,
    },
    Known {
        name: "consumer.session.timeout.ms",
        bound: "session.timeout.ms",
        min: 45_000,
        max: 60_000,
    },
    Known {
        name: "consumer.assignment.interval.ms",
        bound: "assignment.interval.ms",
        min: 0,
        max: 15_000,
    },
];

/// What is set for one group; the rest is as the cluster has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct GroupConfig {
    values: [Option<i32>; KNOWN.len()],
}

impl GroupConfig {
    /// The names of the configs there are.
    pub(crate) fn names() -> impl Iterator<Item = &'static str> {
        KNOWN.iter().map(|known| known.name)
    }

    /// Sets a config, or with `None` takes it back. The error is Kafka's message
    /// (INVALID_CONFIG).
    pub(crate) fn set(&mut self, name: &str, value: Option<&str>) -> Result<(), String> {
        let Some((known, slot)) = KNOWN
            .iter()
            .zip(&mut self.values)
            .find(|(known, _)| known.name == name)
        else {
            return Err(format!("Unknown group config name: {name}"));
        };
        let Some(text) = value else {
            *slot = None;
            return Ok(());
        };
        let Ok(number) = text.trim().parse::<i32>() else {
            return Err(format!(
                "Invalid value {text} for configuration {name}: Not a number of type INT"
            ));
        };
        let bound = known.bound;
        if number < known.min {
            return Err(format!(
                "{name} must be greater than or equal to group.consumer.min.{bound}"
            ));
        }
        if number > known.max {
            return Err(format!(
                "{name} must be less than or equal to group.consumer.max.{bound}"
            ));
        }
        *slot = Some(number);
        Ok(())
    }

    /// What is set for this group itself.
    pub(crate) fn get(&self, name: &str) -> Option<i32> {
        let place = KNOWN.iter().position(|known| known.name == name)?;
        self.values[place]
    }

    /// The value of a config where the group has none of its own.
    pub(crate) fn default_of(config: &BrokerConfig, name: &str) -> Option<i32> {
        let duration = match name {
            "consumer.heartbeat.interval.ms" => config.consumer_heartbeat_interval,
            "consumer.session.timeout.ms" => config.consumer_session_timeout,
            "consumer.assignment.interval.ms" => config.consumer_assignment_interval,
            _ => return None,
        };
        Some(i32::try_from(duration.as_millis()).unwrap_or(i32::MAX))
    }

    pub(crate) fn settings(&self, config: &BrokerConfig) -> Settings {
        let [heartbeat, session, assignment] = self.values;
        let own = |own: Option<i32>, of_cluster| {
            let own = own.and_then(|millis| u64::try_from(millis).ok());
            own.map_or(of_cluster, Duration::from_millis)
        };
        Settings {
            session_timeout: own(session, config.consumer_session_timeout),
            heartbeat_interval: own(heartbeat, config.consumer_heartbeat_interval),
            assignment_interval: own(assignment, config.consumer_assignment_interval),
            members_max: config.consumer_group_max_size.min(GROUP_MEMBERS_MAX),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_config_overrides_the_clusters_until_it_is_taken_back() {
        let cluster = BrokerConfig::default();
        let mut config = GroupConfig::default();
        assert_eq!(
            config.set("consumer.session.timeout.ms", Some("50000")),
            Ok(())
        );
        assert_eq!(config.get("consumer.session.timeout.ms"), Some(50_000));
        let settings = config.settings(&cluster);
        assert_eq!(settings.session_timeout, Duration::from_secs(50));
        assert_eq!(settings.heartbeat_interval, Duration::from_secs(5));
        assert_eq!(config.set("consumer.session.timeout.ms", None), Ok(()));
        let settings = config.settings(&cluster);
        assert_eq!(settings.session_timeout, Duration::from_secs(45));
    }

    #[test]
    fn group_configs_out_of_bounds_are_refused() {
        let mut config = GroupConfig::default();
        let name = "consumer.heartbeat.interval.ms";
        assert_eq!(
            config.set(name, Some("4999")).unwrap_err(),
            "consumer.heartbeat.interval.ms must be greater than or equal to \
             group.consumer.min.heartbeat.interval.ms"
        );
        assert!(config.set(name, Some("15001")).is_err());
        assert!(config.set(name, Some("many")).is_err());
        assert!(config.set("retention.ms", Some("1")).is_err());
        assert_eq!(config, GroupConfig::default());
    }
}
