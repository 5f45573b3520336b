//! The versions that Kafka serves, release by release, and what a cluster serves of them.

use milena_wire::{ApiKey, ApiVersion, VersionRange};

use super::ours;
use crate::config::{BrokerConfig, Emulate};

/// What the brokers of a release answer to ApiVersions: key, lowest, highest version.
type Row = (i16, i16, i16);

/// The versions of an API that this cluster serves: those of the release, of the definitions there
/// are, and below the cap.
pub(crate) fn versions(config: &BrokerConfig, api: ApiKey) -> Option<VersionRange> {
    let ours = ours(api)?;
    let release = of_kafka(config.emulate, api)?;
    let min = ours.min.max(release.min);
    let mut max = ours.max.min(release.max);
    if let Some(cap) = config.version_caps.get(&api) {
        max = max.min(ApiVersion(*cap));
    }
    (max >= min).then_some(VersionRange { min, max })
}

/// The versions that ApiVersions lists. Produce is listed from 0 on, as by Kafka 4, which serves it
/// from 3 on: without that librdkafka does not compress what it sends (KAFKA-18659).
pub(crate) fn advertised(config: &BrokerConfig, api: ApiKey) -> Option<VersionRange> {
    let served = versions(config, api)?;
    let min = match api {
        ApiKey::PRODUCE => ApiVersion(0),
        _ => served.min,
    };
    Some(VersionRange { min, ..served })
}

fn of_kafka(emulate: Emulate, api: ApiKey) -> Option<VersionRange> {
    let rows = match emulate {
        Emulate::V3_9 => OF_3_9,
        Emulate::V4_3 => OF_4_3,
    };
    let (_, min, max) = rows.iter().find(|(key, _, _)| *key == api.0)?;
    Some(VersionRange {
        min: ApiVersion(*min),
        max: ApiVersion(*max),
    })
}

/// As 4.3.1 lists them, in their order.
#[rustfmt::skip]
const OF_4_3: &[Row] = &[
    (0, 0, 13), (1, 4, 18), (2, 1, 11), (3, 0, 13), (8, 2, 10), (9, 1, 10), (10, 0, 6), (11, 0, 9),
    (12, 0, 4), (13, 0, 5), (14, 0, 5), (15, 0, 6), (16, 0, 5), (17, 0, 1), (18, 0, 4), (19, 2, 7),
    (20, 1, 6), (21, 0, 2), (22, 0, 5), (23, 2, 4), (24, 0, 5), (25, 0, 4), (26, 0, 5), (27, 1, 2),
    (28, 0, 5), (29, 1, 3), (30, 1, 3), (31, 1, 3), (32, 1, 4), (33, 0, 2), (34, 1, 2), (35, 1, 5),
    (36, 0, 2), (37, 0, 3), (38, 1, 3), (39, 1, 2), (40, 1, 2), (41, 1, 3), (42, 0, 2), (43, 0, 2),
    (44, 0, 1), (45, 0, 1), (46, 0, 0), (47, 0, 0), (48, 0, 1), (49, 0, 1), (50, 0, 0), (51, 0, 0),
    (55, 0, 2), (57, 0, 2), (60, 0, 2), (61, 0, 0), (64, 0, 0), (65, 0, 0), (66, 0, 2), (68, 0, 1),
    (69, 0, 1), (74, 0, 1), (75, 0, 0), (76, 1, 1), (77, 1, 1), (78, 1, 2), (79, 1, 2), (80, 0, 1),
    (81, 0, 0), (83, 0, 0), (84, 0, 0), (85, 0, 1), (86, 0, 0), (87, 0, 1), (88, 0, 0), (89, 0, 0),
    (90, 0, 1), (91, 0, 0), (92, 0, 0),
];

/// As 3.9.2 lists them, in their order.
#[rustfmt::skip]
const OF_3_9: &[Row] = &[
    (0, 0, 11), (1, 0, 17), (2, 0, 9), (3, 0, 12), (8, 0, 9), (9, 0, 9), (10, 0, 6), (11, 0, 9),
    (12, 0, 4), (13, 0, 5), (14, 0, 5), (15, 0, 5), (16, 0, 5), (17, 0, 1), (18, 0, 4), (19, 0, 7),
    (20, 0, 6), (21, 0, 2), (22, 0, 5), (23, 0, 4), (24, 0, 5), (25, 0, 4), (26, 0, 4), (27, 0, 1),
    (28, 0, 4), (29, 0, 3), (30, 0, 3), (31, 0, 3), (32, 0, 4), (33, 0, 2), (34, 0, 2), (35, 0, 4),
    (36, 0, 2), (37, 0, 3), (38, 0, 3), (39, 0, 2), (40, 0, 2), (41, 0, 3), (42, 0, 2), (43, 0, 2),
    (44, 0, 1), (45, 0, 0), (46, 0, 0), (47, 0, 0), (48, 0, 1), (49, 0, 1), (50, 0, 0), (51, 0, 0),
    (55, 0, 2), (57, 0, 1), (60, 0, 1), (61, 0, 0), (64, 0, 0), (65, 0, 0), (66, 0, 1), (68, 0, 0),
    (69, 0, 0), (74, 0, 0), (75, 0, 0), (80, 0, 0), (81, 0, 0),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const SKIPPED: &str = include_str!("../../SKIPPED.md");

    /// The items of the list that begins behind this line.
    fn listed(behind: &str) -> BTreeSet<String> {
        let (_, list) = SKIPPED.split_once(behind).expect("the list is there");
        let lines = list.lines().skip_while(|line| !line.starts_with("- "));
        let items = lines.map_while(|line| line.strip_prefix("- "));
        items.map(str::to_owned).collect()
    }

    #[test]
    fn what_is_not_served_is_listed_and_nothing_else() {
        let rows = OF_4_3.iter().chain(OF_3_9).map(|(key, ..)| *key);
        let missing = rows.filter(|key| ours(ApiKey(*key)).is_none());
        let missing: BTreeSet<String> = missing.map(|key| ApiKey(key).to_string()).collect();
        assert_eq!(listed("Not served"), missing);
    }

    #[test]
    fn where_other_versions_are_served_than_by_kafka_that_is_listed() {
        let mut other = BTreeSet::new();
        for (emulate, rows) in [(Emulate::V4_3, OF_4_3), (Emulate::V3_9, OF_3_9)] {
            for (key, min, max) in rows {
                let config = BrokerConfig {
                    emulate,
                    ..Default::default()
                };
                let Some(range) = advertised(&config, ApiKey(*key)) else {
                    continue;
                };
                if (range.min.0, range.max.0) != (*min, *max) {
                    let api = ApiKey(*key);
                    let (from, to) = (range.min.0, range.max.0);
                    other.insert(format!("{api} {from}-{to} ({emulate}: {min}-{max})"));
                }
            }
        }
        assert_eq!(listed("Other versions"), other);
    }
}
