//! DescribeCluster (60): the brokers or controllers of the cluster.
//!
//! Version 1 can describe controllers instead of brokers (KIP-919) and may answer MISMATCHED_ENDPOINT_TYPE or
//! UNSUPPORTED_ENDPOINT_TYPE. Version 2 can list fenced brokers and tells them apart (KIP-1073).

use milena_wire_derive::{Fields, Message};

use crate::ErrorCode;

/// Asks for the cluster and its nodes.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(key = 60, versions = "0-2", flexible = "0+", response = DescribeClusterResponse<'a>)]
pub struct DescribeClusterRequest {
    /// Whether to say what one may do with the cluster.
    #[field(versions = "0+")]
    pub include_cluster_authorized_operations: bool,
    /// What to list: 1 brokers, 2 controllers (since 1).
    #[field(versions = "1+", default = 1)]
    pub endpoint_type: i8,
    /// Whether to list fenced brokers too (since 2).
    #[field(versions = "2+")]
    pub include_fenced_brokers: bool,
}

/// The cluster and its nodes.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(key = 60, versions = "0-2", flexible = "0+")]
pub struct DescribeClusterResponse<'a> {
    /// How long the broker holds or held back for a quota.
    #[field(versions = "0+")]
    pub throttle_time_ms: i32,
    /// Error, or none.
    #[field(versions = "0+")]
    pub error_code: ErrorCode,
    /// The error in words.
    #[field(versions = "0+", nullable = "0+")]
    pub error_message: Option<&'a str>,
    /// What is listed: 1 brokers, 2 controllers (since 1).
    #[field(versions = "1+", default = 1)]
    pub endpoint_type: i8,
    /// Cluster id.
    #[field(versions = "0+")]
    pub cluster_id: &'a str,
    /// Leader of the controllers; a broker names any live broker instead; -1 if unknown.
    #[field(versions = "0+", default = -1)]
    pub controller_id: i32,
    /// Nodes that were asked for.
    #[field(versions = "0+")]
    pub brokers: Vec<DescribeClusterBroker<'a>>,
    /// What one may do, as bits; `i32::MIN` if not asked.
    #[field(versions = "0+", default = -2147483648)]
    pub cluster_authorized_operations: i32,
}

/// One node.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct DescribeClusterBroker<'a> {
    /// Broker id.
    #[field(versions = "0+")]
    pub broker_id: i32,
    /// Host.
    #[field(versions = "0+")]
    pub host: &'a str,
    /// Port.
    #[field(versions = "0+")]
    pub port: i32,
    /// Rack; null for none.
    #[field(versions = "0+", nullable = "0+")]
    pub rack: Option<&'a str>,
    /// Whether it is fenced: registered, but kept out of service (since 2).
    #[field(versions = "2+")]
    pub is_fenced: bool,
}
