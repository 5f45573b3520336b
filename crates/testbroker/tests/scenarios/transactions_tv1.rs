//! Transactions as clients before KIP-890 speak them: explicit adds, one epoch for all.

use milena_testbroker::{BrokerConfig, Emulate, TransactionState};
use milena_wire::ErrorCode;

use crate::harness::{Cluster, Id, ms, transactional};
use crate::requests::{END_TV1, PRODUCE_TV1};

fn kafka_3_9() -> Cluster {
    let config = BrokerConfig {
        emulate: Emulate::V3_9,
        marker_delay: ms(50),
        ..BrokerConfig::default()
    };
    let mut cluster = Cluster::new(config);
    assert!(cluster.broker.create_topic("t", 2));
    cluster
}

fn write(
    cluster: &mut Cluster,
    version: i16,
    producer: Id,
    sequence: i32,
) -> Result<i64, ErrorCode> {
    let value = format!("{sequence}");
    let batch = transactional(producer, sequence, &[&value]);
    cluster.produce(1, version, Some("x"), 0, batch)
}

#[test]
fn a_write_outside_the_transaction_is_refused_in_the_words_of_its_version() {
    let mut cluster = kafka_3_9();
    let producer = cluster.init(Some("x"), None).unwrap();
    for (version, error) in [
        (9, ErrorCode::INVALID_TXN_STATE),
        (10, ErrorCode::INVALID_TXN_STATE),
        (11, ErrorCode::TRANSACTION_ABORTABLE),
    ] {
        assert_eq!(
            write(&mut cluster, version, producer, 0),
            Err(error),
            "version {version}"
        );
    }
    assert_eq!(cluster.add_partitions(producer, &[0]), [ErrorCode::NONE]);
    assert_eq!(write(&mut cluster, PRODUCE_TV1, producer, 0), Ok(0));
    // Once it is open in the partition, nobody needs to be asked.
    assert_eq!(write(&mut cluster, 9, producer, 1), Ok(1));
}

#[test]
fn the_epoch_and_the_sequences_go_on_from_one_transaction_to_the_next() {
    let mut cluster = kafka_3_9();
    let producer = cluster.init(Some("x"), None).unwrap();
    cluster.add_partitions(producer, &[0]);
    write(&mut cluster, PRODUCE_TV1, producer, 0).unwrap();
    cluster.end(END_TV1, producer, true).unwrap();
    assert_eq!(
        cluster.add_partitions(producer, &[0]),
        [ErrorCode::CONCURRENT_TRANSACTIONS]
    );
    // Where a write has to be verified, the wait becomes an error that old clients do retry.
    let batch = transactional(producer, 0, &["elsewhere"]);
    let early = cluster.produce(1, PRODUCE_TV1, Some("x"), 1, batch);
    assert_eq!(early, Err(ErrorCode::NOT_ENOUGH_REPLICAS));
    cluster.advance(ms(50));
    let forgotten = write(&mut cluster, PRODUCE_TV1, producer, 1);
    assert_eq!(forgotten, Err(ErrorCode::TRANSACTION_ABORTABLE));
    assert_eq!(cluster.add_partitions(producer, &[0]), [ErrorCode::NONE]);
    let gap = write(&mut cluster, PRODUCE_TV1, producer, 2);
    assert_eq!(gap, Err(ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER));
    assert_eq!(write(&mut cluster, PRODUCE_TV1, producer, 1), Ok(2));
    let marker = cluster
        .broker
        .log("t", 0)
        .unwrap()
        .batches()
        .nth(1)
        .unwrap();
    assert_eq!(marker.header().producer_epoch, producer.epoch);
}

#[test]
fn a_straggler_between_the_end_and_its_marker_becomes_part_of_the_transaction() {
    // KAFKA-14053: nothing in the partition knows that the decision is taken.
    let mut cluster = kafka_3_9();
    let producer = cluster.init(Some("x"), None).unwrap();
    cluster.add_partitions(producer, &[0]);
    write(&mut cluster, PRODUCE_TV1, producer, 0).unwrap();
    cluster.end(END_TV1, producer, true).unwrap();
    assert_eq!(write(&mut cluster, PRODUCE_TV1, producer, 1), Ok(1));
    cluster.advance(ms(50));
    assert_eq!(cluster.committed_values("t", 0), ["0", "1"]);
}

#[test]
fn a_repeated_end_is_answered_only_in_its_direction() {
    let mut cluster = kafka_3_9();
    let producer = cluster.init(Some("x"), None).unwrap();
    let state = Err(ErrorCode::INVALID_TXN_STATE);
    assert_eq!(cluster.end(END_TV1, producer, true), state);
    assert_eq!(cluster.end(END_TV1, producer, false), state);
    cluster.add_partitions(producer, &[0]);
    cluster.end(END_TV1, producer, false).unwrap();
    assert_eq!(
        cluster.end(END_TV1, producer, false),
        Err(ErrorCode::CONCURRENT_TRANSACTIONS)
    );
    cluster.advance(ms(50));
    assert!(cluster.end(END_TV1, producer, false).is_ok());
    assert_eq!(cluster.end(END_TV1, producer, true), state);
}

#[test]
fn a_late_copy_of_an_end_does_end_the_next_transaction() {
    // What TV2 was made for: without an epoch of its own, the next transaction is torn. A client
    // can only help itself with InitProducerId before it goes on.
    let mut cluster = kafka_3_9();
    let producer = cluster.init(Some("x"), None).unwrap();
    cluster.add_partitions(producer, &[0]);
    cluster.end(END_TV1, producer, true).unwrap();
    cluster.advance(ms(50));
    cluster.add_partitions(producer, &[0]);
    write(&mut cluster, PRODUCE_TV1, producer, 0).unwrap();
    assert!(
        cluster.end(END_TV1, producer, true).is_ok(),
        "the late copy"
    );
    cluster.advance(ms(50));
    assert_eq!(cluster.committed_values("t", 0), ["0"]);

    let bumped = cluster.init(Some("x"), Some(producer)).unwrap();
    cluster.add_partitions(bumped, &[0]);
    write(&mut cluster, PRODUCE_TV1, bumped, 0).unwrap();
    assert_eq!(
        cluster.end(END_TV1, producer, true),
        Err(ErrorCode::PRODUCER_FENCED)
    );
}

#[test]
fn fencing_the_own_transaction_loses_the_identity() {
    let mut cluster = kafka_3_9();
    let producer = cluster.init(Some("x"), None).unwrap();
    cluster.add_partitions(producer, &[0]);
    let expected = Err(ErrorCode::CONCURRENT_TRANSACTIONS);
    assert_eq!(cluster.init(Some("x"), Some(producer)), expected);
    cluster.advance(ms(50));
    assert_eq!(
        cluster.init(Some("x"), Some(producer)),
        Err(ErrorCode::PRODUCER_FENCED)
    );
    let new = cluster.init(Some("x"), None).unwrap();
    assert_eq!(new.epoch, producer.epoch + 2);
}

#[test]
fn a_timed_out_transaction_fences_its_owner() {
    let mut cluster = kafka_3_9();
    let producer = cluster.init(Some("x"), None).unwrap();
    cluster.add_partitions(producer, &[0]);
    write(&mut cluster, PRODUCE_TV1, producer, 0).unwrap();
    cluster.advance(ms(60_100));
    let view = cluster.broker.transaction_state("x").unwrap();
    assert_eq!(view.state, TransactionState::CompleteAbort);
    assert_eq!(view.producer_epoch, producer.epoch + 1);
    assert_eq!(
        cluster.end(END_TV1, producer, true),
        Err(ErrorCode::PRODUCER_FENCED)
    );
    assert_eq!(
        cluster.end(1, producer, true),
        Err(ErrorCode::INVALID_PRODUCER_EPOCH)
    );
    let late = write(&mut cluster, PRODUCE_TV1, producer, 1);
    assert_eq!(late, Err(ErrorCode::INVALID_PRODUCER_EPOCH));
}

#[test]
fn partitions_are_added_all_or_none() {
    let mut cluster = kafka_3_9();
    let producer = cluster.init(Some("x"), None).unwrap();
    let expected = [
        ErrorCode::OPERATION_NOT_ATTEMPTED,
        ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
    ];
    assert_eq!(cluster.add_partitions(producer, &[0, 2]), expected);
    let view = cluster.broker.transaction_state("x").unwrap();
    assert_eq!(
        (view.state, view.partitions.len()),
        (TransactionState::Empty, 0)
    );
    assert_eq!(cluster.add_partitions(producer, &[0]), [ErrorCode::NONE]);
    let view = cluster.broker.transaction_state("x").unwrap();
    assert_eq!(view.partitions, [("t".to_owned(), 0)]);
}

#[test]
fn a_stranger_cannot_add_partitions() {
    let mut cluster = kafka_3_9();
    let producer = cluster.init(Some("x"), None).unwrap();
    let older = Id {
        epoch: producer.epoch - 1,
        ..producer
    };
    let stranger = Id {
        id: producer.id + 1,
        ..producer
    };
    assert_eq!(
        cluster.add_partitions(older, &[0]),
        [ErrorCode::PRODUCER_FENCED]
    );
    assert_eq!(
        cluster.add_partitions(stranger, &[0]),
        [ErrorCode::INVALID_PRODUCER_ID_MAPPING]
    );
}

#[test]
fn a_refused_batch_keeps_later_ones_out_until_it_is_written() {
    let mut cluster = kafka_3_9();
    let producer = cluster.init(Some("x"), None).unwrap();
    // Not verified yet: the partition remembers that sequence 0 is to come.
    write(&mut cluster, PRODUCE_TV1, producer, 0).unwrap_err();
    cluster.add_partitions(producer, &[0]);
    let later = write(&mut cluster, PRODUCE_TV1, producer, 1);
    assert_eq!(later, Err(ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER));
    assert_eq!(write(&mut cluster, PRODUCE_TV1, producer, 0), Ok(0));
    assert_eq!(write(&mut cluster, PRODUCE_TV1, producer, 1), Ok(1));
}

#[test]
fn a_4_3_cluster_at_level_1_serves_older_clients_alike() {
    let config = BrokerConfig {
        transaction_version: Some(1),
        ..BrokerConfig::default()
    };
    let mut cluster = Cluster::with_topic(config);
    let producer = cluster.init(Some("x"), None).unwrap();
    cluster.add_partitions(producer, &[0]);
    write(&mut cluster, PRODUCE_TV1, producer, 0).unwrap();
    cluster.end(END_TV1, producer, true).unwrap();
    cluster.advance(ms(1));
    let view = cluster.broker.transaction_state("x").unwrap();
    assert_eq!(
        (view.state, view.producer_epoch),
        (TransactionState::CompleteCommit, 0)
    );
    assert_eq!(cluster.committed_values("t", 0), ["0"]);
}
