//! Who owns a transactional id: fencing, time-outs, epochs and their end.

use milena_testbroker::{BrokerConfig, TransactionState};
use milena_wire::ErrorCode;
use milena_wire::messages::InitProducerIdRequest;

use crate::harness::{Cluster, Id, ms, transactional};
use crate::requests::END_TV2;

const CONCURRENT: ErrorCode = ErrorCode::CONCURRENT_TRANSACTIONS;

/// Markers take so long that Prepare* can be looked at.
fn slow_markers() -> Cluster {
    Cluster::with_topic(BrokerConfig {
        marker_delay: ms(50),
        ..Default::default()
    })
}

fn begin(cluster: &mut Cluster) -> Id {
    cluster.init(Some("x"), None).unwrap()
}

fn next(producer: Id) -> Id {
    Id {
        epoch: producer.epoch + 1,
        ..producer
    }
}

fn state(cluster: &Cluster) -> TransactionState {
    cluster
        .broker
        .transaction_state("x")
        .expect("x is known")
        .state
}

#[test]
fn a_new_instance_fences_and_aborts_the_old_one() {
    let mut cluster = slow_markers();
    let old = begin(&mut cluster);
    cluster.write_tv2(transactional(old, 0, &["a"])).unwrap();
    assert_eq!(cluster.init(Some("x"), None), Err(CONCURRENT));
    assert_eq!(state(&cluster), TransactionState::PrepareAbort);
    assert_eq!(cluster.init(Some("x"), None), Err(CONCURRENT));
    cluster.advance(ms(50));
    let new = cluster.init(Some("x"), None).unwrap();
    assert_eq!(
        new,
        Id {
            epoch: old.epoch + 2,
            ..old
        }
    );
    let fenced = cluster.write_tv2(transactional(old, 1, &["b"]));
    assert_eq!(fenced, Err(ErrorCode::INVALID_PRODUCER_EPOCH));
    assert_eq!(
        cluster.end(END_TV2, old, true),
        Err(ErrorCode::PRODUCER_FENCED)
    );
    assert_eq!(
        cluster.init(Some("x"), Some(old)),
        Err(ErrorCode::PRODUCER_FENCED)
    );
    assert_eq!(cluster.write_tv2(transactional(new, 0, &["c"])), Ok(2));
    assert_eq!(cluster.committed_values("t", 0), Vec::<String>::new());
}

#[test]
fn the_owner_may_fence_its_own_transaction_and_go_on() {
    let mut cluster = slow_markers();
    let old = begin(&mut cluster);
    cluster.write_tv2(transactional(old, 0, &["a"])).unwrap();
    assert_eq!(cluster.init(Some("x"), Some(old)), Err(CONCURRENT));
    cluster.advance(ms(50));
    // The bump that fenced it counts as its own, and repeating the question changes nothing.
    assert_eq!(cluster.init(Some("x"), Some(old)), Ok(next(old)));
    assert_eq!(cluster.init(Some("x"), Some(old)), Ok(next(old)));
    assert_eq!(
        cluster.write_tv2(transactional(next(old), 0, &["b"])),
        Ok(2)
    );
}

#[test]
fn a_transaction_that_takes_too_long_is_aborted_and_its_owner_fenced() {
    let mut cluster = Cluster::single();
    let producer = begin(&mut cluster);
    cluster
        .write_tv2(transactional(producer, 0, &["a"]))
        .unwrap();
    cluster.advance(ms(59_999));
    assert_eq!(state(&cluster), TransactionState::Ongoing);
    cluster.advance(ms(2));
    assert_eq!(state(&cluster), TransactionState::CompleteAbort);
    let late = cluster.write_tv2(transactional(producer, 1, &["b"]));
    assert_eq!(late, Err(ErrorCode::INVALID_PRODUCER_EPOCH));
    // Its own end of the transaction reads as the retry of an abort, under TV2.
    assert_eq!(
        cluster.end(END_TV2, producer, true),
        Err(ErrorCode::INVALID_TXN_STATE)
    );
    assert_eq!(cluster.end(END_TV2, producer, false), Ok(next(producer)));
}

#[test]
fn the_time_of_a_transaction_starts_with_its_first_partition() {
    let mut cluster = Cluster::single();
    let producer = begin(&mut cluster);
    cluster.advance(ms(59_000));
    cluster
        .write_tv2(transactional(producer, 0, &["a"]))
        .unwrap();
    cluster.advance(ms(30_000));
    let producer = cluster.end(END_TV2, producer, true).unwrap();
    cluster.advance(ms(20_000));
    cluster
        .write_tv2(transactional(producer, 0, &["b"]))
        .unwrap();
    cluster.advance(ms(59_000));
    assert_eq!(
        state(&cluster),
        TransactionState::Ongoing,
        "the first one's time is not counted"
    );
    assert!(cluster.end(END_TV2, producer, true).is_ok());
}

#[test]
fn used_up_epochs_give_a_new_producer_id() {
    let mut cluster = slow_markers();
    let producer = begin(&mut cluster);
    assert!(cluster.broker.set_producer_epoch("x", i16::MAX - 1));
    let last = Id {
        epoch: i16::MAX - 1,
        ..producer
    };
    cluster.write_tv2(transactional(last, 0, &["a"])).unwrap();
    let fresh = cluster.end(END_TV2, last, true).unwrap();
    assert_eq!(fresh.epoch, 0);
    assert_ne!(fresh.id, producer.id);
    // The client may use it at once: it waits for the markers, and is not taken for a stranger.
    assert_eq!(cluster.add_partitions(fresh, &[0]), [CONCURRENT]);
    cluster.advance(ms(50));
    assert_eq!(
        cluster.end(END_TV2, last, true),
        Ok(fresh),
        "a retry is recognised"
    );
    let marker = cluster
        .broker
        .log("t", 0)
        .unwrap()
        .batches()
        .next_back()
        .unwrap();
    assert_eq!(marker.header().producer_epoch, i16::MAX);
    assert_eq!(cluster.write_tv2(transactional(fresh, 0, &["b"])), Ok(2));
    cluster.end(END_TV2, fresh, true).unwrap();
    cluster.advance(ms(50));
    assert_eq!(cluster.committed_values("t", 0), ["a", "b"]);
}

#[test]
fn init_rotates_used_up_epochs_too() {
    let mut cluster = Cluster::single();
    let producer = begin(&mut cluster);
    cluster.broker.set_producer_epoch("x", i16::MAX - 1);
    let last = Id {
        epoch: i16::MAX - 1,
        ..producer
    };
    let fresh = cluster.init(Some("x"), Some(last)).unwrap();
    assert_eq!(fresh.epoch, 0);
    assert_ne!(fresh.id, producer.id);
    assert_eq!(cluster.init(Some("x"), Some(last)), Ok(fresh));
}

#[test]
fn init_checks_what_it_is_asked() {
    let mut cluster = Cluster::single();
    let plain = cluster.init(None, None).unwrap();
    assert_ne!(cluster.init(None, None).unwrap().id, plain.id);
    assert_eq!(
        cluster.init(Some(""), None),
        Err(ErrorCode::INVALID_REQUEST)
    );
    let half = Id { id: 5, epoch: -1 };
    assert_eq!(
        cluster.init(Some("x"), Some(half)),
        Err(ErrorCode::INVALID_REQUEST)
    );
    let mut timeout = |transaction_timeout_ms| {
        let request = InitProducerIdRequest {
            transactional_id: Some("x"),
            transaction_timeout_ms,
            producer_id: -1,
            producer_epoch: -1,
        };
        cluster.ask(1, 4, &request, |response| response.error_code)
    };
    assert_eq!(timeout(15 * 60_000), ErrorCode::NONE);
    assert_eq!(
        timeout(15 * 60_000 + 1),
        ErrorCode::INVALID_TRANSACTION_TIMEOUT
    );
    assert_eq!(timeout(0), ErrorCode::INVALID_TRANSACTION_TIMEOUT);
}

#[test]
fn older_versions_call_a_fenced_producer_by_the_older_code() {
    let mut cluster = Cluster::single();
    let stranger = Id {
        id: 9_999,
        epoch: 0,
    };
    begin(&mut cluster);
    let at =
        |cluster: &mut Cluster, version| cluster.init_at(1, version, Some("x"), Some(stranger));
    assert_eq!(at(&mut cluster, 3), Err(ErrorCode::INVALID_PRODUCER_EPOCH));
    assert_eq!(at(&mut cluster, 4), Err(ErrorCode::PRODUCER_FENCED));
}

#[test]
fn an_unknown_transactional_id_has_no_mapping() {
    let mut cluster = Cluster::single();
    let producer = begin(&mut cluster);
    assert!(cluster.broker.forget_transactional_id("x"));
    let unknown = ErrorCode::INVALID_PRODUCER_ID_MAPPING;
    assert_eq!(cluster.end(END_TV2, producer, true), Err(unknown));
    assert_eq!(
        cluster.write_tv2(transactional(producer, 0, &["a"])),
        Err(unknown)
    );
    assert_eq!(cluster.add_partitions(producer, &[0]), [unknown]);
}
