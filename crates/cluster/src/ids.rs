//! Numbers that Kafka gives out, each with a type of its own so that they cannot be mixed up.

use std::fmt;

/// A broker, as the cluster numbers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub i32);

/// How often a partition has changed its leader. A higher epoch is newer knowledge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LeaderEpoch(pub i32);

impl LeaderEpoch {
    /// Not known: the answer was too old to carry one.
    pub const UNKNOWN: Self = Self(-1);

    /// Whether this is an epoch, and not [`LeaderEpoch::UNKNOWN`].
    pub fn is_known(self) -> bool {
        self.0 >= 0
    }
}

impl Default for LeaderEpoch {
    fn default() -> Self {
        Self::UNKNOWN
    }
}

/// The name under which a broker checks a producer's sequences.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProducerId(pub i64);

/// The generation of a [`ProducerId`]: brokers refuse every lower one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProducerEpoch(pub i16);

/// Who a batch comes from. The two change together or not at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProducerIdentity {
    /// The producer id.
    pub producer_id: ProducerId,
    /// Its epoch.
    pub epoch: ProducerEpoch,
}

impl ProducerIdentity {
    /// No identity yet: (-1, -1), as InitProducerId and Produce write it.
    pub const NONE: Self = Self {
        producer_id: ProducerId(-1),
        epoch: ProducerEpoch(-1),
    };

    /// The identity of `producer_id` and `epoch` as they stand in a message.
    pub const fn new(producer_id: i64, epoch: i16) -> Self {
        Self {
            producer_id: ProducerId(producer_id),
            epoch: ProducerEpoch(epoch),
        }
    }

    /// Whether a broker gave this one out.
    pub fn is_some(self) -> bool {
        self.producer_id.0 >= 0 && self.epoch.0 >= 0
    }
}

impl Default for ProducerIdentity {
    fn default() -> Self {
        Self::NONE
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for LeaderEpoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for ProducerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for ProducerEpoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for ProducerIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "producer {} epoch {}", self.producer_id, self.epoch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_needs_both_its_halves() {
        assert!(ProducerIdentity::new(0, 0).is_some());
        assert!(!ProducerIdentity::new(7, -1).is_some());
        assert!(!ProducerIdentity::new(-1, 3).is_some());
        assert_eq!(ProducerIdentity::default(), ProducerIdentity::NONE);
    }

    #[test]
    fn an_unknown_leader_epoch_is_below_every_known_one() {
        assert!(LeaderEpoch::UNKNOWN < LeaderEpoch(0));
        assert!(!LeaderEpoch::UNKNOWN.is_known() && LeaderEpoch(0).is_known());
    }
}
