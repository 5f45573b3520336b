//! Aborted records never show to read_committed readers, who move past them all the same.

use std::time::Duration;

use milena::{Client, IsolationLevel, Start, TransactionalProducer};
use milena_tests::{Failure, Log, Outcome, Topic, World, eventually, scenarios, values};
use tokio::time::timeout;

scenarios!(
    aborted_records_stay_invisible_and_the_position_moves_past_them,
    a_sender_kept_past_the_end_is_refused
);

async fn aborted_records_stay_invisible_and_the_position_moves_past_them(world: &World) -> Outcome {
    let topic = world.topic("ledger", 1).await?;
    let client = world.client().await?;
    let mut payments = client
        .transactional_producer(&world.name("payments"))
        .build()
        .await?;
    let log = Log::of(world, &topic).await?;

    transaction(&mut payments, &topic, "kept", true).await?;
    transaction(&mut payments, &topic, "gone", false).await?;
    assert_eq!(
        values(&log.committed().await?),
        ["kept 0", "kept 1", "kept 2"]
    );
    let end = log.ends(IsolationLevel::ReadCommitted).await?[&0];
    assert_eq!(end, 8, "three records and a marker, twice");
    assert_eq!(
        read_past_aborted(&client, &topic, end).await?,
        ["kept 0", "kept 1", "kept 2"]
    );

    transaction(&mut payments, &topic, "next", true).await?;
    assert_eq!(
        values(&log.committed().await?),
        ["kept 0", "kept 1", "kept 2", "next 0", "next 1", "next 2"]
    );
    assert_eq!(log.all().await?.len(), 9);
    Ok(())
}

async fn transaction(
    payments: &mut TransactionalProducer,
    topic: &Topic,
    name: &str,
    commits: bool,
) -> Outcome {
    let tx = payments.begin().await?;
    for number in 0..3 {
        tx.send(topic.record(0, &format!("{name} {number}")))
            .await?
            .await?;
    }
    if commits {
        tx.commit().await?;
    } else {
        tx.abort().await?;
    }
    Ok(())
}

/// What one reader gets until it stands at `end`: the last records before it are aborted and never come.
async fn read_past_aborted(
    client: &Client,
    topic: &Topic,
    end: i64,
) -> Result<Vec<String>, Failure> {
    let reader = client
        .reader()
        .assign(topic.assignment())
        .isolation(IsolationLevel::ReadCommitted);
    let mut reader = reader.start(Start::Earliest).build().await?;
    let mut read = Vec::new();
    for _ in 0..200 {
        if reader.position(&topic.name, 0) == Some(end) {
            return Ok(read);
        }
        if let Ok(batch) = timeout(Duration::from_millis(50), reader.next_batch()).await {
            read.extend(batch?.records().map(|record| {
                String::from_utf8_lossy(record.value().unwrap_or_default()).into_owned()
            }));
        }
    }
    Err(format!(
        "the position stays at {:?}, before {end}",
        reader.position(&topic.name, 0)
    )
    .into())
}

async fn a_sender_kept_past_the_end_is_refused(world: &World) -> Outcome {
    let topic = world.topic("ledger", 1).await?;
    let mut payments = world
        .client()
        .await?
        .transactional_producer(&world.name("payments"))
        .build()
        .await?;
    let tx = payments.begin().await?;
    let kept = tx.sender();
    kept.send(topic.record(0, "in")).await?.await?;
    tx.commit().await?;
    assert!(kept.send(topic.record(0, "late")).await.is_err());

    // Nor does it write into the next transaction.
    let tx = payments.begin().await?;
    tx.send(topic.record(0, "next")).await?.await?;
    assert!(kept.send(topic.record(0, "later")).await.is_err());
    tx.commit().await?;
    assert_eq!(
        values(&Log::of(world, &topic).await?.committed().await?),
        ["in", "next"]
    );
    eventually("the connections stand", || world.relay().connections() > 0).await
}
