//! Kafka's property names for compression.

use milena::Compression;

/// What a file of properties says of compression.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct CompressionSettings {
    codec: Option<Compression>,
    gzip_level: Option<i32>,
    lz4_level: Option<i32>,
    zstd_level: Option<i32>,
}

impl CompressionSettings {
    /// Takes one property; `None` if it is not about compression.
    ///
    /// # Errors
    /// One sentence.
    pub(super) fn set(&mut self, key: &str, value: &str) -> Option<Result<(), String>> {
        let level = match key {
            "compression.type" => {
                return Some(codec(value).map(|codec| self.codec = Some(codec)));
            }
            "compression.gzip.level" => &mut self.gzip_level,
            "compression.lz4.level" => &mut self.lz4_level,
            "compression.zstd.level" => &mut self.zstd_level,
            _ => return None,
        };
        Some(super::settings::number(key, value).map(|number| *level = Some(number)))
    }

    /// The codec.
    pub(super) fn codec(&self) -> Compression {
        self.codec.unwrap_or(Compression::None)
    }

    /// Its level, if the file says one. Those of other codecs mean nothing, as in Kafka.
    pub(super) fn level(&self) -> Option<i32> {
        match self.codec? {
            Compression::Gzip => self.gzip_level,
            Compression::Lz4 => self.lz4_level,
            Compression::Zstd => self.zstd_level,
            _ => None,
        }
    }
}

/// Kafka's word for a codec.
pub(crate) fn codec(value: &str) -> Result<Compression, String> {
    match value {
        "none" => Ok(Compression::None),
        "gzip" => Ok(Compression::Gzip),
        "snappy" => Ok(Compression::Snappy),
        "lz4" => Ok(Compression::Lz4),
        "zstd" => Ok(Compression::Zstd),
        _ => Err(format!(
            "compression type {value:?}: it is none, gzip, snappy, lz4 or zstd"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(properties: &[(&str, &str)]) -> CompressionSettings {
        let mut settings = CompressionSettings::default();
        for (key, value) in properties {
            assert_eq!(settings.set(key, value), Some(Ok(())), "{key}");
        }
        settings
    }

    #[test]
    fn each_codec_has_its_own_level() {
        let levels = [
            ("compression.gzip.level", "1"),
            ("compression.lz4.level", "9"),
            ("compression.zstd.level", "-5"),
        ];
        for (word, codec, level) in [
            ("none", Compression::None, None),
            ("gzip", Compression::Gzip, Some(1)),
            ("snappy", Compression::Snappy, None),
            ("lz4", Compression::Lz4, Some(9)),
            ("zstd", Compression::Zstd, Some(-5)),
        ] {
            let settings = of(&[&levels[..], &[("compression.type", word)]].concat());
            assert_eq!((settings.codec(), settings.level()), (codec, level));
        }
        assert_eq!(of(&levels).level(), None);
    }

    #[test]
    fn what_is_not_about_compression_is_left_to_others_and_what_makes_no_sense_is_refused() {
        let mut settings = CompressionSettings::default();
        assert_eq!(settings.set("linger.ms", "5"), None);
        for (key, value) in [
            ("compression.type", "brotli"),
            ("compression.zstd.level", "high"),
        ] {
            let sentence = settings.set(key, value).expect("its own").expect_err(key);
            assert!(sentence.contains(value), "{sentence}");
        }
    }
}
