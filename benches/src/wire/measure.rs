//! Contestants that take turns, and what came of it.

use std::fmt;
use std::time::{Duration, Instant};

use stats_alloc::INSTRUMENTED_SYSTEM;

/// How long a contestant's turn takes, about. The best of a few tries counts: on a machine that others use, most of what is longer is
/// theirs, and a try is too short to be interrupted often.
const TRIES: u32 = 5;
const TRY: Duration = Duration::from_micros(400);
/// How often a contestant runs while its allocations are counted.
const COUNTED: u64 = 16;

/// One row of the table, not measured yet.
pub(super) struct Line {
    pub(super) name: String,
    /// What one run does, so that figures are for one of them: 1,000 records, or one message.
    pub(super) units: u32,
    pub(super) ours: Run,
    pub(super) theirs: Option<Run>,
    pub(super) floor: Option<Run>,
    pub(super) targets: Vec<Target>,
}

/// Does it once.
pub(super) type Run = Box<dyn FnMut()>;

/// What must be reached.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Target {
    /// At least so many times as fast as theirs.
    TimesTheirs(f64),
    /// At most so many times the floor.
    OfFloor(f64),
    /// At most so many nanoseconds.
    Nanos(f64),
    /// At most so many allocations a unit.
    Allocations(f64),
    /// At most this part of their allocations.
    OfTheirAllocations(f64),
}

/// What one contestant cost, a unit.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Cost {
    pub(super) nanos: f64,
    pub(super) allocations: f64,
    pub(super) allocated_bytes: f64,
}

/// A figure over all rounds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spread {
    pub(super) min: f64,
    pub(super) median: f64,
    pub(super) max: f64,
}

/// One row of the table.
pub(super) struct Measured {
    pub(super) name: String,
    pub(super) ours: Cost,
    pub(super) theirs: Option<Cost>,
    pub(super) floor: Option<Cost>,
    /// Their time over ours.
    pub(super) times_theirs: Option<Spread>,
    /// Our time over the floor's.
    pub(super) of_floor: Option<Spread>,
    pub(super) targets: Vec<Target>,
}

/// A contestant of one row.
struct Contestant {
    run: Run,
    repeat: u32,
    cost: Cost,
    nanos: Vec<f64>,
}

/// Lets the contestants of `line` take turns.
pub(super) fn measure(line: Line, rounds: usize) -> Measured {
    let units = f64::from(line.units);
    let mut ours = Contestant::new(line.ours, units);
    let mut theirs = line.theirs.map(|run| Contestant::new(run, units));
    let mut floor = line.floor.map(|run| Contestant::new(run, units));
    for round in 0..rounds.max(1) {
        let mut turns = [Some(&mut ours), theirs.as_mut(), floor.as_mut()];
        // Whoever comes first after another row's memory must not always be the same.
        turns.rotate_left(round % 3);
        for contestant in turns.into_iter().flatten() {
            contestant.take_turn(units);
        }
    }
    Measured {
        name: line.name,
        times_theirs: theirs.as_ref().map(|theirs| theirs.over(&ours)),
        of_floor: floor.as_ref().map(|floor| ours.over(floor)),
        ours: ours.cost(),
        theirs: theirs.map(Contestant::cost),
        floor: floor.map(Contestant::cost),
        targets: line.targets,
    }
}

impl Contestant {
    /// Warms it up, counts what it allocates and finds out how often it runs in a turn.
    fn new(mut run: Run, units: f64) -> Self {
        run();
        let before = INSTRUMENTED_SYSTEM.stats();
        (0..COUNTED).for_each(|_| run());
        let counted = INSTRUMENTED_SYSTEM.stats() - before;
        let each = |count: usize| count as f64 / COUNTED as f64 / units;
        let begun = now();
        let mut repeat = 0;
        while begun.elapsed() < TRY {
            run();
            repeat += 1;
        }
        Self {
            run,
            repeat,
            cost: Cost {
                nanos: 0.0,
                allocations: each(counted.allocations + counted.reallocations),
                allocated_bytes: each(counted.bytes_allocated),
            },
            nanos: Vec::new(),
        }
    }

    fn take_turn(&mut self, units: f64) {
        let mut best = f64::INFINITY;
        for _ in 0..TRIES {
            let begun = now();
            (0..self.repeat).for_each(|_| (self.run)());
            best = best.min(begun.elapsed().as_secs_f64());
        }
        self.nanos.push(best * 1e9 / f64::from(self.repeat) / units);
    }

    /// Round by round.
    fn over(&self, other: &Self) -> Spread {
        let pairs = self.nanos.iter().zip(&other.nanos);
        Spread::of(pairs.map(|(over, under)| over / under).collect())
    }

    fn cost(self) -> Cost {
        Cost {
            nanos: Spread::of(self.nanos).median,
            ..self.cost
        }
    }
}

impl Spread {
    fn of(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        let at = |index: usize| values.get(index).copied().unwrap_or(f64::NAN);
        Self {
            min: at(0),
            median: at(values.len() / 2),
            max: at(values.len().saturating_sub(1)),
        }
    }
}

impl Measured {
    /// Whether a target is reached, or missed by no more than `tolerance`.
    pub(super) fn reaches(&self, target: Target, tolerance: f64) -> bool {
        let median = |spread: Option<Spread>| spread.map_or(f64::NAN, |spread| spread.median);
        match target {
            Target::TimesTheirs(least) => median(self.times_theirs) >= least * (1.0 - tolerance),
            Target::OfFloor(most) => median(self.of_floor) <= most * (1.0 + tolerance),
            Target::Nanos(most) => self.ours.nanos <= most * (1.0 + tolerance),
            // Counted, not measured: no noise.
            Target::Allocations(most) => self.ours.allocations <= most,
            Target::OfTheirAllocations(most) => {
                let theirs = self.theirs.map_or(f64::NAN, |theirs| theirs.allocations);
                self.ours.allocations <= theirs * most
            }
        }
    }

    /// The targets that are missed by more than `tolerance`.
    pub(super) fn missed(&self, tolerance: f64) -> Vec<String> {
        let missed = self.targets.iter().copied();
        missed
            .filter(|target| !self.reaches(*target, tolerance))
            .map(|target| format!("{}: {target}", self.name))
            .collect()
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TimesTheirs(least) => write!(f, ">= {least}x theirs"),
            Self::OfFloor(most) => write!(f, "<= {most}x the floor"),
            Self::Nanos(most) => write!(f, "<= {most} ns"),
            Self::Allocations(most) => write!(f, "<= {most} allocations"),
            Self::OfTheirAllocations(most) => write!(f, "<= {most:.2} of their allocations"),
        }
    }
}

#[allow(
    clippy::disallowed_methods,
    reason = "a program that measures, above every core"
)]
fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn busy(rounds: u64) -> Run {
        Box::new(move || {
            let mut sum = 0;
            for number in 0..rounds {
                sum = std::hint::black_box(sum + number);
            }
        })
    }

    fn line(targets: Vec<Target>) -> Line {
        Line {
            name: "test".to_owned(),
            units: 10,
            ours: busy(1_000),
            theirs: Some(busy(10_000)),
            floor: Some(busy(500)),
            targets,
        }
    }

    #[test]
    fn ratios_are_those_of_the_work_done() {
        let measured = measure(line(Vec::new()), 9);
        let theirs = measured.times_theirs.expect("measured").median;
        assert!((5.0..20.0).contains(&theirs), "{theirs}");
        let floor = measured.of_floor.expect("measured").median;
        assert!((1.0..4.0).contains(&floor), "{floor}");
        assert!(measured.missed(0.08).is_empty());
    }

    #[test]
    fn a_target_out_of_reach_is_missed_and_named() {
        let far = vec![
            Target::TimesTheirs(1_000.0),
            Target::OfFloor(0.01),
            Target::Nanos(0.001),
        ];
        let missed = measure(line(far), 3).missed(0.08);
        assert_eq!(missed.len(), 3, "{missed:?}");
        assert_eq!(missed[0], "test: >= 1000x theirs");
        let near = vec![Target::TimesTheirs(0.1), Target::Allocations(0.0)];
        assert!(measure(line(near), 3).missed(0.08).is_empty());
    }
}
