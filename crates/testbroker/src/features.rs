//! The features of a cluster (KIP-584): what its nodes can do and what is finalized, with the
//! epoch that grows with every change (Kafka's `FeatureControlManager`).

use std::collections::BTreeMap;

use crate::config::Emulate;

/// Which transaction protocol is spoken; 2 is TV2 (KIP-890).
pub(crate) const TRANSACTION_VERSION: &str = "transaction.version";
/// From level 1 on there are groups of the consumer protocol (KIP-848).
pub(crate) const GROUP_VERSION: &str = "group.version";
const METADATA_VERSION: &str = "metadata.version";
const KRAFT_VERSION: &str = "kraft.version";

/// A feature that the nodes know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Supported {
    pub(crate) name: &'static str,
    pub(crate) min: i16,
    pub(crate) max: i16,
    /// The level of a new cluster.
    initial: i16,
}

const fn feature(name: &'static str, min: i16, max: i16, initial: i16) -> Supported {
    Supported {
        name,
        min,
        max,
        initial,
    }
}

/// As a broker of 4.3.1 lists them.
const OF_4_3: &[Supported] = &[
    feature("group.version", 0, 1, 1),
    feature(KRAFT_VERSION, 0, 1, 0),
    feature(METADATA_VERSION, 7, 30, 30),
    feature("share.version", 0, 1, 1),
    feature("streams.version", 0, 1, 1),
    feature(TRANSACTION_VERSION, 0, 2, 2),
    feature("eligible.leader.replicas.version", 0, 1, 1),
];

/// As a broker of 3.9.2 lists them.
const OF_3_9: &[Supported] = &[
    feature(KRAFT_VERSION, 0, 1, 0),
    feature(METADATA_VERSION, 1, 21, 21),
];

/// The level under which going back loses metadata, so that Kafka refuses it.
const METADATA_FLOOR_4_3: i16 = 30;
const METADATA_FLOOR_3_9: i16 = 17;

/// Why a feature does not get a level.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FeatureError {
    /// No node of this Kafka has heard of it.
    #[error("no node supports the feature {0}")]
    Unknown(String),
    /// The nodes know the feature but not the level.
    #[error("the nodes support {name} from {min} to {max}, not {level}")]
    OutOfRange {
        /// The feature.
        name: String,
        /// The level wanted.
        level: i16,
        /// The lowest level.
        min: i16,
        /// The highest level.
        max: i16,
    },
    /// The way there is closed: a downgrade that was not asked for as one, or the like.
    #[error("{name} cannot go to {level}: {reason}")]
    Refused {
        /// The feature.
        name: String,
        /// The level wanted.
        level: i16,
        /// What speaks against it.
        reason: &'static str,
    },
}

/// How a level may change (UpdateFeatures v1+).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Upgrade {
    Raise,
    SafeLower,
    UnsafeLower,
    Unknown,
}

impl Upgrade {
    pub(crate) fn of_code(code: i8) -> Self {
        match code {
            1 => Self::Raise,
            2 => Self::SafeLower,
            3 => Self::UnsafeLower,
            _ => Self::Unknown,
        }
    }
}

/// The features of one cluster.
#[derive(Clone, Debug)]
pub(crate) struct Features {
    emulate: Emulate,
    levels: BTreeMap<&'static str, i16>,
    epoch: i64,
}

impl Features {
    /// `transaction_version` where it is not the default of the release.
    pub(crate) fn new(emulate: Emulate, transaction_version: Option<i16>) -> Self {
        let supported = supported_by(emulate).iter();
        let mut features = Self {
            emulate,
            levels: supported.map(|known| (known.name, known.initial)).collect(),
            epoch: 1,
        };
        if let Some(level) = transaction_version
            && let Some(current) = features.levels.get_mut(TRANSACTION_VERSION)
        {
            *current = level;
        }
        features
    }

    /// The finalized level, 0 if there is none.
    pub(crate) fn level(&self, name: &str) -> i16 {
        self.levels.get(name).copied().unwrap_or(0)
    }

    pub(crate) fn epoch(&self) -> i64 {
        self.epoch
    }

    pub(crate) fn supported(&self) -> &'static [Supported] {
        supported_by(self.emulate)
    }

    /// Name and level of what is finalized, in the order in which Kafka's brokers list it. Level 0
    /// counts as not finalized.
    pub(crate) fn finalized(&self) -> impl Iterator<Item = (&'static str, i16)> {
        let listed = [
            "group.version",
            "streams.version",
            TRANSACTION_VERSION,
            "eligible.leader.replicas.version",
            KRAFT_VERSION,
            "share.version",
            METADATA_VERSION,
        ];
        let levels = listed.map(|name| (name, self.level(name)));
        levels.into_iter().filter(|(_, level)| *level > 0)
    }

    /// Sets a level that the nodes support, in whichever direction.
    pub(crate) fn set(&mut self, name: &str, level: i16) -> Result<(), FeatureError> {
        let known = self.known(name)?;
        if !(known.min..=known.max).contains(&level) {
            return Err(out_of_range(known, level));
        }
        self.levels.insert(known.name, level);
        self.epoch += 1;
        Ok(())
    }

    /// Whether an administrator may set this level (`FeatureControlManager.updateFeature`).
    pub(crate) fn check_update(
        &self,
        name: &str,
        level: i16,
        upgrade: Upgrade,
    ) -> Result<(), FeatureError> {
        let refused = |reason| {
            Err(FeatureError::Refused {
                name: name.to_owned(),
                level,
                reason,
            })
        };
        if upgrade == Upgrade::Unknown {
            return refused("the kind of upgrade is not known");
        }
        if level < 0 {
            return refused("a level is 0 or more");
        }
        match self.known(name) {
            Ok(known) if !(known.min..=known.max).contains(&level) => {
                return Err(out_of_range(known, level));
            }
            Ok(_) => {}
            // 3.9 lets what it never heard of go to nothing; 4.3 wants to know its name.
            Err(_) if level == 0 && self.emulate == Emulate::V3_9 => {}
            Err(error) => return Err(error),
        }
        let current = self.level(name);
        if level < current && upgrade == Upgrade::Raise {
            return refused("it would fall, and the update asks for a rise");
        }
        if level > current && upgrade != Upgrade::Raise {
            return refused("it would rise, and the update asks for a fall");
        }
        if name == METADATA_VERSION && level < self.metadata_floor() {
            return refused("metadata that the lower level does not know would be lost");
        }
        let is_kept = name == KRAFT_VERSION && self.emulate == Emulate::V4_3;
        if is_kept && level < current {
            return refused("this feature never falls");
        }
        Ok(())
    }

    /// Sets what [`Features::check_update`] has let pass.
    pub(crate) fn update(&mut self, name: &str, level: i16) {
        if let Ok(known) = self.known(name) {
            self.levels.insert(known.name, level);
        }
        self.epoch += 1;
    }

    fn known(&self, name: &str) -> Result<&'static Supported, FeatureError> {
        let mut supported = supported_by(self.emulate).iter();
        supported
            .find(|known| known.name == name)
            .ok_or_else(|| FeatureError::Unknown(name.to_owned()))
    }

    fn metadata_floor(&self) -> i16 {
        match self.emulate {
            Emulate::V3_9 => METADATA_FLOOR_3_9,
            Emulate::V4_3 => METADATA_FLOOR_4_3,
        }
    }
}

/// The highest `transaction.version` of a release.
pub(crate) fn transaction_version_max(emulate: Emulate) -> i16 {
    let mut supported = supported_by(emulate).iter();
    supported
        .find(|known| known.name == TRANSACTION_VERSION)
        .map_or(0, |known| known.max)
}

fn supported_by(emulate: Emulate) -> &'static [Supported] {
    match emulate {
        Emulate::V3_9 => OF_3_9,
        Emulate::V4_3 => OF_4_3,
    }
}

fn out_of_range(known: &Supported, level: i16) -> FeatureError {
    FeatureError::OutOfRange {
        name: known.name.to_owned(),
        level,
        min: known.min,
        max: known.max,
    }
}
