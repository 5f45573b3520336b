//! ApiVersions, Metadata, topics, nodes.

use milena_testbroker::BrokerConfig;
use milena_wire::messages::{
    CreatableTopic, CreateTopicsRequest, DeleteTopicState, DeleteTopicsRequest, MetadataRequest,
    MetadataRequestTopic,
};
use milena_wire::{ApiKey, ErrorCode, Uuid, decode_api_versions_response};

use crate::features::hello;
use crate::harness::{Cluster, plain};

fn version_of(cluster: &mut Cluster, api: ApiKey) -> Option<(i16, i16)> {
    cluster.ask(1, 3, &hello(), |response| {
        let found = response
            .api_keys
            .iter()
            .find(|found| found.api_key == api.0);
        found.map(|found| (found.min_version, found.max_version))
    })
}

impl Cluster {
    pub(crate) fn topic_id(&mut self, name: &str) -> Uuid {
        let topic = MetadataRequestTopic {
            name: Some(name),
            ..Default::default()
        };
        let request = MetadataRequest {
            topics: Some(vec![topic]),
            ..Default::default()
        };
        self.ask(1, 12, &request, |response| response.topics[0].topic_id)
    }

    /// Error and partitions of a topic: leader and leader epoch.
    pub(crate) fn describe(&mut self, node: i32, name: &str) -> (ErrorCode, Vec<(i32, i32)>) {
        let topic = MetadataRequestTopic {
            name: Some(name),
            ..Default::default()
        };
        let request = MetadataRequest {
            topics: Some(vec![topic]),
            allow_auto_topic_creation: true,
            ..Default::default()
        };
        self.ask(node, 9, &request, |response| {
            let topic = &response.topics[0];
            let partitions = topic.partitions.iter();
            let leaders = partitions.map(|found| (found.leader_id, found.leader_epoch));
            (topic.error_code, leaders.collect())
        })
    }
}

#[test]
fn a_cap_shows_in_api_versions_and_is_kept() {
    let version_caps = [(ApiKey::PRODUCE, 9)].into();
    let mut cluster = Cluster::with_topic(BrokerConfig {
        version_caps,
        ..Default::default()
    });
    assert_eq!(version_of(&mut cluster, ApiKey::PRODUCE), Some((0, 9)));
    assert_eq!(cluster.produce(1, 9, None, 0, plain(&["a"])), Ok(0));
    let conn = cluster.connect(1);
    let request = crate::requests::produce_request(None, 0, plain(&["a"]));
    cluster.send(conn, 10, &request);
    assert!(
        cluster.is_closed(conn),
        "Kafka closes as well: no answer could be read"
    );
}

#[test]
fn an_unknown_version_of_api_versions_is_answered_in_version_0() {
    let mut cluster = Cluster::single();
    let conn = cluster.connect(1);
    // ApiVersions v99, correlation id 5, client id "c", empty tags.
    let mut frame = vec![0, 0, 0, 12, 0, 18, 0, 99, 0, 0, 0, 5, 0, 1, b'c', 0];
    cluster.send_bytes(conn, &frame);
    let answer = cluster.await_frame(conn);
    let version = milena_wire::ApiVersion(99);
    let response = decode_api_versions_response(&answer, version).unwrap();
    assert_eq!(response.error_code, ErrorCode::UNSUPPORTED_VERSION);
    assert_eq!(
        (
            response.api_keys[0].api_key,
            response.api_keys[0].max_version
        ),
        (18, 4)
    );
    // The connection goes on with a version that is known.
    frame[7] = 0;
    frame[3] = 11;
    frame.truncate(15);
    cluster.send_bytes(conn, &frame);
    let answer = cluster.await_frame(conn);
    let response = decode_api_versions_response(&answer, milena_wire::ApiVersion(0)).unwrap();
    assert_eq!(response.error_code, ErrorCode::NONE);
}

#[test]
fn topics_are_created_described_and_deleted() {
    let mut cluster = Cluster::new(BrokerConfig {
        nodes: 3,
        ..Default::default()
    });
    let creatable = |name, num_partitions, replication_factor| CreatableTopic {
        name,
        num_partitions,
        replication_factor,
        ..Default::default()
    };
    let request = CreateTopicsRequest {
        topics: vec![
            creatable("a", 4, -1),
            creatable("b", -1, 3),
            creatable("bad name", 1, 1),
            creatable("c", 0, 1),
            creatable("d", 1, 4),
        ],
        ..Default::default()
    };
    let create = |cluster: &mut Cluster, request: &CreateTopicsRequest<'_>| {
        cluster.ask(2, 7, request, |response| {
            let topics = response.topics.iter();
            topics
                .map(|topic| (topic.error_code, topic.num_partitions))
                .collect::<Vec<_>>()
        })
    };
    let expected = [
        (ErrorCode::NONE, 4),
        (ErrorCode::NONE, 1),
        (ErrorCode::INVALID_TOPIC_EXCEPTION, -1),
        (ErrorCode::INVALID_PARTITIONS, -1),
        (ErrorCode::INVALID_REPLICATION_FACTOR, -1),
    ];
    assert_eq!(create(&mut cluster, &request), expected);
    assert_eq!(
        create(&mut cluster, &request)[0].0,
        ErrorCode::TOPIC_ALREADY_EXISTS
    );
    let leaders = vec![(1, 0), (2, 0), (3, 0), (1, 0)];
    assert_eq!(cluster.describe(3, "a"), (ErrorCode::NONE, leaders));

    let id = cluster.topic_id("a");
    let by_id = DeleteTopicState {
        name: None,
        topic_id: id,
    };
    let delete = DeleteTopicsRequest {
        topics: vec![by_id],
        ..Default::default()
    };
    let deleted = cluster.ask(1, 6, &delete, |response| {
        let first = &response.responses[0];
        (first.name.map(str::to_owned), first.error_code)
    });
    assert_eq!(deleted, (Some("a".to_owned()), ErrorCode::NONE));
    assert_eq!(
        cluster.describe(1, "a").0,
        ErrorCode::UNKNOWN_TOPIC_OR_PARTITION
    );
}

#[test]
fn validating_a_topic_creates_nothing() {
    let mut cluster = Cluster::new(BrokerConfig::default());
    let topic = CreatableTopic {
        name: "a",
        num_partitions: 1,
        replication_factor: 1,
        ..Default::default()
    };
    let request = CreateTopicsRequest {
        topics: vec![topic],
        validate_only: true,
        ..Default::default()
    };
    let code = cluster.ask(1, 5, &request, |response| response.topics[0].error_code);
    assert_eq!(code, ErrorCode::NONE);
    assert_eq!(cluster.broker.topics().count(), 0);
}

#[test]
fn metadata_creates_topics_only_if_told_to() {
    let mut cluster = Cluster::new(BrokerConfig::default());
    assert_eq!(
        cluster.describe(1, "new").0,
        ErrorCode::UNKNOWN_TOPIC_OR_PARTITION
    );
    let config = BrokerConfig {
        auto_create_topics: true,
        default_partitions: 2,
        ..Default::default()
    };
    let mut cluster = Cluster::new(config);
    assert_eq!(
        cluster.describe(1, "new").0,
        ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
        "KRaft creates it behind the answer"
    );
    assert_eq!(
        cluster.describe(1, "new"),
        (ErrorCode::NONE, vec![(1, 0), (1, 0)])
    );
}

#[test]
fn metadata_tells_all_topics_from_none() {
    let mut cluster = Cluster::single();
    let mut ask = |version, topics: Option<Vec<MetadataRequestTopic<'static>>>| {
        let request = MetadataRequest {
            topics,
            ..Default::default()
        };
        cluster.ask(1, version, &request, |response| response.topics.len())
    };
    assert_eq!(ask(9, None), 1);
    assert_eq!(ask(9, Some(vec![])), 0);
    assert_eq!(ask(0, Some(vec![])), 1);
}

#[test]
fn every_version_of_metadata_is_answered() {
    let mut cluster = Cluster::single();
    for version in 0..=13 {
        let topic = MetadataRequestTopic {
            name: Some("t"),
            ..Default::default()
        };
        let request = MetadataRequest {
            topics: Some(vec![topic]),
            allow_auto_topic_creation: true,
            ..Default::default()
        };
        let leader = cluster.ask(1, version, &request, |response| {
            assert_eq!(response.brokers.len(), 1);
            response.topics[0].partitions[0].leader_id
        });
        assert_eq!(leader, 1);
    }
}

#[test]
fn a_stopped_node_refuses_connections_and_its_partitions_move() {
    let mut cluster = Cluster::with_topic(BrokerConfig {
        nodes: 2,
        ..Default::default()
    });
    let conn = cluster.connect(1);
    cluster.broker.stop_node(1);
    assert!(cluster.is_closed(conn));
    assert_eq!(cluster.broker.connect(cluster.now, 1), None);
    assert_eq!(cluster.describe(2, "t"), (ErrorCode::NONE, vec![(2, 1)]));
    assert_eq!(cluster.produce(2, 9, None, 0, plain(&["a"])), Ok(0));
    cluster.broker.start_node(1);
    assert_eq!(
        cluster.describe(1, "t"),
        (ErrorCode::NONE, vec![(2, 1)]),
        "leaders stay"
    );
}

#[test]
fn without_election_a_partition_waits_for_its_node() {
    let config = BrokerConfig {
        nodes: 2,
        elect_on_stop: false,
        ..Default::default()
    };
    let mut cluster = Cluster::with_topic(config);
    cluster.broker.stop_node(1);
    assert_eq!(cluster.describe(2, "t").1, [(-1, 0)]);
    cluster.broker.start_node(1);
    assert_eq!(cluster.describe(2, "t").1, [(1, 0)]);
}

#[test]
fn a_node_that_comes_back_leads_what_nobody_led() {
    let mut cluster = Cluster::with_topic(BrokerConfig::default());
    cluster.broker.stop_node(1);
    assert_eq!(cluster.broker.leader("t", 0), -1);
    cluster.broker.start_node(1);
    assert_eq!(cluster.broker.leader("t", 0), 1);
    assert_eq!(cluster.produce(1, 9, None, 0, plain(&["a"])), Ok(0));
}
