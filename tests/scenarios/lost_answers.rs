//! The broker has acted and its answer never comes: the client finds out, and nothing is doubled, lost or torn.

use std::time::Duration;

use milena::Start;
use milena_testbroker::relay::{ApiKey, RelayAction, RelayRule};
use milena_tests::{Log, Outcome, World, scenarios, values};
use tokio::time::timeout;

scenarios!(
    a_lost_answer_to_produce_doubles_nothing,
    a_lost_answer_to_produce_in_a_transaction_doubles_nothing,
    a_lost_answer_to_end_txn_still_commits_once,
    a_lost_answer_to_end_txn_still_aborts,
    a_lost_answer_to_txn_offset_commit_moves_the_offsets_once,
    a_lost_answer_to_init_producer_id_still_gives_a_producer,
    a_commit_that_never_arrived_is_sent_again,
    connections_cut_in_mid_transaction_tear_nothing,
);

async fn a_lost_answer_to_produce_doubles_nothing(world: &World) -> Outcome {
    let topic = world.topic("orders", 1).await?;
    let producer = world
        .client()
        .await?
        .producer()
        .linger(Duration::ZERO)
        .build()
        .await?;
    let lost = world.lose_next_answer(ApiKey::PRODUCE);
    let mut deliveries = Vec::new();
    for number in 0..20 {
        deliveries.push(producer.send(topic.record(0, &number.to_string())).await?);
    }
    for (offset, delivery) in (0..).zip(deliveries) {
        assert_eq!(delivery.await?.offset(), Some(offset));
    }
    assert_eq!(lost.fired(), 1);
    let sent: Vec<_> = (0..20).map(|number| number.to_string()).collect();
    assert_eq!(
        values(&Log::of(world, &topic).await?.committed().await?),
        sent
    );
    Ok(())
}

async fn a_lost_answer_to_produce_in_a_transaction_doubles_nothing(world: &World) -> Outcome {
    let topic = world.topic("ledger", 1).await?;
    let mut payments = world
        .client()
        .await?
        .transactional_producer(&world.name("payments"))
        .build()
        .await?;
    let lost = world.lose_next_answer(ApiKey::PRODUCE);
    let tx = payments.begin().await?;
    for number in 0..20 {
        drop(tx.send(topic.record(0, &number.to_string())).await?);
    }
    tx.commit().await?;
    assert_eq!(lost.fired(), 1);
    let sent: Vec<_> = (0..20).map(|number| number.to_string()).collect();
    let log = Log::of(world, &topic).await?;
    assert_eq!(values(&log.committed().await?), sent);
    assert_eq!(log.all().await?.len(), 20);
    Ok(())
}

async fn a_lost_answer_to_end_txn_still_commits_once(world: &World) -> Outcome {
    let topic = world.topic("ledger", 1).await?;
    let mut payments = world
        .client()
        .await?
        .transactional_producer(&world.name("payments"))
        .build()
        .await?;
    let tx = payments.begin().await?;
    drop(tx.send(topic.record(0, "first")).await?);
    let lost = world.lose_next_answer(ApiKey::END_TXN);
    tx.commit().await?;
    assert_eq!(lost.fired(), 1);

    let tx = payments.begin().await?;
    drop(tx.send(topic.record(0, "second")).await?);
    tx.commit().await?;
    assert_eq!(
        values(&Log::of(world, &topic).await?.committed().await?),
        ["first", "second"]
    );
    Ok(())
}

async fn a_lost_answer_to_end_txn_still_aborts(world: &World) -> Outcome {
    let topic = world.topic("ledger", 1).await?;
    let mut payments = world
        .client()
        .await?
        .transactional_producer(&world.name("payments"))
        .build()
        .await?;
    let tx = payments.begin().await?;
    tx.send(topic.record(0, "gone")).await?.await?;
    let lost = world.lose_next_answer(ApiKey::END_TXN);
    tx.abort().await?;
    assert_eq!(lost.fired(), 1);

    let tx = payments.begin().await?;
    drop(tx.send(topic.record(0, "kept")).await?);
    tx.commit().await?;
    let log = Log::of(world, &topic).await?;
    assert_eq!(values(&log.committed().await?), ["kept"]);
    assert_eq!(values(&log.all().await?), ["gone", "kept"]);
    Ok(())
}

async fn a_lost_answer_to_txn_offset_commit_moves_the_offsets_once(world: &World) -> Outcome {
    let (orders, invoices) = (
        world.topic("orders", 1).await?,
        world.topic("invoices", 1).await?,
    );
    let (client, group) = (world.client().await?, world.name("billing"));
    client
        .producer()
        .build()
        .await?
        .send(orders.record(0, "order"))
        .await?
        .await?;
    let mut consumer = client
        .consumer(&group)
        .assign([(orders.name.as_str(), 0)])
        .build()
        .await?;
    let mut billing = client
        .transactional_producer(&world.name("billing"))
        .build()
        .await?;

    let lost = world.lose_next_answer(ApiKey::TXN_OFFSET_COMMIT);
    let batch = consumer.next_batch().await?;
    let tx = billing.begin().await?;
    drop(tx.send(invoices.record(0, "invoice")).await?);
    tx.send_offsets(&consumer.group_metadata(), [batch.position()])
        .await?;
    tx.commit().await?;
    assert_eq!(lost.fired(), 1);

    assert_eq!(
        values(&Log::of(world, &invoices).await?.committed().await?),
        ["invoice"]
    );
    let committed = client
        .consumer(&group)
        .assign([(orders.name.as_str(), 0)])
        .start(Start::Committed);
    let mut committed = committed.build().await?;
    assert!(
        timeout(Duration::from_millis(300), committed.next_batch())
            .await
            .is_err(),
        "the order is read again"
    );
    assert_eq!(committed.position(&orders.name, 0), Some(1));
    Ok(())
}

async fn a_lost_answer_to_init_producer_id_still_gives_a_producer(world: &World) -> Outcome {
    let topic = world.topic("ledger", 1).await?;
    let lost = world.lose_next_answer(ApiKey::INIT_PRODUCER_ID);
    let mut payments = world
        .client()
        .await?
        .transactional_producer(&world.name("payments"))
        .build()
        .await?;
    assert_eq!(lost.fired(), 1);
    let tx = payments.begin().await?;
    drop(tx.send(topic.record(0, "only")).await?);
    tx.commit().await?;
    assert_eq!(
        values(&Log::of(world, &topic).await?.committed().await?),
        ["only"]
    );
    Ok(())
}

async fn a_commit_that_never_arrived_is_sent_again(world: &World) -> Outcome {
    let topic = world.topic("ledger", 1).await?;
    let mut payments = world
        .client()
        .await?
        .transactional_producer(&world.name("payments"))
        .build()
        .await?;
    let lost = world.relay().add(
        RelayRule::on(ApiKey::END_TXN).nth(1),
        RelayAction::LoseRequest,
    );
    let tx = payments.begin().await?;
    drop(tx.send(topic.record(0, "only")).await?);
    tx.commit().await?;
    assert_eq!(world.relay().fired(lost), 1);
    assert_eq!(
        values(&Log::of(world, &topic).await?.committed().await?),
        ["only"]
    );
    Ok(())
}

async fn connections_cut_in_mid_transaction_tear_nothing(world: &World) -> Outcome {
    let topic = world.topic("ledger", 2).await?;
    let mut payments = world
        .client()
        .await?
        .transactional_producer(&world.name("payments"))
        .build()
        .await?;
    let torn = world
        .relay()
        .add(RelayRule::on(ApiKey::PRODUCE).nth(3), RelayAction::CutNow);
    let mut cut = 0;
    for transaction in 0..5 {
        let tx = payments.begin().await?;
        for number in 0..20 {
            let value = format!("{transaction} {number:02}");
            let delivery = tx.send(topic.record(number % 2, &value)).await?;
            match number {
                5 => cut += world.relay().cut_all(),
                10 => drop(delivery.await?),
                _ => {}
            }
        }
        tx.commit().await?;
    }
    assert!(
        cut >= 5 && world.relay().fired(torn) == 1,
        "{cut} connections were cut"
    );
    let sent = |partition| {
        (0..5).flat_map(move |transaction| {
            (0..20)
                .filter(move |number| number % 2 == partition)
                .map(move |number| format!("{transaction} {number:02}"))
        })
    };
    let seen = Log::of(world, &topic).await?.committed().await?;
    assert_eq!(values(&seen), sent(0).chain(sent(1)).collect::<Vec<_>>());
    Ok(())
}
