//! The cluster itself: nodes, leaders, reassignments, log directories, quotas, credentials.

use milena_testbroker::BrokerConfig;
use milena_wire::ErrorCode;
use milena_wire::messages::{
    AlterClientQuotasRequest, AlterClientQuotasRequestEntityData,
    AlterClientQuotasRequestEntryData, AlterPartitionReassignmentsRequest,
    AlterUserScramCredentialsRequest, ComponentData, CreateDelegationTokenRequest,
    DescribeAclsRequest, DescribeClientQuotasRequest, DescribeClusterRequest,
    DescribeLogDirsRequest, DescribeQuorumRequest, DescribeQuorumRequestPartitionData,
    DescribeQuorumRequestTopicData, DescribeUserScramCredentialsRequest, ElectLeadersRequest,
    ElectLeadersTopicPartitions, ListPartitionReassignmentsRequest, OpData, ReassignablePartition,
    ReassignableTopic, ScramCredentialDeletion, ScramCredentialUpsertion, UnregisterBrokerRequest,
    UserName,
};

use crate::harness::{Cluster, plain};

fn three() -> Cluster {
    let racks = ["a", "b", "c"].map(str::to_owned).to_vec();
    Cluster::with_topic(BrokerConfig {
        nodes: 3,
        racks,
        ..BrokerConfig::default()
    })
}

impl Cluster {
    fn elect(&mut self, kind: i8, partitions: Option<&[(&str, i32)]>) -> Vec<ErrorCode> {
        let topic_partitions = partitions.map(|all| {
            let all = all.iter();
            all.map(|(topic, index)| ElectLeadersTopicPartitions {
                topic,
                partitions: vec![*index].into(),
            })
            .collect()
        });
        let request = ElectLeadersRequest {
            election_type: kind,
            topic_partitions,
            ..Default::default()
        };
        self.ask(2, 2, &request, |response| {
            let topics = response.replica_election_results.iter();
            let results = topics.flat_map(|topic| topic.partition_result.iter());
            results.map(|it| it.error_code).collect()
        })
    }

    fn reassign(&mut self, index: i32, nodes: Option<&[i32]>) -> ErrorCode {
        let partition = ReassignablePartition {
            partition_index: index,
            replicas: nodes.map(|nodes| nodes.to_vec().into()),
        };
        let request = AlterPartitionReassignmentsRequest {
            topics: vec![ReassignableTopic {
                name: "t",
                partitions: vec![partition],
            }],
            ..Default::default()
        };
        self.ask(1, 0, &request, |response| {
            response.responses[0].partitions[0].error_code
        })
    }

    /// Replicas, those being added and those being removed.
    fn reassignments(&mut self) -> Vec<(Vec<i32>, Vec<i32>, Vec<i32>)> {
        let request = ListPartitionReassignmentsRequest {
            topics: None,
            ..Default::default()
        };
        self.ask(1, 0, &request, |response| {
            let topics = response.topics.iter();
            let partitions = topics.flat_map(|topic| topic.partitions.iter());
            let rows = partitions.map(|it| {
                (
                    it.replicas.iter().collect(),
                    it.adding_replicas.iter().collect(),
                    it.removing_replicas.iter().collect(),
                )
            });
            rows.collect()
        })
    }

    fn credential(&mut self, request: &AlterUserScramCredentialsRequest<'_>) -> Vec<ErrorCode> {
        self.ask(1, 0, request, |response| {
            let results = response.results.iter();
            results.map(|it| it.error_code).collect()
        })
    }

    fn quota(&mut self, user: &str, key: &str, value: Option<f64>, validate: bool) -> ErrorCode {
        let entity = AlterClientQuotasRequestEntityData {
            entity_type: "user",
            entity_name: Some(user),
        };
        let op = OpData {
            key,
            value: value.unwrap_or_default(),
            remove: value.is_none(),
        };
        let request = AlterClientQuotasRequest {
            entries: vec![AlterClientQuotasRequestEntryData {
                entity: vec![entity],
                ops: vec![op],
            }],
            validate_only: validate,
        };
        self.ask(1, 1, &request, |response| response.entries[0].error_code)
    }

    fn quotas(&mut self, match_type: i8, user: Option<&str>) -> Vec<(Option<String>, f64)> {
        let component = ComponentData {
            entity_type: "user",
            match_type,
            r#match: user,
        };
        let request = DescribeClientQuotasRequest {
            components: vec![component],
            strict: true,
        };
        self.ask(1, 1, &request, |response| {
            let entries = response.entries.iter().flatten();
            let rows = entries.map(|entry| {
                let name = entry.entity[0].entity_name.map(str::to_owned);
                (name, entry.values[0].value)
            });
            rows.collect()
        })
    }
}

#[test]
fn the_cluster_tells_its_nodes_with_their_racks() {
    let mut cluster = three();
    cluster.broker.stop_node(2);
    let mut nodes = |version, fenced| {
        let request = DescribeClusterRequest {
            include_cluster_authorized_operations: true,
            endpoint_type: 1,
            include_fenced_brokers: fenced,
        };
        cluster.ask(1, version, &request, |response| {
            assert_eq!(response.cluster_id.len(), 22);
            assert_eq!(response.cluster_authorized_operations, 8096);
            let brokers = response.brokers.iter();
            let rows = brokers.map(|it| (it.broker_id, it.rack.map(str::to_owned), it.is_fenced));
            rows.collect::<Vec<_>>()
        })
    };
    let row = |id, rack: &str, fenced| (id, Some(rack.to_owned()), fenced);
    assert_eq!(nodes(1, false), [row(1, "a", false), row(3, "c", false)]);
    assert_eq!(nodes(2, true)[1], row(2, "b", true));
}

#[test]
fn a_controller_is_not_to_be_found_at_a_broker() {
    let mut cluster = Cluster::single();
    for (endpoint_type, code) in [
        (2, ErrorCode::MISMATCHED_ENDPOINT_TYPE),
        (9, ErrorCode::UNSUPPORTED_ENDPOINT_TYPE),
    ] {
        let request = DescribeClusterRequest {
            endpoint_type,
            ..Default::default()
        };
        let answer = cluster.ask(1, 1, &request, |response| response.error_code);
        assert_eq!(answer, code);
    }
}

#[test]
fn preferred_leaders_are_elected_where_they_do_not_lead() {
    let mut cluster = three();
    let (needless, unknown) = (
        ErrorCode::ELECTION_NOT_NEEDED,
        ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
    );
    let asked = [("t", 0), ("t", 9), ("u", 0)];
    assert_eq!(cluster.elect(0, Some(&asked)), [needless, unknown, unknown]);
    cluster.broker.move_leader("t", 0, 3);
    assert_eq!(cluster.elect(0, None), [ErrorCode::NONE]);
    assert_eq!(cluster.broker.leader("t", 0), 1);
    assert_eq!(cluster.elect(0, None), [], "nothing to do");
    cluster.broker.stop_node(1);
    let gone = ErrorCode::PREFERRED_LEADER_NOT_AVAILABLE;
    assert_eq!(cluster.elect(0, Some(&[("t", 0)])), [gone]);
    assert_eq!(
        cluster.elect(5, Some(&[("t", 0)])),
        [ErrorCode::INVALID_REQUEST]
    );
}

#[test]
fn a_partition_moves_at_once_or_when_the_test_lets_it() {
    let mut cluster = three();
    assert_eq!(cluster.reassign(0, Some(&[2])), ErrorCode::NONE);
    assert_eq!(cluster.broker.leader("t", 0), 2);
    assert_eq!(cluster.reassignments(), []);
    cluster.broker.hold_reassignments(true);
    assert_eq!(cluster.reassign(0, Some(&[3, 1])), ErrorCode::NONE);
    let ongoing = (vec![3, 1, 2], vec![3, 1], vec![2]);
    assert_eq!(cluster.reassignments(), [ongoing]);
    assert_eq!(cluster.broker.leader("t", 0), 2, "not over yet");
    assert_eq!(cluster.produce(2, 9, None, 0, plain(&["a"])), Ok(0));
    cluster.broker.hold_reassignments(false);
    assert_eq!(cluster.reassignments(), []);
    assert_eq!(cluster.broker.leader("t", 0), 3);
}

#[test]
fn a_reassignment_can_be_taken_back_and_wrong_ones_are_refused() {
    let mut cluster = three();
    cluster.broker.hold_reassignments(true);
    let none = ErrorCode::NO_REASSIGNMENT_IN_PROGRESS;
    let wrong = ErrorCode::INVALID_REPLICA_ASSIGNMENT;
    assert_eq!(cluster.reassign(0, None), none);
    assert_eq!(cluster.reassign(0, Some(&[])), wrong);
    assert_eq!(cluster.reassign(0, Some(&[9])), wrong);
    assert_eq!(cluster.reassign(0, Some(&[2, 2])), wrong);
    let unknown = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
    assert_eq!(cluster.reassign(7, Some(&[1])), unknown);
    assert_eq!(cluster.reassign(0, Some(&[2])), ErrorCode::NONE);
    assert_eq!(cluster.reassignments().len(), 1);
    assert_eq!(cluster.reassign(0, None), ErrorCode::NONE);
    assert_eq!(cluster.reassignments(), []);
    assert_eq!(cluster.broker.leader("t", 0), 1);
    cluster.reassign(0, Some(&[2]));
    cluster.broker.delete_topic("t");
    assert_eq!(cluster.reassignments(), [], "gone with its topic");
}

#[test]
fn log_directories_hold_what_the_node_holds() {
    let mut cluster = three();
    cluster.reassign(0, Some(&[1, 2]));
    cluster.produce(1, 9, None, 0, plain(&["a"])).unwrap();
    let mut sizes = |node| {
        let request = DescribeLogDirsRequest { topics: None };
        cluster.ask(node, 4, &request, |response| {
            let directory = &response.results[0];
            assert!(directory.usable_bytes <= directory.total_bytes);
            let topics = directory.topics.iter();
            let partitions = topics.flat_map(|topic| topic.partitions.iter());
            partitions.map(|it| it.partition_size).collect::<Vec<_>>()
        })
    };
    assert!(sizes(2)[0] > 60, "a batch");
    assert_eq!(sizes(3), []);
}

#[test]
fn every_node_votes_in_the_quorum() {
    let mut cluster = three();
    for version in 0..=2 {
        let partition = DescribeQuorumRequestPartitionData { partition_index: 0 };
        let request = DescribeQuorumRequest {
            topics: vec![DescribeQuorumRequestTopicData {
                topic_name: "__cluster_metadata",
                partitions: vec![partition],
            }],
        };
        let (leader, voters, nodes) = cluster.ask(1, version, &request, |response| {
            let state = &response.topics[0].partitions[0];
            let voters = state.current_voters.len();
            (state.leader_id, voters, response.nodes.len())
        });
        let named = if version < 2 { 0 } else { 3 };
        assert_eq!((leader, voters, nodes), (1, 3, named));
    }
}

#[test]
fn quotas_are_stored_shown_and_taken_away() {
    let mut cluster = Cluster::single();
    let (none, invalid) = (ErrorCode::NONE, ErrorCode::INVALID_REQUEST);
    assert_eq!(
        cluster.quota("u", "producer_byte_rate", Some(9.0), true),
        none
    );
    assert_eq!(cluster.quotas(2, None), [], "only validated");
    assert_eq!(
        cluster.quota("u", "producer_byte_rate", Some(9.0), false),
        none
    );
    assert_eq!(cluster.quota("u", "nope", Some(9.0), false), invalid);
    assert_eq!(
        cluster.quota("u", "producer_byte_rate", Some(0.0), false),
        invalid
    );
    assert_eq!(
        cluster.quota("u", "producer_byte_rate", Some(1.5), false),
        invalid
    );
    assert_eq!(
        cluster.quota("", "producer_byte_rate", Some(1.0), false),
        invalid
    );
    let row = (Some("u".to_owned()), 9.0);
    assert_eq!(cluster.quotas(2, None), std::slice::from_ref(&row));
    assert_eq!(cluster.quotas(0, Some("u")), [row]);
    assert_eq!(cluster.quotas(0, Some("v")), []);
    assert_eq!(cluster.quotas(1, None), []);
    assert_eq!(cluster.quota("u", "producer_byte_rate", None, false), none);
    assert_eq!(cluster.quotas(2, None), []);
}

#[test]
fn scram_credentials_are_put_shown_and_deleted() {
    let mut cluster = Cluster::single();
    let put = |name, mechanism, iterations| AlterUserScramCredentialsRequest {
        upsertions: vec![ScramCredentialUpsertion {
            name,
            mechanism,
            iterations,
            salt: b"salt",
            salted_password: b"salted",
        }],
        ..Default::default()
    };
    let delete = |name, mechanism| AlterUserScramCredentialsRequest {
        deletions: vec![ScramCredentialDeletion { name, mechanism }],
        ..Default::default()
    };
    let rows = [
        (put("bob", 1, 4_096), ErrorCode::NONE),
        (put("bob", 1, 4_095), ErrorCode::UNACCEPTABLE_CREDENTIAL),
        (put("bob", 1, 20_000), ErrorCode::UNACCEPTABLE_CREDENTIAL),
        (put("", 1, 4_096), ErrorCode::UNACCEPTABLE_CREDENTIAL),
        (put("bob", 9, 4_096), ErrorCode::UNSUPPORTED_SASL_MECHANISM),
        (delete("bob", 2), ErrorCode::RESOURCE_NOT_FOUND),
    ];
    for (request, code) in &rows {
        assert_eq!(cluster.credential(request), [*code]);
    }
    let both = AlterUserScramCredentialsRequest {
        deletions: delete("bob", 1).deletions,
        upsertions: put("bob", 1, 4_096).upsertions,
    };
    assert_eq!(cluster.credential(&both), [ErrorCode::DUPLICATE_RESOURCE]);
    let mut shown = |users: Option<Vec<&'static str>>| {
        let users = users.map(|all| all.into_iter().map(|name| UserName { name }).collect());
        let request = DescribeUserScramCredentialsRequest { users };
        cluster.ask(1, 0, &request, |response| {
            let results = response.results.iter();
            let rows =
                results.map(|it| (it.user.to_owned(), it.error_code, it.credential_infos.len()));
            rows.collect::<Vec<_>>()
        })
    };
    let row = |name: &str, code, infos| (name.to_owned(), code, infos);
    let (none, missing) = (ErrorCode::NONE, ErrorCode::RESOURCE_NOT_FOUND);
    assert_eq!(shown(None), [row("bob", none, 1)]);
    assert_eq!(shown(Some(vec!["eve"])), [row("eve", missing, 0)]);
    assert_eq!(
        shown(Some(vec!["bob", "bob"]))[0].1,
        ErrorCode::DUPLICATE_RESOURCE
    );
    assert_eq!(cluster.credential(&delete("bob", 1)), [none]);
}

#[test]
fn what_needs_security_is_refused_without_it() {
    let mut cluster = Cluster::single();
    let acls = DescribeAclsRequest {
        resource_type_filter: 1,
        pattern_type_filter: 1,
        operation: 1,
        permission_type: 1,
        ..Default::default()
    };
    for version in 1..=3 {
        let code = cluster.ask(1, version, &acls, |response| response.error_code);
        assert_eq!(code, ErrorCode::SECURITY_DISABLED);
    }
    let token = CreateDelegationTokenRequest::default();
    for version in 1..=3 {
        let code = cluster.ask(1, version, &token, |response| response.error_code);
        assert_eq!(code, ErrorCode::DELEGATION_TOKEN_REQUEST_NOT_ALLOWED);
    }
    let broker = UnregisterBrokerRequest { broker_id: 7 };
    let code = cluster.ask(1, 0, &broker, |response| response.error_code);
    assert_eq!(code, ErrorCode::BROKER_ID_NOT_REGISTERED);
}
