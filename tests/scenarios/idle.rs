//! A broker answers a connection's requests in order, so a fetch that waits for records holds up whatever is sent
//! after it: whoever has nothing to read must not keep others from reading.

use std::time::Duration;

use milena::Consumer;
use milena_testbroker::relay::ApiKey;
use milena_tests::{Failure, Outcome, Topic, World, eventually, scenarios};
use tokio::time::timeout;

scenarios!(
    an_idle_partition_does_not_delay_another,
    an_idle_reader_does_not_delay_another,
    a_dropped_reader_delays_nobody,
);

async fn an_idle_partition_does_not_delay_another(world: &World) -> Outcome {
    let topic = world.topic("busy", 4).await?;
    let reader = world.client().await?.reader().assign(topic.assignment());
    let mut reader = reader.fetch_wait_max(FETCH_WAIT).build().await?;
    eventually("its fetches wait", || {
        world.relay().requests(ApiKey::FETCH) > 0
    })
    .await?;
    for partition in [0, 0, 3, 1, 0] {
        read_at_once(world, &topic, partition, &mut reader).await?;
    }
    Ok(())
}

async fn an_idle_reader_does_not_delay_another(world: &World) -> Outcome {
    beside_an_idle_reader(world, Some).await
}

async fn a_dropped_reader_delays_nobody(world: &World) -> Outcome {
    beside_an_idle_reader(world, |dropped| {
        drop(dropped);
        None
    })
    .await
}

/// Reads one topic at once, after another reader of the same client began to wait for records that never come.
async fn beside_an_idle_reader(
    world: &World,
    fate: impl FnOnce(Consumer) -> Option<Consumer>,
) -> Outcome {
    // Several partitions: one of them has the same leader as the busy one.
    let (idle, busy) = (world.topic("idle", 4).await?, world.topic("busy", 1).await?);
    let client = world.client().await?;
    let waiting = client.reader().assign(idle.assignment());
    let waiting = waiting.fetch_wait_max(FETCH_WAIT).build().await?;
    eventually("its fetches wait", || {
        world.relay().requests(ApiKey::FETCH) > 0
    })
    .await?;
    let _idle = fate(waiting);
    let reader = client.reader().assign(busy.assignment());
    let mut reader = reader.fetch_wait_max(FETCH_WAIT).build().await?;
    for _ in 0..3 {
        read_at_once(world, &busy, 0, &mut reader).await?;
    }
    Ok(())
}

/// A record that is written now is read well before any fetch has waited to its end.
async fn read_at_once(
    world: &World,
    topic: &Topic,
    partition: i32,
    reader: &mut Consumer,
) -> Outcome {
    let producer = world.witness().await?.producer().build().await?;
    producer.send(topic.record(partition, "now")).await?.await?;
    let batch = timeout(FETCH_WAIT / 2, reader.next_batch()).await;
    let batch =
        batch.map_err(|_| Failure::from("the record waits for somebody else's fetch"))??;
    assert_eq!((batch.partition(), batch.len()), (partition, 1));
    Ok(())
}

/// Long enough that half of it is far above what reading a record takes on a busy machine.
const FETCH_WAIT: Duration = Duration::from_secs(5);
