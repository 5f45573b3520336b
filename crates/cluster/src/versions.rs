//! What a broker speaks, and what its cluster has switched on.

use std::collections::BTreeMap;

use milena_wire::messages::ApiVersionsResponse;
use milena_wire::{ApiKey, ApiVersion, VersionRange};

/// What one broker said about itself when the connection was made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ApiVersions {
    ranges: BTreeMap<ApiKey, VersionRange>,
    features: FinalizedFeatures,
}

impl ApiVersions {
    /// Reads a broker's answer. Ranges that cannot be (upside down, below zero) are left out, and of two ranges for one API
    /// the first counts: nobody can say which the broker meant, and either is one it named.
    pub fn from_response(response: &ApiVersionsResponse<'_>) -> Self {
        let mut ranges = BTreeMap::new();
        for api in &response.api_keys {
            if 0 <= api.min_version && api.min_version <= api.max_version {
                let range = VersionRange {
                    min: ApiVersion(api.min_version),
                    max: ApiVersion(api.max_version),
                };
                ranges.entry(ApiKey(api.api_key)).or_insert(range);
            }
        }
        Self {
            ranges,
            features: FinalizedFeatures::from_response(response),
        }
    }

    /// The highest version of `key` that both sides speak.
    pub fn pick(&self, key: ApiKey, ours: VersionRange) -> Result<ApiVersion, UnsupportedVersion> {
        let theirs = self.ranges.get(&key).copied();
        let common = theirs.map(|theirs| (ours.min.max(theirs.min), ours.max.min(theirs.max)));
        match common {
            Some((min, max)) if min <= max => Ok(max),
            _ => Err(UnsupportedVersion { key, ours, theirs }),
        }
    }

    /// The versions of `key` that the broker speaks.
    pub fn range(&self, key: ApiKey) -> Option<VersionRange> {
        self.ranges.get(&key).copied()
    }

    /// Whether the broker named no API at all.
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// What the cluster had switched on when the broker answered.
    pub fn features(&self) -> FinalizedFeatures {
        self.features
    }
}

/// A broker and milena have no version of an API in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnsupportedVersion {
    /// The API.
    pub key: ApiKey,
    /// The versions milena speaks.
    pub ours: VersionRange,
    /// The versions the broker speaks; `None` if it does not know the API.
    pub theirs: Option<VersionRange>,
}

impl std::fmt::Display for UnsupportedVersion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.theirs {
            Some(theirs) => write!(
                f,
                "the broker speaks {} {theirs}, milena {}",
                self.key, self.ours
            ),
            None => write!(
                f,
                "the broker does not know {} (milena speaks {})",
                self.key, self.ours
            ),
        }
    }
}

impl std::error::Error for UnsupportedVersion {}

/// The features that the whole cluster has agreed on (KIP-584), as far as milena cares.
///
/// What a single broker *could* do says nothing: a 4.0 broker speaks EndTxn v5 in a cluster that is still on the old
/// transaction protocol, and a client that took the one for the other would skip AddPartitionsToTxn and lose the transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FinalizedFeatures {
    /// Grows with every change; -1 if the broker did not tell.
    pub epoch: i64,
    /// The level of `transaction.version`: from 2 on, transactions run by KIP-890 part 2.
    pub transaction_version: i16,
}

impl FinalizedFeatures {
    fn from_response(response: &ApiVersionsResponse<'_>) -> Self {
        if response.finalized_features_epoch < 0 {
            return Self::default();
        }
        let transaction = response
            .finalized_features
            .iter()
            .find(|feature| feature.name == "transaction.version");
        Self {
            epoch: response.finalized_features_epoch,
            transaction_version: transaction.map_or(0, |feature| feature.max_version_level.max(0)),
        }
    }

    /// Takes `other` over if it is newer; says whether it was. Brokers learn of a change one after the other, so the highest
    /// epoch seen on any connection is what holds.
    pub fn merge(&mut self, other: Self) -> bool {
        let newer = other.epoch > self.epoch;
        if newer {
            *self = other;
        }
        newer
    }
}

impl Default for FinalizedFeatures {
    fn default() -> Self {
        Self {
            epoch: -1,
            transaction_version: 0,
        }
    }
}
