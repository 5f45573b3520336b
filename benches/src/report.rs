//! Figures as people read them, and as programs do.

use std::io::{self, Write};

use serde_json::{Value, json};

use crate::args::BaselineArgs;
use crate::broker::Broker;
use crate::job::Job;

/// All figures of all runs.
pub(crate) struct Report<'a> {
    args: &'a BaselineArgs,
    broker: &'static str,
    bootstrap: String,
    runs: Vec<Vec<Job>>,
}

/// One figure over all runs.
struct Spread {
    min: f64,
    median: f64,
    max: f64,
}

impl<'a> Report<'a> {
    pub(crate) fn new(args: &'a BaselineArgs, broker: &Broker) -> Self {
        Self {
            args,
            broker: broker.kind(),
            bootstrap: broker.bootstrap().to_owned(),
            runs: Vec::new(),
        }
    }

    pub(crate) fn add(&mut self, jobs: Vec<Job>) {
        self.runs.push(jobs);
    }

    /// The jobs whose records allocate too much, in any run.
    pub(crate) fn excess(&self) -> Vec<String> {
        let jobs = self.runs.iter().flatten();
        jobs.filter_map(|job| Some(format!("{} {:.4}", job.name, job.excess()?)))
            .collect()
    }

    pub(crate) fn print(&self) -> io::Result<()> {
        let mut out = io::stdout().lock();
        if self.args.json {
            return writeln!(out, "{}", self.json());
        }
        self.table(&mut out)
    }

    fn json(&self) -> Value {
        let jobs = self.jobs().enumerate().map(|(index, job)| {
            let figures = job.figures.iter().enumerate().map(|(figure, (name, _))| {
                let Spread { min, median, max } = self.spread(index, figure);
                let spread = json!({ "min": min, "median": median, "max": max });
                ((*name).to_owned(), spread)
            });
            json!({
                "job": job.name,
                "allocations_per_record_max": job.allocations_max,
                "figures": figures.collect::<serde_json::Map<_, _>>(),
            })
        });
        json!({
            "broker": self.broker,
            "bootstrap": self.bootstrap,
            "runs": self.runs.len(),
            "records_100": self.args.records_100(),
            "records_1k": self.args.records_1k(),
            "transactions": self.args.transactions(),
            "partitions": self.args.partitions,
            "jobs": jobs.collect::<Vec<_>>(),
        })
    }

    fn table(&self, out: &mut impl Write) -> io::Result<()> {
        let Self {
            broker,
            bootstrap,
            runs,
            ..
        } = self;
        let runs = runs.len();
        writeln!(out, "broker: {broker}, {bootstrap}; runs: {runs}")?;
        if *broker == "embedded" {
            writeln!(
                out,
                "The embedded broker is for tests: its speed limits the figures a second; those a record stand."
            )?;
        }
        for (index, job) in self.jobs().enumerate() {
            writeln!(out, "\n{}", job.name)?;
            for (figure, (name, _)) in job.figures.iter().enumerate() {
                let Spread { min, median, max } = self.spread(index, figure);
                write!(out, "  {name:<32} {:>14}", rounded(median))?;
                if runs > 1 {
                    write!(
                        out,
                        "   min {:>14}   max {:>14}",
                        rounded(min),
                        rounded(max)
                    )?;
                }
                writeln!(out)?;
            }
        }
        Ok(())
    }

    /// The jobs, which are the same in each run.
    fn jobs(&self) -> impl Iterator<Item = &Job> {
        self.runs.iter().take(1).flatten()
    }

    fn spread(&self, job: usize, figure: usize) -> Spread {
        let of_run = |jobs: &Vec<Job>| jobs.get(job)?.figures.get(figure).map(|(_, value)| *value);
        let mut values: Vec<f64> = self.runs.iter().filter_map(of_run).collect();
        values.sort_by(f64::total_cmp);
        let at = |index: usize| values.get(index).copied().unwrap_or(f64::NAN);
        let middle = values.len() / 2;
        let median = if values.len().is_multiple_of(2) {
            f64::midpoint(at(middle.saturating_sub(1)), at(middle))
        } else {
            at(middle)
        };
        Spread {
            min: at(0),
            median,
            max: at(values.len().saturating_sub(1)),
        }
    }
}

/// As many digits as say something.
fn rounded(value: f64) -> String {
    match value.abs() {
        large if large >= 100.0 => format!("{value:.0}"),
        middle if middle >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.4}"),
    }
}
