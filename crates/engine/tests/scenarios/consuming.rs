//! Consumers: seeks, and consumers that nobody has.

use std::pin::pin;
use std::time::Duration;

use milena_engine::handles::{ConsumeError, QueryError, Record, Start};
use milena_testbroker::ApiKey;

use crate::world::{World, poll_once};

/// Fills partition 0 of `topic` with more than one Fetch may bring of it.
fn fill(world: &mut World, topic: &str) {
    world.broker.create_topic(topic, 1);
    let client = world.client.clone();
    world.run(async {
        let producer = client.producer().build().await.expect("the cluster works");
        let value = vec![b'v'; 100_000];
        for _ in 0..40 {
            drop(
                producer
                    .send(Record::to(topic).partition(0).value(&value))
                    .await,
            );
        }
        producer.flush().await.expect("the cluster works");
    });
}

#[test]
fn what_a_seek_throws_away_gives_its_room_back() {
    let mut world = World::new(1);
    fill(&mut world, "t");
    let client = world.client.clone();
    let mut consumer = world
        .run(
            client
                .reader()
                .assign([("t", 0)])
                .start(Start::Earliest)
                .build(),
        )
        .unwrap();
    for round in 0..50 {
        // Time for the fetcher to read ahead as far as it may.
        world.pass(Duration::from_secs(2));
        consumer.seek("t", 0, round % 7);
        let batch = world
            .run_for(Duration::from_secs(30), consumer.next_batch())
            .unwrap_or_else(|| panic!("nothing was read any more after seek {round}"))
            .unwrap();
        let first = batch.records().next().map(|record| record.offset());
        assert_eq!(first, Some(round % 7));
    }
}

#[test]
fn a_consumer_whose_making_was_given_up_reads_nothing() {
    let mut world = World::new(1);
    world.broker.create_topic("t", 1);
    let client = world.client.clone();
    let building = client.reader().assign([("t", 0)]).build();
    let mut building = Box::pin(building);
    assert!(poll_once(&mut building).is_pending());
    // The engine has made it; nobody has heard of it.
    world.pass(Duration::ZERO);
    drop(building);
    world.pass(Duration::from_secs(5));
    let before = world.served(ApiKey::FETCH);
    world.pass(Duration::from_secs(60));
    assert_eq!(world.served(ApiKey::FETCH), before);
}

#[test]
fn a_batch_that_is_kept_does_not_keep_a_dropped_consumer_reading() {
    let mut world = World::new(1);
    fill(&mut world, "t");
    let client = world.client.clone();
    let mut consumer = world
        .run(
            client
                .reader()
                .assign([("t", 0)])
                .start(Start::Latest)
                .build(),
        )
        .unwrap();
    consumer.seek("t", 0, 39);
    let batch = world.run(pin!(consumer.next_batch())).unwrap();
    drop(consumer);
    world.pass(Duration::from_secs(1));
    let before = world.served(ApiKey::FETCH);
    world.pass(Duration::from_secs(60));
    assert_eq!(world.served(ApiKey::FETCH), before);
    assert_eq!(batch.len(), 1);
}

#[test]
fn a_partition_that_is_assigned_twice_is_read_once() {
    let mut world = World::new(1);
    fill(&mut world, "t");
    let client = world.client.clone();
    let twice = [("t", 0), ("t", 0)];
    let consumer = world.run(client.reader().assign(twice).build()).unwrap();
    let ends = world.run_for(Duration::from_secs(5), consumer.end_offsets());
    let ends = ends.expect("the end is known at once").unwrap();
    assert_eq!(ends.len(), 1);
}

#[test]
fn partitions_that_cannot_be_are_refused_when_they_are_assigned() {
    let mut world = World::new(1);
    let client = world.client.clone();
    for wrong in [("t", -5), ("", 0), ("no topic", 0)] {
        let built = world.run_for(
            Duration::from_secs(1),
            client.reader().assign([wrong]).build(),
        );
        assert!(
            matches!(
                built,
                Some(Err(ConsumeError::Query(QueryError::Invalid(_))))
            ),
            "{wrong:?}: {built:?}"
        );
    }
}

#[test]
fn a_seek_in_a_partition_that_is_not_assigned_changes_nothing() {
    let mut world = World::new(1);
    fill(&mut world, "t");
    let client = world.client.clone();
    let build = client.reader().assign([("t", 0)]).build();
    let mut reader = world.run(build).unwrap();
    reader.seek("t", 1, 5);
    reader.seek("u", 0, 5);
    world.pass(Duration::from_secs(1));
    assert_eq!(reader.position("t", 1), None);
    assert_eq!(reader.position("u", 0), None);
    let batch = world.run(reader.next_batch()).unwrap();
    assert_eq!((batch.topic(), batch.partition()), ("t", 0));
}
