//! UnregisterBroker v0. A node that is up comes back at once, as in Kafka, where it registers again;
//! one that is down stays one of the nodes here, fenced.

use milena_wire::ErrorCode;
use milena_wire::messages::{UnregisterBrokerRequest, UnregisterBrokerResponse};

use crate::cluster::Cluster;
use crate::config::Emulate;
use crate::request::{Context, Reply};

pub(crate) fn handle(
    cluster: &mut Cluster,
    context: &Context<'_>,
    request: &UnregisterBrokerRequest,
) -> Reply {
    let id = request.broker_id;
    let known = cluster.node(id).is_some();
    let message = match cluster.config.emulate {
        Emulate::V4_3 => format!("Broker ID {id} is not currently registered"),
        Emulate::V3_9 => String::new(),
    };
    let error_code = match context.check() {
        Err(code) => code,
        Ok(()) if !known => ErrorCode::BROKER_ID_NOT_REGISTERED,
        Ok(()) => context.shown(ErrorCode::NONE),
    };
    context.answer(&UnregisterBrokerResponse {
        throttle_time_ms: context.throttle_time_ms,
        error_code,
        error_message: if known { Some("") } else { Some(&message) },
    })
}
