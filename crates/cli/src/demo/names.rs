//! What the run calls its topics, group and transactional id.

use std::hash::{BuildHasher, RandomState};

/// Partitions of the payments topic.
pub(crate) const PAYMENTS_PARTITIONS: i32 = 6;
/// Partitions of the ledger.
pub(crate) const LEDGER_PARTITIONS: i32 = 6;
/// Partitions of the topic with the refused orders.
pub(crate) const REFUSED_PARTITIONS: i32 = 3;

/// The names of one run.
#[derive(Clone, Debug)]
pub(crate) struct Names {
    pub payments: String,
    pub ledger: String,
    pub refused: String,
    pub group: String,
    pub transactional_id: String,
}

impl Names {
    /// Plain names, for the built-in broker that holds nothing else.
    pub(crate) fn plain() -> Self {
        Self::with_suffix("")
    }

    /// Names that no other run and no user has, for a cluster that is not ours.
    pub(crate) fn unique() -> Self {
        Self::with_suffix(&format!("-{:08x}", random() as u32))
    }

    fn with_suffix(suffix: &str) -> Self {
        Self {
            payments: format!("payments{suffix}"),
            ledger: format!("ledger{suffix}"),
            refused: format!("payments-refused{suffix}"),
            group: format!("milena-demo{suffix}"),
            transactional_id: format!("milena-demo{suffix}"),
        }
    }

    /// The topics with their partition counts.
    pub(crate) fn topics(&self) -> [(&str, i32); 3] {
        [
            (self.payments.as_str(), PAYMENTS_PARTITIONS),
            (self.ledger.as_str(), LEDGER_PARTITIONS),
            (self.refused.as_str(), REFUSED_PARTITIONS),
        ]
    }
}

/// A number that differs from run to run: std's only door to the operating system's randomness.
pub(crate) fn random() -> u64 {
    RandomState::new().hash_one(0u8)
}

/// All partitions of a topic.
pub(crate) fn partitions_of(topic: &str, count: i32) -> impl Iterator<Item = (&str, i32)> {
    (0..count).map(move |partition| (topic, partition))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_on_a_cluster_that_is_not_ours_never_share_a_name() {
        let (one, other) = (Names::unique(), Names::unique());
        assert_ne!(one.ledger, other.ledger);
        assert_ne!(one.transactional_id, other.transactional_id);
        assert!(one.ledger.starts_with("ledger-"));
        assert_eq!(Names::plain().ledger, "ledger");
    }

    #[test]
    fn a_topic_has_its_partitions_from_zero_on() {
        let partitions: Vec<_> = partitions_of("t", 2).collect();
        assert_eq!(partitions, [("t", 0), ("t", 1)]);
    }
}
