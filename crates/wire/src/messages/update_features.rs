//! UpdateFeatures (57): raises and lowers the feature levels of the cluster.
//!
//! Checking only, and kinds of downgrade, came with 1; from 2 on there is one answer for all features.

use milena_wire_derive::{Fields, Message};

use crate::ErrorCode;

/// Feature levels to change.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(key = 57, versions = "0-2", flexible = "0+", response = UpdateFeaturesResponse<'a>)]
pub struct UpdateFeaturesRequest<'a> {
    /// How long the broker may take.
    #[field(versions = "0+", default = 60000)]
    pub timeout_ms: i32,
    /// Features.
    #[field(versions = "0+")]
    pub feature_updates: Vec<FeatureUpdateKey<'a>>,
    /// Whether to check only (since 1).
    #[field(versions = "1+")]
    pub validate_only: bool,
}

/// One feature's change.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct FeatureUpdateKey<'a> {
    /// Feature name.
    #[field(versions = "0+")]
    pub feature: &'a str,
    /// New level; below 1 removes the feature.
    #[field(versions = "0+")]
    pub max_version_level: i16,
    /// Whether the level may fall; then it must. `upgrade_type` took its place (until 0).
    #[field(versions = "0")]
    pub allow_downgrade: bool,
    /// Which change is allowed: 1 only raises, 2 lowers if nothing is lost, 3 lowers even with loss (since 1).
    #[field(versions = "1+", default = 1)]
    pub upgrade_type: i8,
}

/// What became of them.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(key = 57, versions = "0-2", flexible = "0+")]
pub struct UpdateFeaturesResponse<'a> {
    /// How long the broker holds or held back for a quota.
    #[field(versions = "0+")]
    pub throttle_time_ms: i32,
    /// Error, or none.
    #[field(versions = "0+")]
    pub error_code: ErrorCode,
    /// The error in words.
    #[field(versions = "0+", nullable = "0+", default = Some(""))]
    pub error_message: Option<&'a str>,
    /// Features (until 1).
    #[field(versions = "0-1", ignorable)]
    pub results: Vec<UpdatableFeatureResult<'a>>,
}

/// One feature's answer.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct UpdatableFeatureResult<'a> {
    /// Feature name.
    #[field(versions = "0+")]
    pub feature: &'a str,
    /// Error, or none.
    #[field(versions = "0+")]
    pub error_code: ErrorCode,
    /// The error in words.
    #[field(versions = "0+", nullable = "0+", default = Some(""))]
    pub error_message: Option<&'a str>,
}
