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
        let at_least = |min: i64| {
            let check = value::check(name, kind, Check::AtLeast(min), text);
            check.map_err(ConfigError::Property).map(|()| number)
        };
        if let Some((field, unit)) = self.time_mut(name) {
            *field = Duration::from_millis(at_least(least(name))?.unsigned_abs() * unit);
            return Ok(());
        }
        if let Some((field, _)) = self.size_mut(name) {
            *field = usize::try_from(at_least(least(name))?).unwrap_or(usize::MAX);
            return Ok(());
        }
        match name {
            "num.partitions" => {
                self.default_partitions = i32::try_from(at_least(least(name))?).unwrap_or(i32::MAX);
            }
            "default.replication.factor" => {
                let factor = i16::try_from(at_least(least(name))?).unwrap_or(i16::MAX);
                self.default_replication_factor = Some(factor);
            }
            "auto.create.topics.enable" => self.auto_create_topics = text == "true",
            // Kafka takes any number; never unless it is above zero.
            "connections.max.reauth.ms" => {
                let session = u64::try_from(number).ok().filter(|ms| *ms > 0);
                self.sasl_session = session.map(Duration::from_millis);
            }
            "log.retention.bytes" => self.retention_bytes = u64::try_from(number).ok(),
            _ => {}
        }
        Ok(())
    }

    /// Whether Kafka would take the fields that a test may have set without [`Self::set`].
    pub(super) fn check_fields(&self) -> Result<(), ConfigError> {
        let at_least = |name: &str, value: String| {
            let check = value::check(name, Kind::Long, Check::AtLeast(least(name)), &value);
            check.map_err(ConfigError::Property)
        };
        for name in ["num.partitions", "default.replication.factor"] {
            at_least(name, self.field(name).unwrap_or_default())?;
        }
        // Less than a millisecond is more than nothing.
        if self.transaction_timeout_max.is_zero() {
            at_least("transaction.max.timeout.ms", "0".to_owned())?;
        }
        Ok(())
    }

    /// The value of a property that has a field of its own.
    fn field(&self, name: &str) -> Option<String> {
        if let Some((time, unit)) = self.time(name) {
            return Some((time.as_millis() / u128::from(unit)).to_string());
        }
        if let Some((size, _)) = self.size(name) {
            // Kafka's have no room for more, and "no limit" is the most there is.
            let shown = i32::try_from(size).unwrap_or(i32::MAX);
            return Some(shown.to_string());
        }
        Some(match name {
            "num.partitions" => self.default_partitions.to_string(),
            "default.replication.factor" => self.replication_factor().to_string(),
            "auto.create.topics.enable" => self.auto_create_topics.to_string(),
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

/// The least that Kafka's `ConfigDef`s take of a property that has a field of its own. Those of
/// intervals where zero means never here, or at once, are 1 in Kafka and stay 0.
fn least(name: &str) -> i64 {
    match name {
        "add.partitions.to.txn.retry.backoff.ms"
        | "default.replication.factor"
        | "group.consumer.heartbeat.interval.ms"
        | "group.consumer.max.size"
        | "group.consumer.session.timeout.ms"
        | "group.max.size"
        | "num.partitions"
        | "offsets.retention.minutes"
        | "producer.id.expiration.ms"
        | "socket.request.max.bytes"
        | "transaction.max.timeout.ms"
        | "transactional.id.expiration.ms" => 1,
        "fetch.max.bytes" => 1_024,
        _ => 0,
    }
}

/// The fields that properties set: to read and to change.
macro_rules! fields {
    ($read:ident, $change:ident: $type:ty, $($name:literal => $field:ident $(* $unit:literal)?;)*) => {
        impl BrokerConfig {
            fn $read(&self, name: &str) -> Option<($type, u64)> {
                Some(match name {
                    $($name => (self.$field, 1 $(* $unit)?),)*
                    _ => return None,
                })
            }

            fn $change(&mut self, name: &str) -> Option<(&mut $type, u64)> {
                Some(match name {
                    $($name => (&mut self.$field, 1 $(* $unit)?),)*
                    _ => return None,
                })
            }
        }
    };
}

// Milliseconds, or so many of them.
fields! {
    time, time_mut: Duration,
    "add.partitions.to.txn.retry.backoff.max.ms" => concurrent_retry_max;
    "add.partitions.to.txn.retry.backoff.ms" => concurrent_retry;
    "group.consumer.assignment.interval.ms" => consumer_assignment_interval;
    "group.consumer.heartbeat.interval.ms" => consumer_heartbeat_interval;
    "group.consumer.session.timeout.ms" => consumer_session_timeout;
    "group.initial.rebalance.delay.ms" => group_initial_rebalance_delay;
    "group.max.session.timeout.ms" => group_max_session_timeout;
    "group.min.session.timeout.ms" => group_min_session_timeout;
    "log.cleaner.backoff.ms" => cleaner_backoff;
    "log.retention.check.interval.ms" => retention_check;
    "offsets.retention.check.interval.ms" => offsets_retention_check;
    "offsets.retention.minutes" => offsets_retention * 60_000;
    "producer.id.expiration.ms" => producer_id_expiration;
    "replica.lag.time.max.ms" => replica_lag_max;
    "transaction.abort.timed.out.transaction.cleanup.interval.ms" => transaction_timeout_interval;
    "transaction.max.timeout.ms" => transaction_timeout_max;
    "transactional.id.expiration.ms" => transactional_id_expiration;
}

fields! {
    size, size_mut: usize,
    "fetch.max.bytes" => fetch_bytes_max;
    "group.consumer.max.size" => consumer_group_max_size;
    "group.max.size" => group_max_size;
    "max.connections" => connections_max;
    "max.incremental.fetch.session.cache.slots" => fetch_session_slots;
    "message.max.bytes" => message_bytes_max;
    "socket.request.max.bytes" => frame_bytes_max;
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

    #[test]
    fn what_is_less_than_kafka_takes_is_refused() {
        let mut config = BrokerConfig::default();
        for (name, value) in [
            ("num.partitions", "-1"),
            ("transaction.max.timeout.ms", "0"),
            ("transactional.id.expiration.ms", "0"),
            ("fetch.max.bytes", "1023"),
            ("group.max.size", "0"),
            ("max.connections", "-1"),
        ] {
            let refused = config.set(name, value);
            assert!(
                matches!(refused, Err(ConfigError::Property(_))),
                "{name}={value}"
            );
        }
        // There is no rule about this one: all that is not above zero is never.
        assert_eq!(config.set("connections.max.reauth.ms", "-5"), Ok(()));
        assert_eq!(config.sasl_session, None);
        config
            .set("transaction.max.timeout.ms", "1")
            .expect("least");
        assert_eq!(config.check(), Ok(()));
    }

    #[test]
    fn fields_that_kafka_would_not_take_are_refused() {
        for change in [
            |config: &mut BrokerConfig| config.default_partitions = -1,
            |config: &mut BrokerConfig| config.default_replication_factor = Some(0),
            |config: &mut BrokerConfig| config.transaction_timeout_max = Duration::ZERO,
        ] {
            let mut config = BrokerConfig::default();
            change(&mut config);
            assert!(matches!(config.check(), Err(ConfigError::Property(_))));
        }
    }
}
