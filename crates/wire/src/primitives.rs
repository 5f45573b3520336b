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

macro_rules! api_keys {
    ($($constant:ident = $number:literal, $name:literal, flexible $flexible:literal;)*) => {
        impl ApiKey {
            $(
                #[doc = concat!($name, ", flexible since version ", $flexible, ".")]
                pub const $constant: Self = Self($number);
            )*

            /// The API's name as Kafka writes it, or `Unknown`.
            pub const fn name(self) -> &'static str {
                match self.0 {
                    $($number => $name,)*
                    _ => "Unknown",
                }
            }

            /// The first version with compact lengths and tagged fields, which is also the first with the longer headers.
            /// `None` for an API that milena does not speak.
            pub const fn flexible_since(self) -> Option<ApiVersion> {
                match self.0 {
                    $($number => Some(ApiVersion($flexible)),)*
                    _ => None,
                }
            }
        }
    };
}

api_keys! {
    PRODUCE = 0, "Produce", flexible 9;
    FETCH = 1, "Fetch", flexible 12;
    LIST_OFFSETS = 2, "ListOffsets", flexible 6;
    METADATA = 3, "Metadata", flexible 9;
    OFFSET_FETCH = 9, "OffsetFetch", flexible 6;
    FIND_COORDINATOR = 10, "FindCoordinator", flexible 3;
    API_VERSIONS = 18, "ApiVersions", flexible 3;
    CREATE_TOPICS = 19, "CreateTopics", flexible 5;
    DELETE_TOPICS = 20, "DeleteTopics", flexible 4;
    INIT_PRODUCER_ID = 22, "InitProducerId", flexible 2;
    ADD_PARTITIONS_TO_TXN = 24, "AddPartitionsToTxn", flexible 3;
    ADD_OFFSETS_TO_TXN = 25, "AddOffsetsToTxn", flexible 3;
    END_TXN = 26, "EndTxn", flexible 3;
    TXN_OFFSET_COMMIT = 28, "TxnOffsetCommit", flexible 3;
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
