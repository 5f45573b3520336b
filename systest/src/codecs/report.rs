//! The table at the end.

use std::collections::BTreeMap;
use std::fmt;

use super::corpus::Line;
use super::ours::Seen;
use super::{Case, judge};
use crate::failure::{Failure, Result};

/// What became of one case on one way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Cell {
    /// So many records, each as it was written.
    Exact(usize),
    Wrong(String),
}

/// By way, by case.
#[derive(Debug, Default)]
pub(crate) struct Report {
    ways: Vec<(String, BTreeMap<&'static str, Cell>)>,
}

impl Report {
    /// Compares what was written with what was seen.
    pub(crate) fn add_all(
        &mut self,
        writer: &str,
        reader: &str,
        cases: &[Case],
        written: &[Line],
        seen: &Result<Seen>,
    ) {
        let mut cells = BTreeMap::new();
        for (partition, case) in cases.iter().enumerate() {
            let here = |line: &&Line| line.partition == partition;
            let cell = match seen {
                Err(failure) => Cell::Wrong(failure.to_string()),
                Ok(seen) => {
                    let written: Vec<&Line> = written.iter().filter(here).collect();
                    let read: Vec<&Line> = seen.lines.iter().filter(here).collect();
                    let codecs = seen.codecs.get(partition).map_or(&[][..], Vec::as_slice);
                    judge(*case, &written, &read, codecs)
                }
            };
            cells.insert(case.0, cell);
        }
        self.ways.push((format!("{writer} > {reader}"), cells));
    }

    /// # Errors
    /// Not all cells are exact.
    pub(crate) fn verdict(&self) -> Result<()> {
        let cells = self.ways.iter().flat_map(|(_, cells)| cells.values());
        let wrong = cells.filter(|cell| matches!(cell, Cell::Wrong(_))).count();
        match wrong {
            0 => Ok(()),
            wrong => Err(Failure::new(format!("{wrong} cells are not exact"))),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut cases: Vec<&str> = Vec::new();
        for case in self.ways.iter().flat_map(|(_, cells)| cells.keys()) {
            if !cases.contains(case) {
                cases.push(case);
            }
        }
        cases.sort_unstable();
        write!(f, "{:22}", "")?;
        cases.iter().try_for_each(|case| write!(f, "{case:>9}"))?;
        writeln!(f)?;
        for (way, cells) in &self.ways {
            write!(f, "{way:22}")?;
            for case in &cases {
                match cells.get(case) {
                    None => write!(f, "{:>9}", "")?,
                    Some(Cell::Exact(count)) => write!(f, "{count:>9}")?,
                    Some(Cell::Wrong(_)) => write!(f, "{:>9}", "WRONG")?,
                }
            }
            writeln!(f)?;
        }
        for (way, cells) in &self.ways {
            for (case, cell) in cells {
                if let Cell::Wrong(text) = cell {
                    writeln!(f, "{way}, {case}: {text}")?;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codecs::corpus::lines;

    #[test]
    fn a_way_that_failed_fails_every_cell_and_says_why() {
        let (cases, written) = ([Case("lz4"), Case("zstd:1")], lines(2, 3));
        let mut report = Report::default();
        let exact = Ok(Seen::of_others(written.clone()));
        report.add_all("a", "b", &cases, &written, &exact);
        assert!(report.verdict().is_ok());
        let failed = Err(Failure::new("no such program"));
        report.add_all("a", "c", &cases, &written, &failed);
        assert!(report.verdict().is_err());
        let text = report.to_string();
        assert!(text.contains("a > c, zstd:1: no such program"), "{text}");
    }
}
