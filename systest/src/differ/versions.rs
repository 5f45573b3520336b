//! The versions that both brokers advertise.

use std::collections::BTreeMap;

use milena_wire::ApiKey;

use super::tree::Value;

/// What both serve, and what only one does.
#[derive(Clone, Debug, Default)]
pub(crate) struct Versions {
    both: BTreeMap<i16, (i16, i16)>,
    /// What real Kafka serves of what milena speaks, and the test broker does not, as sentences.
    pub(crate) missing: Vec<String>,
    /// What the test broker serves and real Kafka does not, as sentences.
    pub(crate) invented: Vec<String>,
}

impl Versions {
    /// From two answers to ApiVersions.
    pub(crate) fn of(real: &Value, ours: &Value) -> Self {
        let (real, ours) = (table(real), table(ours));
        let mut versions = Self::default();
        for key in ApiKey::ALL {
            let spoken = key.versions().map(|range| (range.min.0, range.max.0));
            let (Some(spoken), name) = (spoken, key.name()) else {
                continue;
            };
            let clip = |(min, max): (i16, i16)| {
                let clipped = (min.max(spoken.0), max.min(spoken.1));
                (clipped.0 <= clipped.1).then_some(clipped)
            };
            let real = real.get(&key.0).copied().and_then(clip);
            let ours = ours.get(&key.0).copied().and_then(clip);
            match (real, ours) {
                (Some(real), Some(ours)) => {
                    if real != ours {
                        let sentence =
                            format!("{name}: real Kafka {real:?}, the test broker {ours:?}");
                        versions.missing.push(sentence);
                    }
                    let both = (real.0.max(ours.0), real.1.min(ours.1));
                    versions.both.insert(key.0, both);
                }
                (Some(real), None) => versions.missing.push(format!("{name} {real:?}")),
                (None, Some(ours)) => versions.invented.push(format!("{name} {ours:?}")),
                (None, None) => {}
            }
        }
        versions
    }

    /// The version that a draw falls on; `None` where not both serve the API.
    pub(crate) fn pick(&self, key: ApiKey, draw: u32, max: i16) -> Option<i16> {
        let (min, highest) = *self.both.get(&key.0)?;
        let max = highest.min(max);
        let count = u32::from((max - min).unsigned_abs()) + 1;
        // Each second time the newest, which is what clients of that Kafka use.
        if max < min || draw & 1 == 0 {
            return (max >= min).then_some(max);
        }
        Some(min + i16::try_from((draw >> 1) % count).unwrap_or(0))
    }
}

fn table(answer: &Value) -> BTreeMap<i16, (i16, i16)> {
    let number = |api: &Value, field| {
        let number = api.number(field);
        number.and_then(|number| i16::try_from(number).ok())
    };
    let keys = answer.get("api_keys").map_or(&[][..], Value::items);
    let row = |api: &Value| {
        let range = (number(api, "min_version")?, number(api, "max_version")?);
        Some((number(api, "api_key")?, range))
    };
    keys.iter().filter_map(row).collect()
}

#[cfg(test)]
mod tests {
    use milena_wire::messages::{ApiVersionsApiVersion, ApiVersionsResponse};

    use super::*;

    fn answer(rows: &[(ApiKey, i16, i16)]) -> Value {
        let api_keys = rows.iter().map(|(key, min, max)| ApiVersionsApiVersion {
            api_key: key.0,
            min_version: *min,
            max_version: *max,
        });
        let answer = ApiVersionsResponse {
            api_keys: api_keys.collect(),
            ..Default::default()
        };
        Value::of(&answer.into())
    }

    #[test]
    fn only_what_both_serve_is_asked() {
        let real = answer(&[(ApiKey::PRODUCE, 0, 11), (ApiKey::HEARTBEAT, 0, 4)]);
        let ours = answer(&[(ApiKey::PRODUCE, 3, 13), (ApiKey::END_TXN, 0, 5)]);
        let versions = Versions::of(&real, &ours);
        for draw in 0..100 {
            let version = versions.pick(ApiKey::PRODUCE, draw, i16::MAX);
            assert!((3..=11).contains(&version.expect("both serve it")));
        }
        assert_eq!(versions.pick(ApiKey::HEARTBEAT, 0, i16::MAX), None);
        assert_eq!((versions.missing.len(), versions.invented.len()), (2, 1));
    }
}
