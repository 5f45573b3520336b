//! AlterConfigs v0-2: what is not named goes back to its default.

use milena_wire::messages::{
    AlterConfigsAlterConfigsResource, AlterConfigsAlterConfigsResourceResponse,
    AlterConfigsRequest, AlterConfigsResponse,
};

use super::incremental_alter_configs::{alter_each, alterable, unknown};
use crate::cluster::Cluster;
use crate::config::alter::{Change, check_changes};
use crate::config::store::ResourceKind;
use crate::refusal::Refusal;
use crate::request::{Context, Reply};

pub(crate) fn handle(
    cluster: &mut Cluster,
    context: &Context<'_>,
    request: &AlterConfigsRequest<'_>,
) -> Reply {
    let named = request.resources.iter().map(|resource| {
        let name = (resource.resource_type, resource.resource_name);
        (name, resource)
    });
    let results = alter_each(context, named, |resource| {
        alter(cluster, context, resource, request.validate_only)
    });
    let responses = results
        .iter()
        .map(|altered| AlterConfigsAlterConfigsResourceResponse {
            error_code: altered.error_code,
            error_message: altered.message(),
            resource_type: altered.kind,
            resource_name: altered.name,
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
    validate_only: bool,
) -> Result<(), Refusal> {
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
