//! The table as people read it, and as programs do.

use std::io::{self, Write};

use serde_json::{Value, json};

use super::Options;
use super::measure::{Cost, Measured, Spread};

pub(super) fn print(measured: &[Measured], options: &Options) -> io::Result<()> {
    let mut out = io::stdout().lock();
    if options.json {
        let rows: Vec<Value> = measured
            .iter()
            .map(|measured| row(measured, options.tolerance))
            .collect();
        let table =
            json!({ "rounds": options.rounds, "tolerance": options.tolerance, "rows": rows });
        return writeln!(out, "{table}");
    }
    table(measured, options, &mut out)
}

fn table(measured: &[Measured], options: &Options, out: &mut impl Write) -> io::Result<()> {
    let rounds = options.rounds;
    writeln!(
        out,
        "{rounds} rounds, in turns; ns and allocations a record, or a message. Ratios: median (min..max) of all rounds."
    )?;
    writeln!(
        out,
        "{:<36} {:>10} {:>10} {:>10} {:>8} {:>8}  {:<24} {:<24}",
        "", "ours", "theirs", "floor", "allocs", "theirs", "theirs / ours", "ours / floor"
    )?;
    for row in measured {
        let nanos = |cost: Option<Cost>| cost.map_or_else(String::new, |cost| rounded(cost.nanos));
        let allocations = |cost: Cost| format!("{:.3}", cost.allocations);
        writeln!(
            out,
            "{:<36} {:>10} {:>10} {:>10} {:>8} {:>8}  {:<24} {:<24}",
            row.name,
            nanos(Some(row.ours)),
            nanos(row.theirs),
            nanos(row.floor),
            allocations(row.ours),
            row.theirs.map(allocations).unwrap_or_default(),
            spread(row.times_theirs),
            spread(row.of_floor),
        )?;
        for target in &row.targets {
            let verdict = match (
                row.reaches(*target, 0.0),
                row.reaches(*target, options.tolerance),
            ) {
                (true, _) => "reached",
                (false, true) => "missed by less than noise",
                (false, false) => "MISSED",
            };
            writeln!(out, "    {:<32} {verdict}", target.to_string())?;
        }
    }
    Ok(())
}

fn row(row: &Measured, tolerance: f64) -> Value {
    let cost = |cost: Cost| {
        json!({
            "nanos": cost.nanos,
            "allocations": cost.allocations,
            "allocated_bytes": cost.allocated_bytes,
        })
    };
    let spread = |spread: Spread| {
        let Spread { min, median, max } = spread;
        json!({ "min": min, "median": median, "max": max })
    };
    let targets = row.targets.iter().map(|target| {
        json!({
            "target": target.to_string(),
            "reached": row.reaches(*target, 0.0),
            "within_tolerance": row.reaches(*target, tolerance),
        })
    });
    json!({
        "name": row.name,
        "ours": cost(row.ours),
        "theirs": row.theirs.map(cost),
        "floor": row.floor.map(cost),
        "theirs_over_ours": row.times_theirs.map(spread),
        "ours_over_floor": row.of_floor.map(spread),
        "targets": targets.collect::<Vec<_>>(),
    })
}

fn spread(spread: Option<Spread>) -> String {
    spread.map_or_else(String::new, |Spread { min, median, max }| {
        format!("{median:.2} ({min:.2}..{max:.2})")
    })
}

fn rounded(value: f64) -> String {
    if value >= 1_000.0 {
        format!("{value:.0}")
    } else {
        format!("{value:.1}")
    }
}
