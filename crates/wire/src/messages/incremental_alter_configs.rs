//! IncrementalAlterConfigs (44): changes some settings of a resource and leaves the others alone.

use milena_wire_derive::{Fields, Message};

use crate::ErrorCode;

/// Changes to settings.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(key = 44, versions = "0-1", flexible = "1+", response = IncrementalAlterConfigsResponse<'a>)]
pub struct IncrementalAlterConfigsRequest<'a> {
    /// Resources.
    #[field(versions = "0+")]
    pub resources: Vec<IncrementalAlterConfigsAlterConfigsResource<'a>>,
    /// Whether to check only.
    #[field(versions = "0+")]
    pub validate_only: bool,
}

/// One resource's changes.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct IncrementalAlterConfigsAlterConfigsResource<'a> {
    /// Kind of resource: 2 topic, 4 broker, 8 broker logger, 16 client metrics, 32 group.
    #[field(versions = "0+")]
    pub resource_type: i8,
    /// Resource name; for brokers the id, or empty for the default of all.
    #[field(versions = "0+")]
    pub resource_name: &'a str,
    /// Changes.
    #[field(versions = "0+")]
    pub configs: Vec<IncrementalAlterConfigsAlterableConfig<'a>>,
}

/// One change.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct IncrementalAlterConfigsAlterableConfig<'a> {
    /// Setting name.
    #[field(versions = "0+")]
    pub name: &'a str,
    /// What to do: 0 sets, 1 deletes, 2 appends to a list, 3 subtracts from one.
    #[field(versions = "0+")]
    pub config_operation: i8,
    /// Value to set, append or subtract; null when deleting.
    #[field(versions = "0+", nullable = "0+", default = Some(""))]
    pub value: Option<&'a str>,
}

/// What became of them.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(key = 44, versions = "0-1", flexible = "1+")]
pub struct IncrementalAlterConfigsResponse<'a> {
    /// How long the broker holds or held back for a quota.
    #[field(versions = "0+")]
    pub throttle_time_ms: i32,
    /// Resources.
    #[field(versions = "0+")]
    pub responses: Vec<IncrementalAlterConfigsAlterConfigsResourceResponse<'a>>,
}

/// One resource's answer.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct IncrementalAlterConfigsAlterConfigsResourceResponse<'a> {
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
