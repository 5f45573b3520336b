//! Batches, messages and codecs against what else there is: a table of ratios, each taken in one run.
//!
//! Nanoseconds of one machine say little and those of a busy one less. So all that a row compares is done in turns, a few
//! milliseconds each, and what counts is the ratio of neighbours: whatever slows the machine down slows them both.

mod lines;
mod measure;
mod report;

use crate::Failure;
use measure::Measured;

/// How the table is to be taken.
#[derive(Clone, Debug)]
pub struct Options {
    /// How often each row's contestants take turns.
    pub rounds: usize,
    /// Only the rows whose name contains one of these; all, if there is none.
    pub only: Vec<String>,
    /// Print JSON instead of a table.
    pub json: bool,
    /// End with failure if a target is missed by more than the tolerance.
    pub check: bool,
    /// The part of a target that it may be missed by: [`TOLERANCE`] where two cores are shared with little else.
    pub tolerance: f64,
}

/// What a target may be missed by before [`Options::check`] says so, unless it is told otherwise: two cores that others use are
/// not exact.
pub const TOLERANCE: f64 = 0.08;

/// Takes the table and prints it.
///
/// # Errors
/// A target that is missed, if that is to be checked; output that cannot be written.
pub fn run(options: &Options) -> Result<(), Failure> {
    let mut measured: Vec<Measured> = Vec::new();
    for make in lines::ALL {
        for line in make() {
            let wanted = |only: &String| line.name.contains(only.as_str());
            if options.only.is_empty() || options.only.iter().any(wanted) {
                measured.push(measure::measure(line, options.rounds));
            }
        }
    }
    if measured.is_empty() {
        return Err("no row has such a name".into());
    }
    report::print(&measured, options)?;
    let missed: Vec<String> = measured
        .iter()
        .flat_map(|row| row.missed(options.tolerance))
        .collect();
    if options.check && !missed.is_empty() {
        return Err(format!("targets missed: {}", missed.join("; ")).into());
    }
    Ok(())
}
