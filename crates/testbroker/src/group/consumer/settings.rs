//! The settings of a group: its own (configs of resource type GROUP), or those of the cluster.

use std::time::Duration;

use crate::cluster::Cluster;
use crate::config::BrokerConfig;
use crate::config::store::ResourceKind;
use crate::limits::GROUP_MEMBERS_MAX;

/// The broker's setting for all groups that have none of their own.
const ASSIGNMENT_INTERVAL: &str = "group.consumer.assignment.interval.ms";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Settings {
    pub(crate) session_timeout: Duration,
    pub(crate) heartbeat_interval: Duration,
    /// At least this much time passes between two target assignments.
    pub(crate) assignment_interval: Duration,
    pub(crate) members_max: usize,
}

impl Settings {
    /// `own`: what is set for the group itself, by name.
    pub(crate) fn new<'v>(config: &BrokerConfig, own: impl Fn(&str) -> Option<&'v str>) -> Self {
        let setting = |name, of_cluster| {
            let millis = own(name).and_then(|text| text.trim().parse().ok());
            millis.map_or(of_cluster, Duration::from_millis)
        };
        Self {
            session_timeout: setting(
                "consumer.session.timeout.ms",
                config.consumer_session_timeout,
            ),
            heartbeat_interval: setting(
                "consumer.heartbeat.interval.ms",
                config.consumer_heartbeat_interval,
            ),
            assignment_interval: setting(
                "consumer.assignment.interval.ms",
                config.consumer_assignment_interval,
            ),
            members_max: config.consumer_group_max_size.min(GROUP_MEMBERS_MAX),
        }
    }
}

impl Cluster {
    /// What is set for a group, then what was set for the broker while it runs.
    pub(crate) fn consumer_settings(&self, node: i32, group: &str) -> Settings {
        let of_broker = |resource: &str| {
            let settings = self.configs.get(ResourceKind::Broker, resource)?;
            settings.get(ASSIGNMENT_INTERVAL).map(String::as_str)
        };
        Settings::new(&self.config, |name| {
            let own = self.configs.of_group(group, name);
            // The only one that a broker that runs can be told.
            let dynamic = ASSIGNMENT_INTERVAL.ends_with(name);
            own.or_else(|| {
                let node = dynamic.then(|| of_broker(&node.to_string())).flatten();
                node.or_else(|| dynamic.then(|| of_broker("")).flatten())
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_groups_own_setting_goes_before_the_clusters() {
        let own = |name: &str| (name == "consumer.session.timeout.ms").then_some("50000");
        let settings = Settings::new(&BrokerConfig::default(), own);
        assert_eq!(settings.session_timeout, Duration::from_secs(50));
        assert_eq!(settings.heartbeat_interval, Duration::from_secs(5));
        assert_eq!(settings.assignment_interval, Duration::from_secs(1));
        assert_eq!(settings.members_max, GROUP_MEMBERS_MAX);
    }
}
