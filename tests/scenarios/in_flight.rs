//! Five batches of a partition are under way at once, and never a sixth: five is how many a broker remembers.

use std::time::Duration;

use milena::Record;
use milena_testbroker::relay::{ApiKey, HoldToken, RelayAction, RelayRule};
use milena_tests::{Log, Outcome, World, eventually, scenarios, values};
use tokio::time::sleep;

scenarios!(five_batches_are_in_flight_and_no_sixth, answers_lost_with_five_in_flight_keep_the_order);

async fn five_batches_are_in_flight_and_no_sixth(world: &World) -> Outcome {
    let topic = world.topic("pipelined", 1).await?;
    let relay = world.relay();
    let producer = world.client().await?.producer().linger(Duration::ZERO).build().await?;
    let held = relay.add(RelayRule::on(ApiKey::PRODUCE), RelayAction::HoldAnswers(HELD));

    let mut deliveries = Vec::new();
    for number in 0..5 {
        deliveries.push(producer.send(Record::to(&topic.name).partition(0).value(&number.to_string())).await?);
        // One record a batch: the next is sent when this one has been seen on its way.
        eventually("the batch arrives", || relay.requests(ApiKey::PRODUCE) == number + 1).await?;
    }
    for number in 5..8 {
        deliveries.push(producer.send(Record::to(&topic.name).partition(0).value(&number.to_string())).await?);
    }
    sleep(LONG_ENOUGH_FOR_A_SIXTH).await;
    assert_eq!((relay.requests(ApiKey::PRODUCE), relay.pending(ApiKey::PRODUCE)), (5, 5));
    let log = Log::of(world, &topic).await?;
    eventually("the broker serves all five", || relay.fired(held) == 5).await?;

    relay.release(HELD);
    for (offset, delivery) in (0..).zip(deliveries) {
        assert_eq!(delivery.await?.offset(), Some(offset));
    }
    assert!(relay.requests(ApiKey::PRODUCE) > 5);
    assert_eq!(values(&log.committed().await?), ["0", "1", "2", "3", "4", "5", "6", "7"]);
    Ok(())
}

/// All five are applied, all five answers are lost: the same five batches are sent again, and are duplicates.
async fn answers_lost_with_five_in_flight_keep_the_order(world: &World) -> Outcome {
    let topic = world.topic("pipelined", 1).await?;
    let relay = world.relay();
    let producer = world.client().await?.producer().linger(Duration::ZERO).build().await?;
    let held = relay.add(RelayRule::on(ApiKey::PRODUCE), RelayAction::HoldAnswers(HELD));

    let mut deliveries = Vec::new();
    for number in 0..5 {
        deliveries.push(producer.send(Record::to(&topic.name).partition(0).value(&number.to_string())).await?);
        eventually("the batch arrives", || relay.requests(ApiKey::PRODUCE) == number + 1).await?;
    }
    let log = Log::of(world, &topic).await?;
    while log.all().await?.len() < 5 {
        sleep(Duration::from_millis(10)).await;
    }
    relay.remove(held);
    assert!(relay.cut_all() > 0);

    for (offset, delivery) in (0..).zip(deliveries) {
        assert_eq!(delivery.await?.offset(), Some(offset));
    }
    assert!(relay.requests(ApiKey::PRODUCE) > 5, "nothing was sent again");
    assert_eq!(values(&log.committed().await?), ["0", "1", "2", "3", "4"]);
    Ok(())
}

const HELD: HoldToken = HoldToken(1);

/// Many times what a batch takes from `send` to the relay when its window has room.
const LONG_ENOUGH_FOR_A_SIXTH: Duration = Duration::from_millis(300);
