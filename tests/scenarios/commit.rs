//! A transaction's records show to read_committed readers at its commit: all of them, and none before.

use milena::IsolationLevel;
use milena_tests::{Log, Outcome, World, scenarios, values};

scenarios!(
    nothing_shows_before_the_commit_and_everything_after,
    commits_follow_each_other,
    an_empty_commit_writes_nothing
);

async fn nothing_shows_before_the_commit_and_everything_after(world: &World) -> Outcome {
    let (debits, credits) = (
        world.topic("debits", 2).await?,
        world.topic("credits", 1).await?,
    );
    let mut payments = world
        .client()
        .await?
        .transactional_producer(&world.name("payments"))
        .build()
        .await?;

    let tx = payments.begin().await?;
    for number in 0..10 {
        let value = number.to_string();
        tx.send(debits.record(number % 2, &value)).await?.await?;
        tx.send(credits.record(0, &value)).await?.await?;
    }
    let (debit_log, credit_log) = (
        Log::of(world, &debits).await?,
        Log::of(world, &credits).await?,
    );
    assert_eq!(
        (debit_log.all().await?.len(), credit_log.all().await?.len()),
        (10, 10)
    );
    assert_eq!(
        (
            debit_log.visible().await?.len(),
            credit_log.visible().await?.len()
        ),
        (0, 0)
    );
    assert_eq!(credit_log.ends(IsolationLevel::ReadCommitted).await?[&0], 0);

    tx.commit().await?;
    assert_eq!(
        values(&debit_log.committed().await?),
        ["0", "2", "4", "6", "8", "1", "3", "5", "7", "9"]
    );
    assert_eq!(
        values(&credit_log.committed().await?),
        ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]
    );
    Ok(())
}

async fn commits_follow_each_other(world: &World) -> Outcome {
    let topic = world.topic("ledger", 2).await?;
    let mut payments = world
        .client()
        .await?
        .transactional_producer(&world.name("payments"))
        .build()
        .await?;
    for number in 0..20 {
        let tx = payments.begin().await?;
        // Not awaited: the commit does that.
        for partition in 0..2 {
            drop(
                tx.send(topic.record(partition, &format!("{number:02}")))
                    .await?,
            );
        }
        tx.commit().await?;
    }
    let seen = Log::of(world, &topic).await?.committed().await?;
    let once: Vec<_> = (0..20).map(|number| format!("{number:02}")).collect();
    assert_eq!(values(&seen), [once.clone(), once].concat());
    Ok(())
}

async fn an_empty_commit_writes_nothing(world: &World) -> Outcome {
    let topic = world.topic("ledger", 1).await?;
    let mut payments = world
        .client()
        .await?
        .transactional_producer(&world.name("payments"))
        .build()
        .await?;
    payments.begin().await?.commit().await?;
    payments.begin().await?.abort().await?;
    let tx = payments.begin().await?;
    tx.send(topic.record(0, "only")).await?.await?;
    tx.commit().await?;
    let seen = Log::of(world, &topic).await?.committed().await?;
    assert_eq!(
        (seen.len(), seen[0].offset, seen[0].value.as_deref()),
        (1, 0, Some("only"))
    );
    Ok(())
}
