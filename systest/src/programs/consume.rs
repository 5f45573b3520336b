//! `milena consume` against Java's console consumer, on everything a scenario left, while its fetches fail.

use std::fs;
use std::time::Duration;

use milena::Record;
use milena_testbroker::relay::{ApiKey, RelayAction, RelayRule};
use tokio::time::sleep;

use super::process::Process;
use super::run::Finished;
use super::verify::{Texts, Verdict, Wanted};
use super::world::World;
use crate::check::{Exit, Wrong, reading};
use crate::failure::{Context, Result};
use crate::java::Isolation;

/// Kafka's own drivers give a reading so long.
const READ_MAX: Duration = Duration::from_secs(90);
const BOTH: [(Isolation, &str); 2] = [
    (Isolation::ReadCommitted, "read_committed"),
    (Isolation::ReadUncommitted, "read_uncommitted"),
];

/// What strikes each reading.
const FAULTS: [&str; 3] = ["fetch-answer-lost", "fetch-answer-cut", "list-offsets-lost"];

/// Fills the topic of odd records; what Java has to read besides what is read anyway.
pub(crate) async fn prepare(world: &World, run: &Finished) -> Result<Vec<Wanted>> {
    fill(world, &odd_topic(run)).await?;
    let wanted = topics(run)
        .into_iter()
        .flat_map(|topic| BOTH.map(|(isolation, _)| (topic.clone(), isolation, 1)));
    Ok(wanted.collect())
}

/// Compares, topic by topic and for both kinds of reader.
pub(crate) async fn judge(world: &World, verdict: &mut Verdict, texts: &Texts) -> Result<()> {
    for topic in topics(&verdict.finished) {
        for (isolation, level) in BOTH {
            let ours = consume(world, verdict, &topic, level).await?;
            let (complaints, count) = reading::check(&topic, &ours, texts.of(&topic, isolation)?);
            verdict.complaints.extend(complaints);
            if count == 0 {
                let text = format!("Java sees nothing in {topic}");
                verdict.complaints.add(Wrong::Missing, text);
            }
            *verdict
                .finished
                .fired
                .entry("compared".to_owned())
                .or_default() += count as u64;
        }
    }
    // Not in each reading: the first fetch may be one that waits for records until all others are read.
    for label in FAULTS {
        if verdict
            .finished
            .fired
            .get(label)
            .is_none_or(|fired| *fired == 0)
        {
            let text = format!("{label} never fired");
            verdict.complaints.add(Wrong::Fault, text);
        }
    }
    Ok(())
}

fn topics(run: &Finished) -> Vec<String> {
    let mut topics = vec![odd_topic(run)];
    topics.extend(run.producer.as_ref().map(|_| run.producer_topic()));
    if !run.copiers.is_empty() {
        topics.push(run.output_topic());
    }
    topics
}

fn odd_topic(run: &Finished) -> String {
    format!("odd-{}", run.mark)
}

/// Runs the program once, through the relay, with a few answers lost; what it wrote.
async fn consume(world: &World, verdict: &mut Verdict, topic: &str, level: &str) -> Result<String> {
    let faults = [
        (
            FAULTS[0],
            RelayRule::on(ApiKey::FETCH).nth(2),
            RelayAction::LoseAnswer,
        ),
        (
            FAULTS[1],
            RelayRule::on(ApiKey::FETCH).nth(1),
            RelayAction::CutAnswer,
        ),
        (
            FAULTS[2],
            RelayRule::on(ApiKey::LIST_OFFSETS).nth(1),
            RelayAction::LoseAnswer,
        ),
    ];
    let rules = faults.map(|(label, rule, action)| (label, world.relay.add(rule, action)));
    let output = world.folder.join(format!("{topic}-{level}.jsonl"));
    let settings = world.folder.join("consume.properties");
    fs::write(&settings, "request.timeout.ms=5000\nretry.backoff.ms=50\n")
        .context(|| format!("write {}", settings.display()))?;
    let bootstrap = world.bootstrap();
    let arguments = [
        "consume",
        "--bootstrap-server",
        &bootstrap,
        "--topic",
        topic,
        "--isolation-level",
        level,
        "--output",
        &output.to_string_lossy(),
        "--command-config",
        &settings.to_string_lossy(),
    ];
    let arguments = arguments.map(str::to_owned);
    let process = Process::start(&world.milena, &arguments, |_, _| 0)?;
    let mut waited = Duration::ZERO;
    let step = Duration::from_millis(20);
    while process.exit().is_none() && waited < READ_MAX {
        sleep(step).await;
        waited += step;
    }
    match process.exit() {
        Some((Exit::Code(0), _)) => {}
        Some((exit, _)) => {
            let text = format!("reading {topic} ended with {exit:?}: {}", process.errors());
            verdict.complaints.add(Wrong::Exit, text);
        }
        None => verdict
            .complaints
            .add(Wrong::Slow, format!("reading {topic} hangs")),
    }
    for (label, rule) in rules {
        let fired = world.relay.fired(rule);
        *verdict.finished.fired.entry(label.to_owned()).or_default() += fired;
        world.relay.remove(rule);
    }
    // A program that failed may have written nothing: then every record is missing.
    Ok(fs::read_to_string(&output).unwrap_or_default())
}

/// Null, empty and absent in all places, in three partitions, with an aborted transaction between two committed ones.
async fn fill(world: &World, topic: &str) -> Result<()> {
    world.create_topic(topic, 3).await?;
    let client = world.direct().await?;
    let producer = client.producer().build().await?;
    let long = "l".repeat(200_000);
    let values = [
        None,
        Some(""),
        Some("v"),
        Some("zwei Wörter\nund Zeilen"),
        Some(long.as_str()),
    ];
    for partition in 0..3 {
        for key in [None, Some(""), Some("k"), Some("ключ")] {
            for value in values {
                let mut record = Record::to(topic)
                    .partition(partition)
                    .timestamp(1_700_000_000_123);
                if let Some(key) = key {
                    record = record.key(key);
                }
                if let Some(value) = value {
                    record = record.value(value);
                }
                let nothing: Option<&[u8]> = None;
                if partition > 0 {
                    record = record.header("a", "1").header("a", nothing).header("", "");
                }
                if partition > 1 {
                    record = record.header("b", "x:y").header("a", "1");
                }
                producer.send(record).await?.await?;
            }
        }
    }
    let id = format!("fill-{topic}");
    let mut transactions = client.transactional_producer(&id).build().await?;
    for (value, commit) in [("first", true), ("aborted", false), ("second", true)] {
        let transaction = transactions.begin().await?;
        for partition in 0..3 {
            let record = Record::to(topic).partition(partition).value(value);
            transaction.send(record).await?.await?;
        }
        if commit {
            transaction.commit().await?;
        } else {
            transaction.abort().await?;
        }
    }
    Ok(())
}
