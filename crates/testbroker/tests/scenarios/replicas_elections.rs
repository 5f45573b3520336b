//! Who leads after nodes stop, crash and start, and what the log loses by it.

use milena_testbroker::{BrokerConfig, Keep};
use milena_wire::ErrorCode;
use milena_wire::messages::{MetadataRequest, MetadataRequestTopic};

use crate::harness::{Cluster, Id, idempotent, plain, transactional};
use crate::requests::{END_TV2, PRODUCE_TV2};

impl Cluster {
    fn leader(&self) -> (i32, i32) {
        let broker = &self.broker;
        (broker.leader("t", 0), broker.leader_epoch("t", 0))
    }

    /// The values of `t-0`, committed or not.
    fn values(&self) -> Vec<String> {
        let records = self.broker.log("t", 0).unwrap().records().unwrap();
        let values = records.into_iter().map(|record| record.value.unwrap());
        values
            .map(|value| String::from_utf8(value.to_vec()).unwrap())
            .collect()
    }
}

#[test]
fn stopping_a_node_takes_it_out_of_every_isr_and_starting_brings_it_back() {
    let mut cluster = Cluster::replicated(&[]);
    cluster.broker.stop_node(3);
    assert_eq!(cluster.broker.isr("t", 0), [1, 2]);
    assert_eq!(cluster.leader(), (1, 0));
    assert_eq!(cluster.acks_one(1, plain(&["a"])), Ok(0));
    assert_eq!(cluster.high_watermark(), 1, "nobody waits for who is down");
    assert_eq!(cluster.broker.replica_end("t", 0, 3), Some(0));
    cluster.broker.start_node(3);
    assert_eq!(cluster.broker.isr("t", 0), [1, 2, 3]);
    assert_eq!(cluster.broker.replica_end("t", 0, 3), Some(1));
}

#[test]
fn the_first_replica_in_sync_leads_next() {
    let mut cluster = Cluster::replicated(&[]);
    cluster.broker.move_leader("t", 0, 3);
    cluster.broker.stop_node(3);
    assert_eq!(cluster.leader(), (1, 2));
    cluster.broker.start_node(3);
    cluster.broker.shrink_isr("t", 0, 2);
    cluster.broker.stop_node(1);
    assert_eq!(cluster.leader(), (3, 3), "node 2 is not in sync");
}

#[test]
fn a_follower_in_sync_that_lagged_takes_from_all_what_it_does_not_have() {
    let mut cluster = Cluster::replicated(&[]);
    assert_eq!(cluster.acks_one(1, plain(&["a"])), Ok(0));
    cluster.broker.pause_replica("t", 0, 2);
    assert_eq!(cluster.acks_one(1, plain(&["b", "c"])), Ok(1));
    cluster.broker.stop_node(1);
    assert_eq!(cluster.leader(), (2, 1));
    assert_eq!(cluster.values(), ["a"], "acks=1 promises no more");
    assert_eq!(cluster.broker.replica_end("t", 0, 3), Some(1));
    assert_eq!(cluster.acks_one(2, plain(&["d"])), Ok(1));
    cluster.broker.start_node(1);
    assert_eq!(cluster.broker.replica_end("t", 0, 1), Some(2));
    assert_eq!(cluster.broker.epoch_starts("t", 0), [(0, 0), (1, 1)]);
}

#[test]
fn without_a_replica_in_sync_there_is_no_leader_unless_by_command() {
    let mut cluster = Cluster::replicated(&[]);
    cluster.broker.stop_node(2);
    assert_eq!(cluster.acks_one(1, plain(&["a"])), Ok(0));
    cluster.broker.stop_node(3);
    assert_eq!(cluster.acks_one(1, plain(&["b"])), Ok(1));
    cluster.broker.stop_node(1);
    assert_eq!(cluster.broker.isr("t", 0), [1], "the last one stays");
    assert_eq!(cluster.leader(), (-1, 1));
    cluster.broker.start_node(2);
    assert_eq!(cluster.leader(), (-1, 1));
    assert_eq!(cluster.describe(2, "t").0, ErrorCode::NONE);
    let refused = cluster.acks_one(2, plain(&["c"]));
    assert_eq!(refused, Err(ErrorCode::NOT_LEADER_OR_FOLLOWER));
    assert_eq!(cluster.broker.elect_unclean("t", 0), Ok(()));
    assert_eq!(cluster.leader(), (2, 2));
    assert_eq!(cluster.broker.isr("t", 0), [2]);
    assert_eq!(cluster.values(), Vec::<String>::new(), "node 2 had nothing");
    assert_eq!(cluster.acks_one(2, plain(&["c"])), Ok(0));
    cluster.broker.start_node(1);
    assert_eq!(cluster.broker.replica_end("t", 0, 1), Some(1));
    assert_eq!(cluster.values(), ["c"]);
}

#[test]
fn the_last_replica_in_sync_leads_again_with_everything() {
    let mut cluster = Cluster::replicated(&[]);
    cluster.broker.stop_node(2);
    cluster.broker.stop_node(3);
    cluster.acks_one(1, plain(&["a"])).unwrap();
    cluster.broker.stop_node(1);
    cluster.broker.start_node(3);
    cluster.broker.start_node(1);
    assert_eq!(cluster.leader().0, 1);
    assert_eq!(cluster.values(), ["a"]);
    assert_eq!(cluster.broker.isr("t", 0), [1, 3]);
}

#[test]
fn a_topic_may_prefer_an_unclean_leader_to_none() {
    let mut cluster = Cluster::replicated(&[("unclean.leader.election.enable", "true")]);
    cluster.broker.stop_node(2);
    cluster.broker.stop_node(3);
    cluster.acks_one(1, plain(&["a"])).unwrap();
    cluster.broker.stop_node(1);
    assert_eq!(cluster.leader().0, -1);
    cluster.broker.start_node(3);
    assert_eq!(cluster.leader().0, 3);
    assert_eq!(cluster.values(), Vec::<String>::new());
}

#[test]
fn elections_are_refused_as_the_controller_refuses_them() {
    let mut cluster = Cluster::replicated(&[]);
    let broker = &mut cluster.broker;
    let not_needed = Err(ErrorCode::ELECTION_NOT_NEEDED);
    assert_eq!(broker.elect_preferred("t", 0), not_needed);
    assert_eq!(broker.elect_unclean("t", 0), not_needed);
    let unknown = Err(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
    assert_eq!(broker.elect_preferred("t", 1), unknown);
    broker.stop_node(1);
    let unavailable = Err(ErrorCode::PREFERRED_LEADER_NOT_AVAILABLE);
    assert_eq!(broker.elect_preferred("t", 0), unavailable);
    broker.start_node(1);
    assert_eq!(broker.leader("t", 0), 2);
    assert_eq!(broker.elect_preferred("t", 0), Ok(()));
    assert_eq!(broker.leader("t", 0), 1);
    for node in 1..=3 {
        broker.stop_node(node);
    }
    let none = Err(ErrorCode::ELIGIBLE_LEADERS_NOT_AVAILABLE);
    assert_eq!(broker.elect_unclean("t", 0), none);
}

#[test]
fn a_topic_of_one_replica_waits_for_its_node() {
    let mut cluster = Cluster::new(BrokerConfig {
        nodes: 2,
        ..Default::default()
    });
    assert!(cluster.broker.create_topic("t", 1));
    assert!(cluster.broker.set_replicas("t", 0, &[1]));
    cluster.acks_one(1, plain(&["a"])).unwrap();
    cluster.broker.stop_node(1);
    let topic = MetadataRequestTopic {
        name: Some("t"),
        ..Default::default()
    };
    let request = MetadataRequest {
        topics: Some(vec![topic]),
        ..Default::default()
    };
    let told = cluster.ask(2, 9, &request, |response| {
        let partition = &response.topics[0].partitions[0];
        (partition.error_code, partition.leader_id)
    });
    assert_eq!(told, (ErrorCode::LEADER_NOT_AVAILABLE, -1));
    let refused = cluster.acks_one(2, plain(&["b"]));
    assert_eq!(refused, Err(ErrorCode::NOT_LEADER_OR_FOLLOWER));
    cluster.broker.start_node(1);
    assert_eq!(cluster.acks_one(1, plain(&["b"])), Ok(1));
}

#[test]
fn a_crash_keeps_what_it_is_told_to() {
    let lone = || {
        let mut cluster = Cluster::single();
        for value in ["a", "b", "c"] {
            cluster.acks_one(1, plain(&[value, "-"])).unwrap();
        }
        cluster
    };
    for (keep, left) in [
        (Keep::All, 6),
        (Keep::HighWatermark, 6),
        (Keep::Offset(6), 6),
        (Keep::Offset(5), 4),
        (Keep::Offset(2), 2),
        (Keep::Offset(-5), 0),
    ] {
        let mut cluster = lone();
        cluster.broker.crash_node(1, keep);
        cluster.broker.start_node(1);
        assert_eq!(cluster.log_end(), left, "{keep:?}");
        assert_eq!(cluster.high_watermark(), left);
        assert_eq!(cluster.acks_one(1, plain(&["d"])), Ok(left));
    }
}

#[test]
fn a_crash_costs_nothing_that_another_replica_in_sync_has() {
    let mut cluster = Cluster::replicated(&[]);
    cluster.broker.pause_replica("t", 0, 2);
    cluster.acks_one(1, plain(&["a"])).unwrap();
    cluster.broker.crash_node(3, Keep::HighWatermark);
    assert_eq!(cluster.broker.replica_end("t", 0, 3), Some(0));
    cluster.broker.start_node(3);
    assert_eq!(cluster.broker.replica_end("t", 0, 3), Some(1));
    cluster.broker.shrink_isr("t", 0, 2);
    cluster.broker.crash_node(1, Keep::Offset(0));
    assert_eq!(cluster.leader().0, 3);
    assert_eq!(cluster.values(), ["a"]);
}

#[test]
fn a_reassignment_moves_the_partition_at_once() {
    let mut cluster = Cluster::replicated(&[]);
    cluster.acks_one(1, plain(&["a"])).unwrap();
    assert!(cluster.broker.set_replicas("t", 0, &[2, 1]));
    assert_eq!(cluster.leader(), (1, 1), "a new epoch where a replica went");
    assert!(cluster.broker.set_replicas("t", 0, &[3, 2]));
    assert_eq!(cluster.leader(), (3, 2));
    assert_eq!(cluster.broker.isr("t", 0), [3, 2]);
    assert_eq!(cluster.values(), ["a"]);
    assert!(!cluster.broker.set_replicas("t", 0, &[]));
    assert!(!cluster.broker.set_replicas("t", 0, &[4]));
}

#[test]
fn truncation_takes_producers_back_to_what_is_left() {
    let mut cluster = Cluster::replicated(&[]);
    let producer = cluster.init(None, None).unwrap();
    let other = cluster.init(None, None).unwrap();
    cluster
        .acks_one(1, idempotent(producer, 0, &["a", "b"]))
        .unwrap();
    cluster.acks_one(1, idempotent(other, 0, &["c"])).unwrap();
    cluster.broker.pause_replica("t", 0, 2);
    cluster
        .acks_one(1, idempotent(producer, 2, &["d"]))
        .unwrap();
    cluster.broker.stop_node(1);
    assert_eq!(cluster.values(), ["a", "b", "c"]);
    let gap = cluster.acks_one(2, idempotent(producer, 3, &["e"]));
    assert_eq!(gap, Err(ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER));
    assert_eq!(
        cluster.acks_one(2, idempotent(producer, 0, &["a", "b"])),
        Ok(0)
    );
    assert_eq!(cluster.acks_one(2, idempotent(producer, 2, &["d"])), Ok(3));
    assert_eq!(cluster.acks_one(2, idempotent(other, 1, &["f"])), Ok(4));
}

#[test]
fn truncation_opens_transactions_again_and_forgets_their_markers() {
    let mut cluster = Cluster::replicated(&[]);
    let producer: Id = cluster.init(Some("x"), None).unwrap();
    let batch = transactional(producer, 0, &["a"]);
    cluster
        .produce(1, PRODUCE_TV2, Some("x"), 0, batch)
        .unwrap();
    cluster.broker.pause_replica("t", 0, 2);
    cluster.end(END_TV2, producer, false).unwrap();
    cluster.advance(crate::harness::ms(10));
    let log = cluster.broker.log("t", 0).unwrap();
    assert_eq!(
        (log.log_end_offset(), log.aborted_transactions().len()),
        (2, 1)
    );
    // Or the coordinator would write it again at once.
    cluster.broker.pause_markers(true);
    cluster.broker.stop_node(1);
    let log = cluster.broker.log("t", 0).unwrap();
    assert_eq!(
        (log.log_end_offset(), log.aborted_transactions().len()),
        (1, 0)
    );
    assert_eq!(log.last_stable_offset(), 0);
    let view = log.producers().next().unwrap();
    assert_eq!(
        (view.epoch, view.transaction_start),
        (producer.epoch, Some(0))
    );
    cluster.broker.pause_markers(false);
    let log = cluster.broker.log("t", 0).unwrap();
    assert_eq!(
        (log.log_end_offset(), log.aborted_transactions().len()),
        (2, 1)
    );
}

#[test]
fn truncation_opens_the_transaction_of_a_producer_that_was_forgotten_since() {
    let mut cluster = Cluster::replicated(&[]);
    let producer: Id = cluster.init(Some("x"), None).unwrap();
    let batch = transactional(producer, 0, &["a"]);
    cluster
        .produce(1, PRODUCE_TV2, Some("x"), 0, batch)
        .unwrap();
    cluster.broker.pause_replica("t", 0, 2);
    cluster.end(END_TV2, producer, false).unwrap();
    cluster.advance(crate::harness::ms(10));
    let forgotten = cluster.broker.lose_producer_state("t", 0, None);
    assert_eq!(forgotten, 1);
    cluster.broker.pause_markers(true);
    cluster.broker.stop_node(1);
    let log = cluster.broker.log("t", 0).unwrap();
    assert_eq!((log.log_end_offset(), log.last_stable_offset()), (1, 0));
    cluster.broker.pause_markers(false);
    let log = cluster.broker.log("t", 0).unwrap();
    assert_eq!(
        (log.last_stable_offset(), log.aborted_transactions().len()),
        (2, 1)
    );
}

#[test]
fn lost_producer_state_is_unknown_again_but_for_open_transactions() {
    let mut cluster = Cluster::replicated(&[]);
    let producer = cluster.init(None, None).unwrap();
    let open = cluster.init(Some("x"), None).unwrap();
    cluster
        .acks_one(1, idempotent(producer, 0, &["a"]))
        .unwrap();
    let batch = transactional(open, 0, &["b"]);
    cluster
        .produce(1, PRODUCE_TV2, Some("x"), 0, batch)
        .unwrap();
    assert_eq!(
        cluster
            .broker
            .lose_producer_state("t", 0, Some(producer.id)),
        1
    );
    assert_eq!(cluster.acks_one(1, idempotent(producer, 5, &["c"])), Ok(2));
    assert_eq!(cluster.broker.lose_producer_state("t", 0, None), 1);
    let left: Vec<_> = cluster.broker.log("t", 0).unwrap().producers().collect();
    assert_eq!(left.len(), 1);
    assert_eq!(left[0].producer_id, open.id);
}

#[test]
fn an_epoch_in_which_nothing_was_written_leaves_no_trace() {
    let mut cluster = Cluster::replicated(&[]);
    cluster.acks_one(1, plain(&["a"])).unwrap();
    for node in [2, 3, 1] {
        cluster.broker.move_leader("t", 0, node);
    }
    assert_eq!(cluster.broker.epoch_starts("t", 0), [(0, 0), (3, 1)]);
    cluster.acks_one(1, plain(&["b"])).unwrap();
    cluster.broker.delete_records("t", 0, 1);
    assert_eq!(cluster.broker.epoch_starts("t", 0), [(3, 1)]);
}
