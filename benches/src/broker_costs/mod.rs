//! What the test broker costs: requests a second, memory, time to start.

mod in_memory;
mod processes;
mod tcp;

use std::io::{self, Write};

use milena_testbroker::{Broker, BrokerConfig};
use serde_json::json;

use crate::args::BrokerArgs;
use crate::{ALLOCATOR, Failure};

/// What a figure should reach.
#[derive(Clone, Copy)]
enum Asked {
    AtLeast(f64),
    Below(f64),
    Nothing,
}

/// One figure, in every run.
struct Row {
    name: &'static str,
    unit: &'static str,
    asked: Asked,
    values: Vec<f64>,
}

/// Measures and prints.
pub(crate) fn run(args: &BrokerArgs) -> Result<(), Failure> {
    let mut rows: Vec<Row> = Vec::new();
    for _ in 0..args.runs {
        for (row, value) in measured(args.requests)? {
            match rows.iter_mut().find(|it| it.name == row.name) {
                Some(found) => found.values.push(value),
                None => rows.push(Row {
                    values: vec![value],
                    ..row
                }),
            }
        }
    }
    for row in &mut rows {
        row.values.sort_by(f64::total_cmp);
    }
    print(&rows, args)?;
    let missed = rows.iter().filter(|row| row.is_missed(args.tolerance));
    let missed: Vec<_> = missed.map(|row| row.name).collect();
    match args.check && !missed.is_empty() {
        true => Err(format!("missed: {}", missed.join("; ")).into()),
        false => Ok(()),
    }
}

/// All figures of one run.
fn measured(requests: u32) -> Result<Vec<(Row, f64)>, Failure> {
    let a_second = |name, asked| Row::new(name, "/s", asked);
    let hundred_thousand = Asked::AtLeast(100_000.0);
    let megabytes = |name| Row::new(name, "MB", Asked::Below(5.0));
    let mut rows = vec![
        (
            a_second("produce, 1 record of 100 B", hundred_thousand),
            in_memory::produce(in_memory::Producer::Plain, requests)?,
        ),
        (
            a_second("produce, idempotent", hundred_thousand),
            in_memory::produce(in_memory::Producer::Idempotent, requests)?,
        ),
        (
            a_second("produce, transactional", hundred_thousand),
            in_memory::produce(in_memory::Producer::Transactional, requests)?,
        ),
        (
            a_second("fetch, 1 batch of 1 record", Asked::Nothing),
            in_memory::fetch(requests)?,
        ),
        (
            a_second("round trips by TCP, ApiVersions", Asked::Nothing),
            tcp::round_trips(requests / 5)?,
        ),
        (
            a_second("round trips by TCP, produce", Asked::Nothing),
            tcp::produce_round_trips(requests / 5)?,
        ),
        (megabytes("heap of an empty node"), heap_of_a_node()),
    ];
    if let Some(process) = processes::measured()? {
        let below = Asked::Below(50.0);
        let start = Row::new("milena broker, exec to listening", "ms", below);
        rows.push((start, process.start_ms));
        rows.push((megabytes("milena broker, its own memory"), process.own_mb));
        // With the pages of the program's file that it has touched, of which all processes have one copy.
        let resident = Row::new(
            "milena broker, resident with its file",
            "MB",
            Asked::Nothing,
        );
        rows.push((resident, process.resident_mb));
    }
    Ok(rows)
}

/// What a cluster of one node takes before anybody has asked it anything.
fn heap_of_a_node() -> f64 {
    let kept = || {
        let stats = ALLOCATOR.stats();
        stats.bytes_allocated - stats.bytes_deallocated
    };
    let before = kept();
    let broker = Broker::new(BrokerConfig::default());
    let bytes = kept().saturating_sub(before);
    drop(broker);
    bytes as f64 / 1e6
}

impl Row {
    fn new(name: &'static str, unit: &'static str, asked: Asked) -> Self {
        Self {
            name,
            unit,
            asked,
            values: Vec::new(),
        }
    }

    fn median(&self) -> f64 {
        let middle = self.values.len() / 2;
        self.values.get(middle).copied().unwrap_or(f64::NAN)
    }

    fn is_missed(&self, tolerance: f64) -> bool {
        match self.asked {
            Asked::AtLeast(least) => self.median() < least * (1.0 - tolerance),
            Asked::Below(most) => self.median() >= most * (1.0 + tolerance),
            Asked::Nothing => false,
        }
    }
}

fn print(rows: &[Row], args: &BrokerArgs) -> io::Result<()> {
    let mut out = io::stdout().lock();
    if args.json {
        let figures = rows.iter().map(|row| {
            let asked = match row.asked {
                Asked::AtLeast(value) | Asked::Below(value) => Some(value),
                Asked::Nothing => None,
            };
            json!({
                "name": row.name,
                "unit": row.unit,
                "min": row.values.first(),
                "median": row.median(),
                "max": row.values.last(),
                "asked": asked,
            })
        });
        let figures: Vec<_> = figures.collect();
        return writeln!(out, "{}", json!({ "runs": args.runs, "figures": figures }));
    }
    for row in rows {
        let spread = |place: Option<&f64>| rounded(place.copied().unwrap_or(f64::NAN));
        let asked = match row.asked {
            Asked::AtLeast(least) => format!("asked: {}", rounded(least)),
            Asked::Below(most) => format!("asked: below {}", rounded(most)),
            Asked::Nothing => String::new(),
        };
        writeln!(
            out,
            "{:<38} {:>10} {:<3} {:>10} .. {:<10} {asked}",
            row.name,
            rounded(row.median()),
            row.unit,
            spread(row.values.first()),
            spread(row.values.last()),
        )?;
    }
    Ok(())
}

fn rounded(value: f64) -> String {
    match value {
        large if large >= 1_000.0 => format!("{value:.0}"),
        _ => format!("{value:.3}"),
    }
}
