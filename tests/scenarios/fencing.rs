//! A transactional id belongs to the instance that took it last.

use milena_tests::{Log, Outcome, World, scenarios, values};

scenarios!(
    an_older_instance_cannot_commit,
    an_older_instance_cannot_begin_again
);

async fn an_older_instance_cannot_commit(world: &World) -> Outcome {
    let topic = world.topic("ledger", 1).await?;
    let id = world.name("payments");
    let mut older = world
        .client()
        .await?
        .transactional_producer(&id)
        .build()
        .await?;
    let tx = older.begin().await?;
    tx.send(topic.record(0, "of the older")).await?.await?;

    let mut newer = world
        .client()
        .await?
        .transactional_producer(&id)
        .build()
        .await?;
    let error = tx.commit().await.expect_err("the older instance is fenced");
    assert!(error.is_fenced(), "{error:?}");

    let tx = newer.begin().await?;
    tx.send(topic.record(0, "of the newer")).await?.await?;
    tx.commit().await?;
    let log = Log::of(world, &topic).await?;
    assert_eq!(values(&log.committed().await?), ["of the newer"]);
    assert_eq!(values(&log.all().await?), ["of the older", "of the newer"]);
    Ok(())
}

async fn an_older_instance_cannot_begin_again(world: &World) -> Outcome {
    let topic = world.topic("ledger", 1).await?;
    let id = world.name("payments");
    let mut older = world
        .client()
        .await?
        .transactional_producer(&id)
        .build()
        .await?;
    let tx = older.begin().await?;
    tx.send(topic.record(0, "before")).await?.await?;
    tx.commit().await?;
    let _newer = world
        .client()
        .await?
        .transactional_producer(&id)
        .build()
        .await?;

    // It may find out at any step, but by the commit at the latest.
    let fenced = match older.begin().await {
        Err(error) => error.is_fenced(),
        Ok(tx) => {
            if let Ok(delivery) = tx.send(topic.record(0, "after")).await {
                assert!(delivery.await.is_err(), "a fenced record is acknowledged");
            }
            tx.commit()
                .await
                .expect_err("the older instance is fenced")
                .is_fenced()
        }
    };
    assert!(fenced);
    assert!(
        older
            .begin()
            .await
            .expect_err("fencing is final")
            .is_fenced()
    );
    assert_eq!(
        values(&Log::of(world, &topic).await?.committed().await?),
        ["before"]
    );
    Ok(())
}
