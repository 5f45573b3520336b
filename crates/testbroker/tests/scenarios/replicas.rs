//! Followers that lag, high watermark, acks, min ISR.

use milena_testbroker::{BrokerConfig, ConnectionId};
use milena_wire::messages::{CreatableTopic, CreatableTopicConfig, CreateTopicsRequest};
use milena_wire::{ApiVersion, ErrorCode, Payload, decode_response};

use crate::harness::{Cluster, Id, ms, plain, transactional};
use crate::requests::{Asking, END_TV2, PRODUCE_TV2, produce_request};

const VERSION: i16 = 10;
/// `BrokerConfig::replica_lag_max` of these tests.
const LAG_MAX: u64 = 10_000;

impl Cluster {
    /// Topic `t` of one partition on nodes 1, 2, 3 with these settings, led by node 1.
    pub(crate) fn replicated(settings: &[(&'static str, &'static str)]) -> Self {
        Self::replicated_as(
            BrokerConfig {
                nodes: 3,
                replica_lag_max: ms(LAG_MAX),
                ..Default::default()
            },
            settings,
        )
    }

    pub(crate) fn replicated_as(
        config: BrokerConfig,
        settings: &[(&'static str, &'static str)],
    ) -> Self {
        let mut cluster = Self::new(config);
        cluster.create_with("t", settings);
        cluster
    }

    /// Creates a topic of one partition, on all nodes, with these settings.
    pub(crate) fn create_with(
        &mut self,
        name: &'static str,
        settings: &[(&'static str, &'static str)],
    ) {
        let node = self.broker.nodes().iter().find(|node| node.up).unwrap().id;
        let setting = |(name, value): &(&'static str, &'static str)| CreatableTopicConfig {
            name,
            value: Some(value),
        };
        let request = CreateTopicsRequest {
            topics: vec![CreatableTopic {
                name,
                num_partitions: 1,
                replication_factor: i16::try_from(self.broker.nodes().len()).unwrap(),
                configs: settings.iter().map(setting).collect(),
                ..Default::default()
            }],
            timeout_ms: 1_000,
            ..Default::default()
        };
        let code = self.ask(node, 5, &request, |response| response.topics[0].error_code);
        assert_eq!(code, ErrorCode::NONE);
    }

    /// Sends a Produce with acks=-1 on a connection of its own.
    pub(crate) fn send_acks_all(
        &mut self,
        node: i32,
        timeout_ms: i32,
        records: Payload,
    ) -> ConnectionId {
        let conn = self.connect(node);
        let mut request = produce_request(None, 0, records);
        request.acks = -1;
        request.timeout_ms = timeout_ms;
        self.send(conn, VERSION, &request);
        conn
    }

    /// What was answered to [`Self::send_acks_all`], if it was: error and base offset.
    pub(crate) fn acked(&mut self, conn: ConnectionId) -> Option<(ErrorCode, i64)> {
        let frame = self.receive(conn)?;
        let response = decode_response::<milena_wire::messages::ProduceResponse<'_>>(
            &frame,
            ApiVersion(VERSION),
        )
        .unwrap();
        let answer = &response.responses[0].partition_responses[0];
        Some((answer.error_code, answer.base_offset))
    }

    pub(crate) fn acks_all(&mut self, node: i32, records: Payload) -> Option<(ErrorCode, i64)> {
        let conn = self.send_acks_all(node, 60_000, records);
        self.acked(conn)
    }

    /// Produces with acks=1 to node 1.
    pub(crate) fn acks_one(&mut self, node: i32, records: Payload) -> Result<i64, ErrorCode> {
        let mut request = produce_request(None, 0, records);
        request.acks = 1;
        self.ask(node, VERSION, &request, |response| {
            let answer = &response.responses[0].partition_responses[0];
            match answer.error_code {
                ErrorCode::NONE => Ok(answer.base_offset),
                error => Err(error),
            }
        })
    }

    pub(crate) fn high_watermark(&self) -> i64 {
        self.broker.log("t", 0).unwrap().high_watermark()
    }

    pub(crate) fn log_end(&self) -> i64 {
        self.broker.log("t", 0).unwrap().log_end_offset()
    }
}

#[test]
fn the_high_watermark_waits_for_a_paused_follower_until_it_has_lagged_too_long() {
    let mut cluster = Cluster::replicated(&[]);
    assert!(cluster.broker.pause_replica("t", 0, 2));
    assert_eq!(cluster.acks_one(1, plain(&["a"])), Ok(0));
    assert_eq!((cluster.high_watermark(), cluster.log_end()), (0, 1));
    assert_eq!(cluster.broker.replica_end("t", 0, 2), Some(0));
    assert_eq!(cluster.broker.replica_end("t", 0, 3), Some(1));
    let read = cluster.fetch(1, Asking::default());
    assert_eq!((read.values.len(), read.high_watermark), (0, 0));
    cluster.advance(ms(LAG_MAX - 1));
    assert_eq!(cluster.broker.isr("t", 0), [1, 2, 3]);
    cluster.advance(ms(1));
    assert_eq!(cluster.broker.isr("t", 0), [1, 3]);
    assert_eq!(cluster.high_watermark(), 1);
    assert_eq!(cluster.fetch(1, Asking::default()).values, ["a"]);
    assert!(cluster.broker.resume_replica("t", 0, 2));
    assert_eq!(cluster.broker.isr("t", 0), [1, 2, 3]);
    assert_eq!(cluster.broker.replica_end("t", 0, 2), Some(1));
}

#[test]
fn a_paused_follower_that_lacks_nothing_stays_in_sync() {
    let mut cluster = Cluster::replicated(&[]);
    cluster.broker.pause_replica("t", 0, 2);
    cluster.advance(ms(10 * LAG_MAX));
    assert_eq!(cluster.broker.isr("t", 0), [1, 2, 3]);
    // Its time counts from the first record that it lacks.
    cluster.acks_one(1, plain(&["a"])).unwrap();
    cluster.advance(ms(LAG_MAX / 2));
    cluster.acks_one(1, plain(&["b"])).unwrap();
    cluster.advance(ms(LAG_MAX / 2));
    assert_eq!(cluster.broker.isr("t", 0), [1, 3]);
}

#[test]
fn acks_all_waits_until_every_replica_in_sync_has_the_batch() {
    let mut cluster = Cluster::replicated(&[]);
    assert_eq!(
        cluster.acks_all(1, plain(&["a"])),
        Some((ErrorCode::NONE, 0))
    );
    cluster.broker.pause_replica("t", 0, 2);
    let first = cluster.send_acks_all(1, 60_000, plain(&["b"]));
    let second = cluster.send_acks_all(1, 60_000, plain(&["c"]));
    assert_eq!(cluster.acked(first), None);
    cluster.broker.resume_replica("t", 0, 2);
    assert_eq!(cluster.acked(first), Some((ErrorCode::NONE, 1)));
    assert_eq!(cluster.acked(second), Some((ErrorCode::NONE, 2)));
    // Or until it is not in sync any more.
    cluster.broker.pause_replica("t", 0, 2);
    let third = cluster.send_acks_all(1, 60_000, plain(&["d"]));
    cluster.advance(ms(LAG_MAX - 1));
    assert_eq!(cluster.acked(third), None);
    cluster.advance(ms(1));
    assert_eq!(cluster.acked(third), Some((ErrorCode::NONE, 3)));
}

#[test]
fn acks_all_times_out_and_the_batch_stays() {
    let mut cluster = Cluster::replicated(&[]);
    cluster.broker.pause_replica("t", 0, 3);
    let conn = cluster.send_acks_all(1, 500, plain(&["a"]));
    cluster.advance(ms(499));
    assert_eq!(cluster.acked(conn), None);
    cluster.advance(ms(1));
    let late = (ErrorCode::REQUEST_TIMED_OUT, 0);
    assert_eq!(cluster.acked(conn), Some(late), "with the offset it has");
    assert_eq!(cluster.log_end(), 1);
}

#[test]
fn a_copy_is_acknowledged_no_earlier_than_what_it_is_a_copy_of() {
    let mut cluster = Cluster::replicated(&[]);
    let producer = cluster.init(None, None).unwrap();
    let batch = || crate::harness::idempotent(producer, 0, &["a"]);
    cluster.broker.pause_replica("t", 0, 3);
    let first = cluster.send_acks_all(1, 60_000, batch());
    let copy = cluster.send_acks_all(1, 60_000, batch());
    assert_eq!(cluster.acked(copy), None);
    cluster.broker.resume_replica("t", 0, 3);
    assert_eq!(cluster.acked(first), Some((ErrorCode::NONE, 0)));
    assert_eq!(cluster.acked(copy), Some((ErrorCode::NONE, 0)));
    assert_eq!(cluster.log_end(), 1);
}

#[test]
fn too_few_in_sync_refuse_acks_all_and_hold_the_high_watermark() {
    let mut cluster = Cluster::replicated(&[("min.insync.replicas", "2")]);
    assert_eq!(
        cluster.acks_all(1, plain(&["a"])),
        Some((ErrorCode::NONE, 0))
    );
    cluster.broker.stop_node(2);
    assert_eq!(
        cluster.acks_all(1, plain(&["b"])),
        Some((ErrorCode::NONE, 1))
    );
    cluster.broker.stop_node(3);
    let few = (ErrorCode::NOT_ENOUGH_REPLICAS, -1);
    assert_eq!(cluster.acks_all(1, plain(&["c"])), Some(few));
    assert_eq!(cluster.log_end(), 2, "nothing was written");
    assert_eq!(cluster.acks_one(1, plain(&["d"])), Ok(2));
    assert_eq!(cluster.high_watermark(), 2, "but nobody reads it");
    cluster.broker.start_node(3);
    assert_eq!(cluster.high_watermark(), 3);
    assert_eq!(
        cluster.acks_all(1, plain(&["e"])),
        Some((ErrorCode::NONE, 3))
    );
}

#[test]
fn min_isr_counts_no_more_replicas_than_there_are() {
    let mut cluster =
        Cluster::replicated_as(BrokerConfig::default(), &[("min.insync.replicas", "2")]);
    assert_eq!(
        cluster.acks_all(1, plain(&["a"])),
        Some((ErrorCode::NONE, 0))
    );
}

#[test]
fn an_isr_that_shrinks_behind_the_last_copy_is_told_after_the_append() {
    let mut cluster = Cluster::replicated(&[("min.insync.replicas", "3")]);
    cluster.broker.pause_replica("t", 0, 2);
    let conn = cluster.send_acks_all(1, 60_000, plain(&["a"]));
    assert_eq!(cluster.acked(conn), None);
    // Both before the request is looked at again.
    cluster.broker.resume_replica("t", 0, 2);
    cluster.broker.stop_node(3);
    let after = (ErrorCode::NOT_ENOUGH_REPLICAS_AFTER_APPEND, 0);
    assert_eq!(cluster.acked(conn), Some(after));
}

#[test]
fn an_isr_too_small_leaves_what_waits_to_its_timeout() {
    let mut cluster = Cluster::replicated(&[("min.insync.replicas", "3")]);
    cluster.broker.pause_replica("t", 0, 2);
    let conn = cluster.send_acks_all(1, 30_000, plain(&["a"]));
    cluster.advance(ms(LAG_MAX));
    assert_eq!(cluster.broker.isr("t", 0), [1, 3]);
    assert_eq!(
        cluster.high_watermark(),
        0,
        "it stays where too few are in sync"
    );
    assert_eq!(cluster.acked(conn), None);
    cluster.advance(ms(20_000));
    assert_eq!(cluster.acked(conn), Some((ErrorCode::REQUEST_TIMED_OUT, 0)));
}

#[test]
fn what_waits_learns_that_the_leader_has_changed() {
    let mut cluster = Cluster::replicated(&[]);
    cluster.broker.pause_replica("t", 0, 2);
    let conn = cluster.send_acks_all(1, 60_000, plain(&["a"]));
    cluster.broker.move_leader("t", 0, 3);
    let moved = (ErrorCode::NOT_LEADER_OR_FOLLOWER, 0);
    assert_eq!(cluster.acked(conn), Some(moved));
    // Even if it is back before anybody looked: somebody led who may not have had the batch.
    cluster.broker.move_leader("t", 0, 1);
    let conn = cluster.send_acks_all(1, 60_000, plain(&["b"]));
    cluster.broker.move_leader("t", 0, 2);
    cluster.broker.move_leader("t", 0, 1);
    assert_eq!(
        cluster.acked(conn).unwrap().0,
        ErrorCode::NOT_LEADER_OR_FOLLOWER
    );
    assert_eq!(cluster.log_end(), 0, "node 2 had neither");
}

#[test]
fn what_waits_at_a_node_that_stops_is_lost_with_it() {
    let mut cluster = Cluster::replicated(&[]);
    cluster.broker.pause_replica("t", 0, 2);
    let conn = cluster.send_acks_all(1, 60_000, plain(&["a"]));
    cluster.broker.stop_node(1);
    assert!(cluster.is_closed(conn));
    cluster.broker.start_node(1);
    cluster.advance(ms(120_000));
    assert_eq!(cluster.acked(conn), None);
}

#[test]
fn the_isr_shrinks_and_grows_by_command() {
    let mut cluster = Cluster::replicated(&[]);
    assert!(!cluster.broker.shrink_isr("t", 0, 1), "the leader stays");
    assert!(cluster.broker.shrink_isr("t", 0, 2));
    assert_eq!(cluster.broker.isr("t", 0), [1, 3]);
    assert_eq!(
        cluster.acks_all(1, plain(&["a"])),
        Some((ErrorCode::NONE, 0))
    );
    // It stays out, though it has everything, until it is put back.
    cluster.broker.stop_node(3);
    cluster.broker.start_node(3);
    assert_eq!(cluster.broker.isr("t", 0), [1, 3]);
    assert_eq!(cluster.broker.replica_end("t", 0, 2), Some(1));
    assert!(cluster.broker.expand_isr("t", 0, 2));
    assert_eq!(cluster.broker.isr("t", 0), [1, 2, 3]);
    cluster.broker.stop_node(3);
    cluster.acks_one(1, plain(&["b"])).unwrap();
    assert!(!cluster.broker.expand_isr("t", 0, 3), "it lacks a record");
}

#[test]
fn a_commit_counts_for_readers_only_when_replicas_have_its_marker() {
    let mut cluster = Cluster::replicated(&[]);
    let producer: Id = cluster.init(Some("x"), None).unwrap();
    let batch = transactional(producer, 0, &["a"]);
    cluster
        .produce(1, PRODUCE_TV2, Some("x"), 0, batch)
        .unwrap();
    cluster.broker.pause_replica("t", 0, 2);
    cluster.end(END_TV2, producer, true).unwrap();
    cluster.advance(ms(10));
    let log = cluster.broker.log("t", 0).unwrap();
    // The record is replicated, the marker is not: Kafka calls the transaction unreplicated.
    assert_eq!((log.high_watermark(), log.last_stable_offset()), (1, 0));
    let committed = Asking {
        committed: true,
        ..Default::default()
    };
    assert!(cluster.fetch(1, committed).values.is_empty());
    cluster.broker.resume_replica("t", 0, 2);
    let log = cluster.broker.log("t", 0).unwrap();
    assert_eq!((log.high_watermark(), log.last_stable_offset()), (2, 2));
    assert_eq!(cluster.fetch(1, committed).values[0], "a");
}

#[test]
fn a_follower_whose_lack_was_truncated_has_its_whole_time_again() {
    let mut cluster = Cluster::replicated(&[]);
    cluster.broker.pause_replica("t", 0, 2);
    cluster.broker.pause_replica("t", 0, 3);
    cluster.acks_one(1, plain(&["a"])).unwrap();
    cluster.advance(ms(LAG_MAX));
    assert_eq!(cluster.broker.isr("t", 0), [1]);
    // What neither of them has goes with the leader.
    cluster.broker.move_leader("t", 0, 2);
    cluster.broker.move_leader("t", 0, 1);
    assert_eq!(cluster.log_end(), 0);
    cluster.broker.resume_replica("t", 0, 2);
    assert!(cluster.broker.expand_isr("t", 0, 3), "it lacks nothing");
    let conn = cluster.send_acks_all(1, 60_000, plain(&["b"]));
    cluster.advance(ms(LAG_MAX - 1));
    assert_eq!(cluster.acked(conn), None);
    assert!(cluster.broker.isr("t", 0).contains(&3));
    cluster.advance(ms(1));
    assert_eq!(cluster.broker.isr("t", 0), [1, 2]);
    assert_eq!(cluster.acked(conn), Some((ErrorCode::NONE, 0)));
}

#[test]
fn nobody_leads_that_is_no_node() {
    let mut cluster = Cluster::replicated(&[]);
    let before = cluster.broker.to_string();
    for unknown in [99, 0, -2] {
        assert!(!cluster.broker.move_leader("t", 0, unknown));
    }
    assert_eq!(cluster.broker.to_string(), before, "nothing has changed");
    assert_eq!(
        cluster.acks_all(1, plain(&["a"])),
        Some((ErrorCode::NONE, 0))
    );
}
