//! ApiVersions v0-4. An unknown version is answered in version 0 (KIP-511).
//!
//! Not done: client software names are not looked at.

use milena_wire::messages::{
    ApiVersionsRequest, ApiVersionsResponse, FinalizedFeatureKey, SupportedFeatureKey,
};
use milena_wire::{ApiKey, ErrorCode, messages};

use super::{SERVED, versions};
use crate::cluster::Cluster;
use crate::config::Emulate;
use crate::request::{Context, Reply};

const TRANSACTION_VERSION: &str = "transaction.version";

pub(crate) fn handle(
    cluster: &mut Cluster,
    context: &Context<'_>,
    _request: &ApiVersionsRequest<'_>,
) -> Reply {
    let error = context.check().err().unwrap_or_default();
    let mut response = ApiVersionsResponse {
        error_code: error,
        api_keys: served(cluster, SERVED),
        throttle_time_ms: context.throttle_time_ms,
        ..Default::default()
    };
    if cluster.config.emulate == Emulate::V4_3 {
        let level = cluster.config.transaction_version;
        response.supported_features = vec![SupportedFeatureKey {
            name: TRANSACTION_VERSION,
            min_version: 0,
            max_version: 2,
        }];
        response.finalized_features_epoch = cluster.features_epoch;
        // A feature at level 0 is not listed among the finalized ones.
        if level > 0 {
            response.finalized_features = vec![FinalizedFeatureKey {
                name: TRANSACTION_VERSION,
                max_version_level: level,
                min_version_level: level,
            }];
        }
    }
    context.answer(&response)
}

/// The client is newer than the cluster: it learns which versions of this API are known, in a form
/// that every client can read.
pub(crate) fn unsupported(cluster: &Cluster, context: &Context<'_>) -> Reply {
    let response = ApiVersionsResponse {
        error_code: ErrorCode::UNSUPPORTED_VERSION,
        api_keys: served(cluster, &[ApiKey::API_VERSIONS]),
        ..Default::default()
    };
    context.answer_in_version(&response, 0)
}

fn served(cluster: &Cluster, apis: &[ApiKey]) -> Vec<messages::ApiVersionsApiVersion> {
    let ranges = apis
        .iter()
        .filter_map(|api| Some((api, versions(&cluster.config, *api)?)));
    ranges
        .map(|(api, range)| messages::ApiVersionsApiVersion {
            api_key: api.0,
            min_version: range.min.0,
            max_version: range.max.0,
        })
        .collect()
}
