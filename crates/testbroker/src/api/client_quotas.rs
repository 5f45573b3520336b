//! DescribeClientQuotas and AlterClientQuotas v0-1.
//!
//! Not done: quotas are stored and shown, nobody is slowed by them.

use std::collections::BTreeMap;

use milena_wire::ErrorCode;
use milena_wire::messages::{
    AlterClientQuotasRequest, AlterClientQuotasRequestEntryData, AlterClientQuotasResponse,
    AlterClientQuotasResponseEntityData, AlterClientQuotasResponseEntryData,
    DescribeClientQuotasEntityData, DescribeClientQuotasEntryData, DescribeClientQuotasRequest,
    DescribeClientQuotasResponse, ValueData,
};

use crate::cluster::{Cluster, Entity};
use crate::refusal::{Refusal, parts};
use crate::request::{Context, Reply};

pub(crate) mod describe {
    pub(crate) use super::describe_quotas as handle;
}

pub(crate) mod alter {
    pub(crate) use super::alter_quotas as handle;
}

const TYPES: &[&str] = &["user", "client-id", "ip"];
const EXACT: i8 = 0;
const DEFAULT: i8 = 1;
const ANY: i8 = 2;

/// What is looked for of one entity type.
enum Wanted<'a> {
    Name(&'a str),
    Default,
    Any,
}

pub(crate) fn describe_quotas(
    cluster: &mut Cluster,
    context: &Context<'_>,
    request: &DescribeClientQuotasRequest<'_>,
) -> Reply {
    let filter = context.check().map_err(Refusal::forced);
    let filter = filter.and_then(|()| filter_of(request));
    let (error_code, error_message) = parts(&filter);
    let entries = filter.as_ref().ok().map(|filter| {
        let matching = cluster.quotas.iter();
        let matching = matching.filter(|(entity, _)| matches(entity, filter, request.strict));
        let entries = matching.map(|(entity, values)| DescribeClientQuotasEntryData {
            entity: entity
                .iter()
                .map(|(kind, name)| DescribeClientQuotasEntityData {
                    entity_type: kind,
                    entity_name: name.as_deref(),
                })
                .collect(),
            values: values
                .iter()
                .map(|(key, value)| ValueData { key, value: *value })
                .collect(),
        });
        entries.collect()
    });
    context.answer(&DescribeClientQuotasResponse {
        throttle_time_ms: context.throttle_time_ms,
        error_code: context.shown(error_code),
        error_message: error_message.or(Some("")),
        entries,
    })
}

fn filter_of<'a>(
    request: &DescribeClientQuotasRequest<'a>,
) -> Result<BTreeMap<&'a str, Wanted<'a>>, Refusal> {
    let mut filter = BTreeMap::new();
    for component in &request.components {
        let kind = component.entity_type;
        let wanted = match (component.match_type, component.r#match) {
            _ if kind.is_empty() => Err("Invalid empty entity type.".to_owned()),
            _ if filter.contains_key(kind) => Err(format!(
                "Entity type {kind} cannot appear more than once in the filter."
            )),
            _ if !TYPES.contains(&kind) => {
                let message = format!("Unsupported entity type {kind}");
                return Err(Refusal::new(ErrorCode::UNSUPPORTED_VERSION, message));
            }
            (EXACT, Some(name)) => Ok(Wanted::Name(name)),
            (EXACT, None) => {
                let words = "Request specified MATCH_TYPE_EXACT, but set match string to null.";
                Err(words.to_owned())
            }
            (DEFAULT, None) => Ok(Wanted::Default),
            (ANY, None) => Ok(Wanted::Any),
            (DEFAULT | ANY, Some(_)) => Err(format!(
                "Request specified MATCH_TYPE_{}, but also specified a match string.",
                if component.match_type == DEFAULT {
                    "DEFAULT"
                } else {
                    "SPECIFIED"
                }
            )),
            (other, _) => Err(format!("Unknown match type {other}")),
        };
        filter.insert(kind, wanted.map_err(Refusal::invalid_request)?);
    }
    if filter.contains_key("ip") && filter.len() > 1 {
        return Err(Refusal::invalid_request(
            "Invalid entity filter component combination. IP filter component should not be used \
             with user or clientId filter component.",
        ));
    }
    Ok(filter)
}

fn matches(entity: &Entity, filter: &BTreeMap<&str, Wanted<'_>>, strict: bool) -> bool {
    let fits = filter.iter().all(|(kind, wanted)| {
        let name = entity.get(*kind);
        match (wanted, name) {
            (_, None) => false,
            (Wanted::Any, Some(_)) => true,
            (Wanted::Default, Some(name)) => name.is_none(),
            (Wanted::Name(wanted), Some(name)) => name.as_deref() == Some(*wanted),
        }
    });
    fits && (!strict || entity.len() == filter.len())
}

pub(crate) fn alter_quotas(
    cluster: &mut Cluster,
    context: &Context<'_>,
    request: &AlterClientQuotasRequest<'_>,
) -> Reply {
    let mut results = Vec::new();
    for entry in &request.entries {
        // Of an entity type that is named twice the last counts.
        let entity: Entity = entry
            .entity
            .iter()
            .map(|it| (it.entity_type.to_owned(), it.entity_name.map(str::to_owned)))
            .collect();
        let forced = context.check().map_err(Refusal::forced);
        let result = forced.and_then(|()| check(cluster, &entity, entry));
        if result.is_ok() && !request.validate_only {
            for op in &entry.ops {
                let value = (!op.remove).then_some(op.value);
                cluster.quotas.set(&entity, op.key, value);
            }
        }
        results.push((entity, result));
    }
    let entries = results.iter().map(|(entity, result)| {
        let (error_code, error_message) = parts(result);
        let entity = entity.iter();
        let entity = entity.map(|(kind, name)| AlterClientQuotasResponseEntityData {
            entity_type: kind,
            entity_name: name.as_deref(),
        });
        AlterClientQuotasResponseEntryData {
            error_code: context.shown(error_code),
            error_message,
            entity: entity.collect(),
        }
    });
    context.answer(&AlterClientQuotasResponse {
        throttle_time_ms: context.throttle_time_ms,
        entries: entries.collect(),
    })
}

/// `ClientQuotaControlManager.validateEntity` and `validateQuotaKeyValue`.
fn check(
    cluster: &Cluster,
    entity: &Entity,
    entry: &AlterClientQuotasRequestEntryData<'_>,
) -> Result<(), Refusal> {
    let refuse = |message: String| Err(Refusal::invalid_request(message));
    if entity.is_empty() {
        return refuse("Invalid empty client quota entity".to_owned());
    }
    for (kind, name) in entity {
        if !TYPES.contains(&kind.as_str()) {
            return refuse(format!("Unhandled client quota entity type: {kind}"));
        }
        if name.as_deref() == Some("") {
            return refuse(format!("Empty {kind} not supported"));
        }
    }
    let is_ip = entity.contains_key("ip");
    if is_ip && entity.len() > 1 {
        return refuse(
            "Invalid quota entity combination, IP entity shouldnot be combined with User or ClientId"
                .to_owned(),
        );
    }
    if let Some(Some(address)) = entity.get("ip")
        && address.contains(|c: char| !c.is_ascii_alphanumeric() && !".:-".contains(c))
    {
        return refuse(format!("{address} is not a valid IP or resolvable host."));
    }
    let mut seen = Vec::new();
    for op in &entry.ops {
        if seen.contains(&op.key) {
            return refuse(format!(
                "Ignoring duplicate entity {}",
                entity_in_words(entity)
            ));
        }
        seen.push(op.key);
        if !op.remove {
            check_quota(is_ip, op.key, op.value)?;
        }
    }
    if !cluster.quotas.has_room(entity) {
        let message = "the test broker has no room for more quotas";
        return Err(Refusal::new(ErrorCode::POLICY_VIOLATION, message));
    }
    Ok(())
}

fn check_quota(is_ip: bool, key: &str, value: f64) -> Result<(), Refusal> {
    // As does Kafka, which rounds what is a hair off: 2^-22 or so.
    const HAIR: f64 = 1e-6;
    let whole = match (is_ip, key) {
        (true, "connection_creation_rate")
        | (false, "producer_byte_rate" | "consumer_byte_rate") => true,
        (false, "request_percentage" | "controller_mutation_rate") => false,
        _ => {
            let message = format!("Invalid configuration key {key}");
            return Err(Refusal::invalid_request(message));
        }
    };
    if value <= 0.0 {
        let message = format!("Quota {key} must be greater than 0");
        return Err(Refusal::invalid_request(message));
    }
    if whole && (value - value.round()).abs() > HAIR {
        let message = format!("{key} cannot be a fractional value.");
        return Err(Refusal::invalid_request(message));
    }
    Ok(())
}

fn entity_in_words(entity: &Entity) -> String {
    let pairs = entity.iter();
    let pairs: Vec<String> = pairs
        .map(|(kind, name)| format!("{kind}={}", name.as_deref().unwrap_or("null")))
        .collect();
    format!("ClientQuotaEntity(entries={{{}}})", pairs.join(", "))
}
