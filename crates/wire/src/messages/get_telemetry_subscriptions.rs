//! GetTelemetrySubscriptions (71): which metrics the cluster wants from this client (KIP-714).

use milena_wire_derive::Message;

use crate::{ErrorCode, Numbers, Uuid};

/// Asks what to report.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(key = 71, versions = "0", flexible = "0+", response = GetTelemetrySubscriptionsResponse<'a>)]
pub struct GetTelemetrySubscriptionsRequest {
    /// Id of this client; zero the first time, to be given one.
    #[field(versions = "0+")]
    pub client_instance_id: Uuid,
}

/// What to report, how and how often.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(key = 71, versions = "0", flexible = "0+")]
pub struct GetTelemetrySubscriptionsResponse<'a> {
    /// How long the broker holds or held back for a quota.
    #[field(versions = "0+")]
    pub throttle_time_ms: i32,
    /// Error, or none.
    #[field(versions = "0+")]
    pub error_code: ErrorCode,
    /// Id to use from now on; zero if the request had one already.
    #[field(versions = "0+")]
    pub client_instance_id: Uuid,
    /// Identifies this set of wishes; to be sent along with the metrics.
    #[field(versions = "0+")]
    pub subscription_id: i32,
    /// Codecs the broker takes: 0 none, 1 gzip, 2 snappy, 3 lz4, 4 zstd.
    #[field(versions = "0+")]
    pub accepted_compression_types: Numbers<'a, i8>,
    /// How often to send, in ms: the shortest of the intervals that apply.
    #[field(versions = "0+")]
    pub push_interval_ms: i32,
    /// Most bytes of metrics the broker takes at once.
    #[field(versions = "0+")]
    pub telemetry_max_bytes: i32,
    /// Whether counters are sent as growth since last time rather than as totals.
    #[field(versions = "0+")]
    pub delta_temporality: bool,
    /// Prefixes of the metrics wanted; an empty list for none, one empty string for all.
    #[field(versions = "0+")]
    pub requested_metrics: Vec<&'a str>,
}
