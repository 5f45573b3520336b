//! milena's part.

use std::time::Duration;

use milena::{Client, Compression, Record};

use super::Case;
use super::corpus::Line;
use crate::failure::{Context, Failure, Result};

const PATIENCE: Duration = Duration::from_secs(30);

/// What a reader has seen.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    pub(crate) lines: Vec<Line>,
    /// Which codecs the batches of each partition were compressed by, if the reader tells.
    pub(crate) codecs: Vec<Vec<Compression>>,
}

impl Seen {
    pub(crate) fn of_others(lines: Vec<Line>) -> Self {
        Self {
            lines,
            codecs: Vec::new(),
        }
    }
}

/// Writes each case with a producer of its own, to the partition of its place in the list.
pub(crate) async fn write(
    bootstrap: &str,
    topic: &str,
    cases: &[Case],
    lines: &[Line],
) -> Result<()> {
    let client = Client::connect(bootstrap).await?;
    for (partition, case) in cases.iter().enumerate() {
        let mut producer = client
            .producer()
            .compression(compression(case.codec())?)
            .batch_bytes_max(500_000)
            .linger(Duration::from_millis(50));
        if let Some(level) = case.level() {
            producer = producer.compression_level(level);
        }
        let producer = producer.build().await.context(|| case.0.to_owned())?;
        let mut deliveries = Vec::new();
        for line in lines.iter().filter(|line| line.partition == partition) {
            deliveries.push(producer.send(record(topic, line)).await?);
        }
        producer.flush().await?;
        for delivery in deliveries {
            delivery.await.context(|| case.0.to_owned())?;
        }
    }
    Ok(())
}

fn record<'a>(topic: &'a str, line: &'a Line) -> Record<'a> {
    let record = Record::to(topic)
        .partition(i32::try_from(line.partition).unwrap_or(i32::MAX))
        .key(line.key.as_deref())
        .value(line.value.as_deref());
    let headers = line.headers.iter();
    headers.fold(record, |record, (name, value)| {
        record.header(name, value.as_deref())
    })
}

/// Everything that is in the topic.
pub(crate) async fn read(bootstrap: &str, topic: &str, cases: &[Case]) -> Result<Seen> {
    let client = Client::connect(bootstrap).await?;
    let partitions = i32::try_from(cases.len()).unwrap_or(i32::MAX);
    let assigned = (0..partitions).map(|partition| (topic, partition));
    let mut reader = client.reader().assign(assigned).build().await?;
    let ends = reader.end_offsets().await?;
    let mut seen = Seen {
        lines: Vec::new(),
        codecs: vec![Vec::new(); cases.len()],
    };
    let behind = |reader: &milena::Consumer| {
        ends.iter().any(|end| {
            let position = reader.position(end.topic(), end.partition());
            position.unwrap_or(0) < end.offset()
        })
    };
    while behind(&reader) {
        let batch = tokio::time::timeout(PATIENCE, reader.next_batch());
        let batch = batch
            .await
            .context(|| format!("{topic} ends too early"))??;
        let partition = usize::try_from(batch.partition())?;
        if !seen.codecs[partition].contains(&batch.compression()) {
            seen.codecs[partition].push(batch.compression());
        }
        for record in batch.records() {
            let headers = record.headers().map(|header| {
                let name = String::from_utf8(header.key.to_vec())?;
                Ok((name, header.value.map(<[u8]>::to_vec)))
            });
            seen.lines.push(Line {
                partition,
                key: record.key().map(<[u8]>::to_vec),
                value: record.value().map(<[u8]>::to_vec),
                headers: headers.collect::<Result<_>>()?,
            });
        }
    }
    Ok(seen)
}

/// Kafka's word for a codec.
pub(crate) fn compression(codec: &str) -> Result<Compression> {
    match codec {
        "none" => Ok(Compression::None),
        "gzip" => Ok(Compression::Gzip),
        "snappy" => Ok(Compression::Snappy),
        "lz4" => Ok(Compression::Lz4),
        "zstd" => Ok(Compression::Zstd),
        _ => Err(Failure::new(format!("{codec} is not a codec"))),
    }
}
