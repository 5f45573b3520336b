//! Promises that go through every part of the client.

use std::future::Future;
use std::time::Duration;

use milena_engine::handles::{
    AbortCause, CommitError, DeliveryErrorKind, GroupMetadata, NewTopic, Persistence, Position,
    Record, SendError,
};
use milena_testbroker::{Action, Rule};

use crate::world::World;

const SECOND: Duration = Duration::from_secs(1);
/// What a call may take beyond its own time-out.
const SLACK: Duration = Duration::from_millis(50);

/// Runs `call`, which must end by itself within `limit`.
fn ends<F: Future>(world: &mut World, limit: Duration, name: &str, call: F) -> F::Output {
    let before = world.now();
    let ended = world.run_for(limit + SLACK, call);
    let waited = world.now() - before;
    ended.unwrap_or_else(|| panic!("{name} has not ended after {waited:?}"))
}

fn silence(world: &mut World) {
    let rule = Rule::on_any().always();
    world.broker.faults().add(rule, Action::Ignore);
}

#[test]
fn every_call_of_a_producer_and_of_admin_ends_when_no_broker_answers() {
    let mut world = World::new(3);
    world.broker.create_topic("t", 1);
    let client = world.client.clone();
    let builder = client.producer().delivery_timeout(10 * SECOND);
    let producer = world.run(builder.send_timeout(3 * SECOND).build()).unwrap();
    let first = world
        .run(producer.send(Record::to("t").value("a")))
        .unwrap();
    world.run(first).unwrap();
    silence(&mut world);

    let record = || Record::to("t").value("b");
    let delivery = ends(&mut world, SLACK, "send", producer.send(record())).unwrap();
    let error = ends(&mut world, 10 * SECOND, "delivery", delivery).unwrap_err();
    assert_eq!(*error.kind(), DeliveryErrorKind::TimedOut);
    drop(world.run(producer.send(record())).unwrap());
    ends(&mut world, 10 * SECOND, "flush", producer.flush()).unwrap();
    let nowhere = producer.send(Record::to("nowhere").value("b"));
    let error = ends(&mut world, 3 * SECOND, "send to a new topic", nowhere).unwrap_err();
    assert!(matches!(error, SendError::TimedOut { .. }));

    let connect = client.connect("three brokers", 4 * SECOND);
    ends(&mut world, 4 * SECOND, "connect", connect).unwrap_err();
    let admin = client.admin().timeout(2 * SECOND);
    ends(&mut world, 2 * SECOND, "nodes", admin.nodes()).unwrap_err();
    ends(
        &mut world,
        2 * SECOND,
        "describe",
        admin.describe_topic("t"),
    )
    .unwrap_err();
    ends(&mut world, 2 * SECOND, "delete", admin.delete_topic("t")).unwrap_err();
    let topic = NewTopic::new("new", 1);
    ends(&mut world, 2 * SECOND, "create", admin.create_topic(topic)).unwrap_err();
}

#[test]
fn every_call_of_a_transaction_ends_when_no_broker_answers() {
    let mut world = World::new(3);
    world.broker.create_topic("t", 1);
    let client = world.client.clone();
    let limit = 5 * SECOND;
    let build = |id: &str| client.transactional_producer(id).operation_timeout(limit);
    let mut producers: Vec<_> = ["commits", "aborts", "offsets"]
        .iter()
        .map(|id| world.run(build(id).build()).unwrap())
        .collect();
    let [commits, aborts, offsets] = producers.as_mut_slice() else {
        panic!("there are three");
    };
    let [committed, aborted, moved] = [commits, aborts, offsets].map(|producer| {
        let transaction = world.run(producer.begin()).unwrap();
        let sent = world.run(transaction.send(Record::to("t").value("a")));
        world.run(sent.unwrap()).unwrap();
        transaction
    });
    silence(&mut world);

    let group = GroupMetadata::assigned("g");
    let offsets = moved.send_offsets(&group, [Position::new("t", 0, 1)]);
    ends(&mut world, limit, "send_offsets", offsets).unwrap_err();
    drop(moved);
    ends(&mut world, limit, "commit", committed.commit()).unwrap_err();
    ends(&mut world, limit, "abort", aborted.abort()).unwrap_err();
    for producer in &mut producers {
        drop(ends(&mut world, limit, "resolve", producer.resolve()));
        ends(&mut world, limit, "begin", producer.begin()).unwrap_err();
    }
    ends(&mut world, limit, "build", build("another").build()).unwrap_err();
    let pipeline = client.exactly_once("g").from_partitions([("t", 0)]);
    let pipeline = pipeline.transactional_id("yet another");
    let build = pipeline.operation_timeout(limit).build();
    ends(&mut world, limit, "build of a pipeline", build).unwrap_err();
}

#[test]
fn every_question_of_a_consumer_ends_when_no_broker_answers() {
    let mut world = World::new(3);
    world.broker.create_topic("t", 1);
    let client = world.client.clone();
    let build = || client.consumer("g").assign([("t", 0)]).build();
    let consumer = world.run(build()).unwrap();
    silence(&mut world);
    let limit = 30 * SECOND;
    ends(&mut world, limit, "committed", consumer.committed()).unwrap_err();
    ends(&mut world, limit, "end_offsets", consumer.end_offsets()).unwrap_err();
    let beginning = consumer.beginning_offsets();
    ends(&mut world, limit, "beginning_offsets", beginning).unwrap_err();
    ends(&mut world, limit, "build", build()).unwrap_err();
}

#[test]
fn what_waits_for_an_answer_is_told_when_the_client_is_dropped() {
    let mut world = World::new(1);
    world.broker.create_topic("t", 1);
    let client = world.client.clone();
    let producer = world.producer_that_has_sent("t");
    silence(&mut world);
    let delivery = world
        .run(producer.send(Record::to("t").value("b")))
        .unwrap();
    world.pass(SECOND);
    drop((producer, client));
    world.drop_client();
    let error = ends(&mut world, 5 * SECOND, "delivery", delivery).unwrap_err();
    assert_eq!(*error.kind(), DeliveryErrorKind::Closed);
    assert_eq!(error.persistence(), Persistence::PossiblyPersisted);
}

#[test]
fn a_record_that_was_refused_before_it_was_accepted_forbids_commit() {
    let mut world = World::new(1);
    world.broker.create_topic("t", 1);
    let client = world.client.clone();
    let mut payments = world
        .run(client.transactional_producer("p").build())
        .unwrap();
    let transaction = world.run(payments.begin()).unwrap();
    let good = world
        .run(transaction.send(Record::to("t").value("a")))
        .unwrap();
    world.run(good).unwrap();
    let refused = world.run(transaction.send(Record::to("t").partition(7).value("b")));
    assert!(matches!(
        refused,
        Err(SendError::NoPartition { partition: 7, .. })
    ));
    let ended = world.run(transaction.commit());
    let cause = match ended {
        Err(CommitError::Aborted { cause }) => cause,
        other => panic!("{other:?}"),
    };
    assert!(matches!(cause, AbortCause::SendFailed { .. }), "{cause}");
    world.pass(SECOND);
    let log = world.broker.log("t", 0).unwrap();
    assert!(log.committed_records().unwrap().is_empty());
}

#[test]
fn a_groups_offsets_are_told_once_no_transaction_is_about_to_move_them() {
    let mut world = World::new(1);
    world.broker.create_topic("t", 1);
    world.broker.commit_offset("g", "t", 0, 3);
    let client = world.client.clone();
    let mut payments = world
        .run(client.transactional_producer("p").build())
        .unwrap();
    let reader = world
        .run(client.consumer("g").assign([("t", 0)]).build())
        .unwrap();
    let told = |world: &mut World| world.run_for(5 * SECOND, reader.committed());
    assert_eq!(told(&mut world).unwrap().unwrap()[0].offset(), 3);

    let transaction = world.run(payments.begin()).unwrap();
    let group = GroupMetadata::assigned("g");
    let moved = transaction.send_offsets(&group, [Position::new("t", 0, 9)]);
    world.run(moved).unwrap();
    assert!(told(&mut world).is_none(), "3 may be over, 9 may never be");
    world.run(transaction.commit()).unwrap();
    assert_eq!(told(&mut world).unwrap().unwrap()[0].offset(), 9);
}
