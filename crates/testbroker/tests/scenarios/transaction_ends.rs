//! How transactional ids come to their ends: epochs used up on every path, time-outs, expiry, and
//! another `transaction.version` in the middle.

use std::time::Duration;

use milena_testbroker::{BrokerConfig, Emulate, TransactionState, TransactionStateView};
use milena_wire::ErrorCode;

use crate::harness::{Cluster, Id, ms, transactional};
use crate::requests::{END_TV1, END_TV2, PRODUCE_TV1, PRODUCE_TV2};

const CONCURRENT: ErrorCode = ErrorCode::CONCURRENT_TRANSACTIONS;
const FENCED: ErrorCode = ErrorCode::PRODUCER_FENCED;
const MAPPING: ErrorCode = ErrorCode::INVALID_PRODUCER_ID_MAPPING;

/// The last epoch that a client gets.
const LAST: i16 = i16::MAX - 1;

fn cluster(level: i16) -> Cluster {
    Cluster::with_topic(BrokerConfig {
        transaction_version: Some(level),
        ..Default::default()
    })
}

fn view(cluster: &Cluster) -> TransactionStateView {
    cluster.broker.transaction_state("x").expect("x is known")
}

fn state(cluster: &Cluster) -> TransactionState {
    view(cluster).state
}

/// Identity of `x`, as its coordinator has it.
fn owner(cluster: &Cluster) -> (i64, i16) {
    let view = view(cluster);
    (view.producer_id, view.producer_epoch)
}

/// A cluster at the last epoch, with an open transaction or without; who owns it.
fn used_up(level: i16, open: bool) -> (Cluster, Id) {
    let mut cluster = cluster(level);
    let first = cluster.init(Some("x"), None).unwrap();
    assert!(cluster.broker.set_producer_epoch("x", LAST));
    let last = Id {
        epoch: LAST,
        ..first
    };
    if open {
        assert_eq!(cluster.add_partitions(last, &[0]), [ErrorCode::NONE]);
    }
    (cluster, last)
}

#[test]
fn a_new_instance_gets_a_new_producer_id_when_the_epochs_are_used_up() {
    for level in [0, 2] {
        let (mut cluster, last) = used_up(level, false);
        let next = cluster.init(Some("x"), None).unwrap();
        assert_ne!(next.id, last.id);
        assert_eq!(next.epoch, 0);
        assert_eq!(
            cluster.init(Some("x"), Some(last)),
            Err(FENCED),
            "not its own"
        );
        assert_eq!(cluster.end(END_TV1, last, false), Err(MAPPING));
    }
}

#[test]
fn the_owner_gets_a_new_producer_id_and_may_ask_again() {
    for level in [0, 2] {
        let (mut cluster, last) = used_up(level, false);
        let next = cluster.init(Some("x"), Some(last)).unwrap();
        assert_eq!((next.id != last.id, next.epoch), (true, 0));
        assert_eq!(cluster.init(Some("x"), Some(last)), Ok(next), "a retry");
        let older = Id {
            epoch: LAST - 1,
            ..last
        };
        assert_eq!(cluster.init(Some("x"), Some(older)), Err(FENCED));
    }
}

#[test]
fn an_end_under_tv2_goes_over_to_a_new_producer_id() {
    for committed in [true, false] {
        let (mut cluster, last) = used_up(2, true);
        cluster.broker.pause_markers(true);
        let next = cluster.end(END_TV2, last, committed).unwrap();
        assert_eq!((next.id != last.id, next.epoch), (true, 0));
        let prepared = view(&cluster);
        assert_eq!(
            (prepared.producer_id, prepared.producer_epoch),
            (last.id, i16::MAX)
        );
        assert_eq!(prepared.next_producer_id, Some(next.id));
        // Both identities wait until it is over.
        assert_eq!(cluster.add_partitions(next, &[0]), [CONCURRENT]);
        assert_eq!(cluster.end(END_TV2, last, committed), Err(CONCURRENT));
        cluster.broker.pause_markers(false);
        cluster.advance(ms(1));
        assert_eq!(owner(&cluster), (next.id, 0));
        assert_eq!(cluster.end(END_TV2, last, committed), Ok(next), "a retry");
        assert_eq!(
            cluster.end(END_TV2, last, !committed),
            Err(ErrorCode::INVALID_TXN_STATE)
        );
        assert_eq!(
            cluster.init(Some("x"), Some(last)),
            Ok(next),
            "and so is this"
        );
        assert_eq!(cluster.add_partitions(next, &[0]), [ErrorCode::NONE]);
    }
}

#[test]
fn an_abort_of_nothing_goes_over_to_a_new_producer_id_as_well() {
    let (mut cluster, last) = used_up(2, false);
    let next = cluster.end(END_TV2, last, false).unwrap();
    assert_eq!((next.id != last.id, next.epoch), (true, 0));
    assert_eq!(owner(&cluster), (next.id, 0));
}

#[test]
fn an_end_under_tv1_keeps_the_last_epoch() {
    let (mut cluster, last) = used_up(0, true);
    cluster.end(END_TV1, last, true).unwrap();
    cluster.advance(ms(1));
    assert_eq!(owner(&cluster), (last.id, LAST));
    assert_eq!(cluster.add_partitions(last, &[0]), [ErrorCode::NONE]);
}

#[test]
fn a_time_out_at_the_last_epoch_still_fences() {
    let (mut cluster, last) = used_up(2, true);
    cluster.advance(ms(60_001));
    assert_eq!(state(&cluster), TransactionState::CompleteAbort);
    let (id, epoch) = owner(&cluster);
    assert_eq!((id != last.id, epoch), (true, 0), "TV2 rotates at once");
    assert_eq!(cluster.add_partitions(last, &[0]), [MAPPING]);

    let (mut cluster, last) = used_up(0, true);
    cluster.advance(ms(60_001));
    assert_eq!(
        owner(&cluster),
        (last.id, i16::MAX),
        "the epoch kept for this"
    );
    assert_eq!(cluster.add_partitions(last, &[0]), [FENCED]);
    let next = cluster.init(Some("x"), None).unwrap();
    assert_eq!((next.id != last.id, next.epoch), (true, 0));
}

#[test]
fn a_new_instance_fences_an_open_transaction_at_the_last_epoch() {
    let (mut cluster, last) = used_up(2, true);
    assert_eq!(cluster.init(Some("x"), None), Err(CONCURRENT));
    cluster.advance(ms(1));
    let next = cluster.init(Some("x"), None).unwrap();
    assert_eq!(
        (next.id != last.id, next.epoch),
        (true, 1),
        "0 was used to fence"
    );

    let (mut cluster, last) = used_up(0, true);
    assert_eq!(cluster.init(Some("x"), None), Err(CONCURRENT));
    cluster.advance(ms(1));
    assert_eq!(owner(&cluster), (last.id, i16::MAX));
    let next = cluster.init(Some("x"), None).unwrap();
    assert_eq!((next.id != last.id, next.epoch), (true, 0));
}

#[test]
fn producer_ids_come_from_the_block_of_the_node_that_is_asked() {
    let mut cluster = Cluster::with_topic(BrokerConfig {
        nodes: 2,
        ..Default::default()
    });
    let id = |cluster: &mut Cluster, node| cluster.init_at(node, 4, None, None).unwrap().id;
    assert_eq!(id(&mut cluster, 2), 0);
    assert_eq!(id(&mut cluster, 1), 1_000);
    assert_eq!(id(&mut cluster, 2), 1);
    cluster.broker.stop_node(2);
    cluster.broker.start_node(2);
    assert_eq!(id(&mut cluster, 2), 2_000, "the rest of a block is lost");
}

#[test]
fn time_outs_may_be_looked_for_at_intervals() {
    let mut cluster = Cluster::with_topic(BrokerConfig {
        transaction_timeout_interval: Duration::from_secs(10),
        ..Default::default()
    });
    cluster.advance(ms(5_000));
    let producer = cluster.init(Some("x"), None).unwrap();
    cluster.add_partitions(producer, &[0]);
    // Over after 65 s, found after 70.
    cluster.advance(ms(64_999));
    assert_eq!(state(&cluster), TransactionState::Ongoing);
    cluster.advance(ms(2));
    assert_eq!(state(&cluster), TransactionState::CompleteAbort);
}

#[test]
fn a_transactional_id_expires_when_nobody_uses_it() {
    const WEEK: Duration = Duration::from_secs(7 * 24 * 60 * 60);
    for level in [0, 2] {
        let mut cluster = cluster(level);
        let producer = cluster.init(Some("x"), None).unwrap();
        cluster.advance(WEEK - ms(1));
        assert_eq!(cluster.add_partitions(producer, &[0]), [ErrorCode::NONE]);
        let version = if level == 2 { END_TV2 } else { END_TV1 };
        let next = cluster.end(version, producer, true).unwrap();
        let owner = if level == 2 { next } else { producer };
        cluster.advance(WEEK);
        assert!(
            cluster.broker.transaction_state("x").is_some(),
            "the markers came later"
        );
        cluster.advance(ms(1));
        assert_eq!(cluster.broker.transaction_state("x"), None);
        assert_eq!(cluster.broker.transactional_ids().count(), 0);
        assert_eq!(cluster.add_partitions(owner, &[0]), [MAPPING]);
        assert_eq!(cluster.end(version, owner, true), Err(MAPPING));
        let again = cluster.init(Some("x"), Some(owner)).unwrap();
        assert_eq!((again.id != owner.id, again.epoch), (true, 0));
    }
}

#[test]
fn an_unfinished_transaction_does_not_expire() {
    let mut cluster = Cluster::with_topic(BrokerConfig {
        transactional_id_expiration: Duration::from_secs(1),
        ..Default::default()
    });
    let producer = cluster.init(Some("x"), None).unwrap();
    cluster.add_partitions(producer, &[0]);
    cluster.advance(ms(30_000));
    assert_eq!(state(&cluster), TransactionState::Ongoing);
    assert!(!cluster.broker.expire_transactional_id("x"));
    cluster.broker.pause_markers(true);
    cluster.end(END_TV2, producer, true).unwrap();
    cluster.advance(ms(30_000));
    assert_eq!(state(&cluster), TransactionState::PrepareCommit);
    assert!(!cluster.broker.expire_transactional_id("x"));
    cluster.broker.pause_markers(false);
    assert_eq!(state(&cluster), TransactionState::CompleteCommit);
    assert!(cluster.broker.expire_transactional_id("x"));
    assert_eq!(cluster.broker.transaction_state("x"), None);
}

#[test]
fn a_transaction_begun_under_tv1_ends_as_its_client_speaks_after_the_upgrade() {
    for (version, raised) in [(END_TV1, 0), (END_TV2, 1)] {
        let mut cluster = cluster(1);
        let producer = cluster.init(Some("x"), None).unwrap();
        cluster.add_partitions(producer, &[0]);
        let batch = transactional(producer, 0, &["a"]);
        assert_eq!(cluster.produce(1, PRODUCE_TV1, Some("x"), 0, batch), Ok(0));
        cluster.broker.set_transaction_version(2);
        cluster.end(version, producer, true).unwrap();
        cluster.advance(ms(1));
        assert_eq!(owner(&cluster), (producer.id, producer.epoch + raised));
        assert_eq!(cluster.committed_values("t", 0), ["a"]);
    }
}

#[test]
fn a_transaction_begun_under_tv2_can_be_ended_after_the_downgrade() {
    for (version, raised) in [(END_TV1, 0), (END_TV2, 1)] {
        let mut cluster = cluster(2);
        let producer = cluster.init(Some("x"), None).unwrap();
        let batch = transactional(producer, 0, &["a"]);
        assert_eq!(cluster.produce(1, PRODUCE_TV2, Some("x"), 0, batch), Ok(0));
        cluster.broker.set_transaction_version(0);
        cluster.end(version, producer, true).unwrap();
        cluster.advance(ms(1));
        assert_eq!(owner(&cluster), (producer.id, producer.epoch + raised));
        assert_eq!(cluster.committed_values("t", 0), ["a"]);
    }
}

#[test]
fn who_is_fenced_is_fenced_as_the_cluster_speaks_now() {
    // The last epoch is remembered for the owner only if the end raises epochs.
    for (before, after) in [(0, 2), (2, 0)] {
        let mut cluster = cluster(before);
        let producer = cluster.init(Some("x"), None).unwrap();
        cluster.add_partitions(producer, &[0]);
        cluster.broker.set_transaction_version(after);
        assert_eq!(cluster.init(Some("x"), Some(producer)), Err(CONCURRENT));
        cluster.advance(ms(1));
        let again = cluster.init(Some("x"), Some(producer));
        let next = Id {
            epoch: producer.epoch + 1,
            ..producer
        };
        let expected = if after == 2 { Ok(next) } else { Err(FENCED) };
        assert_eq!(again, expected, "from {before} to {after}");
    }
}

#[test]
fn a_cluster_like_3_9_never_raises_the_epoch_of_an_end() {
    let mut cluster = Cluster::with_topic(BrokerConfig {
        emulate: Emulate::V3_9,
        ..Default::default()
    });
    let producer = cluster.init(Some("x"), None).unwrap();
    cluster.add_partitions(producer, &[0]);
    cluster.advance(ms(60_001));
    let view = view(&cluster);
    assert_eq!((view.producer_epoch, view.last_producer_epoch), (1, -1));
}

#[test]
fn a_write_that_fails_leaves_everything_as_it_was() {
    for level in [0, 2] {
        let version = if level == 2 { END_TV2 } else { END_TV1 };
        let mut cluster = cluster(level);
        let broken = ErrorCode::NOT_ENOUGH_REPLICAS;
        let unavailable = ErrorCode::COORDINATOR_NOT_AVAILABLE;
        cluster.broker.fail_next_append("x", broken);
        assert_eq!(cluster.init(Some("x"), None), Err(unavailable));
        let producer = cluster.init(Some("x"), None).unwrap();
        assert_eq!(producer.epoch, 0);
        let before = view(&cluster);
        cluster.broker.fail_next_append("x", broken);
        assert_eq!(cluster.add_partitions(producer, &[0]), [unavailable]);
        assert_eq!(view(&cluster), before);
        cluster.add_partitions(producer, &[0]);
        let before = view(&cluster);
        let moved = ErrorCode::NOT_LEADER_OR_FOLLOWER;
        cluster.broker.fail_next_append("x", moved);
        // What is there already is not written again, so it cannot fail.
        assert_eq!(cluster.add_partitions(producer, &[0]), [ErrorCode::NONE]);
        let not_coordinator = Err(ErrorCode::NOT_COORDINATOR);
        assert_eq!(cluster.end(version, producer, true), not_coordinator);
        assert_eq!(view(&cluster), before);
        assert!(cluster.end(version, producer, true).is_ok());
    }
}

#[test]
fn a_fence_that_is_not_logged_fences_all_the_same_and_only_once() {
    let mut cluster = cluster(0);
    let producer = cluster.init(Some("x"), None).unwrap();
    cluster.add_partitions(producer, &[0]);
    for _ in 0..2 {
        cluster
            .broker
            .fail_next_append("x", ErrorCode::REQUEST_TIMED_OUT);
        let answer = cluster.init(Some("x"), None);
        assert_eq!(answer, Err(ErrorCode::COORDINATOR_NOT_AVAILABLE));
        assert_eq!(state(&cluster), TransactionState::Ongoing);
        assert_eq!(owner(&cluster), (producer.id, producer.epoch + 1));
    }
    assert_eq!(cluster.end(END_TV1, producer, true), Err(FENCED));
    assert_eq!(cluster.init(Some("x"), None), Err(CONCURRENT));
    cluster.advance(ms(1));
    assert_eq!(owner(&cluster), (producer.id, producer.epoch + 1));
}
