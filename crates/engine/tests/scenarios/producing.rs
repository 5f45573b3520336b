//! Producers: timers, room, and what users may ask for.

use std::time::Duration;

use milena_engine::handles::{DeliveryErrorKind, Persistence, Record, SendError};
use milena_testbroker::{Action, ApiKey, ErrorCode, Rule};

use crate::world::World;

#[test]
fn a_producer_that_gave_up_before_it_had_an_identity_costs_nothing() {
    let mut world = World::new(1);
    world.broker.create_topic("t", 1);
    let refusal = Action::Error(ErrorCode::COORDINATOR_LOAD_IN_PROGRESS);
    world
        .broker
        .faults()
        .add(Rule::on(ApiKey::INIT_PRODUCER_ID).always(), refusal);
    let client = world.client.clone();
    let timeout = Duration::from_secs(2);
    let producer = world
        .run(client.producer().delivery_timeout(timeout).build())
        .unwrap();
    let delivery = world
        .run(producer.send(Record::to("t").value("a")))
        .unwrap();
    let error = world.run(delivery).unwrap_err();
    assert_eq!(*error.kind(), DeliveryErrorKind::TimedOut);
    // The world panics if the engine wants turns without end.
    world.pass(Duration::from_secs(60));
}

#[test]
fn lingering_batches_of_other_partitions_make_room_for_a_sender_that_waits() {
    let mut world = World::new(1);
    world.broker.create_topic("t", 8);
    let client = world.client.clone();
    let producer = world
        .run(
            client
                .producer()
                .linger(Duration::from_secs(300))
                .batch_bytes_max(16 << 10)
                .buffer_bytes_max(1)
                .build(),
        )
        .unwrap();
    for partition in 0..8 {
        let record = Record::to("t").partition(partition).value("small");
        let sent = world.run_for(Duration::from_secs(5), producer.send(record));
        drop(
            sent.unwrap_or_else(|| panic!("no room for partition {partition}"))
                .unwrap(),
        );
    }
}

#[test]
fn a_topic_name_that_cannot_be_is_refused_and_harms_no_other() {
    let mut world = World::new(1);
    world.broker.create_topic("t", 1);
    let client = world.client.clone();
    let producer = world.run(client.producer().build()).unwrap();
    for name in ["", &"n".repeat(40_000), "slash/slash", ".."] {
        let refused = world.run_for(
            Duration::from_secs(5),
            producer.send(Record::to(name).value("a")),
        );
        assert!(
            matches!(refused, Some(Err(SendError::Topic { .. }))),
            "{:?}: {refused:?}",
            name.get(..10)
        );
    }
    let sent = world.run_for(
        Duration::from_secs(5),
        producer.send(Record::to("t").value("a")),
    );
    assert!(matches!(sent, Some(Ok(_))), "{sent:?}");
}

#[test]
fn the_longest_durations_are_no_more_than_very_long() {
    let mut world = World::new(1);
    world.broker.create_topic("t", 1);
    let client = world.client.clone();
    world.run(async {
        let producer = client
            .producer()
            .linger(Duration::MAX)
            .delivery_timeout(Duration::MAX)
            .send_timeout(Duration::MAX)
            .build()
            .await
            .unwrap();
        let delivery = producer.send(Record::to("t").value("a")).await.unwrap();
        producer.flush().await.unwrap();
        delivery.await.unwrap();
        let mut payments = client
            .transactional_producer("p")
            .operation_timeout(Duration::MAX)
            .build()
            .await
            .unwrap();
        let tx = payments.begin().await.unwrap();
        drop(tx.send(Record::to("t").value("b")).await.unwrap());
        tx.commit().await.unwrap();
        let nodes = client.admin().timeout(Duration::MAX).nodes().await;
        assert_eq!(nodes.unwrap().len(), 1);
        let mut reader = client
            .reader()
            .assign([("t", 0)])
            .fetch_wait_max(Duration::MAX)
            .build()
            .await
            .unwrap();
        reader.next_batch().await.unwrap();
    });
}

#[test]
fn a_batch_written_as_the_client_ends_is_not_called_unwritten() {
    let mut world = World::new(1);
    world.broker.create_topic("t", 1);
    let client = world.client.clone();
    let producer = world.producer_that_has_sent("t");
    world.block();
    let last = world
        .run(producer.send(Record::to("t").value("b")))
        .unwrap();
    drop((producer, client));
    world.drop_client();
    world.pass(Duration::from_millis(4_900));
    world.late_turn(Duration::from_secs(1));
    let error = world.run(last).unwrap_err();
    let written = world.broker.log("t", 0).unwrap().high_watermark() == 2;
    assert!(written, "the frame was written");
    assert_eq!(error.persistence(), Persistence::PossiblyPersisted);
}
