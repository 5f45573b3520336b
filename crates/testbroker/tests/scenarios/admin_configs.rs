//! Settings of topics, brokers, groups: described, altered, acting.

use std::time::Duration;

use milena_testbroker::{Action, BrokerConfig, Emulate, Rule, TopicSpec};
use milena_wire::messages::{
    AlterConfigsAlterConfigsResource, AlterConfigsAlterableConfig, AlterConfigsRequest,
    DescribeConfigsRequest, DescribeConfigsResource, IncrementalAlterConfigsAlterConfigsResource,
    IncrementalAlterConfigsAlterableConfig, IncrementalAlterConfigsRequest,
    ListConfigResourcesRequest,
};
use milena_wire::{ApiKey, ErrorCode};

use crate::harness::{Cluster, plain};

const TOPIC: i8 = 2;
const BROKER: i8 = 4;
const LOGGER: i8 = 8;
const CLIENT_METRICS: i8 = 16;
const GROUP: i8 = 32;

const SET: i8 = 0;
const DELETE: i8 = 1;
const APPEND: i8 = 2;
const SUBTRACT: i8 = 3;

type Change<'a> = (&'a str, i8, Option<&'a str>);
type Answer = (ErrorCode, Option<String>);

/// Value, source, and the synonyms as "name=value source".
type Shown = (Option<String>, i8, Vec<String>);

fn resource<'a>(
    kind: i8,
    name: &'a str,
    changes: &[Change<'a>],
) -> IncrementalAlterConfigsAlterConfigsResource<'a> {
    let configs = changes.iter();
    let configs = configs.map(
        |(name, operation, value)| IncrementalAlterConfigsAlterableConfig {
            name,
            config_operation: *operation,
            value: *value,
        },
    );
    IncrementalAlterConfigsAlterConfigsResource {
        resource_type: kind,
        resource_name: name,
        configs: configs.collect(),
    }
}

impl Cluster {
    fn alter_all(
        &mut self,
        resources: Vec<IncrementalAlterConfigsAlterConfigsResource<'_>>,
        validate_only: bool,
    ) -> Vec<Answer> {
        let request = IncrementalAlterConfigsRequest {
            resources,
            validate_only,
        };
        self.ask(1, 1, &request, |response| {
            let answers = response.responses.iter();
            let answers = answers.map(|it| (it.error_code, it.error_message.map(str::to_owned)));
            answers.collect()
        })
    }

    fn alter(&mut self, kind: i8, name: &str, changes: &[Change<'_>]) -> Answer {
        self.alter_all(vec![resource(kind, name, changes)], false)
            .remove(0)
    }

    fn describe_all(
        &mut self,
        kind: i8,
        name: &str,
        keys: Option<Vec<&str>>,
    ) -> (Answer, Vec<(String, Shown)>) {
        let resource = DescribeConfigsResource {
            resource_type: kind,
            resource_name: name,
            configuration_keys: keys,
        };
        let request = DescribeConfigsRequest {
            resources: vec![resource],
            include_synonyms: true,
            include_documentation: false,
        };
        self.ask(1, 4, &request, |response| {
            let result = &response.results[0];
            let answer = (result.error_code, result.error_message.map(str::to_owned));
            let configs = result.configs.iter().map(|it| {
                let synonyms = it.synonyms.iter();
                let synonyms = synonyms.map(|synonym| {
                    format!(
                        "{}={} {}",
                        synonym.name,
                        synonym.value.unwrap_or("null"),
                        synonym.source
                    )
                });
                let value = it.value.map(str::to_owned);
                let shown = (value, it.config_source, synonyms.collect());
                (it.name.to_owned(), shown)
            });
            (answer, configs.collect())
        })
    }

    fn setting(&mut self, kind: i8, name: &str, key: &str) -> Shown {
        let (answer, mut found) = self.describe_all(kind, name, Some(vec![key]));
        assert_eq!(answer.0, ErrorCode::NONE);
        found.pop().unwrap().1
    }
}

fn said(code: ErrorCode, message: &str) -> Answer {
    (code, Some(message.to_owned()))
}

fn done() -> Answer {
    (ErrorCode::NONE, None)
}

#[test]
fn a_topic_shows_its_own_settings_its_brokers_and_the_defaults() {
    let mut cluster = Cluster::new(BrokerConfig::default());
    let spec = TopicSpec::new().config("retention.ms", " 5000 ");
    cluster.broker.create_topic_with("t", spec).unwrap();
    let retention = cluster.setting(TOPIC, "t", "retention.ms");
    let own = "retention.ms=5000 1".to_owned();
    assert_eq!(retention, (Some("5000".into()), 1, vec![own]));
    let size = cluster.setting(TOPIC, "t", "segment.bytes");
    let synonym = "log.segment.bytes=1073741824 5".to_owned();
    assert_eq!(size, (Some("1073741824".into()), 5, vec![synonym]));
    // Its synonym log.roll.ms has no value, and log.roll.hours is not asked.
    let time = cluster.setting(TOPIC, "t", "segment.ms");
    assert_eq!(time, (Some("604800000".into()), 5, vec![]));
    assert_eq!(cluster.describe_all(TOPIC, "t", None).1.len(), 33);
    assert_eq!(cluster.describe_all(TOPIC, "t", Some(vec![])).1.len(), 33);
    assert_eq!(
        cluster.describe_all(TOPIC, "t", Some(vec!["nope"])).1.len(),
        0
    );
}

#[test]
fn describing_what_is_not_there_says_so() {
    let mut cluster = Cluster::single();
    let mut ask = |kind, name| cluster.describe_all(kind, name, None).0;
    let invalid = ErrorCode::INVALID_REQUEST;
    assert_eq!(
        ask(TOPIC, "missing"),
        said(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, "")
    );
    assert_eq!(
        ask(TOPIC, ".."),
        said(
            ErrorCode::INVALID_TOPIC_EXCEPTION,
            "Topic name is invalid: '..' is not allowed"
        )
    );
    assert_eq!(
        ask(BROKER, "2"),
        said(
            invalid,
            "Unexpected broker id, expected 1 or empty string, but received 2"
        )
    );
    assert_eq!(
        ask(BROKER, "x"),
        said(invalid, "Broker id must be an integer, but it is: x")
    );
    assert_eq!(
        ask(LOGGER, ""),
        said(invalid, "Broker id must not be empty")
    );
    assert_eq!(
        ask(GROUP, ""),
        said(invalid, "Group name must not be empty")
    );
    assert_eq!(ask(99, "x").0, invalid);
}

#[test]
fn settings_are_set_deleted_appended_and_subtracted() {
    let mut cluster = Cluster::single();
    let policy = "cleanup.policy";
    assert_eq!(
        cluster.alter(TOPIC, "t", &[(policy, APPEND, Some("compact"))]),
        done()
    );
    assert_eq!(
        cluster.setting(TOPIC, "t", policy).0.as_deref(),
        Some("delete,compact")
    );
    let changes = [
        (policy, SUBTRACT, Some("delete")),
        ("retention.ms", SET, Some("7")),
    ];
    assert_eq!(cluster.alter(TOPIC, "t", &changes), done());
    assert_eq!(
        cluster.setting(TOPIC, "t", policy).0.as_deref(),
        Some("compact")
    );
    assert_eq!(cluster.alter(TOPIC, "t", &[(policy, DELETE, None)]), done());
    assert_eq!(cluster.setting(TOPIC, "t", policy).1, 5, "the default");
    assert_eq!(cluster.setting(TOPIC, "t", "retention.ms").1, 1);
}

#[test]
fn altering_in_vain_says_why_and_changes_nothing() {
    let mut cluster = Cluster::single();
    let config = ErrorCode::INVALID_CONFIG;
    let request = ErrorCode::INVALID_REQUEST;
    #[rustfmt::skip]
    let rows: &[(i8, &str, Change<'_>, ErrorCode, &str)] = &[
        (TOPIC, "t", ("nope", SET, Some("1")), config, "Unknown topic config name: nope"),
        (TOPIC, "t", ("retention.ms", SET, Some("x")), config, "Invalid value x for configuration retention.ms: Not a number of type LONG"),
        (TOPIC, "t", ("retention.ms", SET, Some("-2")), config, "Invalid value -2 for configuration retention.ms: Value must be at least -1"),
        (TOPIC, "t", ("preallocate", SET, Some("yes")), config, "Invalid value yes for configuration preallocate: Expected value to be either true or false"),
        (TOPIC, "t", ("cleanup.policy", SET, Some("foo")), config, "Invalid value foo for configuration cleanup.policy: String must be one of: compact, delete"),
        (TOPIC, "t", ("min.cleanable.dirty.ratio", SET, Some("2")), config, "Invalid value 2.0 for configuration min.cleanable.dirty.ratio: Value must be no more than 1"),
        (TOPIC, "t", ("retention.ms", SET, None), request, "Null value not supported for : retention.ms"),
        (TOPIC, "t", ("retention.ms", APPEND, Some("5")), config, "Can't APPEND to key retention.ms because its type is not LIST."),
        (TOPIC, "missing", ("retention.ms", SET, Some("5")), ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, "The topic 'missing' does not exist."),
        (TOPIC, "", ("retention.ms", SET, Some("5")), request, "Default topic resources are not allowed."),
        (BROKER, "2", ("log.retention.ms", SET, Some("5")), request, "Unexpected broker id, expected 1, but received 2"),
        (BROKER, "1", ("num.partitions", SET, Some("5")), request, "Cannot update these configs dynamically: [num.partitions]"),
        (BROKER, "1", ("log.retention.ms", SET, Some("x")), request, "Invalid value x for configuration log.retention.ms: Not a number of type LONG"),
        (BROKER, "", ("listeners", SET, Some("A://:9")), request, "Cannot update these configs at default cluster level, broker id must be specified: [listeners]"),
        (BROKER, "1", ("min.insync.replicas", SET, Some("2")), config, "Broker-level min.insync.replicas cannot be altered while ELR is enabled."),
        (GROUP, "g", ("consumer.session.timeout.ms", SET, Some("5")), config, "consumer.session.timeout.ms must be greater than or equal to group.consumer.min.session.timeout.ms"),
        (CLIENT_METRICS, "m", ("interval.ms", SET, Some("5")), request, "Invalid value 5 for interval.ms, interval must be between 100 and 3600000 (1 hour)"),
        (99, "x", ("a", SET, Some("5")), request, "Unknown resource type 99"),
    ];
    for (kind, name, change, code, message) in rows {
        let answer = cluster.alter(*kind, name, &[*change]);
        assert_eq!(answer, said(*code, message), "{change:?}");
    }
    let shown = cluster.describe_all(TOPIC, "t", None).1;
    assert!(
        shown
            .iter()
            .all(|(_, (_, source, _))| *source == 5 || *source == 3)
    );
}

#[test]
fn duplicates_are_refused_and_validation_leaves_no_trace() {
    let mut cluster = Cluster::single();
    let set = ("retention.ms", SET, Some("5"));
    let twice = vec![resource(TOPIC, "t", &[set]), resource(TOPIC, "t", &[set])];
    let refused = said(
        ErrorCode::INVALID_REQUEST,
        "Each resource must appear at most once.",
    );
    assert_eq!(cluster.alter_all(twice, false), [refused.clone(), refused]);
    let keys = said(
        ErrorCode::INVALID_REQUEST,
        "Error due to duplicate config keys",
    );
    assert_eq!(cluster.alter(TOPIC, "t", &[set, set]), keys);
    let checked = cluster.alter_all(vec![resource(TOPIC, "t", &[set])], true);
    assert_eq!(checked, [done()]);
    assert_eq!(cluster.setting(TOPIC, "t", "retention.ms").1, 5);
}

#[test]
fn alter_configs_replaces_what_was_set() {
    let mut cluster = Cluster::single();
    cluster.alter(TOPIC, "t", &[("retention.ms", SET, Some("5"))]);
    let config = AlterConfigsAlterableConfig {
        name: "segment.ms",
        value: Some("7"),
    };
    let request = AlterConfigsRequest {
        resources: vec![AlterConfigsAlterConfigsResource {
            resource_type: TOPIC,
            resource_name: "t",
            configs: vec![config],
        }],
        validate_only: false,
    };
    for version in 0..=2 {
        let code = cluster.ask(1, version, &request, |it| it.responses[0].error_code);
        assert_eq!(code, ErrorCode::NONE);
    }
    assert_eq!(cluster.setting(TOPIC, "t", "segment.ms").1, 1);
    assert_eq!(cluster.setting(TOPIC, "t", "retention.ms").1, 5);
}

#[test]
fn a_topics_size_limit_acts_at_once_and_follows_the_brokers() {
    let mut cluster = Cluster::single();
    let batch = || plain(&["0123456789012345678901234567890123456789"]);
    assert_eq!(cluster.write(batch()), Ok(0));
    cluster
        .broker
        .set_topic_config("t", "max.message.bytes", "50")
        .unwrap();
    assert_eq!(cluster.write(batch()), Err(ErrorCode::MESSAGE_TOO_LARGE));
    cluster.alter(TOPIC, "t", &[("max.message.bytes", DELETE, None)]);
    assert_eq!(cluster.write(batch()), Ok(1));
    let all = [("message.max.bytes", SET, Some("50"))];
    assert_eq!(cluster.alter(BROKER, "", &all), done());
    assert_eq!(cluster.write(batch()), Err(ErrorCode::MESSAGE_TOO_LARGE));
    let one = [("message.max.bytes", SET, Some("5000"))];
    assert_eq!(cluster.alter(BROKER, "1", &one), done());
    assert_eq!(cluster.write(batch()), Ok(2), "one broker's before all's");
}

#[test]
fn brokers_show_where_a_value_comes_from() {
    let mut config = BrokerConfig::default();
    config.set("log.retention.ms", "900").unwrap();
    let mut cluster = Cluster::new(config);
    let name = "log.retention.ms";
    cluster.alter(BROKER, "", &[(name, SET, Some("800"))]);
    cluster.alter(BROKER, "1", &[(name, SET, Some("700"))]);
    let shown = cluster.setting(BROKER, "1", name);
    let expected = [
        "log.retention.ms=700 2",
        "log.retention.ms=800 3",
        "log.retention.ms=900 4",
        "log.retention.hours=168 5",
    ];
    assert_eq!(shown.0.as_deref(), Some("700"));
    assert_eq!(shown.2, expected);
    let all = cluster.setting(BROKER, "", name);
    assert_eq!(all.0.as_deref(), Some("800"));
    assert_eq!(all.2, ["log.retention.ms=800 3"]);
    assert_eq!(cluster.describe_all(BROKER, "1", None).1.len(), 340);
}

#[test]
fn kafka_3_9_knows_other_settings_and_no_groups() {
    let config = BrokerConfig {
        emulate: Emulate::V3_9,
        ..BrokerConfig::default()
    };
    let mut cluster = Cluster::with_topic(config);
    assert_eq!(cluster.describe_all(TOPIC, "t", None).1.len(), 36);
    let old = [("message.format.version", SET, Some("3.0"))];
    assert_eq!(cluster.alter(TOPIC, "t", &old), done());
    let group = [("consumer.session.timeout.ms", SET, Some("50000"))];
    let refused = said(ErrorCode::INVALID_REQUEST, "Unknown resource type 32");
    assert_eq!(cluster.alter(GROUP, "g", &group), refused);
    assert_eq!(
        cluster.alter(BROKER, "1", &[("num.partitions", SET, Some("5"))]),
        said(
            ErrorCode::INVALID_REQUEST,
            "Cannot update these configs dynamically: Set(num.partitions)"
        )
    );
}

#[test]
fn groups_and_metrics_subscriptions_keep_what_is_set() {
    let mut cluster = Cluster::new(BrokerConfig::default());
    let changes = [("consumer.session.timeout.ms", SET, Some("50000"))];
    assert_eq!(cluster.alter(GROUP, "g", &changes), done());
    let shown = cluster.setting(GROUP, "g", "consumer.session.timeout.ms");
    assert_eq!((shown.0.as_deref(), shown.1), (Some("50000"), 8));
    assert_eq!(shown.2[1], "group.consumer.session.timeout.ms=45000 5");
    let changes = [("metrics", APPEND, Some("a,b"))];
    assert_eq!(cluster.alter(CLIENT_METRICS, "m", &changes), done());
    let shown = cluster.setting(CLIENT_METRICS, "m", "metrics");
    assert_eq!((shown.0.as_deref(), shown.1), (Some("a,b"), 7));
}

#[test]
fn resources_are_listed_by_their_kinds() {
    let mut cluster = Cluster::single();
    cluster
        .broker
        .set_group_config("g", "consumer.session.timeout.ms", "50000")
        .unwrap();
    let mut list = |version, kinds: Vec<i8>| {
        let request = ListConfigResourcesRequest {
            resource_types: kinds.into(),
        };
        cluster.ask(1, version, &request, |response| {
            let found = response.config_resources.iter();
            let found = found.map(|it| (it.resource_name.to_owned(), it.resource_type));
            (response.error_code, found.collect::<Vec<_>>())
        })
    };
    let row = |name: &str, kind| (name.to_owned(), kind);
    let (none, unsupported) = (ErrorCode::NONE, ErrorCode::UNSUPPORTED_VERSION);
    assert_eq!(list(0, vec![]), (none, vec![]), "metrics only");
    assert_eq!(list(1, vec![TOPIC]), (none, vec![row("t", TOPIC)]));
    assert_eq!(list(1, vec![99]), (unsupported, vec![]));
    let all = vec![
        row("g", GROUP),
        row("1", LOGGER),
        row("1", BROKER),
        row("t", TOPIC),
    ];
    assert_eq!(list(1, vec![]), (none, all));
}

#[test]
fn values_without_end_stay_bounded() {
    let mut cluster = Cluster::single();
    let long = ["x".repeat(30_000), "y".repeat(30_000)];
    let mut append = |item| {
        cluster
            .alter(BROKER, "1", &[("metric.reporters", APPEND, Some(item))])
            .0
    };
    assert_eq!(append(&long[0]), ErrorCode::NONE);
    assert_eq!(append(&long[1]), ErrorCode::INVALID_CONFIG);
    let names: Vec<String> = (0..1_100).map(|index| format!("name.{index}")).collect();
    let changes = names.iter().map(|name| (name.as_str(), SET, Some("1")));
    let changes: Vec<Change<'_>> = changes.collect();
    let answer = cluster.alter(BROKER, "1", &changes);
    assert_eq!(answer.0, ErrorCode::POLICY_VIOLATION);
}

#[test]
fn min_insync_replicas_of_a_topic_act() {
    let config = BrokerConfig {
        nodes: 2,
        ..BrokerConfig::default()
    };
    let mut cluster = Cluster::with_topic(config);
    cluster.broker.stop_node(2);
    cluster.advance(Duration::from_secs(31));
    assert_eq!(cluster.write(plain(&["a"])), Ok(0));
    cluster
        .broker
        .set_topic_config("t", "min.insync.replicas", "2")
        .unwrap();
    assert_eq!(
        cluster.write(plain(&["b"])),
        Err(ErrorCode::NOT_ENOUGH_REPLICAS)
    );
}

#[test]
fn a_rule_refuses_the_settings_of_one_topic() {
    let mut cluster = Cluster::single();
    cluster.broker.create_topic("u", 1);
    let rule = Rule::on(ApiKey::INCREMENTAL_ALTER_CONFIGS)
        .topic("u")
        .times(1);
    let action = Action::Error(ErrorCode::POLICY_VIOLATION);
    cluster.broker.faults().add(rule, action);
    let set = [("retention.ms", SET, Some("5"))];
    let both = vec![resource(TOPIC, "t", &set), resource(TOPIC, "u", &set)];
    let codes = cluster.alter_all(both, false);
    assert_eq!(codes[0].0, ErrorCode::NONE);
    assert_eq!(codes[1].0, ErrorCode::POLICY_VIOLATION);
    assert_eq!(cluster.setting(TOPIC, "u", "retention.ms").1, 5);
}
