//! DescribeCluster v0-2. A node that is down counts as fenced.

use milena_wire::ErrorCode;
use milena_wire::messages::{
    DescribeClusterBroker, DescribeClusterRequest, DescribeClusterResponse,
};

use super::metadata::{CLUSTER_ID, CLUSTER_OPERATIONS, controller};
use crate::cluster::Cluster;
use crate::request::{Context, Reply};

const BROKERS: i8 = 1;
const CONTROLLERS: i8 = 2;

pub(crate) fn handle(
    cluster: &mut Cluster,
    context: &Context<'_>,
    request: &DescribeClusterRequest,
) -> Reply {
    let unsupported = format!("Unsupported endpoint type {}", request.endpoint_type);
    let refused = match request.endpoint_type {
        BROKERS => context.check().err().map(|code| (code, "a fault wants it")),
        CONTROLLERS => Some((
            ErrorCode::MISMATCHED_ENDPOINT_TYPE,
            "The request was sent to an endpoint of type BROKER, but we wanted an endpoint of type \
             CONTROLLER",
        )),
        _ => Some((ErrorCode::UNSUPPORTED_ENDPOINT_TYPE, &*unsupported)),
    };
    if let Some((error_code, message)) = refused {
        return context.answer(&DescribeClusterResponse {
            throttle_time_ms: context.throttle_time_ms,
            error_code,
            error_message: Some(message),
            ..Default::default()
        });
    }
    let nodes = cluster.nodes.iter();
    let shown = nodes.filter(|node| node.up || request.include_fenced_brokers);
    let brokers = shown.map(|node| DescribeClusterBroker {
        broker_id: node.id,
        host: &node.host,
        port: i32::from(node.port),
        rack: node.rack.as_deref(),
        is_fenced: !node.up,
    });
    let mut response = DescribeClusterResponse {
        throttle_time_ms: context.throttle_time_ms,
        error_code: context.shown(ErrorCode::NONE),
        cluster_id: CLUSTER_ID,
        controller_id: controller(cluster),
        brokers: brokers.collect(),
        ..Default::default()
    };
    if request.include_cluster_authorized_operations {
        response.cluster_authorized_operations = CLUSTER_OPERATIONS;
    }
    context.answer(&response)
}
