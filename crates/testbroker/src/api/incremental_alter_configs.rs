//! IncrementalAlterConfigs v0-1. A broker's own settings are altered at that broker only.
//!
//! Not done: loggers' levels (there is a logger `root`, whose level is taken and forgotten).

use std::collections::BTreeMap;

use milena_wire::ErrorCode;
use milena_wire::messages::{
    IncrementalAlterConfigsAlterConfigsResource,
    IncrementalAlterConfigsAlterConfigsResourceResponse, IncrementalAlterConfigsRequest,
    IncrementalAlterConfigsResponse,
};

use crate::cluster::Cluster;
use crate::config::Emulate;
use crate::config::alter::{Change, check_changes};
use crate::config::store::ResourceKind;
use crate::refusal::{Refusal, parts};
use crate::request::{Context, Reply};

const LEVELS: &[&str] = &["TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"];

pub(crate) fn handle(
    cluster: &mut Cluster,
    context: &Context<'_>,
    request: &IncrementalAlterConfigsRequest<'_>,
) -> Reply {
    let named = request.resources.iter().map(|resource| {
        let name = (resource.resource_type, resource.resource_name);
        (name, resource)
    });
    let results = alter_each(context, named, |resource| {
        alter(cluster, context, resource, request.validate_only)
    });
    let responses =
        results.iter().map(
            |altered| IncrementalAlterConfigsAlterConfigsResourceResponse {
                error_code: altered.error_code,
                error_message: altered.message(),
                resource_type: altered.kind,
                resource_name: altered.name,
            },
        );
    let response = IncrementalAlterConfigsResponse {
        throttle_time_ms: context.throttle_time_ms,
        responses: responses.collect(),
    };
    context.answer(&response)
}

fn alter(
    cluster: &mut Cluster,
    context: &Context<'_>,
    resource: &IncrementalAlterConfigsAlterConfigsResource<'_>,
    validate_only: bool,
) -> Result<(), Refusal> {
    let changes = resource.configs.iter().map(|config| Change {
        name: config.name,
        operation: config.config_operation,
        value: config.value,
    });
    let changes: Vec<Change<'_>> = changes.collect();
    let name = resource.resource_name;
    match alterable(cluster, resource.resource_type) {
        Some(ResourceKind::BrokerLogger) => {
            check_changes(&changes)?;
            check_logger(context.node, name, &changes)
        }
        Some(kind) => {
            cluster.alter_settings(context.node, kind, name, &changes, false, validate_only)
        }
        None => {
            check_changes(&changes)?;
            Err(unknown(resource.resource_type))
        }
    }
}

/// What became of one resource of a request.
pub(super) struct Altered<'a> {
    pub(super) kind: i8,
    pub(super) name: &'a str,
    pub(super) error_code: ErrorCode,
    result: Result<(), Refusal>,
}

impl Altered<'_> {
    pub(super) fn message(&self) -> Option<&str> {
        parts(&self.result).1
    }
}

/// Alters each resource that is named once and that no rule refuses.
pub(super) fn alter_each<'a, R>(
    context: &Context<'_>,
    resources: impl Iterator<Item = ((i8, &'a str), R)> + Clone,
    mut alter: impl FnMut(R) -> Result<(), Refusal>,
) -> Vec<Altered<'a>> {
    let mut times: BTreeMap<(i8, &str), u32> = BTreeMap::new();
    for (named, _) in resources.clone() {
        *times.entry(named).or_default() += 1;
    }
    let altered = resources.map(|((kind, name), resource)| {
        let once = match times.get(&(kind, name)) {
            Some(1) => Ok(()),
            _ => Err(Refusal::invalid_request(
                "Each resource must appear at most once.",
            )),
        };
        let result = check_forced(context, kind, name)
            .and(once)
            .and_then(|()| alter(resource));
        let error_code = shown(context, kind, name, parts(&result).0);
        Altered {
            kind,
            name,
            error_code,
            result,
        }
    });
    altered.collect()
}

/// What a rule has against a resource: topics can be named by rules.
pub(super) fn check_forced(context: &Context<'_>, kind: i8, name: &str) -> Result<(), Refusal> {
    let forced = match ResourceKind::of(kind) {
        Some(ResourceKind::Topic) => context.check_partition(name, -1),
        _ => context.check(),
    };
    forced.map_err(Refusal::forced)
}

/// The error that a rule shows of a resource that was altered.
pub(super) fn shown(context: &Context<'_>, kind: i8, name: &str, result: ErrorCode) -> ErrorCode {
    match ResourceKind::of(kind) {
        Some(ResourceKind::Topic) => context.shown_partition(name, -1, result),
        _ => context.shown(result),
    }
}

/// The kind of a resource if this release knows it.
pub(super) fn alterable(cluster: &Cluster, number: i8) -> Option<ResourceKind> {
    let groups = cluster.config.emulate != Emulate::V3_9;
    ResourceKind::of(number).filter(|kind| *kind != ResourceKind::Group || groups)
}

pub(super) fn unknown(number: i8) -> Refusal {
    Refusal::invalid_request(format!("Unknown resource type {number}"))
}

/// `RuntimeLoggerManager.applyChangesForResource`.
fn check_logger(node: i32, name: &str, changes: &[Change<'_>]) -> Result<(), Refusal> {
    match name.parse::<i32>() {
        Err(_) => {
            let message = format!("Node id must be an integer, but it is: {name}");
            return Err(Refusal::invalid_request(message));
        }
        Ok(id) if id != node => {
            let message = format!("Unexpected node id. Expected {node}, but received {id}");
            return Err(Refusal::invalid_request(message));
        }
        Ok(_) => {}
    }
    for change in changes {
        let verb = match change.operation {
            0 | 1 => "",
            2 => "APPEND",
            3 => "SUBTRACT",
            other => {
                let message = format!(
                    "Unknown operation type {other} is not allowed for the BROKER_LOGGER resource"
                );
                return Err(Refusal::invalid_request(message));
            }
        };
        if !verb.is_empty() {
            let message = format!("{verb} operation is not allowed for the BROKER_LOGGER resource");
            return Err(Refusal::invalid_request(message));
        }
        let logger = change.name;
        if logger != "root" {
            let message = format!("Logger {logger} does not exist!");
            return Err(Refusal::invalid_config(message));
        }
        let level = change.value.unwrap_or("INFO");
        if !LEVELS.contains(&level) {
            return Err(Refusal::invalid_config(format!(
                "Cannot set the log level of {logger} to {level} as it is not a supported log level. \
                 Valid log levels are {}",
                LEVELS.join(", ")
            )));
        }
    }
    Ok(())
}
