//! `milena-systest pipeline-process`: the exactly-once pipeline as a program that can be killed.
//!
//! Each record of the input becomes two records in two partitions of the output, so that a torn transaction shows. What it
//! does it says on standard output, a line each, flushed ([`Line`]): whoever kills it wants to know when. It stops in order
//! when its standard input ends, so it never outlives whoever started it.

use std::fmt;
use std::io::{Read, Write};
use std::time::Duration;

use milena::{Advice, Client, Pipeline, PipelineError, Record, SendError, Step};

use crate::failure::{Context, Failure, Result};
use crate::options::Options;

/// How long a pipeline that can go on waits before it does.
const RETRY_PAUSE: Duration = Duration::from_millis(100);
/// After so long without an orderly end it ends anyway.
const END_MAX: Duration = Duration::from_secs(120);
/// The exit status of an instance that a newer one has fenced.
pub(crate) const EXIT_FENCED: u8 = 3;

/// What the program says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Line {
    /// The pipeline is built: older instances are fenced.
    Ready,
    /// The records of this step are in the logs, and their transaction is not committed.
    Open(u64),
    /// So many transactions are committed.
    Committed(u64),
    /// It ends in order, with everything committed.
    Stopped,
}

impl fmt::Display for Line {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ready => formatter.write_str("ready"),
            Self::Open(step) => write!(formatter, "open {step}"),
            Self::Committed(transactions) => write!(formatter, "committed {transactions}"),
            Self::Stopped => formatter.write_str("stopped"),
        }
    }
}

impl Line {
    /// The line that was printed, if it is one.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut words = text.split(' ');
        let line = match (words.next()?, words.next()) {
            ("ready", None) => Self::Ready,
            ("stopped", None) => Self::Stopped,
            ("open", Some(step)) => Self::Open(step.parse().ok()?),
            ("committed", Some(transactions)) => Self::Committed(transactions.parse().ok()?),
            _ => return None,
        };
        words.next().is_none().then_some(line)
    }
}

/// Where a record goes: which partitions hold its two outputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(crate) input_partitions: i32,
    pub(crate) output_partitions: i32,
}

impl Shape {
    /// The partition of the left output of an input partition's records (`side` 0), or of the right one (1). Input partitions
    /// share output partitions, and the two sides never meet in one.
    pub(crate) fn output_partition(self, input: i32, side: usize) -> i32 {
        let half = self.output_partitions / 2;
        match side {
            0 => input % half,
            _ => half + (input + 1) % half,
        }
    }
}

/// The value of an output record: which input record it was made of, by which incarnation of the program, in which of its steps.
pub(crate) fn output_value(partition: i32, offset: i64, incarnation: u32, step: u64) -> String {
    format!("{partition}/{offset}/{incarnation}/{step}")
}

struct Process {
    input: String,
    output: String,
    shape: Shape,
    incarnation: u32,
    think: Duration,
    steps: u64,
    committed: u64,
}

/// Runs until its standard input ends (or, with `--until-end`, its input topic does); the exit status.
pub(crate) async fn main(arguments: &[String]) -> Result<u8> {
    let values = [
        "bootstrap",
        "input",
        "output",
        "input-partitions",
        "output-partitions",
        "group",
        "transactional-id",
        "incarnation",
        "think-ms",
    ];
    let options = Options::parse(arguments, &values, &["until-end"])?;
    let mut process = Process {
        input: options.text("input")?.to_owned(),
        output: options.text("output")?.to_owned(),
        shape: Shape {
            input_partitions: options.value("input-partitions", 1)?,
            output_partitions: options.value("output-partitions", 2)?,
        },
        incarnation: options.value("incarnation", 1)?,
        think: Duration::from_millis(options.value("think-ms", 0)?),
        steps: 0,
        committed: 0,
    };
    let client = Client::connect(options.text("bootstrap")?).await;
    let client = client.context(|| "connect".to_owned())?;
    let mut pipeline = process.pipeline(&client, &options).await?;
    say(Line::Ready)?;
    let stop = pipeline.stop_handle();
    std::thread::spawn(move || {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        stop.stop();
        // Whoever started it may be gone, and the cluster too: then there is nothing to end in order.
        std::thread::sleep(END_MAX);
        std::process::exit(1);
    });
    process.work(&mut pipeline).await
}

impl Process {
    /// Built again as long as the cluster is what is in the way.
    async fn pipeline(&self, client: &Client, options: &Options) -> Result<Pipeline> {
        loop {
            let partitions = (0..self.shape.input_partitions).map(|p| (self.input.as_str(), p));
            let mut builder = client
                .exactly_once(options.text("group")?)
                .from_partitions(partitions)
                .transactional_id(options.text("transactional-id")?)
                .step_records_max(100)
                .transaction_steps_max(8)
                .commit_interval(Duration::from_millis(150));
            if options.has("until-end") {
                builder = builder.until_end();
            }
            match builder.build().await {
                Ok(pipeline) => return Ok(pipeline),
                Err(error) if error.advice() == Advice::Retry => pause(&error).await,
                Err(error) => return Err(error).context(|| "build the pipeline".to_owned()),
            }
        }
    }

    async fn work(&mut self, pipeline: &mut Pipeline) -> Result<u8> {
        loop {
            let next = pipeline.next().await;
            let committed = pipeline.metrics().committed;
            if committed > self.committed {
                self.committed = committed;
                say(Line::Committed(committed))?;
            }
            match next {
                Ok(Some(step)) => {
                    if let Err(error) = self.take(&step).await {
                        // The step is dropped undone: its transaction is aborted, and its records come again.
                        eprintln!("incarnation {}: {error}", self.incarnation);
                    }
                }
                Ok(None) => {
                    say(Line::Stopped)?;
                    return Ok(0);
                }
                Err(error) if error.is_fenced() => {
                    eprintln!("incarnation {}: {error}", self.incarnation);
                    return Ok(EXIT_FENCED);
                }
                Err(error) if matches!(error.advice(), Advice::Retry | Advice::Resolve) => {
                    pause(&error).await;
                }
                Err(error) => return Err(error).context(|| "the pipeline ended".to_owned()),
            }
        }
    }

    /// Writes what is made of a step and waits until it is in the logs, so that the transaction is open there; then thinks.
    async fn take(&mut self, step: &Step) -> Result<()> {
        self.steps += 1;
        let mut deliveries = Vec::with_capacity(step.len() * 2);
        for record in step.records() {
            let (partition, offset) = (step.partition(), record.offset());
            let value = output_value(partition, offset, self.incarnation, self.steps);
            for side in 0..2 {
                let partition = self.shape.output_partition(step.partition(), side);
                let record = Record::to(&self.output)
                    .partition(partition)
                    .key(record.value())
                    .value(&value);
                let sent: std::result::Result<_, SendError> = step.send(record).await;
                deliveries.push(sent?);
            }
        }
        for delivery in deliveries {
            delivery.await?;
        }
        say(Line::Open(self.steps))?;
        tokio::time::sleep(self.think).await;
        step.done();
        Ok(())
    }
}

async fn pause(error: &PipelineError) {
    eprintln!("goes on after: {error}");
    tokio::time::sleep(RETRY_PAUSE).await;
}

fn say(line: Line) -> Result<()> {
    let mut output = std::io::stdout().lock();
    let said = writeln!(output, "{line}").and_then(|()| output.flush());
    said.map_err(|error| Failure::new(format!("nobody listens: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_read_back_and_half_a_line_is_none() {
        for line in [
            Line::Ready,
            Line::Open(7),
            Line::Committed(12),
            Line::Stopped,
        ] {
            assert_eq!(Line::parse(&line.to_string()), Some(line));
        }
        for text in ["", "open", "open x", "ready 1", "committed 1 2", "comm"] {
            assert_eq!(Line::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn the_two_sides_never_share_a_partition() {
        let shape = Shape {
            input_partitions: 4,
            output_partitions: 6,
        };
        for left in 0..4 {
            assert!((0..3).contains(&shape.output_partition(left, 0)));
            assert!((3..6).contains(&shape.output_partition(left, 1)));
        }
    }
}
