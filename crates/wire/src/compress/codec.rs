//! Which codec, at which level.

use std::ops::RangeInclusive;

use crate::record::Compression;

/// A codec and its level, valid by construction. By default records are not compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Codec {
    compression: Compression,
    level: i32,
}

/// A codec that cannot be had, or not at that level.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidCodec {
    /// There is no such codec, or its feature of `milena-wire` is off.
    #[error("{0} compression is not in this build")]
    Unsupported(Compression),
    /// The codec has one way to compress.
    #[error("{compression} compression has no levels, so not {level} either")]
    NoLevels {
        /// The codec.
        compression: Compression,
        /// The level asked for.
        level: i32,
    },
    /// The codec has levels, but not this one in this build.
    #[error("{compression} compression has no level {level} in this build, only {levels}")]
    Level {
        /// The codec.
        compression: Compression,
        /// The level asked for.
        level: i32,
        /// The levels there are, in words.
        levels: &'static str,
    },
}

/// The levels of a codec in this build.
struct Levels {
    range: RangeInclusive<i32>,
    /// What Kafka's clients use if none is chosen. It may be outside of the range.
    default: i32,
    words: &'static str,
}

const GZIP: Levels = Levels {
    range: 1..=9,
    default: -1,
    words: "1 to 9, and -1 for gzip's usual one, which is 6",
};
/// Kafka's Java client calls LZ4's usual compressor level 9; its other levels are LZ4-HC.
const LZ4: Levels = Levels {
    range: 9..=9,
    default: 9,
    words: "9, Kafka's name for the fast compressor: the slower LZ4-HC, which has the other levels, is not there",
};
#[cfg(feature = "zstd-c")]
const ZSTD: Levels = Levels {
    range: -131_072..=22,
    default: 3,
    words: "-131072 to 22",
};
#[cfg(not(feature = "zstd-c"))]
const ZSTD: Levels = Levels {
    range: -7..=4,
    default: 3,
    words: "-7 to 4; the feature zstd-c of milena-wire has -131072 to 22",
};

impl Codec {
    /// No compression.
    pub const NONE: Self = Self::without_level(Compression::None);

    /// A codec at a level; `None` is the level that Kafka's own clients use by default.
    pub fn new(compression: Compression, level: Option<i32>) -> Result<Self, InvalidCodec> {
        let is_there = match compression {
            Compression::None => true,
            Compression::Gzip => cfg!(feature = "gzip"),
            Compression::Snappy => cfg!(feature = "snappy"),
            Compression::Lz4 => cfg!(feature = "lz4"),
            Compression::Zstd => cfg!(any(feature = "zstd", feature = "zstd-c")),
            Compression::Unknown(_) => false,
        };
        if !is_there {
            return Err(InvalidCodec::Unsupported(compression));
        }
        let levels = match compression {
            Compression::Gzip => GZIP,
            Compression::Lz4 => LZ4,
            Compression::Zstd => ZSTD,
            _ => {
                return match level {
                    Some(level) => Err(InvalidCodec::NoLevels { compression, level }),
                    None => Ok(Self::without_level(compression)),
                };
            }
        };
        let level = level.unwrap_or(levels.default);
        if level != levels.default && !levels.range.contains(&level) {
            return Err(InvalidCodec::Level {
                compression,
                level,
                levels: levels.words,
            });
        }
        Ok(Self { compression, level })
    }

    /// Which codec.
    pub const fn compression(self) -> Compression {
        self.compression
    }

    /// Its level, 0 if it has none.
    pub(super) const fn level(self) -> i32 {
        self.level
    }

    const fn without_level(compression: Compression) -> Self {
        Self {
            compression,
            level: 0,
        }
    }
}

impl Default for Codec {
    fn default() -> Self {
        Self::NONE
    }
}
