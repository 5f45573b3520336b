//! Topics that are not there, or not any more.

use std::time::Duration;

use milena_engine::handles::{Record, SendError};
use milena_testbroker::ApiKey;

use crate::world::World;

/// Long enough to be forgotten: what is known is forgotten when it is as old as metadata may be (5 min).
const LONG: Duration = Duration::from_secs(660);
const MINUTE: Duration = Duration::from_secs(60);

/// How many metadata requests the cluster gets in a minute from now on.
fn asked_in_a_minute(world: &mut World) -> usize {
    let before = world.served(ApiKey::METADATA);
    world.pass(MINUTE);
    world.served(ApiKey::METADATA) - before
}

#[test]
fn a_topic_that_is_not_there_is_not_asked_for_without_end() {
    let mut world = World::new(1);
    let client = world.client.clone();
    let timeout = Duration::from_secs(2);
    let producer = world
        .run(client.producer().send_timeout(timeout).build())
        .unwrap();
    let refused = world.run(producer.send(Record::to("nowhere").value("a")));
    assert!(matches!(refused, Err(SendError::TimedOut { .. })));
    // It may have been created a moment ago.
    assert!(asked_in_a_minute(&mut world) > 10);
    world.pass(LONG);
    assert!(asked_in_a_minute(&mut world) <= 1);
}

#[test]
fn a_topic_that_was_deleted_and_forgotten_takes_records_again_once_it_is_there() {
    let mut world = World::new(1);
    world.broker.create_topic("t", 1);
    let client = world.client.clone();
    let producer = world.producer_that_has_sent("t");
    world.run(client.admin().delete_topic("t")).unwrap();
    world.pass(LONG);
    assert!(asked_in_a_minute(&mut world) <= 1);
    world.broker.create_topic("t", 1);
    let second = world
        .run(producer.send(Record::to("t").value("b")))
        .unwrap();
    let acknowledged = world.run_for(Duration::from_secs(5), second);
    assert!(matches!(acknowledged, Some(Ok(_))), "{acknowledged:?}");
}

#[test]
fn a_topic_that_a_consumer_waits_for_is_asked_for_as_long_as_it_waits() {
    let mut world = World::new(1);
    let client = world.client.clone();
    let mut reader = world
        .run(client.reader().assign([("later", 0)]).build())
        .unwrap();
    world.pass(LONG);
    assert!(asked_in_a_minute(&mut world) > 10);
    world.broker.create_topic("later", 1);
    let producer = world.run(client.producer().build()).unwrap();
    let sent = world.run(producer.send(Record::to("later").value("a")));
    drop(sent.unwrap());
    let batch = world.run_for(Duration::from_secs(10), reader.next_batch());
    assert!(matches!(batch, Some(Ok(_))), "{batch:?}");
    drop(reader);
    world.run(client.admin().delete_topic("later")).unwrap();
    world.pass(LONG);
    assert!(asked_in_a_minute(&mut world) <= 1);
}
