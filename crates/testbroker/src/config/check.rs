//! Whether brokers, client metrics subscriptions and groups may have certain settings.

use milena_wire::ErrorCode;

use super::Emulate;
use super::alter::Change;
use super::registry::{broker_check, broker_settings, group_settings, is_per_broker};
use super::store::Settings;
use super::value::{self, Kind};
use crate::cluster::Cluster;
use crate::refusal::Refusal;

const MIN_ISR: &str = "min.insync.replicas";
/// Thread pools: a running broker at most doubles or halves them.
const POOLS: &[&str] = &[
    "num.io.threads",
    "num.network.threads",
    "num.replica.fetchers",
    "num.recovery.threads.per.data.dir",
    "background.threads",
];

/// `DynamicBrokerConfig.validate`, and the controller's rules about `min.insync.replicas`.
pub(super) fn check_broker(
    cluster: &Cluster,
    node: i32,
    resource: &str,
    settings: &Settings,
    changes: &[Change<'_>],
) -> Result<(), Refusal> {
    let emulate = cluster.config.emulate;
    let known = broker_settings(emulate);
    let braces = |names: Vec<&str>| match emulate {
        Emulate::V4_3 => format!("[{}]", names.join(", ")),
        Emulate::V3_9 => format!("Set({})", names.join(", ")),
    };
    let names = settings.keys().map(String::as_str);
    let fixed = names.filter(|name| known.get(name).is_some_and(|setting| !setting.dynamic));
    let fixed: Vec<&str> = fixed.collect();
    if !fixed.is_empty() {
        return Err(Refusal::invalid_request(format!(
            "Cannot update these configs dynamically: {}",
            braces(fixed)
        )));
    }
    let names = settings.keys().map(String::as_str);
    let single: Vec<&str> = names.filter(|name| is_per_broker(name)).collect();
    if resource.is_empty() && !single.is_empty() {
        return Err(Refusal::invalid_request(format!(
            "Cannot update these configs at default cluster level, broker id must be specified: {}",
            braces(single)
        )));
    }
    for (name, text) in settings {
        if let Some(setting) = known.get(name.as_str()) {
            value::check(name, setting.kind, broker_check(emulate, name), text)
                .map_err(Refusal::invalid_request)?;
            check_listeners(emulate, name, text)?;
            check_threads(cluster, node, name, text)?;
        }
    }
    if emulate == Emulate::V4_3 {
        check_min_isr(resource, changes, settings)?;
    }
    Ok(())
}

/// With eligible leader replicas (KIP-966) the setting is the cluster's.
fn check_min_isr(
    resource: &str,
    changes: &[Change<'_>],
    settings: &Settings,
) -> Result<(), Refusal> {
    let touched = changes.iter().any(|change| change.name == MIN_ISR);
    if !resource.is_empty() && touched {
        return Err(Refusal::invalid_config(
            "Broker-level min.insync.replicas cannot be altered while ELR is enabled.",
        ));
    }
    if resource.is_empty() && !settings.contains_key(MIN_ISR) {
        return Err(Refusal::invalid_config(
            "Cluster-level min.insync.replicas cannot be removed while ELR is enabled.",
        ));
    }
    Ok(())
}

fn check_listeners(emulate: Emulate, name: &str, text: &str) -> Result<(), Refusal> {
    if !matches!(name, "listeners" | "advertised.listeners") {
        return Ok(());
    }
    let Some(wrong) = value::list(text).find(|item| !item.contains("://")) else {
        return Ok(());
    };
    let shown = match emulate {
        Emulate::V4_3 => format!("[{}]", text.trim()),
        Emulate::V3_9 => text.trim().to_owned(),
    };
    Err(Refusal::invalid_request(format!(
        "Error creating broker listeners from '{shown}': Unable to parse {wrong} to a broker endpoint"
    )))
}

fn check_threads(cluster: &Cluster, node: i32, name: &str, text: &str) -> Result<(), Refusal> {
    if !POOLS.contains(&name) {
        return Ok(());
    }
    let now = cluster.broker_value(node, name).map(|(value, _)| value);
    let now = now.and_then(|value| value.parse::<i64>().ok()).unwrap_or(1);
    let wanted = text.trim().parse::<i64>().unwrap_or(now);
    let reason = if wanted <= 0 {
        "value should be at least 1".to_owned()
    } else if wanted > now.saturating_mul(2) {
        format!("value should not be greater than double the current value {now}")
    } else if wanted < now / 2 {
        format!("value should be at least half the current value {now}")
    } else {
        return Ok(());
    };
    Err(Refusal::invalid_request(format!(
        "Invalid value org.apache.kafka.common.config.ConfigException: Dynamic thread count update \
         validation failed for {name}={wanted}, {reason} for configuration Invalid dynamic \
         configuration"
    )))
}

/// `ClientMetricsConfigs.validate`.
pub(super) fn check_client_metrics(name: &str, settings: &Settings) -> Result<(), Refusal> {
    const MATCHES: &[&str] = &[
        "client_id",
        "client_instance_id",
        "client_software_name",
        "client_software_version",
        "client_source_address",
        "client_source_port",
    ];
    if name.is_empty() {
        return Err(Refusal::invalid_request("Subscription name can't be empty"));
    }
    for (key, text) in settings {
        match key.as_str() {
            "metrics" => {}
            "interval.ms" => {
                let number = text.trim().parse::<i64>().unwrap_or(-1);
                if !(100..=3_600_000).contains(&number) {
                    return Err(Refusal::invalid_request(format!(
                        "Invalid value {text} for interval.ms, interval must be between 100 and \
                         3600000 (1 hour)"
                    )));
                }
            }
            "match" => {
                for pattern in value::list(text) {
                    let parts = pattern.split_once('=');
                    if !parts.is_some_and(|(key, _)| MATCHES.contains(&key.trim())) {
                        let message = format!("Illegal client matching pattern: {pattern}");
                        return Err(Refusal::invalid_config(message));
                    }
                }
            }
            other => {
                let message = format!("Unknown client metrics configuration: {other}");
                return Err(Refusal::invalid_request(message));
            }
        }
    }
    Ok(())
}

/// `GroupConfig.validate`: known, well-formed, and within what the broker allows.
pub(super) fn check_group(
    cluster: &Cluster,
    name: &str,
    settings: &Settings,
) -> Result<(), Refusal> {
    if name.is_empty() {
        let message = "Default group resources are not allowed.";
        return Err(Refusal::invalid_request(message));
    }
    let known = group_settings();
    for key in settings.keys() {
        if !known.iter().any(|setting| setting.name == key) {
            let message = format!("Unknown group config name: {key}");
            return Err(Refusal::invalid_config(message));
        }
    }
    for setting in known {
        let Some(text) = settings.get(setting.name) else {
            continue;
        };
        value::check(setting.name, setting.kind, setting.check, text)
            .map_err(Refusal::invalid_config)?;
        if setting.kind == Kind::Int {
            check_group_bounds(cluster, setting.name, text)?;
        }
    }
    Ok(())
}

/// `consumer.session.timeout.ms` lies between `group.consumer.min.session.timeout.ms` and
/// `group.consumer.max.session.timeout.ms`, and so do the others.
fn check_group_bounds(cluster: &Cluster, name: &str, text: &str) -> Result<(), Refusal> {
    let Some((protocol, rest)) = name.split_once('.') else {
        return Ok(());
    };
    let number = text.trim().parse::<i64>().unwrap_or_default();
    let bound = |side: &str| {
        let synonym = format!("group.{protocol}.{side}.{rest}");
        let (value, _) = cluster.broker_value(cluster.first_node(), &synonym)?;
        Some((synonym, value.parse::<i64>().ok()?))
    };
    let refuse = |relation: &str, synonym: String| {
        let message = format!("{name} must be {relation} than or equal to {synonym}");
        Err(Refusal::new(ErrorCode::INVALID_CONFIG, message))
    };
    match (bound("min"), bound("max")) {
        (Some((synonym, min)), _) if number < min => refuse("greater", synonym),
        (_, Some((synonym, max))) if number > max => refuse("less", synonym),
        _ => Ok(()),
    }
}
