//! Consumed offsets and written records are committed together, or neither is.

use milena::{Client, Consumer, Record, TransactionalProducer};
use milena_tests::{Failure, Log, Outcome, Topic, World, scenarios, values};

scenarios!(offsets_move_exactly_when_the_output_shows);

async fn offsets_move_exactly_when_the_output_shows(world: &World) -> Outcome {
    let (orders, invoices) = (
        world.topic("orders", 1).await?,
        world.topic("invoices", 1).await?,
    );
    let (client, group) = (world.client().await?, world.name("billing"));
    let producer = client.producer().build().await?;
    for number in 0..5 {
        producer
            .send(orders.record(0, &number.to_string()))
            .await?
            .await?;
    }
    let log = Log::of(world, &invoices).await?;
    let mut billing = client
        .transactional_producer(&world.name("billing"))
        .build()
        .await?;

    let mut consumer = consumer(&client, &group, &orders).await?;
    bill(&mut billing, &mut consumer, &invoices, false).await?;
    assert_eq!(
        (
            committed(&client, &group, &orders).await?,
            log.committed().await?.len()
        ),
        (None, 0)
    );

    // Nothing is committed, so a consumer of the same group starts again at the first record.
    let mut consumer = self::consumer(&client, &group, &orders).await?;
    bill(&mut billing, &mut consumer, &invoices, true).await?;
    assert_eq!(values(&log.committed().await?), ["0", "1", "2", "3", "4"]);
    assert_eq!(committed(&client, &group, &orders).await?, Some(5));
    Ok(())
}

/// Turns all five orders into invoices in one transaction.
async fn bill(
    billing: &mut TransactionalProducer,
    consumer: &mut Consumer,
    invoices: &Topic,
    commits: bool,
) -> Outcome {
    let tx = billing.begin().await?;
    let mut billed = 0;
    while billed < 5 {
        let batch = consumer.next_batch().await?;
        for order in batch.records() {
            drop(
                tx.send(Record::to(&invoices.name).partition(0).value(order.value()))
                    .await?,
            );
        }
        billed += batch.len();
        tx.send_offsets(&consumer.group_metadata(), [batch.position()])
            .await?;
    }
    if commits {
        tx.commit().await?;
    } else {
        tx.abort().await?;
    }
    Ok(())
}

async fn consumer(client: &Client, group: &str, topic: &Topic) -> Result<Consumer, Failure> {
    Ok(client
        .consumer(group)
        .assign(topic.assignment())
        .build()
        .await?)
}

async fn committed(client: &Client, group: &str, topic: &Topic) -> Result<Option<i64>, Failure> {
    let committed = consumer(client, group, topic).await?.committed().await?;
    Ok(committed.first().map(|position| position.offset()))
}
