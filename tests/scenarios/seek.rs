//! Going back over what was read ahead costs nothing that a reader would miss.

use milena::Record;
use milena_tests::{Outcome, World, scenarios};

scenarios!(seeking_back_over_what_was_read_ahead_never_stops_the_reader);

/// What was fetched ahead and not taken is void after a seek. Its memory must come back: several times more of it than
/// one partition may hold is made void here.
async fn seeking_back_over_what_was_read_ahead_never_stops_the_reader(world: &World) -> Outcome {
    let topic = world.topic("long", 1).await?;
    let client = world.client().await?;
    let producer = client.producer().batch_bytes_max(64 << 10).build().await?;
    let value = vec![b'v'; 10_000];
    for _ in 0..150 {
        let record = Record::to(&topic.name).partition(0).value(&value);
        let _delivery = producer.send(record).await?;
    }
    producer.flush().await?;

    let partition = (topic.name.as_str(), 0);
    let mut reader = client.reader().assign([partition]).build().await?;
    for _ in 0..12 {
        let batch = reader.next_batch().await?;
        assert_eq!(
            batch.records().next().map(|record| record.offset()),
            Some(0)
        );
        reader.seek(&topic.name, 0, 0);
    }
    let mut read = 0;
    while read < 150 {
        read += reader.next_batch().await?.len();
    }
    assert_eq!(reader.position(&topic.name, 0), Some(150));
    Ok(())
}
