//! DescribeConfigs (32): the settings of topics, brokers and other resources.
//!
//! Version 0 ended with Kafka 4.0. Sources and synonyms came with 1, types and documentation with 3.

use milena_wire_derive::{Fields, Message};

use crate::ErrorCode;

/// Resources whose settings are wanted.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(key = 32, versions = "1-4", flexible = "4+", response = DescribeConfigsResponse<'a>)]
pub struct DescribeConfigsRequest<'a> {
    /// Resources.
    #[field(versions = "0+")]
    pub resources: Vec<DescribeConfigsResource<'a>>,
    /// Whether to list every place each value could come from.
    #[field(versions = "1+")]
    pub include_synonyms: bool,
    /// Whether to explain the settings (since 3).
    #[field(versions = "3+")]
    pub include_documentation: bool,
}

/// One resource.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct DescribeConfigsResource<'a> {
    /// Kind of resource: 2 topic, 4 broker, 8 broker logger, 16 client metrics, 32 group.
    #[field(versions = "0+")]
    pub resource_type: i8,
    /// Resource name; for brokers the id, or empty for the default of all.
    #[field(versions = "0+")]
    pub resource_name: &'a str,
    /// Names of the settings; null for all.
    #[field(versions = "0+", nullable = "0+", default = Some(Vec::new()))]
    pub configuration_keys: Option<Vec<&'a str>>,
}

/// The settings.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(key = 32, versions = "1-4", flexible = "4+")]
pub struct DescribeConfigsResponse<'a> {
    /// How long the broker holds or held back for a quota.
    #[field(versions = "0+")]
    pub throttle_time_ms: i32,
    /// Resources.
    #[field(versions = "0+")]
    pub results: Vec<DescribeConfigsResult<'a>>,
}

/// One resource's settings.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct DescribeConfigsResult<'a> {
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
    /// Settings.
    #[field(versions = "0+")]
    pub configs: Vec<DescribeConfigsResourceResult<'a>>,
}

/// One setting.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct DescribeConfigsResourceResult<'a> {
    /// Setting name.
    #[field(versions = "0+")]
    pub name: &'a str,
    /// Value; null if unset or hidden.
    #[field(versions = "0+", nullable = "0+", default = Some(""))]
    pub value: Option<&'a str>,
    /// Whether it can be changed only by a restart.
    #[field(versions = "0+")]
    pub read_only: bool,
    /// Where it comes from: 1 topic, 2 broker, 3 all brokers, 4 broker's file, 5 default, and others.
    #[field(versions = "1+", default = -1, ignorable)]
    pub config_source: i8,
    /// Whether the value is hidden.
    #[field(versions = "0+")]
    pub is_sensitive: bool,
    /// Places the value could come from, the first one that counts first.
    #[field(versions = "1+", ignorable)]
    pub synonyms: Vec<DescribeConfigsSynonym<'a>>,
    /// Type: 0 unknown, 1 bool, 2 string, 3 int, 4 short, 5 long, 6 double, 7 list, 8 class, 9 password (since 3).
    #[field(versions = "3+", ignorable)]
    pub config_type: i8,
    /// What the setting is for; null unless asked for (since 3).
    #[field(versions = "3+", nullable = "0+", default = Some(""), ignorable)]
    pub documentation: Option<&'a str>,
}

/// One place a value could come from.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct DescribeConfigsSynonym<'a> {
    /// Setting name there.
    #[field(versions = "1+")]
    pub name: &'a str,
    /// Value there; null if unset or hidden.
    #[field(versions = "1+", nullable = "0+", default = Some(""))]
    pub value: Option<&'a str>,
    /// Where it comes from: 1 topic, 2 broker, 3 all brokers, 4 broker's file, 5 default, and others.
    #[field(versions = "1+")]
    pub source: i8,
}
