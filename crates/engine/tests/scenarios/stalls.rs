//! What waits for a link or a coordinator goes on as soon as it can.

use std::time::Duration;

use milena_engine::handles::{ConsumeError, QueryError, Record};
use milena_testbroker::{Action, ApiKey, CoordinatorKind, ErrorCode, Rule};

use crate::world::World;

#[test]
fn a_coordinator_that_metadata_does_not_name_is_asked_for_anew() {
    let mut world = World::new(3);
    world.broker.create_topic("t", 2);
    world.broker.move_leader("t", 0, 1);
    world.broker.move_leader("t", 1, 2);
    world
        .broker
        .move_coordinator(CoordinatorKind::Transaction, "p", 2);
    let client = world.client.clone();
    let mut payments = world
        .run(client.transactional_producer("p").build())
        .unwrap();
    let tx = world.run(payments.begin()).unwrap();
    for partition in 0..2 {
        let record = Record::to("t").partition(partition).value("a");
        let delivery = world.run(tx.send(record)).unwrap();
        world.run(delivery).unwrap();
    }
    world.pass(Duration::from_secs(5));
    let cut = Rule::on(ApiKey::END_TXN).nth(1);
    world.broker.faults().add(cut, Action::CutConnection);
    let mut commit = tx.commit();
    // Node 2 was looked up anew; before it is asked again it stops, and metadata forgets it.
    assert_eq!(world.run_for(Duration::from_millis(1), &mut commit), None);
    world.broker.stop_node(2);
    let committed = world.run_for(Duration::from_secs(20), &mut commit);
    assert_eq!(committed, Some(Ok(())));
}

#[test]
fn a_refused_coordinator_is_told_to_who_asks_for_the_groups_offsets() {
    let mut world = World::new(1);
    world.broker.create_topic("t", 1);
    let refusal = Action::Error(ErrorCode::GROUP_AUTHORIZATION_FAILED);
    world
        .broker
        .faults()
        .add(Rule::on(ApiKey::FIND_COORDINATOR).always(), refusal);
    let client = world.client.clone();
    let built = world.run_for(
        Duration::from_secs(5),
        client.consumer("g").assign([("t", 0)]).build(),
    );
    assert!(
        matches!(
            built,
            Some(Err(ConsumeError::Query(QueryError::Refused {
                error: ErrorCode::GROUP_AUTHORIZATION_FAILED,
                ..
            })))
        ),
        "{built:?}"
    );
}

#[test]
fn a_link_whose_only_frame_was_taken_back_still_carries_the_next() {
    let mut world = World::new(1);
    world.broker.create_topic("t", 1);
    let client = world.client.clone();
    let producer = world
        .run(
            client
                .producer()
                .delivery_timeout(Duration::from_secs(2))
                .build(),
        )
        .unwrap();
    let first = world
        .run(producer.send(Record::to("t").value("a")))
        .unwrap();
    world.run(first).unwrap();

    world.block();
    let late = world
        .run(producer.send(Record::to("t").value("b")))
        .unwrap();
    assert!(world.run(late).is_err(), "nothing could be written");
    world.unblock();
    let next = world
        .run(producer.send(Record::to("t").value("c")))
        .unwrap();
    world.run(next).unwrap();
}
