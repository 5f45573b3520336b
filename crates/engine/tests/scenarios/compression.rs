//! Compression from the builders to the log and back.

use std::time::Duration;

use milena_engine::handles::{Compression, InitError, PipelineError, Record};

use crate::world::World;

const CODECS: [Compression; 4] = [
    Compression::Gzip,
    Compression::Snappy,
    Compression::Lz4,
    Compression::Zstd,
];

fn sentence(error: InitError) -> String {
    match error {
        InitError::Invalid(text) => text.into_owned(),
        other => panic!("{other}"),
    }
}

#[test]
fn codecs_and_levels_that_there_are_not_are_refused_when_a_producer_is_made() {
    let mut world = World::new(1);
    let client = world.client.clone();
    for (codec, level, said) in [
        (Compression::Unknown(5), None, "not in this build"),
        (Compression::Gzip, Some(10), "no level 10"),
        (Compression::Zstd, Some(23), "no level 23"),
        (Compression::Snappy, Some(1), "no levels"),
        (Compression::None, Some(1), "no levels"),
    ] {
        let mut builder = client.producer().compression(codec);
        let mut transactional = client.transactional_producer("id").compression(codec);
        let partitions = [("t", 0)];
        let pipeline = client.exactly_once("g").from_partitions(partitions);
        let mut pipeline = pipeline.transactional_id("id").compression(codec);
        if let Some(level) = level {
            builder = builder.compression_level(level);
            transactional = transactional.compression_level(level);
            pipeline = pipeline.compression_level(level);
        }
        let told = [
            sentence(world.run(builder.build()).unwrap_err()),
            sentence(world.run(transactional.build()).unwrap_err()),
        ];
        for told in &told {
            assert!(told.contains(said), "{told}");
        }
        let error = world.run(pipeline.build()).unwrap_err();
        assert!(matches!(error, PipelineError::Consume(_)));
        assert_eq!(error.to_string(), told[0]);
    }
}

#[test]
fn many_batches_under_way_keep_their_order_and_give_their_memory_back() {
    for codec in CODECS {
        let mut world = World::new(1);
        world.broker.create_topic("t", 1);
        let client = world.client.clone();
        let builder = client.producer().compression(codec);
        let builder = builder.batch_bytes_max(4 << 10).linger(Duration::ZERO);
        let producer = world.run(builder.build()).unwrap();
        let sent: Vec<String> = (0..300)
            .map(|number| format!("{number} {}", "-".repeat(number)))
            .collect();
        let buffered = world.run(async {
            for value in &sent {
                let record = Record::to("t").partition(0).value(value);
                drop(producer.send(record).await.unwrap());
            }
            producer.buffered_bytes()
        });
        assert!(buffered > 0, "nothing is settled before it was sent");
        world.run(producer.flush()).unwrap();
        assert_eq!(producer.buffered_bytes(), 0);
        let log = world.broker.log("t", 0).unwrap();
        assert!(log.batches().any(|batch| batch.compression() == codec));
        let stored = log.records().unwrap();
        let stored = stored.iter().map(|record| record.value.as_deref().unwrap());
        assert!(stored.eq(sent.iter().map(String::as_bytes)));

        let reader = client.reader().assign([("t", 0)]);
        let mut reader = world.run(reader.build()).unwrap();
        let mut seen = Vec::new();
        while seen.len() < sent.len() {
            let batch = world.run(reader.next_batch()).unwrap();
            seen.extend(
                batch
                    .records()
                    .map(|record| record.value().unwrap().to_vec()),
            );
        }
        assert!(
            seen.iter()
                .map(Vec::as_slice)
                .eq(sent.iter().map(String::as_bytes))
        );
    }
}
