//! ListConfigResources v0-1. Version 0 is ListClientMetricsResources (KIP-714), which is all that
//! Kafka 3.9 has.

use std::collections::BTreeSet;

use milena_wire::ErrorCode;
use milena_wire::messages::{
    ConfigResource, ListConfigResourcesRequest, ListConfigResourcesResponse,
};

use crate::cluster::Cluster;
use crate::config::store::ResourceKind;
use crate::request::{Context, Reply};

pub(crate) fn handle(
    cluster: &mut Cluster,
    context: &Context<'_>,
    request: &ListConfigResourcesRequest<'_>,
) -> Reply {
    let asked: BTreeSet<i8> = request.resource_types.iter().collect();
    let wanted = |kind: &ResourceKind| match context.version {
        0 => *kind == ResourceKind::ClientMetrics,
        _ => asked.is_empty() || asked.contains(&kind.number()),
    };
    let unknown = asked
        .iter()
        .any(|number| ResourceKind::of(*number).is_none());
    let error_code = match context.check() {
        Err(code) => code,
        Ok(()) if unknown => ErrorCode::UNSUPPORTED_VERSION,
        Ok(()) => ErrorCode::NONE,
    };
    let mut found: Vec<(ResourceKind, String)> = Vec::new();
    if error_code.is_ok() {
        for kind in ResourceKind::ALL.into_iter().filter(wanted) {
            found.extend(names(cluster, kind).into_iter().map(|name| (kind, name)));
        }
    }
    let resources = found.iter().map(|(kind, name)| ConfigResource {
        resource_name: name,
        resource_type: kind.number(),
    });
    let response = ListConfigResourcesResponse {
        throttle_time_ms: context.throttle_time_ms,
        error_code: context.shown(error_code),
        config_resources: resources.collect(),
    };
    context.answer(&response)
}

fn names(cluster: &Cluster, kind: ResourceKind) -> Vec<String> {
    match kind {
        ResourceKind::Topic => {
            let topics = cluster.topics.iter();
            topics.map(|(name, _)| name.to_string()).collect()
        }
        ResourceKind::Broker | ResourceKind::BrokerLogger => {
            cluster.up_nodes().map(|node| node.id.to_string()).collect()
        }
        ResourceKind::ClientMetrics | ResourceKind::Group => {
            cluster.configs.names(kind).map(str::to_owned).collect()
        }
    }
}
