//! The settings of one group, set while it lives.

use milena_testbroker::{BrokerConfig, ErrorCode};
use milena_wire::messages::{
    IncrementalAlterConfigsAlterConfigsResource, IncrementalAlterConfigsAlterableConfig,
    IncrementalAlterConfigsRequest,
};

use super::member::{Member, beat, joining};
use crate::harness::{Cluster, ms};

/// GROUP among the types of resources.
const GROUP_TYPE: i8 = 32;

fn set(cluster: &mut Cluster, resource: (i8, &str), name: &str, value: &str) -> ErrorCode {
    let config = IncrementalAlterConfigsAlterableConfig {
        name,
        config_operation: 0,
        value: Some(value),
    };
    let request = IncrementalAlterConfigsRequest {
        resources: vec![IncrementalAlterConfigsAlterConfigsResource {
            resource_type: resource.0,
            resource_name: resource.1,
            configs: vec![config],
        }],
        validate_only: false,
    };
    cluster.ask(1, 1, &request, |response| response.responses[0].error_code)
}

#[test]
fn a_groups_own_interval_and_session_count_from_the_next_heartbeat() {
    let mut cluster = Cluster::single();
    let group = (GROUP_TYPE, "g");
    let name = "consumer.heartbeat.interval.ms";
    assert_eq!(beat(&mut cluster, &joining("a")).interval_ms, 5_000);
    assert_eq!(set(&mut cluster, group, name, "7000"), ErrorCode::NONE);
    assert_eq!(beat(&mut cluster, &joining("a")).interval_ms, 7_000);
    let low = set(&mut cluster, group, name, "1");
    assert_eq!(low, ErrorCode::INVALID_CONFIG);

    let session = "consumer.session.timeout.ms";
    assert_eq!(set(&mut cluster, group, session, "60000"), ErrorCode::NONE);
    let mut a = Member::new("a", &["t"]);
    a.beat(&mut cluster);
    cluster.advance(ms(59_999));
    assert_eq!(a.ask(&mut cluster).error, ErrorCode::NONE);
    cluster.advance(ms(60_000));
    assert_eq!(a.ask(&mut cluster).error, ErrorCode::UNKNOWN_MEMBER_ID);
}

#[test]
fn a_broker_that_runs_can_be_told_how_often_to_assign() {
    let mut cluster = Cluster::single();
    let all = (4, "");
    let name = "group.consumer.assignment.interval.ms";
    assert_eq!(set(&mut cluster, all, name, "0"), ErrorCode::NONE);
    let mut a = Member::new("a", &["t"]);
    let mut b = Member::new("b", &["t"]);
    assert_eq!(a.beat(&mut cluster).epoch, 2);
    assert_eq!(b.beat(&mut cluster).epoch, 3);
}

#[test]
fn a_broker_starts_with_its_properties() {
    let mut config = BrokerConfig::default();
    for (name, value) in [
        ("group.consumer.heartbeat.interval.ms", "6000"),
        ("group.consumer.max.size", "1"),
    ] {
        config.set(name, value).unwrap();
    }
    let mut cluster = Cluster::with_topic(config);
    assert_eq!(beat(&mut cluster, &joining("a")).interval_ms, 6_000);
    let full = beat(&mut cluster, &joining("b")).error;
    assert_eq!(full, ErrorCode::GROUP_MAX_SIZE_REACHED);
}
