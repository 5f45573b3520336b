//! AlterClientQuotas (49): sets and removes the quotas of users, client ids and addresses.

use milena_wire_derive::{Fields, Message};

use crate::ErrorCode;

/// Changes to quotas.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(key = 49, versions = "0-1", flexible = "1+", response = AlterClientQuotasResponse<'a>)]
pub struct AlterClientQuotasRequest<'a> {
    /// Changes, entity by entity.
    #[field(versions = "0+")]
    pub entries: Vec<AlterClientQuotasRequestEntryData<'a>>,
    /// Whether to check only.
    #[field(versions = "0+")]
    pub validate_only: bool,
}

/// One entity's changes.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct AlterClientQuotasRequestEntryData<'a> {
    /// Whom they are for, part by part.
    #[field(versions = "0+")]
    pub entity: Vec<AlterClientQuotasRequestEntityData<'a>>,
    /// Changes for this entity.
    #[field(versions = "0+")]
    pub ops: Vec<OpData<'a>>,
}

/// One part of an entity.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct AlterClientQuotasRequestEntityData<'a> {
    /// Entity type, such as `user`, `client-id` or `ip`.
    #[field(versions = "0+")]
    pub entity_type: &'a str,
    /// Name; null for the default.
    #[field(versions = "0+", nullable = "0+", default = Some(""))]
    pub entity_name: Option<&'a str>,
}

/// One change.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct OpData<'a> {
    /// Quota name, such as `producer_byte_rate`.
    #[field(versions = "0+")]
    pub key: &'a str,
    /// Value to set; of no account when removing.
    #[field(versions = "0+")]
    pub value: f64,
    /// Whether to remove the quota instead of setting it.
    #[field(versions = "0+")]
    pub remove: bool,
}

/// What became of them.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(key = 49, versions = "0-1", flexible = "1+")]
pub struct AlterClientQuotasResponse<'a> {
    /// How long the broker holds or held back for a quota.
    #[field(versions = "0+")]
    pub throttle_time_ms: i32,
    /// Answers, entity by entity.
    #[field(versions = "0+")]
    pub entries: Vec<AlterClientQuotasResponseEntryData<'a>>,
}

/// One entity's answer.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct AlterClientQuotasResponseEntryData<'a> {
    /// Error, or none.
    #[field(versions = "0+")]
    pub error_code: ErrorCode,
    /// The error in words.
    #[field(versions = "0+", nullable = "0+", default = Some(""))]
    pub error_message: Option<&'a str>,
    /// Whom the answer is about, part by part.
    #[field(versions = "0+")]
    pub entity: Vec<AlterClientQuotasResponseEntityData<'a>>,
}

/// One part of an entity.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct AlterClientQuotasResponseEntityData<'a> {
    /// Entity type, such as `user`, `client-id` or `ip`.
    #[field(versions = "0+")]
    pub entity_type: &'a str,
    /// Name; null for the default.
    #[field(versions = "0+", nullable = "0+", default = Some(""))]
    pub entity_name: Option<&'a str>,
}
