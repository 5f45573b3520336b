//! A request whose answer was never seen can still reach the broker long after the client has gone on. A late EndTxn
//! must not end a transaction that began after it: on Kafka 3.9 that holds only for clients that took a new epoch.

use milena_testbroker::relay::{ApiKey, HoldToken, RelayAction, RelayRule, RelayRuleId};
use milena_tests::{Log, Outcome, World, eventually, scenarios, values};

scenarios!(
    a_late_commit_does_not_commit_the_next_transaction,
    a_late_abort_does_not_tear_the_next_transaction
);

async fn a_late_commit_does_not_commit_the_next_transaction(world: &World) -> Outcome {
    let topic = world.topic("ledger", 1).await?;
    let mut payments = world
        .client()
        .await?
        .transactional_producer(&world.name("payments"))
        .build()
        .await?;
    let (lost, late) = lose_and_repeat_end_txn(world);

    let tx = payments.begin().await?;
    drop(tx.send(topic.record(0, "first")).await?);
    tx.commit().await?;
    assert_eq!(world.relay().fired(lost), 1);

    let tx = payments.begin().await?;
    tx.send(topic.record(0, "gone")).await?.await?;
    deliver(world, late).await?;
    tx.abort().await?;

    let log = Log::of(world, &topic).await?;
    assert_eq!(values(&log.committed().await?), ["first"]);
    assert_eq!(values(&log.all().await?), ["first", "gone"]);
    Ok(())
}

async fn a_late_abort_does_not_tear_the_next_transaction(world: &World) -> Outcome {
    let topic = world.topic("ledger", 1).await?;
    let mut payments = world
        .client()
        .await?
        .transactional_producer(&world.name("payments"))
        .build()
        .await?;
    let (lost, late) = lose_and_repeat_end_txn(world);

    let tx = payments.begin().await?;
    tx.send(topic.record(0, "gone")).await?.await?;
    tx.abort().await?;
    assert_eq!(world.relay().fired(lost), 1);

    let tx = payments.begin().await?;
    tx.send(topic.record(0, "before")).await?.await?;
    deliver(world, late).await?;
    tx.send(topic.record(0, "after")).await?.await?;
    tx.commit().await?;

    assert_eq!(
        values(&Log::of(world, &topic).await?.committed().await?),
        ["before", "after"]
    );
    Ok(())
}

/// The first EndTxn is applied, its answer lost, and a copy of it kept back.
fn lose_and_repeat_end_txn(world: &World) -> (RelayRuleId, RelayRuleId) {
    let first = || RelayRule::on(ApiKey::END_TXN).nth(1);
    let lost = world.relay().add(first(), RelayAction::LoseAnswer);
    (
        lost,
        world
            .relay()
            .add(first(), RelayAction::ResendOnRelease(KEPT_BACK)),
    )
}

/// Lets the copy go and waits until the broker has answered it.
async fn deliver(world: &World, late: RelayRuleId) -> Outcome {
    assert_eq!(world.relay().fired(late), 0);
    world.relay().release(KEPT_BACK);
    eventually("the broker answers the late EndTxn", || {
        world.relay().fired(late) == 1
    })
    .await
}

const KEPT_BACK: HoldToken = HoldToken(1);
