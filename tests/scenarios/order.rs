//! An idempotent producer's records are in the log once, whole, in the order they were sent.

use milena::Record;
use milena_tests::{Log, Outcome, World, scenarios};

scenarios!(
    records_are_read_back_whole_and_in_order,
    batches_of_many_senders_keep_each_partitions_order
);

async fn records_are_read_back_whole_and_in_order(world: &World) -> Outcome {
    let topic = world.topic("orders", 1).await?;
    let producer = world.client().await?.producer().build().await?;
    let sent = [
        Record::to(&topic.name)
            .partition(0)
            .key("k")
            .value("first")
            .header("h", "1")
            .header("h", "2")
            .timestamp(1_700_000_000_000),
        Record::to(&topic.name)
            .partition(0)
            .value("no key")
            .timestamp(1_700_000_000_001),
        Record::to(&topic.name)
            .partition(0)
            .key("no value")
            .timestamp(1_700_000_000_002),
        Record::to(&topic.name)
            .partition(0)
            .key("")
            .value("")
            .timestamp(1_600_000_000_000),
    ];
    for (offset, record) in (0..).zip(sent) {
        let acked = producer.send(record).await?.await?;
        assert_eq!((acked.partition(), acked.offset()), (0, Some(offset)));
    }

    let seen = Log::of(world, &topic).await?.committed().await?;
    let fields = |at: usize| {
        (
            seen[at].timestamp,
            seen[at].key.as_deref(),
            seen[at].value.as_deref(),
        )
    };
    assert_eq!(
        seen.iter().map(|record| record.offset).collect::<Vec<_>>(),
        [0, 1, 2, 3]
    );
    assert_eq!(fields(0), (1_700_000_000_000, Some("k"), Some("first")));
    assert_eq!(fields(1), (1_700_000_000_001, None, Some("no key")));
    assert_eq!(fields(2), (1_700_000_000_002, Some("no value"), None));
    assert_eq!(fields(3), (1_600_000_000_000, Some(""), Some("")));
    let header = |value: &str| ("h".to_owned(), Some(value.to_owned()));
    assert_eq!(seen[0].headers, [header("1"), header("2")]);
    Ok(())
}

async fn batches_of_many_senders_keep_each_partitions_order(world: &World) -> Outcome {
    let topic = world.topic("orders", 3).await?;
    // Small batches: the order must hold over many of them, with five under way.
    let producer = world
        .client()
        .await?
        .producer()
        .batch_bytes_max(1_024)
        .build()
        .await?;
    let mut deliveries = Vec::new();
    for number in 0..RECORDS {
        let value = format!("{number:06}");
        deliveries.push(producer.send(topic.record(number % 3, &value)).await?);
    }
    producer.flush().await?;
    let mut next_offset = [0, 0, 0];
    for (number, delivery) in (0..).zip(deliveries) {
        let acked = delivery.await?;
        let partition: usize = number % 3;
        assert_eq!(acked.offset(), Some(next_offset[partition]));
        next_offset[partition] += 1;
    }

    let seen = Log::of(world, &topic).await?.committed().await?;
    for partition in 0..3 {
        let values = seen
            .iter()
            .filter(|record| record.partition == partition)
            .map(|record| record.value.clone());
        let sent = (0..RECORDS)
            .filter(|number| number % 3 == partition)
            .map(|number| Some(format!("{number:06}")));
        assert!(values.eq(sent), "partition {partition}");
    }
    Ok(())
}

const RECORDS: i32 = 3_000;
