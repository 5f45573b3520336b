//! PushTelemetry (72): sends the metrics the cluster asked for (KIP-714).

use milena_wire_derive::Message;

use crate::{ErrorCode, Uuid};

/// The client's metrics.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(key = 72, versions = "0", flexible = "0+", response = PushTelemetryResponse)]
pub struct PushTelemetryRequest<'a> {
    /// Id of this client, as the broker gave it.
    #[field(versions = "0+")]
    pub client_instance_id: Uuid,
    /// Set of wishes the metrics answer.
    #[field(versions = "0+")]
    pub subscription_id: i32,
    /// Whether this is the last time before the client goes away.
    #[field(versions = "0+")]
    pub terminating: bool,
    /// Codec of the metrics: 0 none, 1 gzip, 2 snappy, 3 lz4, 4 zstd.
    #[field(versions = "0+")]
    pub compression_type: i8,
    /// Metrics, as `MetricsData` of OpenTelemetry v1 in protobuf, maybe compressed.
    #[field(versions = "0+")]
    pub metrics: &'a [u8],
}

/// Whether the metrics were taken.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(key = 72, versions = "0", flexible = "0+")]
pub struct PushTelemetryResponse {
    /// How long the broker holds or held back for a quota.
    #[field(versions = "0+")]
    pub throttle_time_ms: i32,
    /// Error, or none.
    #[field(versions = "0+")]
    pub error_code: ErrorCode,
}
