//! ApiVersions and UpdateFeatures: what the releases show, and how it changes.

use milena_testbroker::{BrokerConfig, ConfigError, Emulate, FeatureError};
use milena_wire::messages::{ApiVersionsRequest, FeatureUpdateKey, UpdateFeaturesRequest};
use milena_wire::{ApiKey, ErrorCode};

use crate::harness::Cluster;

/// The first request of a client.
pub(crate) fn hello() -> ApiVersionsRequest<'static> {
    ApiVersionsRequest {
        client_software_name: "harness",
        client_software_version: "1.0",
    }
}

/// Name, lowest, highest.
type Range = (String, i16, i16);

#[derive(Debug, PartialEq)]
struct Shown {
    error: ErrorCode,
    apis: Vec<(i16, i16, i16)>,
    supported: Vec<Range>,
    epoch: i64,
    finalized: Vec<Range>,
}

fn show(cluster: &mut Cluster, version: i16) -> Shown {
    show_to(cluster, version, &hello())
}

fn show_to(cluster: &mut Cluster, version: i16, request: &ApiVersionsRequest<'_>) -> Shown {
    cluster.ask(1, version, request, |response| {
        let apis = response.api_keys.iter();
        let supported = response.supported_features.iter();
        let finalized = response.finalized_features.iter();
        Shown {
            error: response.error_code,
            apis: apis
                .map(|api| (api.api_key, api.min_version, api.max_version))
                .collect(),
            supported: supported
                .map(|found| (found.name.to_owned(), found.min_version, found.max_version))
                .collect(),
            epoch: response.finalized_features_epoch,
            finalized: finalized
                .map(|found| {
                    let (min, max) = (found.min_version_level, found.max_version_level);
                    (found.name.to_owned(), min, max)
                })
                .collect(),
        }
    })
}

fn ranges(expected: &[(&str, i16, i16)]) -> Vec<Range> {
    let owned = |(name, min, max): &(&str, i16, i16)| ((*name).to_owned(), *min, *max);
    expected.iter().map(owned).collect()
}

fn as_3_9() -> Cluster {
    Cluster::new(BrokerConfig {
        emulate: Emulate::V3_9,
        ..Default::default()
    })
}

fn version_of(shown: &Shown, api: ApiKey) -> Option<(i16, i16)> {
    let found = shown.apis.iter().find(|(key, ..)| *key == api.0);
    found.map(|(_, min, max)| (*min, *max))
}

#[test]
fn kafka_4_3_shows_its_features() {
    let mut cluster = Cluster::single();
    let shown = show(&mut cluster, 4);
    let supported = ranges(&[
        ("group.version", 0, 1),
        ("kraft.version", 0, 1),
        ("metadata.version", 7, 30),
        ("share.version", 0, 1),
        ("streams.version", 0, 1),
        ("transaction.version", 0, 2),
        ("eligible.leader.replicas.version", 0, 1),
    ]);
    assert_eq!(shown.supported, supported);
    let finalized = ranges(&[
        ("group.version", 1, 1),
        ("streams.version", 1, 1),
        ("transaction.version", 2, 2),
        ("eligible.leader.replicas.version", 1, 1),
        ("share.version", 1, 1),
        ("metadata.version", 30, 30),
    ]);
    assert_eq!((shown.epoch, shown.finalized), (1, finalized.clone()));
    let older = show(&mut cluster, 3);
    let only = ranges(&[("metadata.version", 7, 30)]);
    assert_eq!(older.supported, only, "before v4 no range begins at 0");
    assert_eq!(older.finalized, finalized);
    let oldest = show(&mut cluster, 2);
    assert_eq!((oldest.supported, oldest.epoch), (vec![], -1));
}

#[test]
fn kafka_3_9_has_no_transaction_version_and_no_group_version() {
    let mut cluster = as_3_9();
    let shown = show(&mut cluster, 4);
    let supported = ranges(&[("kraft.version", 0, 1), ("metadata.version", 1, 21)]);
    assert_eq!(shown.supported, supported);
    assert_eq!(shown.finalized, ranges(&[("metadata.version", 21, 21)]));
    assert_eq!(version_of(&shown, ApiKey::PRODUCE), Some((0, 11)));
    assert_eq!(version_of(&shown, ApiKey::FETCH), Some((4, 17)));
    assert_eq!(version_of(&shown, ApiKey::END_TXN), Some((0, 4)));
    assert_eq!(version_of(&shown, ApiKey::TXN_OFFSET_COMMIT), Some((0, 4)));
    assert_eq!(version_of(&shown, ApiKey::UPDATE_FEATURES), Some((0, 1)));
    let unknown = Err(FeatureError::Unknown("transaction.version".to_owned()));
    assert_eq!(
        cluster.broker.set_feature("transaction.version", 2),
        unknown
    );
    cluster.broker.set_transaction_version(2);
    assert_eq!(show(&mut cluster, 4).finalized.len(), 1);
}

#[test]
fn kafka_4_3_advertises_the_newer_protocol_whatever_is_finalized() {
    for level in [0, 1, 2] {
        let mut cluster = Cluster::new(BrokerConfig {
            transaction_version: Some(level),
            ..Default::default()
        });
        let shown = show(&mut cluster, 3);
        assert_eq!(version_of(&shown, ApiKey::PRODUCE), Some((0, 13)));
        assert_eq!(version_of(&shown, ApiKey::END_TXN), Some((0, 5)));
        assert_eq!(version_of(&shown, ApiKey::TXN_OFFSET_COMMIT), Some((0, 5)));
        let mut finalized = shown.finalized.into_iter();
        let found = finalized.find(|(name, ..)| name == "transaction.version");
        let expected = (level > 0).then(|| ("transaction.version".to_owned(), level, level));
        assert_eq!(found, expected, "level 0 is not listed");
    }
}

#[test]
fn a_client_without_a_proper_name_is_refused_from_v3_on() {
    let mut cluster = Cluster::single();
    let nameless = ApiVersionsRequest {
        client_software_name: "no name",
        client_software_version: "1",
    };
    let shown = show_to(&mut cluster, 3, &nameless);
    assert_eq!(shown.error, ErrorCode::INVALID_REQUEST);
    assert!(shown.apis.is_empty());
    let odd = ApiVersionsRequest {
        client_software_version: "-1",
        ..hello()
    };
    let shown = show_to(&mut cluster, 4, &odd);
    assert_eq!(shown.error, ErrorCode::INVALID_REQUEST);
    let shown = show_to(&mut cluster, 2, &nameless);
    assert_eq!(shown.error, ErrorCode::NONE);
    assert!(!shown.apis.is_empty());
}

#[test]
fn a_feature_is_set_while_the_cluster_runs_and_the_epoch_grows() {
    let mut cluster = Cluster::single();
    assert_eq!(cluster.broker.set_feature("group.version", 0), Ok(()));
    cluster.broker.set_transaction_version(1);
    let shown = show(&mut cluster, 4);
    assert_eq!(shown.epoch, 3);
    let levels: Vec<_> = shown
        .finalized
        .iter()
        .map(|(name, level, _)| (&name[..], *level))
        .collect();
    assert!(levels.contains(&("transaction.version", 1)));
    assert!(!levels.iter().any(|(name, _)| *name == "group.version"));
    assert_eq!(cluster.broker.feature("transaction.version"), 1);
    let error = cluster.broker.set_feature("transaction.version", 3);
    assert!(matches!(
        error,
        Err(FeatureError::OutOfRange { max: 2, .. })
    ));
    assert_eq!(cluster.broker.features_epoch(), 3);
}

/// What is said of each feature.
type Results = Vec<(String, ErrorCode)>;

/// A feature, its level, the kind of upgrade.
type Wanted<'a> = (&'a str, i16, i8);

fn update(
    cluster: &mut Cluster,
    version: i16,
    updates: &[Wanted<'_>],
    validate_only: bool,
) -> (ErrorCode, Results) {
    let updates = updates
        .iter()
        .map(|(feature, level, kind)| FeatureUpdateKey {
            feature,
            max_version_level: *level,
            upgrade_type: if version == 0 { 1 } else { *kind },
            ..Default::default()
        });
    let request = UpdateFeaturesRequest {
        feature_updates: updates.collect(),
        validate_only,
        ..Default::default()
    };
    cluster.ask(1, version, &request, |response| {
        let results = response.results.iter();
        let told = results.map(|result| (result.feature.to_owned(), result.error_code));
        (response.error_code, told.collect())
    })
}

#[test]
fn updates_of_features_are_judged_as_by_4_3() {
    const OK: ErrorCode = ErrorCode::NONE;
    const NO: ErrorCode = ErrorCode::INVALID_UPDATE_VERSION;
    let table: &[(&[Wanted<'_>], ErrorCode)] = &[
        (&[], OK),
        (&[("transaction.version", 2, 1)], OK),
        (&[("transaction.version", 1, 1)], NO),
        (&[("transaction.version", 1, 2)], OK),
        (&[("transaction.version", 1, 3)], OK),
        (&[("transaction.version", 3, 1)], NO),
        (&[("transaction.version", -1, 2)], NO),
        (&[("transaction.version", 1, 9)], NO),
        (&[("transaction.version", 2, 2)], OK),
        (&[("kraft.version", 1, 1)], OK),
        (&[("kraft.version", 1, 2)], NO),
        (&[("nope", 1, 1)], NO),
        (&[("nope", 0, 2)], NO),
        (&[("", 2, 2)], NO),
        (&[("group.version", 0, 2), ("nope", 1, 1)], NO),
        (&[("group.version", 0, 1), ("group.version", 1, 1)], OK),
        (&[("metadata.version", 29, 2)], NO),
        (&[("metadata.version", 29, 3)], NO),
        (&[("metadata.version", 31, 1)], NO),
    ];
    for (updates, expected) in table {
        for version in [1, 2] {
            let mut cluster = Cluster::single();
            let answer = update(&mut cluster, version, updates, true);
            assert_eq!(answer.0, *expected, "{updates:?}");
            let told = if *expected == OK && version < 2 {
                updates.len()
            } else {
                0
            };
            assert_eq!(answer.1.len(), told, "{updates:?} v{version}");
            assert_eq!(cluster.broker.features_epoch(), 1, "only validated");
        }
    }
}

#[test]
fn an_update_takes_hold_unless_one_of_them_is_bad() {
    let mut cluster = Cluster::single();
    let both = [("transaction.version", 1, 2), ("nope", 1, 1)];
    update(&mut cluster, 2, &both, false);
    assert_eq!(cluster.broker.feature("transaction.version"), 2);
    update(&mut cluster, 2, &both[..1], false);
    assert_eq!(cluster.broker.feature("transaction.version"), 1);
    assert_eq!(cluster.broker.features_epoch(), 2);
    // Version 0 can raise only.
    let answer = update(&mut cluster, 0, &[("transaction.version", 0, 2)], false);
    assert_eq!(answer.0, ErrorCode::INVALID_UPDATE_VERSION);
    let answer = update(&mut cluster, 0, &[("transaction.version", 2, 1)], false);
    assert_eq!(
        answer.1,
        [("transaction.version".to_owned(), ErrorCode::NONE)]
    );
    assert_eq!(cluster.broker.feature("transaction.version"), 2);
}

#[test]
fn kafka_3_9_judges_each_update_by_itself() {
    const NO: ErrorCode = ErrorCode::INVALID_UPDATE_VERSION;
    let mut cluster = as_3_9();
    let updates = [
        ("transaction.version", 2, 1),
        ("nope", 0, 2),
        ("metadata.version", 20, 2),
        ("kraft.version", 1, 1),
    ];
    let (error, results) = update(&mut cluster, 1, &updates, false);
    assert_eq!(error, ErrorCode::NONE);
    let codes: Vec<_> = results.iter().map(|(_, code)| *code).collect();
    assert_eq!(
        codes,
        [NO, ErrorCode::NONE, ErrorCode::NONE, ErrorCode::NONE]
    );
    assert_eq!(cluster.broker.feature("metadata.version"), 20);
    let (_, results) = update(&mut cluster, 1, &[("metadata.version", 16, 2)], false);
    assert_eq!(results[0].1, NO, "metadata would be lost");
}

#[test]
fn releases_have_names_and_settings_that_no_kafka_has_are_refused() {
    assert_eq!("3.9".parse(), Ok(Emulate::V3_9));
    assert_eq!("4.3.1".parse(), Ok(Emulate::V4_3));
    assert_eq!(Emulate::V4_3.to_string(), "4.3");
    for wrong in ["", "4", "4.30", "3.90", "4.2"] {
        assert!(wrong.parse::<Emulate>().is_err(), "{wrong}");
    }
    let with = |emulate, transaction_version| BrokerConfig {
        emulate,
        transaction_version,
        ..Default::default()
    };
    for good in [
        with(Emulate::V3_9, None),
        with(Emulate::V3_9, Some(0)),
        with(Emulate::V4_3, None),
        with(Emulate::V4_3, Some(1)),
    ] {
        assert_eq!(good.check(), Ok(()));
    }
    let refused = |emulate, level, max| {
        Err(ConfigError::TransactionVersion {
            emulate,
            level,
            max,
        })
    };
    let checked = with(Emulate::V3_9, Some(2)).check();
    assert_eq!(checked, refused(Emulate::V3_9, 2, 0));
    let checked = with(Emulate::V4_3, Some(3)).check();
    assert_eq!(checked, refused(Emulate::V4_3, 3, 2));
    let config = BrokerConfig {
        nodes: 0,
        ..Default::default()
    };
    assert_eq!(config.check(), Err(ConfigError::Nodes(0)));
}
