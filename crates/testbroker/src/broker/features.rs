//! The cluster's features, as a test sets and reads them.

use super::Broker;
use crate::features::FeatureError;

impl Broker {
    /// Finalizes a level of a feature (`transaction.version`, `group.version`, ..) while the
    /// cluster is running; 0 takes it back. The epoch that clients see grows.
    pub fn set_feature(&mut self, name: &str, level: i16) -> Result<(), FeatureError> {
        self.cluster.features.set(name, level)
    }

    /// The finalized level of a feature, 0 if there is none.
    pub fn feature(&self, name: &str) -> i16 {
        self.cluster.features.level(name)
    }

    /// The epoch of the finalized features.
    pub fn features_epoch(&self) -> i64 {
        self.cluster.features.epoch()
    }
}
