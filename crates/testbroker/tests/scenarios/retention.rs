//! What goes at the start of a log, and producers that go by age.

use std::time::Duration;

use milena_testbroker::BrokerConfig;
use milena_wire::ErrorCode;
use milena_wire::messages::{
    DeleteRecordsPartition, DeleteRecordsRequest, DeleteRecordsResponse, DeleteRecordsTopic,
};

use crate::harness::{Cluster, idempotent, ms, plain, transactional};
use crate::requests::{Asking, END_TV2, PRODUCE_TV2};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Records of the harness are of 1970, and so is this cluster.
fn config() -> BrokerConfig {
    BrokerConfig {
        wall_clock_start: 1_000,
        ..Default::default()
    }
}

fn deletion(offset: i64, timeout_ms: i32) -> DeleteRecordsRequest<'static> {
    let partition = |partition_index| DeleteRecordsPartition {
        partition_index,
        offset,
    };
    DeleteRecordsRequest {
        topics: vec![DeleteRecordsTopic {
            name: "t",
            partitions: vec![partition(0)],
        }],
        timeout_ms,
    }
}

fn outcome(response: &DeleteRecordsResponse<'_>) -> (ErrorCode, i64) {
    let answer = &response.topics[0].partitions[0];
    (answer.error_code, answer.low_watermark)
}

impl Cluster {
    fn log_start(&self) -> i64 {
        self.broker.log("t", 0).unwrap().log_start_offset()
    }

    fn delete(&mut self, node: i32, version: i16, offset: i64) -> (ErrorCode, i64) {
        self.ask(node, version, &deletion(offset, 1_000), |response| {
            outcome(&response)
        })
    }
}

#[test]
fn what_is_older_than_a_week_goes_when_the_cluster_looks() {
    let mut cluster = Cluster::with_topic(config());
    cluster.write(plain(&["a", "b"])).unwrap();
    cluster.advance(7 * DAY);
    assert_eq!(cluster.log_start(), 0);
    cluster.advance(ms(300_000));
    assert_eq!(cluster.log_start(), 2);
    assert_eq!(cluster.broker.log("t", 0).unwrap().bytes(), 0);
    assert_eq!(cluster.write(plain(&["c"])), Ok(2));
}

#[test]
fn an_old_batch_behind_a_young_one_stays() {
    let mut cluster = Cluster::with_topic(BrokerConfig {
        wall_clock_start: 1_000 + 8 * 86_400_000,
        retention_check: 100 * DAY,
        ..config()
    });
    let young = |at: i64| {
        let mut builder = milena_wire::record::BatchBuilder::new();
        builder.append(&milena_wire::record::RecordFields {
            timestamp: at,
            key: None,
            value: Some(b"y"),
            headers: &[],
        });
        builder
            .finish()
            .seal()
            .stamp(&milena_wire::record::Stamp::NONE)
    };
    cluster.write(plain(&["a"])).unwrap();
    cluster.write(young(8 * 86_400_000)).unwrap();
    cluster.write(plain(&["b"])).unwrap();
    cluster.broker.apply_retention();
    assert_eq!(cluster.log_start(), 1);
}

#[test]
fn retention_by_bytes_and_time_follows_the_topic() {
    let len = plain(&["a"]).to_bytes().len();
    let bytes: &'static str = Box::leak((2 * len).to_string().into_boxed_str());
    let settings = [("retention.bytes", bytes), ("retention.ms", "-1")];
    let mut cluster = Cluster::replicated_as(config(), &settings);
    for value in ["a", "b", "c", "d"] {
        cluster.write(plain(&[value])).unwrap();
    }
    assert_eq!(cluster.log_start(), 0, "not before the cluster looks");
    cluster.broker.apply_retention();
    assert_eq!(cluster.log_start(), 2);
    cluster.advance(100 * DAY);
    assert_eq!(cluster.log_start(), 2);
}

#[test]
fn what_replicas_in_sync_do_not_have_is_not_dropped() {
    let mut cluster = Cluster::replicated_as(
        BrokerConfig {
            nodes: 3,
            replica_lag_max: 100 * DAY,
            ..config()
        },
        &[],
    );
    cluster.acks_one(1, plain(&["a"])).unwrap();
    cluster.broker.pause_replica("t", 0, 2);
    cluster.acks_one(1, plain(&["b"])).unwrap();
    cluster.advance(8 * DAY);
    assert_eq!(cluster.log_start(), 1);
}

#[test]
fn records_are_deleted_on_request() {
    let mut cluster = Cluster::with_topic(config());
    cluster.write(plain(&["a", "b"])).unwrap();
    cluster.write(plain(&["c"])).unwrap();
    let range = (ErrorCode::OFFSET_OUT_OF_RANGE, -1);
    assert_eq!(cluster.delete(1, 2, 4), range);
    assert_eq!(cluster.delete(1, 2, -2), range);
    assert_eq!(cluster.delete(1, 0, 1), (ErrorCode::NONE, 1));
    let gone = cluster.fetch(1, Asking::default());
    assert_eq!(gone.error, ErrorCode::OFFSET_OUT_OF_RANGE);
    assert_eq!(
        cluster.delete(1, 1, 0),
        (ErrorCode::NONE, 1),
        "it is already"
    );
    assert_eq!(cluster.delete(1, 2, -1), (ErrorCode::NONE, 3));
    let mut unknown = deletion(0, 0);
    unknown.topics[0].name = "nowhere";
    let code = cluster.ask(1, 2, &unknown, |response| outcome(&response));
    assert_eq!(code, (ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, -1));
}

#[test]
fn a_deletion_waits_for_followers_that_are_up() {
    let mut cluster = Cluster::replicated(&[]);
    for value in ["a", "b"] {
        cluster.acks_one(1, plain(&[value])).unwrap();
    }
    let follower = cluster.delete(2, 2, 1);
    assert_eq!(follower, (ErrorCode::NOT_LEADER_OR_FOLLOWER, -1));
    cluster.broker.pause_replica("t", 0, 2);
    assert_eq!(cluster.delete(1, 2, 1), (ErrorCode::REQUEST_TIMED_OUT, 0));
    assert_eq!(cluster.log_start(), 1, "the leader has deleted");
    let conn = cluster.connect(1);
    cluster.send(conn, 2, &deletion(2, 60_000));
    assert_eq!(cluster.receive(conn), None);
    cluster.broker.resume_replica("t", 0, 2);
    assert!(cluster.receive(conn).is_some());
    cluster.broker.pause_replica("t", 0, 2);
    cluster.broker.stop_node(2);
    cluster.acks_one(1, plain(&["c"])).unwrap();
    assert_eq!(cluster.delete(1, 2, 3), (ErrorCode::NONE, 3), "it is down");
}

#[test]
fn a_topic_that_is_only_compacted_loses_nothing_on_request() {
    let mut cluster = Cluster::replicated(&[("cleanup.policy", "compact")]);
    assert_eq!(cluster.delete(1, 2, 0), (ErrorCode::POLICY_VIOLATION, -1));
}

#[test]
fn a_producer_is_forgotten_a_day_after_its_last_record() {
    let mut cluster = Cluster::with_topic(config());
    let producer = cluster.init(None, None).unwrap();
    let open = cluster.init(Some("x"), None).unwrap();
    cluster.write(idempotent(producer, 0, &["a"])).unwrap();
    let batch = transactional(open, 0, &["b"]);
    cluster
        .produce(1, PRODUCE_TV2, Some("x"), 0, batch)
        .unwrap();
    let end = cluster.end(END_TV2, open, true);
    assert!(end.is_ok());
    cluster.advance(DAY - ms(300_000));
    let known = |cluster: &Cluster| cluster.broker.log("t", 0).unwrap().producers().count();
    assert_eq!(known(&cluster), 2);
    cluster.advance(ms(600_000));
    assert_eq!(known(&cluster), 0);
    assert_eq!(cluster.write(idempotent(producer, 9, &["c"])), Ok(3));
}

#[test]
fn the_last_stable_offset_is_not_before_the_batch_that_the_log_begins_in() {
    let mut cluster = Cluster::with_topic(config());
    let open = cluster.init(Some("x"), None).unwrap();
    let batch = transactional(open, 0, &["a", "b"]);
    cluster
        .produce(1, PRODUCE_TV2, Some("x"), 0, batch)
        .unwrap();
    cluster.write(plain(&["c"])).unwrap();
    let stable = |cluster: &Cluster| cluster.broker.log("t", 0).unwrap().last_stable_offset();
    assert_eq!(cluster.delete(1, 2, 1), (ErrorCode::NONE, 1));
    assert_eq!(stable(&cluster), 0, "the batch holds 0 and 1");
    assert_eq!(cluster.delete(1, 2, 2), (ErrorCode::NONE, 2));
    assert_eq!(stable(&cluster), 2);
}

#[test]
fn with_no_time_between_looks_the_cluster_never_looks() {
    let mut cluster = Cluster::with_topic(BrokerConfig {
        retention_check: ms(0),
        ..config()
    });
    cluster.write(plain(&["a"])).unwrap();
    cluster.advance(8 * DAY);
    assert_eq!(cluster.log_start(), 0);
    cluster.broker.apply_retention();
    assert_eq!(cluster.log_start(), 1);
}

#[test]
fn a_test_deletes_nothing_that_a_replica_in_sync_lacks() {
    let mut cluster = Cluster::replicated(&[]);
    cluster.write(plain(&["a"])).unwrap();
    assert!(cluster.broker.pause_replica("t", 0, 2));
    cluster.send_acks_all(1, 1_000, plain(&["b"]));
    cluster.broker.delete_records("t", 0, 2);
    assert_eq!(cluster.log_start(), 1);
    assert_eq!(cluster.broker.log("t", 0).unwrap().high_watermark(), 1);
}
