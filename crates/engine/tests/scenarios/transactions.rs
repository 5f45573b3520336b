//! Transactions: what is told of them, and when.

use std::time::Duration;

use milena_engine::handles::{
    AbortCause, CommitError, FatalCause, GroupMetadata, PipelineError, Position, Record, RunError,
    Step,
};
use milena_testbroker::{Action, ApiKey, Rule};

use crate::world::World;

fn one_record(world: &mut World, topic: &str) {
    world.broker.create_topic(topic, 1);
    let client = world.client.clone();
    world.run(async {
        let producer = client.producer().build().await.expect("the cluster works");
        let sent = producer
            .send(Record::to(topic).value("in"))
            .await
            .expect("the cluster works");
        sent.await.expect("the cluster works");
    });
}

#[test]
fn no_offsets_at_all_are_no_reason_to_commit_anything() {
    let mut world = World::new(1);
    let client = world.client.clone();
    world.run(async {
        let mut payments = client.transactional_producer("p").build().await.unwrap();
        for _ in 0..2 {
            let tx = payments.begin().await.unwrap();
            let none = std::iter::empty::<Position>();
            tx.send_offsets(&GroupMetadata::assigned("g"), none)
                .await
                .unwrap();
            tx.commit().await.unwrap();
        }
    });
}

#[test]
fn a_handler_that_fails_has_its_transaction_aborted_before_it_is_asked_for_more() {
    let mut world = World::new(1);
    one_record(&mut world, "orders");
    world.broker.create_topic("invoices", 1);
    let client = world.client.clone();
    let mut pipeline = world
        .run(
            client
                .exactly_once("billing")
                .from_partitions([("orders", 0)])
                .transactional_id("billing-1")
                .build(),
        )
        .unwrap();
    let ended = world.run(pipeline.run(|step: Step| async move {
        let sent = step.send(Record::to("invoices").value("out")).await;
        sent.unwrap().await.unwrap();
        Err::<(), _>("refused")
    }));
    assert_eq!(ended, Err(RunError::Handler("refused")));
    // Readers of the output must not wait for whoever runs the pipeline again, or never does.
    world.pass(Duration::from_secs(1));
    let log = world.broker.log("invoices", 0).unwrap();
    assert_eq!(log.last_stable_offset(), log.high_watermark());
    assert_eq!(log.high_watermark(), 2, "the record and the abort's marker");
}

#[test]
fn a_pipeline_that_has_read_everything_leaves_no_lag_behind_a_marker() {
    let mut world = World::new(1);
    world.broker.create_topic("orders", 1);
    let client = world.client.clone();
    world.run(async {
        let mut producer = client.transactional_producer("p").build().await.unwrap();
        let transaction = producer.begin().await.unwrap();
        let sent = transaction.send(Record::to("orders").value("in")).await;
        sent.unwrap().await.unwrap();
        transaction.commit().await.unwrap();
    });
    world.pass(Duration::from_secs(1));
    let end = world.broker.log("orders", 0).unwrap().high_watermark();
    assert_eq!(end, 2, "the record and the commit's marker");
    world.run(async {
        let builder = client.exactly_once("billing").until_end();
        let partitions = builder.from_partitions([("orders", 0)]);
        let mut pipeline = partitions.transactional_id("b").build().await.unwrap();
        while let Some(step) = pipeline.next().await.unwrap() {
            step.done();
        }
    });
    world.pass(Duration::from_secs(1));
    let offset = world.broker.committed_offset("billing", "orders", 0);
    assert_eq!(offset, Some(end));
}

#[test]
fn a_transaction_that_the_coordinator_timed_out_is_not_called_fenced() {
    let mut world = World::new(1);
    one_record(&mut world, "orders");
    let client = world.client.clone();
    let mut payments = world
        .run(
            client
                .transactional_producer("p")
                .transaction_timeout(Duration::from_secs(2))
                .build(),
        )
        .unwrap();
    let tx = world.run(payments.begin()).unwrap();
    let group = GroupMetadata::assigned("g");
    world
        .run(tx.send_offsets(&group, [Position::new("orders", 0, 1)]))
        .unwrap();
    let lost = Rule::on(ApiKey::END_TXN).always();
    let lost = world.broker.faults().add(lost, Action::DropBeforeApply);
    let mut commit = tx.commit();
    assert_eq!(world.run_for(Duration::from_secs(10), &mut commit), None);
    world.broker.faults().remove(lost);
    let error = world.run(commit).unwrap_err();
    assert!(
        matches!(
            error,
            CommitError::Aborted {
                cause: AbortCause::Fatal(FatalCause::TimedOut { .. })
            }
        ),
        "{error:?}"
    );
}

#[test]
fn a_pipeline_that_cannot_read_on_says_so_each_time_it_is_asked() {
    let mut world = World::new(1);
    one_record(&mut world, "orders");
    world.broker.delete_records("orders", 0, 1);
    world.broker.commit_offset("billing", "orders", 0, 0);
    let client = world.client.clone();
    let mut pipeline = world
        .run(
            client
                .exactly_once("billing")
                .from_partitions([("orders", 0)])
                .transactional_id("billing-1")
                .build(),
        )
        .unwrap();
    for _ in 0..3 {
        let next = world.run_for(Duration::from_secs(30), pipeline.next());
        assert!(
            matches!(next, Some(Err(PipelineError::Consume(_)))),
            "{next:?}"
        );
    }
    // Once the group stands where there are records again, it goes on.
    world.broker.commit_offset("billing", "orders", 0, 1);
    let client = world.client.clone();
    world.run(async {
        let producer = client.producer().build().await.unwrap();
        let sent = producer.send(Record::to("orders").value("in")).await;
        sent.unwrap().await.unwrap();
    });
    let next = world.run_for(Duration::from_secs(30), pipeline.next());
    assert!(matches!(next, Some(Ok(Some(_)))), "{next:?}");
}
