//! A commit nobody waits for any more still has one outcome, and `resolve` knows it.

use std::time::Duration;

use milena::{Record, TransactionOutcome, TransactionalProducer};
use milena_testbroker::relay::{ApiKey, HoldToken, RelayAction, RelayRule};
use milena_tests::{Failure, Log, Outcome, World, eventually, scenarios, values};
use tokio::time::timeout;

scenarios!(
    a_commit_dropped_after_it_was_sent_is_resolved,
    a_commit_dropped_before_it_was_polled_is_resolved,
    a_commit_that_timed_out_is_resumed,
);

async fn a_commit_dropped_after_it_was_sent_is_resolved(world: &World) -> Outcome {
    let topic = world.topic("ledger", 1).await?;
    let mut payments = world
        .client()
        .await?
        .transactional_producer(&world.name("payments"))
        .build()
        .await?;
    let relay = world.relay();
    let held = relay.add(
        RelayRule::on(ApiKey::END_TXN),
        RelayAction::HoldAnswers(HELD),
    );

    let tx = payments.begin().await?;
    drop(tx.send(topic.record(0, "first")).await?);
    let mut commit = tx.commit();
    while relay.fired(held) == 0 {
        assert!(
            timeout(STEP, &mut commit).await.is_err(),
            "it cannot be over: its answer is held"
        );
    }
    drop(commit);
    let refused = payments
        .begin()
        .await
        .expect_err("an outcome nobody has asked for is pending");
    assert!(!refused.is_fenced(), "{refused:?}");
    relay.release(HELD);
    assert!(resolved_as_committed(&mut payments).await?);
    assert!(
        resolved_as_committed(&mut payments).await?,
        "the answer can be repeated"
    );

    let log = Log::of(world, &topic).await?;
    assert_eq!(values(&log.committed().await?), ["first"]);
    goes_on(&mut payments, &topic.name).await?;
    assert_eq!(values(&log.committed().await?), ["first", "next"]);
    Ok(())
}

async fn a_commit_dropped_before_it_was_polled_is_resolved(world: &World) -> Outcome {
    let topic = world.topic("ledger", 1).await?;
    let mut payments = world
        .client()
        .await?
        .transactional_producer(&world.name("payments"))
        .build()
        .await?;
    let tx = payments.begin().await?;
    tx.send(topic.record(0, "first")).await?.await?;
    drop(tx.commit());

    let log = Log::of(world, &topic).await?;
    let first = if resolved_as_committed(&mut payments).await? {
        vec!["first"]
    } else {
        vec![]
    };
    assert_eq!(values(&log.committed().await?), first);
    goes_on(&mut payments, &topic.name).await?;
    assert_eq!(
        values(&log.committed().await?),
        [first, vec!["next"]].concat()
    );
    Ok(())
}

async fn a_commit_that_timed_out_is_resumed(world: &World) -> Outcome {
    let topic = world.topic("ledger", 1).await?;
    let mut payments = world
        .client()
        .await?
        .transactional_producer(&world.name("payments"))
        .build()
        .await?;
    let relay = world.relay();
    let held = relay.add(
        RelayRule::on(ApiKey::END_TXN),
        RelayAction::HoldAnswers(HELD),
    );

    let tx = payments.begin().await?;
    drop(tx.send(topic.record(0, "first")).await?);
    let mut commit = tx.commit();
    assert!(
        timeout(STEP, &mut commit).await.is_err(),
        "it cannot be over: its answer is held"
    );
    eventually("EndTxn leaves though nobody polls", || {
        relay.fired(held) == 1
    })
    .await?;
    relay.release(HELD);
    commit.await?;

    goes_on(&mut payments, &topic.name).await?;
    assert_eq!(
        values(&Log::of(world, &topic).await?.committed().await?),
        ["first", "next"]
    );
    Ok(())
}

async fn resolved_as_committed(payments: &mut TransactionalProducer) -> Result<bool, Failure> {
    match payments.resolve().await? {
        TransactionOutcome::Committed => Ok(true),
        TransactionOutcome::Aborted(_) => Ok(false),
        unknown => {
            Err(format!("the broker can be asked, so the outcome is known: {unknown:?}").into())
        }
    }
}

async fn goes_on(payments: &mut TransactionalProducer, topic: &str) -> Outcome {
    let tx = payments.begin().await?;
    drop(
        tx.send(Record::to(topic).partition(0).value("next"))
            .await?,
    );
    tx.commit().await?;
    Ok(())
}

const HELD: HoldToken = HoldToken(1);

const STEP: Duration = Duration::from_millis(100);
