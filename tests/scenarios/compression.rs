//! Compressed records are the records that were sent, in transactions and out of them, and what they become is bounded.

use std::collections::BTreeSet;
use std::time::Duration;

use milena::{Compression, ConsumeError, Consumer, DeliveryErrorKind, FetchError, Record};
use milena_tests::{Failure, Log, Outcome, Topic, World, scenarios};

scenarios!(
    each_codec_brings_back_what_was_sent,
    transactions_are_exact_when_they_are_compressed,
    a_compressed_batch_that_is_too_large_is_split,
    a_record_that_compression_makes_small_enough_is_taken,
    a_batch_that_would_become_too_large_is_refused_and_a_seek_goes_on
);

const CODECS: [Compression; 5] = [
    Compression::None,
    Compression::Gzip,
    Compression::Snappy,
    Compression::Lz4,
    Compression::Zstd,
];

async fn each_codec_brings_back_what_was_sent(world: &World) -> Outcome {
    let topic = world.topic("codecs", 5).await?;
    let client = world.client().await?;
    let mut sent = Vec::new();
    for (partition, codec) in (0..).zip(CODECS) {
        let producer = client.producer().compression(codec).build().await?;
        for number in 0..500 {
            let value = format!("{number} {}", "again and again ".repeat(number % 60));
            let record = topic
                .record(partition, &value)
                .header("codec", codec_name(codec));
            let _delivery = producer.send(record).await?;
            sent.push((partition, value));
        }
        producer.flush().await?;
    }

    let mut reader = client.reader().assign(topic.assignment()).build().await?;
    let (mut seen, mut codecs) = (Vec::new(), BTreeSet::new());
    while seen.len() < sent.len() {
        let batch = reader.next_batch().await?;
        codecs.insert((batch.partition(), codec_name(batch.compression())));
        for record in batch.records() {
            let codec = record.headers().next().and_then(|header| header.value);
            assert_eq!(codec, Some(codec_name(batch.compression()).as_bytes()));
            let value = String::from_utf8(record.value().unwrap_or_default().to_vec())?;
            seen.push((batch.partition(), value));
        }
    }
    seen.sort_by_key(|(partition, _)| *partition);
    assert!(seen == sent, "{} records, not all as they were", seen.len());
    let expected = (0..).zip(CODECS.map(codec_name)).collect();
    assert_eq!(codecs, expected);
    Ok(())
}

async fn transactions_are_exact_when_they_are_compressed(world: &World) -> Outcome {
    let topic = world.topic("bank", 1).await?;
    let client = world.client().await?;
    let mut committed = Vec::new();
    for codec in CODECS {
        let id = world.name(codec_name(codec));
        let builder = client.transactional_producer(&id).compression(codec);
        let mut producer = builder.build().await?;
        for (number, keep) in [(0, true), (1, false), (2, true)] {
            let transaction = producer.begin().await?;
            for part in 0..40 {
                let value = format!("{id} {number} {part} {}", "-5".repeat(40));
                let _delivery = transaction.send(topic.record(0, &value)).await?;
                committed.extend(keep.then_some(Some(value)));
            }
            match keep {
                true => transaction.commit().await?,
                false => transaction.abort().await?,
            }
        }
    }
    let seen = Log::of(world, &topic).await?.committed().await?;
    let seen: Vec<_> = seen.into_iter().map(|record| record.value).collect();
    assert!(seen == committed, "{} of {}", seen.len(), committed.len());
    Ok(())
}

/// Bytes of which every codec leaves some four fifths, so that the sizes below hold for all of them.
fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed;
    let mut byte = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    let noise = (0..len * 4 / 5).map(|_| byte());
    noise.chain(std::iter::repeat(0)).take(len).collect()
}

async fn a_compressed_batch_that_is_too_large_is_split(world: &World) -> Outcome {
    for codec in &CODECS[1..] {
        let codec = *codec;
        let topic = world.topic(codec_name(codec), 1).await?;
        let client = world.client().await?;
        // Brokers take 1 MiB, a little more by default; compressed, this is half as much again.
        let producer = client
            .producer()
            .compression(codec)
            .batch_bytes_max(4 << 20)
            .linger(Duration::from_secs(5))
            .build()
            .await?;
        let mut deliveries = Vec::new();
        for number in 0..20 {
            let value = noise(number, 100_000);
            let record = Record::to(&topic.name).partition(0).value(&value);
            deliveries.push(producer.send(record).await?);
        }
        producer.flush().await?;
        for (offset, delivery) in (0..).zip(deliveries) {
            assert_eq!(delivery.await?.offset(), Some(offset));
        }
        let mut reader = client.reader().assign(topic.assignment()).build().await?;
        let (mut offset, mut batches) = (0, 0);
        while offset < 20 {
            let batch = reader.next_batch().await?;
            assert_eq!(batch.compression(), codec);
            batches += 1;
            for record in batch.records() {
                let sent = noise(record.offset().try_into()?, 100_000);
                assert!(record.value() == Some(&sent[..]), "record {offset}");
                offset += 1;
            }
        }
        assert!(batches >= 2, "{batches} batches");
    }
    Ok(())
}

async fn a_record_that_compression_makes_small_enough_is_taken(world: &World) -> Outcome {
    let topic = world.topic("blank", 1).await?;
    let client = world.client().await?;
    let blank = vec![b' '; 3 << 20];
    for (codec, taken) in [(Compression::None, false), (Compression::Zstd, true)] {
        let builder = client.producer().compression(codec);
        let producer = builder.batch_bytes_max(4 << 20).build().await?;
        let record = Record::to(&topic.name).partition(0).value(&blank);
        match producer.send(record).await?.await {
            Ok(_) => assert!(taken, "no broker takes 3 MiB"),
            Err(error) => {
                assert!(
                    matches!(error.kind(), DeliveryErrorKind::Refused(_)),
                    "{error}"
                );
                assert!(!taken, "{error}");
            }
        }
    }
    let mut reader = client.reader().assign(topic.assignment()).build().await?;
    let batch = reader.next_batch().await?;
    assert!(
        batch
            .records()
            .all(|record| record.value() == Some(&blank[..]))
    );
    assert_eq!(batch.len(), 1);
    Ok(())
}

async fn a_batch_that_would_become_too_large_is_refused_and_a_seek_goes_on(
    world: &World,
) -> Outcome {
    let topic = world.topic("bomb", 2).await?;
    let client = world.client().await?;
    let blank = vec![b' '; 2 << 20];
    for codec in &CODECS[1..] {
        let builder = client.producer().compression(*codec);
        let producer = builder.batch_bytes_max(4 << 20).build().await?;
        for value in [&b"before"[..], &blank, b"behind"] {
            let record = Record::to(&topic.name).partition(0).value(value);
            producer.send(record).await?.await?;
        }
    }
    let elsewhere = client.producer().build().await?;
    elsewhere.send(topic.record(1, "elsewhere")).await?.await?;

    let builder = client.reader().assign(topic.assignment());
    let mut reader = builder.decompressed_bytes_max(1 << 20).build().await?;
    let (mut seen, mut refused) = (Vec::new(), 0);
    while seen.len() < 9 || refused < 4 {
        match reader.next_batch().await {
            Ok(batch) => {
                seen.extend(
                    batch
                        .records()
                        .map(|record| (batch.partition(), record.offset())),
                );
            }
            Err(error) => {
                go_on(&mut reader, &topic, refused * 3 + 1, error)?;
                refused += 1;
            }
        }
    }
    seen.sort_unstable();
    let offsets = [0, 2, 3, 5, 6, 8, 9, 11].map(|offset| (0, offset));
    assert_eq!(seen, [&offsets[..], &[(1, 0)]].concat());
    Ok(())
}

/// Seeks behind the batch that `error` is about, which is the one at `bomb`.
fn go_on(
    reader: &mut Consumer,
    topic: &Topic,
    bomb: i64,
    error: ConsumeError,
) -> Result<(), Failure> {
    let ConsumeError::Fetch {
        topic: of,
        partition: 0,
        error:
            FetchError::DecompressedTooLong {
                offset,
                next_offset,
                decompressed_bytes_max,
                ..
            },
    } = error
    else {
        return Err(error.into());
    };
    assert_eq!(
        (of, offset, next_offset),
        (topic.name.clone(), bomb, bomb + 1)
    );
    assert_eq!(decompressed_bytes_max, 1 << 20);
    reader.seek(&topic.name, 0, next_offset);
    Ok(())
}

fn codec_name(codec: Compression) -> &'static str {
    match codec {
        Compression::None => "none",
        Compression::Gzip => "gzip",
        Compression::Snappy => "snappy",
        Compression::Lz4 => "lz4",
        Compression::Zstd => "zstd",
        _ => "unknown",
    }
}
