//! SKIPPED.md against what the broker tells its clients it serves.

use std::collections::{BTreeMap, BTreeSet};

use milena_testbroker::{BrokerConfig, Emulate};
use milena_wire::ApiKey;
use milena_wire::messages::ApiVersionsRequest;

use crate::harness::Cluster;

/// The items of the list in SKIPPED.md that begins behind this text.
fn listed(behind: &str) -> BTreeSet<&'static str> {
    let text = include_str!("../../SKIPPED.md");
    let (_, list) = text.split_once(behind).expect("the list is there");
    let lines = list.lines().skip_while(|line| !line.starts_with("- "));
    lines.map_while(|line| line.strip_prefix("- ")).collect()
}

/// Lowest and highest version of each API.
fn advertised(emulate: Emulate) -> BTreeMap<ApiKey, (i16, i16)> {
    let config = BrokerConfig {
        emulate,
        ..Default::default()
    };
    Cluster::new(config).ask(1, 2, &ApiVersionsRequest::default(), |response| {
        let served = response.api_keys.iter();
        served
            .map(|api| (ApiKey(api.api_key), (api.min_version, api.max_version)))
            .collect()
    })
}

#[test]
fn every_api_is_served_or_named_as_skipped() {
    let mut skipped = listed("Not served");
    // Kafka does not advertise these either.
    skipped.extend(listed("Nor are these"));
    let served = advertised(Emulate::V4_3);
    for api in ApiKey::ALL {
        let named = skipped.contains(api.name());
        match (served.contains_key(api), named) {
            (true, false) | (false, true) => {}
            (false, false) => panic!("{api} is neither served nor named in SKIPPED.md"),
            (true, true) => panic!("{api} is served, but SKIPPED.md says it is not"),
        }
    }
    for api in advertised(Emulate::V3_9).keys() {
        assert!(!skipped.contains(api.name()), "{api} is served as of 3.9");
    }
}

/// The definitions are those of Kafka 4.3, so what it serves is all that they can read, but for what SKIPPED.md names.
#[test]
fn what_is_served_is_served_in_every_version() {
    let others = listed("Other versions");
    for (api, (min, max)) in advertised(Emulate::V4_3) {
        let known = api.versions().expect("what is served can be read");
        let named = others
            .iter()
            .any(|item| item.starts_with(&format!("{} ", api.name())));
        let low = min <= known.min.0;
        assert!(low && max == known.max.0 || named, "{api} {min}-{max}");
    }
}
