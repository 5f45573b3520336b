//! A transaction that nobody ends is aborted, and the next one begins.

use milena_tests::{Log, Outcome, World, scenarios, values};

scenarios!(
    a_dropped_transaction_is_aborted,
    a_forgotten_transaction_is_aborted_by_the_next_begin
);

async fn a_dropped_transaction_is_aborted(world: &World) -> Outcome {
    let topic = world.topic("ledger", 1).await?;
    let log = Log::of(world, &topic).await?;
    let mut payments = world
        .client()
        .await?
        .transactional_producer(&world.name("payments"))
        .build()
        .await?;
    let tx = payments.begin().await?;
    tx.send(topic.record(0, "dropped")).await?.await?;
    drop(tx);
    // At once, not by the next begin: readers would wait for it.
    assert_eq!(
        (log.committed().await?.len(), log.all().await?.len()),
        (0, 1)
    );

    let tx = payments.begin().await?;
    drop(tx.send(topic.record(0, "kept")).await?);
    tx.commit().await?;
    assert_eq!(values(&log.committed().await?), ["kept"]);
    Ok(())
}

async fn a_forgotten_transaction_is_aborted_by_the_next_begin(world: &World) -> Outcome {
    let topic = world.topic("ledger", 1).await?;
    let mut payments = world
        .client()
        .await?
        .transactional_producer(&world.name("payments"))
        .build()
        .await?;
    let tx = payments.begin().await?;
    tx.send(topic.record(0, "forgotten")).await?.await?;
    std::mem::forget(tx);

    let tx = payments.begin().await?;
    drop(tx.send(topic.record(0, "kept")).await?);
    tx.commit().await?;
    let log = Log::of(world, &topic).await?;
    assert_eq!(values(&log.committed().await?), ["kept"]);
    assert_eq!(values(&log.all().await?), ["forgotten", "kept"]);
    Ok(())
}
