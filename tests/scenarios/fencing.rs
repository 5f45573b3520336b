//! A transactional id belongs to the instance that took it last.

use std::time::Duration;

use milena::TransactionalProducer;
use milena_testbroker::relay::{ApiKey, HoldToken, RelayAction, RelayRule};
use milena_tests::{Failure, Kind, Log, Outcome, World, eventually, scenarios, values};

scenarios!(
    an_older_instance_cannot_commit,
    an_older_instance_cannot_begin_again,
    an_older_instance_with_a_batch_in_doubt_leaves_the_newer_one_alone,
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

/// As one that was paused for long: when it wakes up, a batch has no answer and its time is over.
async fn an_older_instance_with_a_batch_in_doubt_leaves_the_newer_one_alone(
    world: &World,
) -> Outcome {
    let topic = world.topic("ledger", 1).await?;
    let relay = world.relay();
    let mut older = instance(world, world.client().await?).await?;
    let tx = older.begin().await?;
    tx.send(topic.record(0, "of the older")).await?.await?;
    let held = relay.add(
        RelayRule::on(ApiKey::PRODUCE),
        RelayAction::HoldAnswers(HoldToken(1)),
    );
    let before = relay.requests(ApiKey::PRODUCE);
    let in_doubt = tx.send(topic.record(0, "in doubt")).await?;
    eventually("the batch arrives", || {
        relay.requests(ApiKey::PRODUCE) > before
    })
    .await?;

    let mut newer = instance(world, world.witness().await?).await?;
    let newer_tx = newer.begin().await?;
    newer_tx
        .send(topic.record(0, "of the newer"))
        .await?
        .await?;
    assert_eq!(relay.pending(ApiKey::PRODUCE), 1, "{held:?} did not fire");
    in_doubt.await.expect_err("its answer is held");
    let asked = relay.requests(ApiKey::INIT_PRODUCER_ID);
    assert!(relay.cut_all() > 0);
    // Aborted it is, whoever did it; whose the id is shows at the next begin.
    let _ = tx.abort().await;
    let error = older
        .begin()
        .await
        .expect_err("the older instance is fenced");
    assert!(error.is_fenced(), "{error:?}");

    let committed = newer_tx.commit().await;
    let log = Log::of(world, &topic).await?;
    if matches!(world.kind(), Kind::EmbeddedTv2 | Kind::Kafka4) {
        committed?;
        assert_eq!(relay.requests(ApiKey::INIT_PRODUCER_ID), asked);
    } else if committed.is_err() {
        // TV1 has no way to end what is in doubt but InitProducerId, which no coordinator refuses while a transaction of
        // the newer instance is open: that one is aborted as a whole, and told so.
        assert!(log.committed().await?.is_empty());
        return Ok(());
    }
    assert_eq!(values(&log.committed().await?), ["of the newer"]);
    Ok(())
}

async fn instance(world: &World, client: milena::Client) -> Result<TransactionalProducer, Failure> {
    let builder = client
        .transactional_producer(&world.name("payments"))
        .linger(Duration::ZERO)
        .delivery_timeout(Duration::from_secs(2));
    Ok(builder.build().await?)
}
