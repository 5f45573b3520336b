//! Consumer groups as others see them.

use std::sync::Arc;

/// A consumer's place in its group, which goes into the transaction that commits its positions (KIP-447): a coordinator
/// refuses the positions of a member that is no longer in the group.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupMetadata {
    /// The group.
    pub group: Arc<str>,
    /// The generation (or member epoch) in which the partitions were assigned; -1 without membership.
    pub generation: i32,
    /// The member's id; empty without membership.
    pub member: Arc<str>,
    /// The name of a static member.
    pub instance: Option<Arc<str>>,
}

impl GroupMetadata {
    /// The place of a consumer that chose its partitions itself: it is no member, and nobody checks it.
    pub fn standalone(group: impl Into<Arc<str>>) -> Self {
        Self {
            group: group.into(),
            generation: -1,
            member: Arc::from(""),
            instance: None,
        }
    }
}
