//! `milena consume`: every record of a topic, to a file.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::time::Duration;

use milena::{
    AdminError, Batch, Client, ConsumeError, Consumer, ErrorCode, IsolationLevel, QueryError, Start,
};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::settings::Settings;
use super::{Stop, connect};
use crate::args::ConsumeArgs;
use crate::failure::{Failure, INTERRUPTED, SUCCEEDED};
use record_line::RecordLine;

mod record_line;

/// Drivers wait 90 s.
const PATIENCE: Duration = Duration::from_secs(85);
/// How long a topic that no broker knows may be one that is being created.
const TOPIC_PATIENCE: Duration = Duration::from_secs(15);
/// How often positions are looked at: what ends in markers or aborted data gives no batch that would tell.
const LOOK: Duration = Duration::from_millis(50);
const PAUSE: Duration = Duration::from_millis(100);
const FILE_BUFFER_BYTES: usize = 256 << 10;

/// Reads everything and writes it, or says why not.
///
/// # Errors
/// One sentence; the file is not complete then.
pub(crate) async fn run(args: ConsumeArgs, mut stop: Stop) -> Result<u8, Failure> {
    let settings = Settings::read(args.command_config.as_deref())?;
    let too_late = Failure::Broken(format!(
        "{} could not be read to its end within {PATIENCE:?}",
        args.topic
    ));
    tokio::select! {
        biased;
        copied = copy(&args, &settings) => copied.map(|()| SUCCEEDED),
        () = stop.wait() => Ok(INTERRUPTED),
        () = sleep(PATIENCE) => Err(too_late),
    }
}

async fn copy(args: &ConsumeArgs, settings: &Settings) -> Result<(), Failure> {
    let unwritable = |error: std::io::Error| {
        Failure::Broken(format!(
            "{} cannot be written: {error}",
            args.output.display()
        ))
    };
    let mut file = File::create(&args.output)
        .map(|file| BufWriter::with_capacity(FILE_BUFFER_BYTES, file))
        .map_err(unwritable)?;
    let client = connect(&args.bootstrap_server, settings, PATIENCE).await?;
    let isolation = args
        .isolation_level
        .or(settings.isolation)
        .unwrap_or(IsolationLevel::ReadCommitted);
    let partitions = partitions(&client, &args.topic).await?;
    let mut consumer = reader(&client, settings, &args.topic, partitions, isolation).await?;
    let mut ends = Ends::new(&args.topic, end_offsets(&consumer).await?);
    let mut line = RecordLine::new(&args.topic);
    while !ends.reached(|partition| consumer.position(&args.topic, partition)) {
        let Ok(next) = timeout(LOOK, consumer.next_batch()).await else {
            continue;
        };
        let batch = match next {
            Ok(batch) => batch,
            Err(ConsumeError::Fetch { partition, .. }) if ends.is_over(partition) => continue,
            Err(error) => return Err(Failure::Broken(error.to_string())),
        };
        write_batch(&mut file, &mut line, &batch, &ends).map_err(unwritable)?;
    }
    file.flush().map_err(unwritable)
}

fn write_batch(
    file: &mut impl Write,
    line: &mut RecordLine,
    batch: &Batch,
    ends: &Ends,
) -> std::io::Result<()> {
    let end = ends.of(batch.partition());
    for record in batch.records().take_while(|record| record.offset() < end) {
        file.write_all(line.of(batch.partition(), &record).as_bytes())?;
    }
    Ok(())
}

/// Where each partition ended at the start. What comes later is not asked for.
struct Ends {
    ends: BTreeMap<i32, i64>,
    /// Those that are not reached yet.
    left: Vec<i32>,
}

impl Ends {
    fn new(topic: &str, ends: BTreeMap<i32, i64>) -> Self {
        debug_assert!(!ends.is_empty(), "{topic} has partitions");
        let left = ends
            .iter()
            .filter(|(_, end)| **end > 0)
            .map(|(partition, _)| *partition)
            .collect();
        Self { ends, left }
    }

    fn of(&self, partition: i32) -> i64 {
        self.ends.get(&partition).copied().unwrap_or(0)
    }

    /// Whether nothing more is wanted of `partition`.
    fn is_over(&self, partition: i32) -> bool {
        !self.left.contains(&partition)
    }

    /// Whether every position has come to its end.
    fn reached(&mut self, position: impl Fn(i32) -> Option<i64>) -> bool {
        let ends = &self.ends;
        self.left.retain(|partition| {
            let end = ends.get(partition).copied().unwrap_or(0);
            position(*partition).is_none_or(|position| position < end)
        });
        self.left.is_empty()
    }
}

/// How many partitions the topic has. One that was created a moment ago may not be known everywhere yet.
async fn partitions(client: &Client, topic: &str) -> Result<i32, Failure> {
    let since = Instant::now();
    loop {
        match client.admin().describe_topic(topic).await {
            Ok(described) if !described.partitions.is_empty() => {
                return Ok(i32::try_from(described.partitions.len()).unwrap_or(i32::MAX));
            }
            Ok(_) | Err(AdminError::TimedOut { .. }) => {}
            Err(AdminError::Refused {
                error: ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
                ..
            }) if since.elapsed() < TOPIC_PATIENCE => {}
            Err(error) => return Err(Failure::Broken(format!("{topic}: {error}"))),
        }
        sleep_until(Instant::now() + PAUSE).await;
    }
}

async fn reader(
    client: &Client,
    settings: &Settings,
    topic: &str,
    partitions: i32,
    isolation: IsolationLevel,
) -> Result<Consumer, Failure> {
    let mut builder = client
        .reader()
        .assign((0..partitions).map(|partition| (topic, partition)))
        .isolation(isolation)
        .start(Start::Earliest);
    if let Some(policy) = settings.out_of_range {
        builder = builder.out_of_range(policy);
    }
    settings
        .consumer(builder)
        .build()
        .await
        .map_err(|error| Failure::Broken(error.to_string()))
}

async fn end_offsets(consumer: &Consumer) -> Result<BTreeMap<i32, i64>, Failure> {
    loop {
        match consumer.end_offsets().await {
            Ok(ends) => {
                let end = |end: milena::Position| (end.partition(), end.offset());
                return Ok(ends.into_iter().map(end).collect());
            }
            Err(ConsumeError::Query(QueryError::TimedOut { .. })) => {}
            Err(error) => return Err(Failure::Broken(error.to_string())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ends(rows: &[(i32, i64)]) -> Ends {
        Ends::new("topic", rows.iter().copied().collect())
    }

    #[test]
    fn a_topic_is_read_when_every_position_has_come_to_its_end() {
        let mut ends = ends(&[(0, 5), (1, 0), (2, 7)]);
        assert!(ends.is_over(1), "nothing was in it");
        assert!(!ends.reached(|_| None));
        assert!(!ends.reached(|partition| Some(if partition == 0 { 5 } else { 6 })));
        assert!(ends.is_over(0) && !ends.is_over(2));
        // One that is over stays so, whatever its position.
        assert!(ends.reached(|partition| (partition == 2).then_some(9)));
    }

    #[test]
    fn an_empty_topic_needs_no_reading() {
        assert!(ends(&[(0, 0), (1, 0)]).reached(|_| None));
    }
}
