//! Five batches of a partition are under way at once, and never a sixth: five is how many a broker remembers.

use std::time::Duration;

use milena::{Delivery, Producer};
use milena_testbroker::relay::{ApiKey, HoldToken, RelayAction, RelayRule, RelayRuleId};
use milena_tests::{Failure, Log, Outcome, Topic, World, eventually, scenarios, values};
use tokio::time::sleep;

scenarios!(
    five_batches_are_in_flight_and_no_sixth,
    answers_lost_with_five_in_flight_keep_the_order,
);

async fn five_batches_are_in_flight_and_no_sixth(world: &World) -> Outcome {
    let topic = world.topic("pipelined", 1).await?;
    let relay = world.relay();
    let producer = world
        .client()
        .await?
        .producer()
        .linger(Duration::ZERO)
        .build()
        .await?;
    let (mut deliveries, _) = five_in_flight(world, &producer, &topic).await?;
    for number in 5..8 {
        deliveries.push(send(&producer, &topic, number).await?);
    }
    sleep(LONG_ENOUGH_FOR_A_SIXTH).await;
    assert_eq!(
        (
            relay.requests(ApiKey::PRODUCE),
            relay.pending(ApiKey::PRODUCE)
        ),
        (5, 5)
    );
    let log = Log::of(world, &topic).await?;
    assert_eq!(values(&log.all().await?), ["0", "1", "2", "3", "4"]);

    relay.release(HELD);
    for (offset, delivery) in (0..).zip(deliveries) {
        assert_eq!(delivery.await?.offset(), Some(offset));
    }
    assert!(relay.requests(ApiKey::PRODUCE) > 5);
    assert_eq!(
        values(&log.committed().await?),
        ["0", "1", "2", "3", "4", "5", "6", "7"]
    );
    Ok(())
}

/// All five are applied, all five answers are lost: the same five batches are sent again, and are duplicates.
async fn answers_lost_with_five_in_flight_keep_the_order(world: &World) -> Outcome {
    let topic = world.topic("pipelined", 1).await?;
    let relay = world.relay();
    let producer = world
        .client()
        .await?
        .producer()
        .linger(Duration::ZERO)
        .build()
        .await?;
    let (deliveries, held) = five_in_flight(world, &producer, &topic).await?;
    relay.remove(held);
    assert!(relay.cut_all() > 0);

    for (offset, delivery) in (0..).zip(deliveries) {
        assert_eq!(delivery.await?.offset(), Some(offset));
    }
    assert!(
        relay.requests(ApiKey::PRODUCE) > 5,
        "nothing was sent again"
    );
    let log = Log::of(world, &topic).await?;
    assert_eq!(values(&log.committed().await?), ["0", "1", "2", "3", "4"]);
    Ok(())
}

/// Five batches of one record each: the broker has applied them all, and its answers are held.
async fn five_in_flight(
    world: &World,
    producer: &Producer,
    topic: &Topic,
) -> Result<(Vec<Delivery>, RelayRuleId), Failure> {
    let relay = world.relay();
    let held = relay.add(
        RelayRule::on(ApiKey::PRODUCE),
        RelayAction::HoldAnswers(HELD),
    );
    let mut deliveries = Vec::new();
    for number in 0..5 {
        deliveries.push(send(producer, topic, number).await?);
        // One record a batch: the next is sent when this one has been seen on its way.
        eventually("the batch arrives", || {
            relay.requests(ApiKey::PRODUCE) == number + 1
        })
        .await?;
    }
    let log = Log::of(world, topic).await?;
    while log.all().await?.len() < 5 {
        sleep(Duration::from_millis(10)).await;
    }
    Ok((deliveries, held))
}

async fn send(producer: &Producer, topic: &Topic, number: u64) -> Result<Delivery, Failure> {
    let value = number.to_string();
    Ok(producer.send(topic.record(0, &value)).await?)
}

const HELD: HoldToken = HoldToken(1);

/// Many times what a batch takes from `send` to the relay when its window has room.
const LONG_ENOUGH_FOR_A_SIXTH: Duration = Duration::from_millis(300);
