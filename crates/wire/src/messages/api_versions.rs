//! ApiVersions (18): what a broker speaks; the first request of each connection.
//!
//! Read the response with [`decode_api_versions_response`](crate::decode_api_versions_response), which knows how an old broker refuses.

use milena_wire_derive::{Fields, Message};

use crate::ErrorCode;

/// Asks for the versions; says who asks.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(key = 18, versions = "0-4", flexible = "3+", response = ApiVersionsResponse<'a>)]
pub struct ApiVersionsRequest<'a> {
    /// Client library (since 3).
    #[field(versions = "3+", ignorable)]
    pub client_software_name: &'a str,
    /// Its version (since 3).
    #[field(versions = "3+", ignorable)]
    pub client_software_version: &'a str,
}

/// The versions and features.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(key = 18, versions = "0-4", flexible = "3+")]
pub struct ApiVersionsResponse<'a> {
    /// Error, or none.
    #[field(versions = "0+")]
    pub error_code: ErrorCode,
    /// APIs.
    #[field(versions = "0+")]
    pub api_keys: Vec<ApiVersionsApiVersion>,
    /// How long the broker holds or held back for a quota (since 1).
    #[field(versions = "1+", ignorable)]
    pub throttle_time_ms: i32,
    /// Features the broker can do (since 3).
    #[field(versions = "3+", tag = 0, ignorable)]
    pub supported_features: Vec<SupportedFeatureKey<'a>>,
    /// Grows with every change of the features below; -1 if unknown (since 3).
    #[field(versions = "3+", default = -1, tag = 1, ignorable)]
    pub finalized_features_epoch: i64,
    /// Features the cluster agreed on (since 3).
    #[field(versions = "3+", tag = 2, ignorable)]
    pub finalized_features: Vec<FinalizedFeatureKey<'a>>,
    /// Whether a migration from ZooKeeper can go on (since 3).
    #[field(versions = "3+", tag = 3, ignorable)]
    pub zk_migration_ready: bool,
}

/// One API's versions (`ApiVersion` in the schema).
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct ApiVersionsApiVersion {
    /// API.
    #[field(versions = "0+")]
    pub api_key: i16,
    /// Lowest version.
    #[field(versions = "0+")]
    pub min_version: i16,
    /// Highest version.
    #[field(versions = "0+")]
    pub max_version: i16,
}

/// One feature the broker can do.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct SupportedFeatureKey<'a> {
    /// Feature name (since 3).
    #[field(versions = "3+")]
    pub name: &'a str,
    /// Lowest version (since 3).
    #[field(versions = "3+")]
    pub min_version: i16,
    /// Highest version (since 3).
    #[field(versions = "3+")]
    pub max_version: i16,
}

/// One feature the cluster agreed on.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct FinalizedFeatureKey<'a> {
    /// Feature name (since 3).
    #[field(versions = "3+")]
    pub name: &'a str,
    /// Highest level in use (since 3).
    #[field(versions = "3+")]
    pub max_version_level: i16,
    /// Lowest level in use (since 3).
    #[field(versions = "3+")]
    pub min_version_level: i16,
}
