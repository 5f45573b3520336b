//! The small values every message is made of.

use std::fmt;

/// Which API a request belongs to.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ApiKey(pub i16);

/// The version a message is written in. Each API counts its own.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ApiVersion(pub i16);

/// Ties a response to its request on one connection.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct CorrelationId(pub i32);

/// The versions from `min` to `max`, both included.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct VersionRange {
    /// The lowest version.
    pub min: ApiVersion,
    /// The highest version.
    pub max: ApiVersion,
}

impl VersionRange {
    /// Whether `version` is one of these.
    pub const fn contains(self, version: ApiVersion) -> bool {
        self.min.0 <= version.0 && version.0 <= self.max.0
    }

    /// Every version, lowest first.
    pub fn iter(self) -> impl DoubleEndedIterator<Item = ApiVersion> {
        (self.min.0..=self.max.0).map(ApiVersion)
    }
}

impl fmt::Display for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            "Unknown" => write!(f, "API {}", self.0),
            name => f.write_str(name),
        }
    }
}

impl fmt::Display for ApiVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "v{}", self.0)
    }
}

impl fmt::Display for CorrelationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for VersionRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.min, self.max.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_apis_have_names_and_unknown_ones_their_number() {
        assert_eq!(ApiKey::TXN_OFFSET_COMMIT.to_string(), "TxnOffsetCommit");
        assert_eq!(ApiKey(500).to_string(), "API 500");
        assert_eq!(ApiKey(500).flexible_since(), None);
    }

    #[test]
    fn a_version_range_holds_both_its_ends() {
        let range = VersionRange {
            min: ApiVersion(3),
            max: ApiVersion(5),
        };
        assert!(range.contains(ApiVersion(3)) && range.contains(ApiVersion(5)));
        assert!(!range.contains(ApiVersion(2)) && !range.contains(ApiVersion(6)));
        assert_eq!(range.iter().count(), 3);
        assert_eq!(range.to_string(), "v3-5");
    }
}
