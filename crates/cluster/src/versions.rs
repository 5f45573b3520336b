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

#[cfg(test)]
mod tests {
    use milena_wire::messages::{ApiVersionsApiVersion, FinalizedFeatureKey};

    use super::*;

    fn speaking(offers: &[(ApiKey, i16, i16)]) -> ApiVersions {
        let api = |&(key, min_version, max_version): &(ApiKey, i16, i16)| ApiVersionsApiVersion {
            api_key: key.0,
            min_version,
            max_version,
        };
        ApiVersions::from_response(&ApiVersionsResponse {
            api_keys: offers.iter().map(api).collect(),
            ..Default::default()
        })
    }

    fn range(min: i16, max: i16) -> VersionRange {
        VersionRange {
            min: ApiVersion(min),
            max: ApiVersion(max),
        }
    }

    #[test]
    fn the_highest_common_version_is_picked() {
        let versions = speaking(&[(ApiKey::PRODUCE, 0, 11), (ApiKey::FETCH, 4, 17)]);
        assert_eq!(
            versions.pick(ApiKey::PRODUCE, range(3, 13)),
            Ok(ApiVersion(11))
        );
        assert_eq!(
            versions.pick(ApiKey::PRODUCE, range(3, 9)),
            Ok(ApiVersion(9))
        );
        assert_eq!(versions.pick(ApiKey::FETCH, range(0, 4)), Ok(ApiVersion(4)));
    }

    #[test]
    fn nothing_in_common_is_told_with_both_sides() {
        let versions = speaking(&[(ApiKey::PRODUCE, 0, 2)]);
        let error = versions.pick(ApiKey::PRODUCE, range(3, 13)).unwrap_err();
        assert_eq!(
            (error.ours, error.theirs),
            (range(3, 13), Some(range(0, 2)))
        );
        assert_eq!(
            error.to_string(),
            "the broker speaks Produce v0-2, milena v3-13"
        );
        let error = versions.pick(ApiKey::END_TXN, range(0, 5)).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the broker does not know EndTxn (milena speaks v0-5)"
        );
    }

    #[test]
    fn ranges_that_cannot_be_are_left_out_and_the_first_of_two_counts() {
        let versions = speaking(&[
            (ApiKey::PRODUCE, 5, 3),
            (ApiKey::PRODUCE, 3, 5),
            (ApiKey::PRODUCE, 3, 9),
            (ApiKey::FETCH, -1, 9),
        ]);
        assert_eq!(versions.range(ApiKey::PRODUCE), Some(range(3, 5)));
        assert_eq!(versions.range(ApiKey::FETCH), None);
        assert!(speaking(&[(ApiKey::PRODUCE, i16::MAX, i16::MIN)]).is_empty());
    }

    #[test]
    fn the_transaction_version_is_that_which_is_finalized() {
        let answer = |epoch, level| ApiVersionsResponse {
            finalized_features_epoch: epoch,
            finalized_features: vec![
                FinalizedFeatureKey {
                    name: "metadata.version",
                    max_version_level: 25,
                    min_version_level: 25,
                },
                FinalizedFeatureKey {
                    name: "transaction.version",
                    max_version_level: level,
                    min_version_level: 0,
                },
            ],
            ..Default::default()
        };
        let features = |epoch, level| ApiVersions::from_response(&answer(epoch, level)).features();
        assert_eq!(
            features(7, 2),
            FinalizedFeatures {
                epoch: 7,
                transaction_version: 2
            }
        );
        assert_eq!(
            features(-1, 2),
            FinalizedFeatures::default(),
            "without an epoch it says nothing"
        );
        assert_eq!(features(7, -3).transaction_version, 0);
        assert_eq!(
            speaking(&[(ApiKey::END_TXN, 0, 5)])
                .features()
                .transaction_version,
            0,
            "EndTxn v5 says nothing"
        );
    }

    #[test]
    fn the_view_of_the_highest_epoch_wins() {
        let mut known = FinalizedFeatures::default();
        assert!(known.merge(FinalizedFeatures {
            epoch: 4,
            transaction_version: 1
        }));
        assert!(known.merge(FinalizedFeatures {
            epoch: 9,
            transaction_version: 2
        }));
        assert!(!known.merge(FinalizedFeatures {
            epoch: 9,
            transaction_version: 0
        }));
        assert!(!known.merge(FinalizedFeatures {
            epoch: 5,
            transaction_version: 1
        }));
        assert_eq!(
            known,
            FinalizedFeatures {
                epoch: 9,
                transaction_version: 2
            }
        );
    }
}
