//! AlterConfigs (33): replaces all settings of a resource.
//!
//! Settings that the request leaves out return to their defaults; IncrementalAlterConfigs (44) leaves them alone.

use milena_wire_derive::{Fields, Message};

use crate::ErrorCode;

/// The new settings.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(key = 33, versions = "0-2", flexible = "2+", response = AlterConfigsResponse<'a>)]
pub struct AlterConfigsRequest<'a> {
    /// Resources.
    #[field(versions = "0+")]
    pub resources: Vec<AlterConfigsAlterConfigsResource<'a>>,
    /// Whether to check only.
    #[field(versions = "0+")]
    pub validate_only: bool,
}

/// One resource's new settings.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct AlterConfigsAlterConfigsResource<'a> {
    /// Kind of resource: 2 topic, 4 broker, 8 broker logger, 16 client metrics, 32 group.
    #[field(versions = "0+")]
    pub resource_type: i8,
    /// Resource name; for brokers the id, or empty for the default of all.
    #[field(versions = "0+")]
    pub resource_name: &'a str,
    /// Settings.
    #[field(versions = "0+")]
    pub configs: Vec<AlterConfigsAlterableConfig<'a>>,
}

/// One setting.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct AlterConfigsAlterableConfig<'a> {
    /// Setting name.
    #[field(versions = "0+")]
    pub name: &'a str,
    /// Value.
    #[field(versions = "0+", nullable = "0+", default = Some(""))]
    pub value: Option<&'a str>,
}

/// What became of them.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(key = 33, versions = "0-2", flexible = "2+")]
pub struct AlterConfigsResponse<'a> {
    /// How long the broker holds or held back for a quota.
    #[field(versions = "0+")]
    pub throttle_time_ms: i32,
    /// Resources.
    #[field(versions = "0+")]
    pub responses: Vec<AlterConfigsAlterConfigsResourceResponse<'a>>,
}

/// One resource's answer.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct AlterConfigsAlterConfigsResourceResponse<'a> {
    /// Error, or none.
    #[field(versions = "0+")]
    pub error_code: ErrorCode,
    /// The error in words.
    #[field(versions = "0+", nullable = "0+", default = Some(""))]
    pub error_message: Option<&'a str>,
    /// Kind of resource: 2 topic, 4 broker, 8 broker logger, 16 client metrics, 32 group.
    #[field(versions = "0+")]
    pub resource_type: i8,
    /// Resource name; for brokers the id, or empty for the default of all.
    #[field(versions = "0+")]
    pub resource_name: &'a str,
}
