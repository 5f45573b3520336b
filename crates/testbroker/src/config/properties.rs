//! Broker settings by Kafka's names, as a `server.properties` file or a command line has them.

use std::time::Duration;

use super::registry::broker_settings;
use super::value::{self, Check, Kind};
use super::{BrokerConfig, ConfigError, Emulate};

impl BrokerConfig {
    /// Sets a broker's property by Kafka's name, such as `num.partitions` or `log.retention.ms`.
    /// Those that this broker has a setting for, and those that topics follow, act; all of them
    /// show in DescribeConfigs.
    pub fn set(&mut self, name: &str, text: &str) -> Result<(), ConfigError> {
        let settings = [Emulate::V4_3, Emulate::V3_9].map(broker_settings);
        let Some(setting) = settings.iter().find_map(|settings| settings.get(name)) else {
            return Err(ConfigError::UnknownProperty(name.to_owned()));
        };
        value::check(name, setting.kind, Check::Any, text).map_err(ConfigError::Property)?;
        let text = value::normal(setting.kind, text);
        self.set_field(name, setting.kind, &text)?;
        self.properties.insert(name.to_owned(), text);
        Ok(())
    }

    /// The value that a broker was started with, if it is not the default.
    pub(crate) fn property(&self, name: &str) -> Option<String> {
        let Some(current) = self.field(name) else {
            return self.properties.get(name).cloned();
        };
        let setting = broker_settings(self.emulate).get(name);
        let is_default = setting.and_then(|setting| setting.default) == Some(&*current);
        (!is_default || self.properties.contains_key(name)).then_some(current)
    }

    fn set_field(&mut self, name: &str, kind: Kind, text: &str) -> Result<(), ConfigError> {
        let number = text.parse::<i64>().unwrap_or_default();
        let small = |min: i64| {
            let check = value::check(name, kind, Check::AtLeast(min), text);
            check.map_err(ConfigError::Property).map(|()| number)
        };
        match name {
            "num.partitions" => {
                self.default_partitions = i32::try_from(small(1)?).unwrap_or(i32::MAX);
            }
            "default.replication.factor" => {
                self.default_replication_factor =
                    Some(i16::try_from(small(1)?).unwrap_or(i16::MAX));
            }
            "auto.create.topics.enable" => self.auto_create_topics = text == "true",
            "message.max.bytes" => self.message_bytes_max = size(small(0)?),
            "fetch.max.bytes" => self.fetch_bytes_max = size(small(1)?),
            "socket.request.max.bytes" => self.frame_bytes_max = size(small(1)?),
            "max.connections" => self.connections_max = size(small(0)?),
            "transaction.max.timeout.ms" => self.transaction_timeout_max = millis(small(1)?),
            "add.partitions.to.txn.retry.backoff.ms" => self.concurrent_retry = millis(small(1)?),
            "add.partitions.to.txn.retry.backoff.max.ms" => {
                self.concurrent_retry_max = millis(small(0)?);
            }
            "log.retention.bytes" => self.retention_bytes = u64::try_from(number).ok(),
            "replica.lag.time.max.ms" => self.replica_lag_max = millis(small(0)?),
            "log.retention.check.interval.ms" => self.retention_check = millis(small(1)?),
            "producer.id.expiration.ms" => self.producer_id_expiration = millis(small(1)?),
            "group.consumer.session.timeout.ms" => {
                self.consumer_session_timeout = millis(small(1)?);
            }
            "group.consumer.heartbeat.interval.ms" => {
                self.consumer_heartbeat_interval = millis(small(1)?);
            }
            "group.consumer.assignment.interval.ms" => {
                self.consumer_assignment_interval = millis(small(0)?);
            }
            "group.consumer.max.size" => self.consumer_group_max_size = size(small(1)?),
            _ => {}
        }
        Ok(())
    }

    /// The value of a property that has a field of its own.
    fn field(&self, name: &str) -> Option<String> {
        let millis = |duration: Duration| duration.as_millis().to_string();
        Some(match name {
            "num.partitions" => self.default_partitions.to_string(),
            "default.replication.factor" => self.replication_factor().to_string(),
            "auto.create.topics.enable" => self.auto_create_topics.to_string(),
            "message.max.bytes" => self.message_bytes_max.to_string(),
            "fetch.max.bytes" => self.fetch_bytes_max.to_string(),
            "socket.request.max.bytes" => self.frame_bytes_max.to_string(),
            "transaction.max.timeout.ms" => millis(self.transaction_timeout_max),
            "add.partitions.to.txn.retry.backoff.ms" => millis(self.concurrent_retry),
            "add.partitions.to.txn.retry.backoff.max.ms" => millis(self.concurrent_retry_max),
            "replica.lag.time.max.ms" => millis(self.replica_lag_max),
            "log.retention.check.interval.ms" => millis(self.retention_check),
            "producer.id.expiration.ms" => millis(self.producer_id_expiration),
            "group.consumer.session.timeout.ms" => millis(self.consumer_session_timeout),
            "group.consumer.heartbeat.interval.ms" => millis(self.consumer_heartbeat_interval),
            "group.consumer.assignment.interval.ms" => millis(self.consumer_assignment_interval),
            "log.retention.bytes" => self
                .retention_bytes
                .map_or_else(|| "-1".to_owned(), |bytes| bytes.to_string()),
            _ => return None,
        })
    }

    /// How many nodes hold a partition of a topic created without a count.
    pub(crate) fn replication_factor(&self) -> i16 {
        let few = i16::try_from(self.nodes.clamp(1, 3)).unwrap_or(3);
        self.default_replication_factor.unwrap_or(few)
    }
}

fn size(number: i64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

fn millis(number: i64) -> Duration {
    Duration::from_millis(number.unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_property_sets_its_field_and_shows_again() {
        let mut config = BrokerConfig::default();
        assert_eq!(config.property("num.partitions"), None, "Kafka's default");
        config.set("num.partitions", "3").expect("a good value");
        assert_eq!(config.default_partitions, 3);
        assert_eq!(config.property("num.partitions").as_deref(), Some("3"));
        config.set("log.retention.ms", "5").expect("a good value");
        assert_eq!(config.property("log.retention.ms").as_deref(), Some("5"));
    }

    #[test]
    fn unknown_names_and_wrong_values_are_refused() {
        let mut config = BrokerConfig::default();
        let unknown = config.set("num.partition", "3");
        assert_eq!(
            unknown,
            Err(ConfigError::UnknownProperty("num.partition".into()))
        );
        for (name, value) in [("num.partitions", "x"), ("num.partitions", "0")] {
            let refused = config.set(name, value);
            assert!(matches!(refused, Err(ConfigError::Property(_))));
        }
        assert_eq!(config.default_partitions, 1);
    }
}
