//! Topics and partitions: created, enlarged, described, deleted.

use std::collections::BTreeMap;

use milena_testbroker::{Action, BrokerConfig, Rule, TopicSpec};
use milena_wire::messages::{
    CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig, CreatePartitionsAssignment,
    CreatePartitionsRequest, CreatePartitionsTopic, CreateTopicsRequest, DeleteTopicState,
    DeleteTopicsRequest, DescribeTopicPartitionsRequest, DescribeTopicPartitionsRequestCursor,
    DescribeTopicPartitionsTopicRequest, MetadataRequest, MetadataRequestTopic,
};
use milena_wire::{ApiKey, ErrorCode, Uuid};

use crate::harness::{Cluster, plain};

type Answer = (ErrorCode, Option<String>);

fn nodes(nodes: i32) -> Cluster {
    Cluster::new(BrokerConfig {
        nodes,
        ..BrokerConfig::default()
    })
}

fn topic(name: &str, num_partitions: i32, replication_factor: i16) -> CreatableTopic<'_> {
    CreatableTopic {
        name,
        num_partitions,
        replication_factor,
        ..Default::default()
    }
}

fn assigned<'a>(name: &'a str, partitions: &[(i32, &[i32])]) -> CreatableTopic<'a> {
    let assignments = partitions.iter();
    let assignments = assignments.map(|(index, nodes)| CreatableReplicaAssignment {
        partition_index: *index,
        broker_ids: nodes.to_vec().into(),
    });
    CreatableTopic {
        assignments: assignments.collect(),
        ..topic(name, -1, -1)
    }
}

fn said(code: ErrorCode, message: &str) -> Answer {
    (code, Some(message.to_owned()))
}

/// Topics with their first partition and count, and the cursor.
type Page = (Vec<(String, i32, usize)>, Option<(String, i32)>);

impl Cluster {
    fn create(&mut self, topics: Vec<CreatableTopic<'_>>, validate_only: bool) -> Vec<Answer> {
        let request = CreateTopicsRequest {
            topics,
            validate_only,
            ..Default::default()
        };
        self.ask(1, 7, &request, |response| {
            let topics = response.topics.iter();
            let answers = topics.map(|it| (it.error_code, it.error_message.map(str::to_owned)));
            answers.collect()
        })
    }

    fn enlarge(&mut self, name: &str, count: i32, nodes: Option<&[&[i32]]>) -> Answer {
        let assignments = nodes.map(|all| {
            let all = all.iter();
            all.map(|nodes| CreatePartitionsAssignment {
                broker_ids: nodes.to_vec().into(),
            })
            .collect()
        });
        let request = CreatePartitionsRequest {
            topics: vec![CreatePartitionsTopic {
                name,
                count,
                assignments,
            }],
            ..Default::default()
        };
        self.ask(1, 3, &request, |response| {
            let result = &response.results[0];
            (result.error_code, result.error_message.map(str::to_owned))
        })
    }

    /// Leader, replicas and replicas in sync of each partition.
    fn placed(&mut self, name: &str) -> Vec<(i32, Vec<i32>, Vec<i32>)> {
        let request = MetadataRequest {
            topics: Some(vec![MetadataRequestTopic {
                name: Some(name),
                ..Default::default()
            }]),
            ..Default::default()
        };
        self.ask(1, 12, &request, |response| {
            let partitions = response.topics[0].partitions.iter();
            let placed = partitions.map(|it| {
                let (all, in_sync) = (it.replica_nodes.iter(), it.isr_nodes.iter());
                (it.leader_id, all.collect(), in_sync.collect())
            });
            placed.collect()
        })
    }

    /// Topics with their first partition and count, and where to go on.
    fn pages(&mut self, names: &[&str], limit: i32, cursor: Option<(&str, i32)>) -> Page {
        let topics = names.iter();
        let topics = topics.map(|name| DescribeTopicPartitionsTopicRequest { name });
        let cursor =
            cursor.map(
                |(topic_name, partition_index)| DescribeTopicPartitionsRequestCursor {
                    topic_name,
                    partition_index,
                },
            );
        let request = DescribeTopicPartitionsRequest {
            topics: topics.collect(),
            response_partition_limit: limit,
            cursor,
        };
        self.ask(1, 0, &request, |response| {
            let topics = response.topics.iter().map(|it| {
                let first = it.partitions.first().map_or(-1, |it| it.partition_index);
                let name = it.name.unwrap_or_default().to_owned();
                (name, first, it.partitions.len())
            });
            let next = response.next_cursor.as_ref();
            let next = next.map(|it| (it.topic_name.to_owned(), it.partition_index));
            (topics.collect(), next)
        })
    }
}

#[test]
fn a_topic_is_refused_in_kafkas_words() {
    let mut cluster = nodes(2);
    let name = ErrorCode::INVALID_TOPIC_EXCEPTION;
    let placing = ErrorCode::INVALID_REPLICA_ASSIGNMENT;
    let factor = ErrorCode::INVALID_REPLICATION_FACTOR;
    assert_eq!(
        cluster.create(vec![topic("a.b", 1, 1)], false)[0].0,
        ErrorCode::NONE
    );
    #[rustfmt::skip]
    let rows = [
        (topic("a.b", 1, 1), ErrorCode::TOPIC_ALREADY_EXISTS, "Topic 'a.b' already exists."),
        (topic("a_b", 1, 1), name, "Topic 'a_b' collides with existing topic: a.b"),
        (topic("", 1, 1), name, "Topic name is invalid: the empty string is not allowed"),
        (topic("__consumer_offsets", 1, 1), ErrorCode::TOPIC_ALREADY_EXISTS, "Topic '__consumer_offsets' already exists."),
        (topic("__cluster_metadata", 1, 1), ErrorCode::INVALID_REQUEST, "Creation of internal topic __cluster_metadata is prohibited."),
        (topic("x", 0, 1), ErrorCode::INVALID_PARTITIONS, "Number of partitions was set to an invalid non-positive value."),
        (topic("x", 1, 0), factor, "Replication factor must be larger than 0, or -1 to use the default value."),
        (topic("x", 1, 3), factor, "Unable to replicate the partition 3 time(s): The target replication factor of 3 cannot be reached because only 2 broker(s) are registered or some brokers have all their log directories cordoned."),
        (assigned("x", &[(0, &[1]), (0, &[1])]), placing, "Found multiple manual partition assignments for partition 0"),
        (assigned("x", &[(0, &[1]), (2, &[1])]), placing, "partitions should be a consecutive 0-based integer sequence"),
        (assigned("x", &[(0, &[])]), placing, "The manual partition assignment includes an empty replica list."),
        (assigned("x", &[(0, &[1, 1])]), placing, "The manual partition assignment includes the broker 1 more than once."),
        (assigned("x", &[(0, &[9])]), placing, "The manual partition assignment includes broker 9, but no such broker is registered."),
        (assigned("x", &[(0, &[1, 2]), (1, &[1])]), placing, "The manual partition assignment includes a partition with 1 replica(s), but this is not consistent with previous partitions, which have 2 replica(s)."),
    ];
    for (topic, code, message) in rows {
        assert_eq!(cluster.create(vec![topic], false), [said(code, message)]);
    }
    let twice = cluster.create(vec![topic("x", 1, 1), topic("x", 1, 1)], false);
    let duplicate = said(ErrorCode::INVALID_REQUEST, "Duplicate topic name.");
    assert_eq!(twice, [duplicate]);
    assert_eq!(cluster.broker.topics().count(), 1);
}

#[test]
fn a_new_topic_is_told_with_its_settings() {
    let mut cluster = nodes(3);
    let mut asked = topic("t", 2, -1);
    asked.configs = vec![CreatableTopicConfig {
        name: "retention.ms",
        value: Some("5"),
    }];
    let request = CreateTopicsRequest {
        topics: vec![asked],
        ..Default::default()
    };
    let (told, configs) = cluster.ask(2, 7, &request, |response| {
        let it = &response.topics[0];
        let configs = it.configs.iter().flatten();
        let configs = configs.map(|it| {
            (
                it.name.to_owned(),
                (it.value.map(str::to_owned), it.config_source),
            )
        });
        let told = (it.num_partitions, it.replication_factor, it.topic_id);
        (told, configs.collect::<BTreeMap<_, _>>())
    });
    assert_eq!((told.0, told.1), (2, 3));
    assert_eq!(told.2, cluster.topic_id("t"));
    assert_eq!(configs.len(), 33);
    assert_eq!(configs["retention.ms"], (Some("5".to_owned()), 1));
    assert_eq!(configs["cleanup.policy"], (Some("delete".to_owned()), 5));
    assert_eq!(
        cluster.broker.topic_config("t", "retention.ms").as_deref(),
        Some("5")
    );
}

#[test]
fn wrong_settings_keep_a_topic_from_being_created() {
    let mut cluster = nodes(1);
    let mut with = |name: &'static str, value| {
        let mut asked = topic("t", 1, 1);
        asked.configs = vec![CreatableTopicConfig { name, value }];
        cluster.create(vec![asked], false).remove(0)
    };
    let config = ErrorCode::INVALID_CONFIG;
    assert_eq!(
        with("nope", Some("1")),
        said(config, "Unknown topic config name: nope")
    );
    assert_eq!(
        with("retention.ms", None),
        said(
            config,
            "Null value not supported for topic configs: retention.ms"
        )
    );
    assert_eq!(
        with("min.compaction.lag.ms", Some("9223372036854775807")).0,
        ErrorCode::NONE
    );
    assert_eq!(cluster.broker.topics().count(), 1);
}

#[test]
fn validating_creates_nothing_and_shows_the_same() {
    let mut cluster = nodes(2);
    let asked = || vec![topic("a", 3, 2), topic("b", 0, 1)];
    let checked = cluster.create(asked(), true);
    assert_eq!(cluster.broker.topics().count(), 0);
    assert_eq!(checked, cluster.create(asked(), false));
    assert_eq!(cluster.broker.topics().count(), 1);
}

#[test]
fn replicas_are_spread_evenly_and_always_the_same_way() {
    let mut cluster = nodes(3);
    cluster.create(vec![topic("t", 6, 2)], false);
    let placed = cluster.placed("t");
    for id in 1..=3 {
        let leads = placed.iter().filter(|(leader, _, _)| *leader == id).count();
        let holds = placed
            .iter()
            .filter(|(_, all, _)| all.contains(&id))
            .count();
        assert_eq!((leads, holds), (2, 4));
    }
    let mut again = nodes(3);
    again.create(vec![topic("t", 6, 2)], false);
    assert_eq!(again.placed("t"), placed);
}

#[test]
fn a_topic_lies_where_it_was_assigned_and_nodes_that_are_down_are_not_in_sync() {
    let mut cluster = nodes(3);
    cluster.broker.stop_node(3);
    let created = cluster.create(vec![assigned("t", &[(0, &[3, 2]), (1, &[1, 3])])], false);
    assert_eq!(created[0].0, ErrorCode::NONE);
    let expected = vec![(2, vec![3, 2], vec![2]), (1, vec![1, 3], vec![1])];
    assert_eq!(cluster.placed("t"), expected);
    let fenced = cluster.create(vec![assigned("u", &[(0, &[3])])], false);
    assert_eq!(fenced[0].0, ErrorCode::INVALID_REPLICA_ASSIGNMENT);
}

#[test]
fn partitions_are_added_and_never_taken_away() {
    let mut cluster = nodes(2);
    let spec = TopicSpec::new().partitions(2).replicas(1);
    cluster.broker.create_topic_with("t", spec).unwrap();
    let partitions = ErrorCode::INVALID_PARTITIONS;
    let placing = ErrorCode::INVALID_REPLICA_ASSIGNMENT;
    assert_eq!(
        cluster.enlarge("t", 2, None),
        said(partitions, "Topic already has 2 partition(s).")
    );
    assert_eq!(
        cluster.enlarge("t", 1, None),
        said(
            partitions,
            "The topic t currently has 2 partition(s); 1 would not be an increase."
        )
    );
    assert_eq!(
        cluster.enlarge("missing", 1, None),
        (ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, None)
    );
    assert_eq!(
        cluster.enlarge("t", 4, Some(&[&[1]])),
        said(
            placing,
            "Attempted to add 2 additional partition(s), but only 1 assignment(s) were specified."
        )
    );
    assert_eq!(cluster.enlarge("t", 3, Some(&[&[1, 2]])).0, placing);
    assert_eq!(
        cluster.enlarge("t", 3, Some(&[&[2]])),
        (ErrorCode::NONE, None)
    );
    assert_eq!(cluster.enlarge("t", 4, None), (ErrorCode::NONE, None));
    assert_eq!(cluster.placed("t").len(), 4);
    assert_eq!(cluster.placed("t")[2], (2, vec![2], vec![2]));
    assert_eq!(cluster.produce(2, 9, None, 3, plain(&["a"])), Ok(0));
    let many = cluster.enlarge("t", i32::MAX, None);
    assert_eq!(many.0, ErrorCode::POLICY_VIOLATION, "no room");
}

#[test]
fn topics_are_deleted_by_name_or_id_and_come_back_as_others() {
    let mut cluster = Cluster::single();
    let id = cluster.topic_id("t");
    let mut delete = |name, topic_id| {
        let request = DeleteTopicsRequest {
            topics: vec![DeleteTopicState { name, topic_id }],
            ..Default::default()
        };
        cluster.ask(1, 6, &request, |response| {
            let it = &response.responses[0];
            (
                it.name.map(str::to_owned),
                it.error_code,
                it.error_message.map(str::to_owned),
            )
        })
    };
    let refused = |code, message: &str| (None, code, Some(message.to_owned()));
    assert_eq!(
        delete(None, Uuid::ZERO),
        refused(
            ErrorCode::INVALID_REQUEST,
            "Neither topic name nor id were specified."
        )
    );
    assert_eq!(
        delete(None, Uuid([7; 16])),
        refused(
            ErrorCode::UNKNOWN_TOPIC_ID,
            "This server does not host this topic ID."
        )
    );
    assert_eq!(delete(Some("t"), id).1, ErrorCode::INVALID_REQUEST);
    assert_eq!(
        delete(Some("u"), Uuid::ZERO).1,
        ErrorCode::UNKNOWN_TOPIC_OR_PARTITION
    );
    assert_eq!(
        delete(None, id),
        (Some("t".to_owned()), ErrorCode::NONE, None)
    );
    assert!(cluster.broker.create_topic("t", 1));
    assert_ne!(cluster.topic_id("t"), id);
}

#[test]
fn a_rule_refuses_one_topic_of_a_request() {
    let mut cluster = nodes(1);
    let rule = Rule::on(ApiKey::CREATE_TOPICS).topic("b").times(1);
    cluster
        .broker
        .faults()
        .add(rule, Action::Error(ErrorCode::NOT_CONTROLLER));
    let codes = cluster.create(vec![topic("a", 1, 1), topic("b", 1, 1)], false);
    let codes: Vec<_> = codes.into_iter().map(|(code, _)| code).collect();
    assert_eq!(codes, [ErrorCode::NONE, ErrorCode::NOT_CONTROLLER]);
    assert_eq!(cluster.broker.topics().count(), 1);
}

#[test]
fn partitions_are_described_in_pages() {
    let mut cluster = nodes(1);
    for name in ["a", "b"] {
        assert!(cluster.broker.create_topic(name, 3));
    }
    let row = |name: &str, first, count| (name.to_owned(), first, count);
    let at = |name: &str, index| Some((name.to_owned(), index));
    assert_eq!(
        cluster.pages(&[], 100, None),
        (vec![row("a", 0, 3), row("b", 0, 3)], None)
    );
    assert_eq!(
        cluster.pages(&["b", "a"], 2, None),
        (vec![row("a", 0, 2)], at("a", 2))
    );
    assert_eq!(
        cluster.pages(&["b", "a"], 2, Some(("a", 2))),
        (vec![row("a", 2, 1), row("b", 0, 1)], at("b", 1))
    );
    assert_eq!(
        cluster.pages(&["a", "b"], 3, None),
        (vec![row("a", 0, 3)], at("b", 0))
    );
    assert_eq!(
        cluster.pages(&["a"], 0, None),
        (vec![row("a", 0, 1)], at("a", 1))
    );
    assert_eq!(
        cluster.pages(&["a"], 9, Some(("a", 7))),
        (vec![row("a", -1, 0)], None)
    );
    // Cursors that point nowhere.
    assert_eq!(
        cluster.pages(&["b"], 9, Some(("a", 0))),
        (vec![row("b", -1, 0)], None)
    );
    assert_eq!(
        cluster.pages(&["a"], 9, Some(("a", -1))),
        (vec![row("a", -1, 0)], None)
    );
}

#[test]
fn metadata_tells_each_topic_once_and_what_one_may_do() {
    let mut cluster = Cluster::single();
    let id = cluster.topic_id("t");
    let named = |name| MetadataRequestTopic {
        name: Some(name),
        ..Default::default()
    };
    let request = MetadataRequest {
        topics: Some(vec![named("t"), named("t"), named("__consumer_offsets")]),
        include_topic_authorized_operations: true,
        ..Default::default()
    };
    let rows = cluster.ask(1, 12, &request, |response| {
        let topics = response.topics.iter();
        let rows = topics.map(|it| {
            (
                it.error_code,
                it.is_internal,
                it.topic_authorized_operations,
            )
        });
        rows.collect::<Vec<_>>()
    });
    let unknown = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
    assert_eq!(
        rows,
        [(ErrorCode::NONE, false, 3576), (unknown, true, 3576)]
    );
    // An id goes before all names.
    let by_id = MetadataRequestTopic {
        name: None,
        topic_id: id,
    };
    let request = MetadataRequest {
        topics: Some(vec![named("missing"), by_id]),
        ..Default::default()
    };
    let names = cluster.ask(1, 12, &request, |response| {
        let topics = response.topics.iter();
        topics
            .map(|it| it.name.map(str::to_owned))
            .collect::<Vec<_>>()
    });
    assert_eq!(names, [Some("t".to_owned())]);
}
