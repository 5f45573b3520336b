//! What libFuzzer says, in a table.

use std::path::PathBuf;

use super::Target;
use crate::failure::{Failure, Result};

/// What came of one target.
pub(super) struct Row {
    pub(super) target: String,
    executions: u64,
    per_second: u64,
    edges: u64,
    features: u64,
    /// Inputs that reached something new.
    new_inputs: u64,
    /// Inputs that broke it.
    findings: Vec<PathBuf>,
    /// A run may also end without an input to blame.
    succeeded: bool,
}

impl Row {
    pub(super) fn verdict(&self) -> String {
        match (self.findings.len(), self.succeeded) {
            (0, true) => "nothing found".to_owned(),
            (0, false) => "FAILED".to_owned(),
            (count, _) => format!("{count} FOUND"),
        }
    }

    fn is_broken(&self) -> bool {
        !self.succeeded || !self.findings.is_empty()
    }
}

/// Reads what a run has said: a line now and then, and totals in the end.
pub(super) fn row(target: &str, text: &str, findings: Vec<PathBuf>, succeeded: bool) -> Row {
    Row {
        target: target.to_owned(),
        executions: total(text, "stat::number_of_executed_units:")
            .or_else(|| last_execution(text))
            .unwrap_or_default(),
        per_second: total(text, "stat::average_exec_per_sec:").unwrap_or_default(),
        edges: last(text, "cov:").unwrap_or_default(),
        features: last(text, "ft:").unwrap_or_default(),
        new_inputs: total(text, "stat::new_units_added:").unwrap_or_default(),
        findings,
        succeeded,
    }
}

pub(super) fn print(rows: &[Row]) {
    println!(
        "\n{:<16} {:>11} {:>7} {:>7} {:>8} {:>5}  findings",
        "target", "executions", "exec/s", "edges", "features", "new"
    );
    for row in rows {
        println!(
            "{:<16} {:>11} {:>7} {:>7} {:>8} {:>5}  {}",
            row.target,
            row.executions,
            row.per_second,
            row.edges,
            row.features,
            row.new_inputs,
            row.verdict()
        );
    }
    let executions: u64 = rows.iter().map(|row| row.executions).sum();
    println!("{:<16} {executions:>11}", "in all");
}

/// Fails if anything was found, and says how to see it again.
pub(super) fn verdict(targets: &[Target], rows: &[Row]) -> Result<()> {
    let mut broken = Vec::new();
    for row in rows.iter().filter(|row| row.is_broken()) {
        broken.push(row.target.as_str());
        let Some(target) = targets.iter().find(|target| target.name == row.target) else {
            continue;
        };
        println!("\n{}: {}", row.target, target.log.display());
        for input in &row.findings {
            println!("  again: {} {}", target.program.display(), input.display());
        }
    }
    if broken.is_empty() {
        return Ok(());
    }
    Err(Failure::new(format!(
        "broken: {}; fuzz/README.md says what to do with a finding",
        broken.join(", ")
    )))
}

fn total(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().rev().find(|line| line.starts_with(name))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

/// The value behind the last `name` of a line such as `#4096 pulse cov: 812 ft: 1404 corp: 97/3Kb`.
fn last(text: &str, name: &str) -> Option<u64> {
    let mut words = text.split_whitespace().rev();
    let mut value = words.next()?;
    for word in words {
        if word == name {
            return value.parse().ok();
        }
        value = word;
    }
    None
}

/// A run that was broken has no totals: the number of the last input it told of.
fn last_execution(text: &str) -> Option<u64> {
    let mut lines = text.lines().rev();
    lines.find_map(|line| line.strip_prefix('#')?.split('\t').next()?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENDED: &str = "\
#2\tINITED cov: 12 ft: 13 corp: 1/1b exec/s: 0 rss: 45Mb
#4096\tpulse  cov: 812 ft: 1404 corp: 97/3Kb lim: 43 exec/s: 2048 rss: 61Mb
#5000\tDONE   cov: 815 ft: 1410 corp: 99/3Kb lim: 43 exec/s: 2500 rss: 61Mb
stat::number_of_executed_units: 5000
stat::average_exec_per_sec:     2500
stat::new_units_added:          98
";

    #[test]
    fn a_run_that_ended_is_read_by_its_totals() {
        let row = row("lz4", ENDED, Vec::new(), true);
        assert_eq!((row.executions, row.per_second), (5000, 2500));
        assert_eq!((row.edges, row.features, row.new_inputs), (815, 1410, 98));
        assert_eq!(row.verdict(), "nothing found");
        verdict(&[], &[row]).expect("nothing was found");
    }

    #[test]
    fn a_run_that_broke_is_read_by_its_last_line_and_fails() {
        let text = ENDED.split("#5000").next().expect("its first lines");
        let row = row("lz4", text, vec![PathBuf::from("crash-1")], false);
        assert_eq!((row.executions, row.edges), (4096, 812));
        assert_eq!(row.verdict(), "1 FOUND");
        let failure = verdict(&[], &[row]).expect_err("something was found");
        assert!(failure.to_string().contains("lz4"), "{failure}");
    }

    #[test]
    fn a_finding_fails_however_the_run_ended() {
        let row = row("lz4", ENDED, vec![PathBuf::from("slow-unit-1")], true);
        assert!(verdict(&[], &[row]).is_err());
    }

    #[test]
    fn a_run_that_never_began_fails() {
        let row = row("lz4", "", Vec::new(), false);
        assert_eq!((row.executions, row.edges), (0, 0));
        assert!(verdict(&[], &[row]).is_err());
    }
}
