//! DescribeClientQuotas (48): the quotas of users, client ids and addresses that match a filter.

use milena_wire_derive::{Fields, Message};

use crate::ErrorCode;

/// A filter for quotas.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(key = 48, versions = "0-1", flexible = "1+", response = DescribeClientQuotasResponse<'a>)]
pub struct DescribeClientQuotasRequest<'a> {
    /// Parts of the filter; all must match.
    #[field(versions = "0+")]
    pub components: Vec<ComponentData<'a>>,
    /// Whether to leave out quotas that also depend on types the filter does not name.
    #[field(versions = "0+")]
    pub strict: bool,
}

/// One part of the filter.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct ComponentData<'a> {
    /// Entity type, such as `user`, `client-id` or `ip`.
    #[field(versions = "0+")]
    pub entity_type: &'a str,
    /// What matches: 0 one name, 1 the default, 2 every entity of the type.
    #[field(versions = "0+")]
    pub match_type: i8,
    /// Name to match; null unless the kind of match needs one.
    #[field(versions = "0+", nullable = "0+", default = Some(""))]
    pub r#match: Option<&'a str>,
}

/// The quotas.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(key = 48, versions = "0-1", flexible = "1+")]
pub struct DescribeClientQuotasResponse<'a> {
    /// How long the broker holds or held back for a quota.
    #[field(versions = "0+")]
    pub throttle_time_ms: i32,
    /// Error, or none.
    #[field(versions = "0+")]
    pub error_code: ErrorCode,
    /// The error in words.
    #[field(versions = "0+", nullable = "0+", default = Some(""))]
    pub error_message: Option<&'a str>,
    /// Quotas; null on an error.
    #[field(versions = "0+", nullable = "0+", default = Some(Vec::new()))]
    pub entries: Option<Vec<DescribeClientQuotasEntryData<'a>>>,
}

/// The quotas of one entity.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct DescribeClientQuotasEntryData<'a> {
    /// Whom they hold for, part by part.
    #[field(versions = "0+")]
    pub entity: Vec<DescribeClientQuotasEntityData<'a>>,
    /// Quotas of the entity.
    #[field(versions = "0+")]
    pub values: Vec<ValueData<'a>>,
}

/// One part of an entity.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct DescribeClientQuotasEntityData<'a> {
    /// Entity type, such as `user`, `client-id` or `ip`.
    #[field(versions = "0+")]
    pub entity_type: &'a str,
    /// Name; null for the default.
    #[field(versions = "0+", nullable = "0+", default = Some(""))]
    pub entity_name: Option<&'a str>,
}

/// One quota.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct ValueData<'a> {
    /// Quota name, such as `producer_byte_rate`.
    #[field(versions = "0+")]
    pub key: &'a str,
    /// Value.
    #[field(versions = "0+")]
    pub value: f64,
}
