//! ListConfigResources (74): the names of what has settings.
//!
//! Version 0 went by the name ListClientMetricsResources and lists only those. From version 1 on the types can be chosen, and each
//! answer tells its own (KIP-1142).

use milena_wire_derive::{Fields, Message};

use crate::{ErrorCode, Numbers};

/// Types of resources to list.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(key = 74, versions = "0-1", flexible = "0+", response = ListConfigResourcesResponse<'a>)]
pub struct ListConfigResourcesRequest<'a> {
    /// Types: 2 topic, 4 broker, 8 broker logger, 16 client metrics, 32 group; empty for all (since 1).
    #[field(versions = "1+")]
    pub resource_types: Numbers<'a, i8>,
}

/// The resources found.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(key = 74, versions = "0-1", flexible = "0+")]
pub struct ListConfigResourcesResponse<'a> {
    /// How long the broker holds or held back for a quota.
    #[field(versions = "0+")]
    pub throttle_time_ms: i32,
    /// Error, or none.
    #[field(versions = "0+")]
    pub error_code: ErrorCode,
    /// Resources.
    #[field(versions = "0+")]
    pub config_resources: Vec<ConfigResource<'a>>,
}

/// One resource.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct ConfigResource<'a> {
    /// Name of the resource.
    #[field(versions = "0+")]
    pub resource_name: &'a str,
    /// Its type: 2 topic, 4 broker, 8 broker logger, 16 client metrics, 32 group (since 1).
    #[field(versions = "1+", default = 16, ignorable)]
    pub resource_type: i8,
}
