//! ApiVersions v0-4. An unknown version is answered in version 0 (KIP-511).
//!
//! Not done: telemetry (the keys that Kafka lists only with a receiver of metrics).

use milena_wire::messages::{
    self, ApiVersionsRequest, ApiVersionsResponse, FinalizedFeatureKey, SupportedFeatureKey,
};
use milena_wire::{ApiKey, ErrorCode};

use super::{SERVED, advertised};
use crate::cluster::Cluster;
use crate::request::{Context, Reply};

pub(crate) fn handle(
    cluster: &mut Cluster,
    context: &Context<'_>,
    request: &ApiVersionsRequest<'_>,
) -> Reply {
    let names = [
        request.client_software_name,
        request.client_software_version,
    ];
    if context.version >= 3 && !names.into_iter().all(is_software_name) {
        return context.answer(&ApiVersionsResponse {
            error_code: ErrorCode::INVALID_REQUEST,
            throttle_time_ms: context.throttle_time_ms,
            ..Default::default()
        });
    }
    let error = context.check().err().unwrap_or_default();
    let features = &cluster.features;
    // Older clients cannot read a range from 0 on (KAFKA-17492); what is finalized at 0 is not
    // listed for anybody.
    let told = features
        .supported()
        .iter()
        .filter(|known| context.version >= 4 || known.min > 0);
    let response = ApiVersionsResponse {
        error_code: error,
        api_keys: served(cluster, SERVED),
        throttle_time_ms: context.throttle_time_ms,
        supported_features: told
            .map(|known| SupportedFeatureKey {
                name: known.name,
                min_version: known.min,
                max_version: known.max,
            })
            .collect(),
        finalized_features_epoch: features.epoch(),
        finalized_features: features
            .finalized()
            .map(|(name, level)| FinalizedFeatureKey {
                name,
                max_version_level: level,
                min_version_level: level,
            })
            .collect(),
        ..Default::default()
    };
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

/// Letters and digits, with dashes and dots between them (KIP-511).
fn is_software_name(name: &str) -> bool {
    let is_edge = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = name.as_bytes();
    let is_inside = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
    is_edge(bytes.first()) && is_edge(bytes.last()) && bytes.iter().all(is_inside)
}

fn served(cluster: &Cluster, apis: &[ApiKey]) -> Vec<messages::ApiVersionsApiVersion> {
    let ranges = apis
        .iter()
        .filter_map(|api| Some((api, advertised(&cluster.config, *api)?)));
    ranges
        .map(|(api, range)| messages::ApiVersionsApiVersion {
            api_key: api.0,
            min_version: range.min.0,
            max_version: range.max.0,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::is_software_name;

    #[test]
    fn names_of_client_software_begin_and_end_with_a_letter_or_digit() {
        for name in ["a", "7", "apache-kafka-java", "a.-b", "4.3.1"] {
            assert!(is_software_name(name), "{name}");
        }
        for name in ["", "-a", "a-", ".", "a b", "a ", "a_b", "\u{e9}"] {
            assert!(!is_software_name(name), "{name}");
        }
    }
}
