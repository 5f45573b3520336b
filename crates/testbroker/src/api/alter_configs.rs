//! AlterConfigs v0-2: what is not named goes back to its default.

use std::collections::BTreeMap;

use milena_wire::messages::{
    AlterConfigsAlterConfigsResource, AlterConfigsAlterConfigsResourceResponse,
    AlterConfigsRequest, AlterConfigsResponse,
};

use super::incremental_alter_configs::{alterable, check_forced, shown, unknown};
use crate::cluster::Cluster;
use crate::config::alter::{Change, check_changes};
use crate::config::store::ResourceKind;
use crate::refusal::{Refusal, parts};
use crate::request::{Context, Reply};

pub(crate) fn handle(
    cluster: &mut Cluster,
    context: &Context<'_>,
    request: &AlterConfigsRequest<'_>,
) -> Reply {
    let mut times: BTreeMap<(i8, &str), u32> = BTreeMap::new();
    for resource in &request.resources {
        let key = (resource.resource_type, resource.resource_name);
        *times.entry(key).or_default() += 1;
    }
    let mut results = Vec::new();
    for resource in &request.resources {
        let key = (resource.resource_type, resource.resource_name);
        let once = times.get(&key) == Some(&1);
        results.push(alter(
            cluster,
            context,
            resource,
            once,
            request.validate_only,
        ));
    }
    let all = request.resources.iter().zip(&results);
    let responses = all.map(|(resource, result)| {
        let (error_code, error_message) = parts(result);
        AlterConfigsAlterConfigsResourceResponse {
            error_code: shown(
                context,
                resource.resource_type,
                resource.resource_name,
                error_code,
            ),
            error_message,
            resource_type: resource.resource_type,
            resource_name: resource.resource_name,
        }
    });
    let response = AlterConfigsResponse {
        throttle_time_ms: context.throttle_time_ms,
        responses: responses.collect(),
    };
    context.answer(&response)
}

fn alter(
    cluster: &mut Cluster,
    context: &Context<'_>,
    resource: &AlterConfigsAlterConfigsResource<'_>,
    once: bool,
    validate_only: bool,
) -> Result<(), Refusal> {
    check_forced(context, resource.resource_type, resource.resource_name)?;
    if !once {
        let message = "Each resource must appear at most once.";
        return Err(Refusal::invalid_request(message));
    }
    let changes = resource.configs.iter().map(|config| Change {
        name: config.name,
        operation: 0,
        value: config.value,
    });
    let changes: Vec<Change<'_>> = changes.collect();
    let kind = alterable(cluster, resource.resource_type);
    match kind.filter(|kind| *kind != ResourceKind::BrokerLogger) {
        Some(kind) => cluster.alter_settings(
            context.node,
            kind,
            resource.resource_name,
            &changes,
            true,
            validate_only,
        ),
        None => {
            check_changes(&changes)?;
            Err(unknown(resource.resource_type))
        }
    }
}
