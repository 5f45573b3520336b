//! After the runs: what is in the logs, read by Java, and what the checkers say to it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use milena::{Client, IsolationLevel, Start};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep};

use super::consume;
use super::copier::Copier;
use super::run::Finished;
use super::world::{INPUT, INPUT_PARTITIONS, World};
use crate::check::copier::{Evidence as Copy, InputEnd, OutputEnd};
use crate::check::producer::{Counts, Evidence as Produced};
use crate::check::reading::{self, FIELD, HEADER, NULL, RECORD};
use crate::check::{self, Complaints, Exit, Wrong};
use crate::cluster::words;
use crate::failure::{Failure, Result};
use crate::java::{self, Isolation, JavaRecord};

const CONSOLE_CONSUMER: &str = "org.apache.kafka.tools.consumer.ConsoleConsumer";
const TRANSACTIONS: &str = "org.apache.kafka.tools.TransactionsCommand";
/// The console consumer does not know where a topic ends; it ends when nothing came for so long.
const IDLE_MS: &str = "5000";
/// For the second look, if the first saw less than there must be: a starved Java program takes that for the end.
const IDLE_LONG_MS: &str = "20000";
/// So many Java programs at a time on two cores.
const JAVAS: usize = 3;
/// Markers are written after a commit is answered, and a transaction that timed out is ended by the broker after a while.
const SETTLED_WITHIN: Duration = Duration::from_secs(40);

/// What came out of one scenario.
pub(crate) struct Verdict {
    pub(crate) finished: Finished,
    pub(crate) records: usize,
    pub(crate) counts: Counts,
    pub(crate) complaints: Complaints,
}

/// What milena itself says of a copy's topics; the rest is Java's.
struct Ends {
    input: Vec<InputEnd>,
    output: Vec<OutputEnd>,
    seen: Vec<JavaRecord>,
}

/// Judges runs that are over. All nodes must be up, and no fault in the way.
pub(crate) async fn judge(world: &Arc<World>, runs: Vec<Finished>) -> Result<Vec<Verdict>> {
    let client = world.direct().await?;
    let mut ends = Vec::new();
    let mut wanted = Vec::new();
    let mut runs = runs;
    for run in &mut runs {
        ends.push(copies_ends(&client, run).await?);
        wanted.extend(wanted_of(world, run));
        if run.scenario.consume {
            wanted.extend(consume::prepare(world, run).await?);
        }
    }
    let texts = java_texts(world, wanted).await?;
    let states = transaction_states(world).await?;
    let mut verdicts = Vec::new();
    for (mut run, ends) in runs.into_iter().zip(ends) {
        let mut verdict = Verdict {
            records: 0,
            counts: Counts::default(),
            complaints: std::mem::take(&mut run.complaints),
            finished: run,
        };
        judge_producer(&mut verdict, &texts)?;
        if let Some(ends) = ends {
            judge_copies(world, &mut verdict, &ends, &texts, &states)?;
        }
        if verdict.finished.scenario.consume {
            consume::judge(world, &mut verdict, &texts).await?;
        }
        verdicts.push(verdict);
    }
    Ok(verdicts)
}

fn judge_producer(verdict: &mut Verdict, texts: &Texts) -> Result<()> {
    let run = &verdict.finished;
    let (Some(plan), Some(process)) = (&run.scenario.producer, &run.producer) else {
        return Ok(());
    };
    let topic = run.producer_topic();
    let (exit, ended_at) = process.exit().unwrap_or((Exit::Signal(9), run.took));
    let evidence = Produced {
        records: (!run.scenario.is_terminated()).then_some(plan.records),
        prefix: run.number,
        keys: plan.keys,
        errors_allowed: plan.errors_allowed,
        lines: process.lines(),
        exit,
        ended_at,
        log: java_records(texts.of(&topic, Isolation::ReadUncommitted)?)?,
        topic,
    };
    let (complaints, counts) = check::producer::check(&evidence);
    verdict.records += evidence.log.len();
    verdict.counts = counts;
    verdict.complaints.extend(complaints);
    Ok(())
}

fn judge_copies(
    world: &World,
    verdict: &mut Verdict,
    ends: &Result<Ends>,
    texts: &Texts,
    states: &BTreeMap<String, String>,
) -> Result<()> {
    let ends = match ends {
        Ok(ends) => ends,
        Err(failure) => {
            let text = format!("the concurrent reader: {failure}");
            verdict.complaints.add(Wrong::Reader, text);
            return Ok(());
        }
    };
    let run = &verdict.finished;
    let output = java_records(texts.of(&run.output_topic(), Isolation::ReadCommitted)?)?;
    let mut complaints = Complaints::default();
    for copier in &run.copiers {
        let evidence = copy_of(world, copier, ends, &output, states);
        complaints.extend(check::copier::check(&evidence));
    }
    // A partition that nobody copied holds nothing.
    let copied = i32::try_from(run.copiers.len()).unwrap_or(i32::MAX);
    for record in output.iter().filter(|record| record.partition >= copied) {
        complaints.add(Wrong::Stray, format!("{record:?}"));
    }
    verdict.records += output.len();
    verdict.complaints.extend(complaints);
    Ok(())
}

fn copy_of(
    world: &World,
    copier: &Copier,
    ends: &Ends,
    output: &[JavaRecord],
    states: &BTreeMap<String, String>,
) -> Copy {
    let partition = copier.wish.partition;
    let of = |records: &[JavaRecord]| -> Vec<JavaRecord> {
        let records = records
            .iter()
            .filter(|record| record.partition == partition);
        records.cloned().collect()
    };
    Copy {
        transactional_id: copier.wish.id.clone(),
        incarnations: copier.incarnations.clone(),
        took: copier.took,
        input: of(&world.input),
        output: of(output),
        seen: of(&ends.seen),
        input_ends: ends
            .input
            .iter()
            .filter(|end| end.partition == partition)
            .copied()
            .collect(),
        output_ends: ends.output.clone(),
        state: states.get(&copier.wish.id).cloned(),
    }
}

/// Waits for the last markers, lets the concurrent reader come to the end, and asks for the group's offsets.
async fn copies_ends(client: &Client, run: &mut Finished) -> Result<Option<Result<Ends>>> {
    let Some(watcher) = run.watcher.take() else {
        return Ok(None);
    };
    let topic = run.output_topic();
    let started = Instant::now();
    let output = loop {
        let stable = ends(client, &topic, IsolationLevel::ReadCommitted).await?;
        let written = ends(client, &topic, IsolationLevel::ReadUncommitted).await?;
        let output: Vec<OutputEnd> = (0..)
            .zip(stable.into_iter().zip(written))
            .map(|(partition, (last_stable, high_watermark))| OutputEnd {
                partition,
                last_stable,
                high_watermark,
            })
            .collect();
        let settled = output
            .iter()
            .all(|end| end.last_stable == end.high_watermark);
        if settled || started.elapsed() > SETTLED_WITHIN {
            break output;
        }
        sleep(Duration::from_millis(200)).await;
    };
    let stable = output.iter().map(|end| (end.partition, end.last_stable));
    let seen = match watcher.finish(stable.collect()).await {
        Ok(seen) => seen,
        Err(failure) => return Ok(Some(Err(failure))),
    };
    let mut input = Vec::new();
    for copier in &run.copiers {
        let partition = copier.wish.partition;
        let reader = client
            .consumer(&copier.wish.group)
            .assign([(INPUT, partition)])
            .start(Start::Earliest)
            .build()
            .await?;
        let offset = |positions: Vec<milena::Position>| positions.first().map(|at| at.offset());
        input.push(InputEnd {
            partition,
            end: offset(reader.end_offsets().await?).unwrap_or(0),
            committed: offset(reader.committed().await?),
        });
    }
    Ok(Some(Ok(Ends {
        input,
        output,
        seen,
    })))
}

/// The ends of an output topic's partitions, in their order.
async fn ends(client: &Client, topic: &str, isolation: IsolationLevel) -> Result<Vec<i64>> {
    let reader = client
        .reader()
        .assign((0..INPUT_PARTITIONS).map(|partition| (topic, partition)))
        .isolation(isolation)
        .build()
        .await?;
    let mut ends = reader.end_offsets().await?;
    ends.sort_by_key(milena::Position::partition);
    Ok(ends.iter().map(milena::Position::offset).collect())
}

/// A topic, who reads it, and how many records there are at least.
pub(crate) type Wanted = (String, Isolation, usize);

fn wanted_of(world: &World, run: &Finished) -> Vec<Wanted> {
    let mut wanted = Vec::new();
    if let Some(process) = &run.producer {
        let lines = process.lines();
        let successes = lines
            .iter()
            .filter(|line| line.text.contains("send_success"));
        wanted.push((
            run.producer_topic(),
            Isolation::ReadUncommitted,
            successes.count(),
        ));
    }
    let copied = world.input.len() * run.copiers.len() / INPUT_PARTITIONS.unsigned_abs() as usize;
    if !run.copiers.is_empty() {
        wanted.push((run.output_topic(), Isolation::ReadCommitted, copied));
    }
    wanted
}

/// What Java printed, by topic and reader.
pub(crate) struct Texts(BTreeMap<(String, bool), String>);

impl Texts {
    pub(crate) fn of(&self, topic: &str, isolation: Isolation) -> Result<&str> {
        let key = (topic.to_owned(), isolation == Isolation::ReadCommitted);
        let text = self.0.get(&key).map(String::as_str);
        text.ok_or_else(|| Failure::new(format!("Java was not asked for {topic}")))
    }
}

async fn java_texts(world: &Arc<World>, wanted: Vec<Wanted>) -> Result<Texts> {
    let places = Arc::new(Semaphore::new(JAVAS));
    let mut tasks = Vec::new();
    for (topic, isolation, at_least) in wanted {
        let (world, places) = (Arc::clone(world), Arc::clone(&places));
        let key = (topic.clone(), isolation == Isolation::ReadCommitted);
        let task = Handle::current().spawn(async move {
            let _place = places.acquire().await?;
            java_text(&world, &topic, isolation, at_least).await
        });
        tasks.push((key, task));
    }
    let mut texts = BTreeMap::new();
    for (key, task) in tasks {
        texts.insert(key, task.await??);
    }
    Ok(Texts(texts))
}

/// Everything in a topic as Java's console consumer prints it, in the form that [`reading`] reads.
pub(crate) async fn java_text(
    world: &World,
    topic: &str,
    isolation: Isolation,
    at_least: usize,
) -> Result<String> {
    let text = java_text_within(world, topic, isolation, IDLE_MS).await?;
    if text.matches(RECORD).count() >= at_least {
        return Ok(text);
    }
    java_text_within(world, topic, isolation, IDLE_LONG_MS).await
}

async fn java_text_within(
    world: &World,
    topic: &str,
    isolation: Isolation,
    idle_ms: &str,
) -> Result<String> {
    let level = match isolation {
        Isolation::ReadCommitted => "read_committed",
        Isolation::ReadUncommitted => "read_uncommitted",
    };
    // The old name still works in 4.x, with a complaint among the records.
    let formatter = match world.cluster.version().starts_with('3') {
        true => "--property",
        false => "--formatter-property",
    };
    let mut arguments = words(&["--topic", topic, "--from-beginning"]);
    arguments.extend(words(&[
        "--isolation-level",
        level,
        "--timeout-ms",
        idle_ms,
    ]));
    for property in [
        "print.timestamp=true".to_owned(),
        "print.partition=true".to_owned(),
        "print.offset=true".to_owned(),
        "print.headers=true".to_owned(),
        "print.key=true".to_owned(),
        "print.value=true".to_owned(),
        format!("key.separator={FIELD}"),
        format!("line.separator={RECORD}"),
        format!("headers.separator={HEADER}"),
        format!("null.literal={NULL}"),
    ] {
        arguments.extend(words(&[formatter, &property]));
    }
    java::tool(&world.cluster, CONSOLE_CONSUMER, arguments).await
}

pub(crate) fn java_records(text: &str) -> Result<Vec<JavaRecord>> {
    let records = reading::java_records(text).map_err(Failure::new)?;
    let record = |((partition, offset), read): (_, reading::Read)| JavaRecord {
        partition,
        offset,
        key: read.key,
        value: read.value,
    };
    Ok(records.into_iter().map(record).collect())
}

/// The state of each transactional id, as Java lists it.
async fn transaction_states(world: &World) -> Result<BTreeMap<String, String>> {
    let table = java::tool(&world.cluster, TRANSACTIONS, words(&["list"])).await?;
    let row = |line: &str| {
        let mut columns = line.split_whitespace();
        let id = columns.next()?.to_owned();
        Some((id, columns.next_back()?.to_owned()))
    };
    Ok(table.lines().skip(1).filter_map(row).collect())
}

/// Text that a program made; nothing else is in these topics.
pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
