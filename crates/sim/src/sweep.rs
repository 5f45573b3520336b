//! Sweeps over the golden run: every future dropped at every poll and at every event, every connection broken at every byte,
//! one at a time. After each of them the end of the run is known and exact.

use std::fmt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::driver::lock;
use crate::failure::{Check, Failure};
use crate::golden::{Manners, Outcome, Script};
use crate::plan::Protocol;

mod bytes;
mod cancel;
mod case;

use case::Case;

/// What is swept over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Every future of the script is dropped.
    Cancel,
    /// Every connection is broken at every byte.
    Bytes,
}

/// Which transaction protocol the brokers speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SweepProtocol {
    /// Kafka 3.9's.
    Tv1,
    /// Kafka 4's (KIP-890).
    Tv2,
}

/// One sweep.
#[derive(Clone, Debug)]
pub struct Sweep {
    /// Over what.
    pub kind: Kind,
    /// In which protocol.
    pub protocol: SweepProtocol,
    /// Orders what is due at the same time in the golden run.
    pub seed: u64,
    /// Only each so-manieth event or byte. Polls are always all taken.
    pub every: usize,
    /// Runs with two futures dropped, chosen by lot.
    pub pairs: usize,
    /// So many at a time; with one, everything happens on the calling thread.
    pub threads: usize,
    /// The negative control: the script takes a commit that it dropped for aborted, whatever it is told.
    pub misuse: bool,
    /// Passes over runs that fail by other checks only: a planted bug may do more than one kind of harm.
    pub wanted: Option<Check>,
}

/// What came of a sweep.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// What the golden run holds, and how many runs there were of each kind.
    pub counts: Vec<(String, u64)>,
    /// All runs but the golden one.
    pub runs: u64,
    /// Those in which what was to strike did; the others are failures.
    pub fired: u64,
    /// The longest of the golden runs in virtual time.
    pub golden: Duration,
    /// The longest run that was exact, in virtual time, with its case.
    pub longest: Option<(Duration, String)>,
    /// The first run that was not.
    pub failure: Option<SweepFailure>,
}

/// A run that did not end as it must.
#[derive(Clone, Debug)]
pub struct SweepFailure {
    /// The name of the case: `--case`.
    pub case: String,
    /// What was done to the run.
    pub words: String,
    /// What was wrong with it.
    pub failures: Vec<Failure>,
}

/// One run, told.
#[derive(Clone, Debug)]
pub struct Told {
    /// What was done to it.
    pub words: String,
    /// The run in words.
    pub lines: Vec<String>,
    /// What was wrong with it.
    pub failures: Vec<Failure>,
}

impl SweepProtocol {
    /// Its name on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Tv1 => "tv1",
            Self::Tv2 => "tv2",
        }
    }
}

impl Sweep {
    /// All of it, on one thread.
    #[must_use]
    pub fn new(kind: Kind, protocol: SweepProtocol) -> Self {
        Self {
            kind,
            protocol,
            seed: 1,
            every: 1,
            pairs: 0,
            threads: 1,
            misuse: false,
            wanted: None,
        }
    }

    /// Makes the golden run, then one run for each case, until one fails.
    #[must_use]
    pub fn make(&self) -> Summary {
        let mut golden = self.script();
        golden.records = true;
        let outcome = golden.make();
        let mut summary = Summary {
            golden: outcome.done_at,
            ..Summary::default()
        };
        if !outcome.failures.is_empty() {
            summary.failure = Some(SweepFailure {
                case: String::new(),
                words: "the golden run itself".to_owned(),
                failures: outcome.failures,
            });
            return summary;
        }
        match self.kind {
            Kind::Cancel => cancel::make(self, &outcome, &mut summary),
            Kind::Bytes => bytes::make(self, &outcome, &mut summary),
        }
        summary
    }

    /// The run of one case in words; of no case, the golden run.
    ///
    /// # Errors
    /// If there can be no such case.
    pub fn tell(&self, case: Option<&str>) -> Result<Told, String> {
        let case = match case {
            Some(text) => Some(Case::parse(text).ok_or_else(|| format!("{text:?} is not a case"))?),
            None => None,
        };
        let golden = self.script().make();
        let mut script = self.script();
        script.in_words = true;
        if let Some(case) = &case {
            case.put_into(&mut script, golden.done_at);
        }
        let outcome = script.make();
        let words = case.map_or_else(|| "the golden run".to_owned(), |case| case.words(&outcome));
        let mut failures = outcome.failures;
        failures.extend(idle_cut(outcome.struck));
        Ok(Told {
            words,
            lines: outcome.lines,
            failures,
        })
    }

    fn script(&self) -> Script {
        let protocol = match self.protocol {
            SweepProtocol::Tv1 => Protocol::Old,
            SweepProtocol::Tv2 => Protocol::New,
        };
        let mut script = Script::new(protocol, self.seed);
        script.manners = Manners {
            takes_dropped_for_aborted: self.misuse,
            ..Manners::default()
        };
        script
    }

    fn run(&self, case: &Case, golden: Duration) -> Outcome {
        let mut script = self.script();
        case.put_into(&mut script, golden);
        script.make()
    }

    /// Runs all cases, and counts them; those after one that fails may be left out.
    fn run_all(&self, cases: &[Case], summary: &mut Summary) {
        let golden = summary.golden;
        let next = AtomicUsize::new(0);
        let tally: Mutex<Tally> = Mutex::default();
        let work = || {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                let Some(case) = cases.get(number) else {
                    return;
                };
                if lock(&tally).is_over_before(number) {
                    return;
                }
                let mut outcome = self.run(case, golden);
                let other =
                    |failure: &Failure| self.wanted.is_some_and(|wanted| wanted != failure.check);
                if outcome.failures.iter().all(other) {
                    outcome.failures.clear();
                }
                lock(&tally).add(number, case, outcome);
            }
        };
        if self.threads <= 1 {
            work();
        } else {
            std::thread::scope(|scope| {
                for _ in 0..self.threads {
                    scope.spawn(work);
                }
            });
        }
        let tally = tally.into_inner().unwrap_or_default();
        summary.runs += tally.runs;
        summary.fired += tally.fired;
        if tally.longest.as_ref().map(|longest| longest.0)
            > summary.longest.as_ref().map(|longest| longest.0)
        {
            summary.longest = tally.longest;
        }
        if summary.failure.is_none() {
            summary.failure = tally.failure.map(|(_, failure)| failure);
        }
    }
}

/// What the threads of a sweep have found together.
#[derive(Default)]
struct Tally {
    runs: u64,
    fired: u64,
    longest: Option<(Duration, String)>,
    failure: Option<(usize, SweepFailure)>,
}

impl Tally {
    fn is_over_before(&self, number: usize) -> bool {
        self.failure
            .as_ref()
            .is_some_and(|(first, _)| *first < number)
    }

    fn add(&mut self, number: usize, case: &Case, outcome: Outcome) {
        self.runs += 1;
        self.fired += u64::from(outcome.struck);
        let mut failures = outcome.failures.clone();
        failures.extend(idle_cut(outcome.struck));
        if failures.is_empty() {
            // A run of damaged answers takes as long as its longest deadline.
            let counts = !case.is_forgiving();
            if counts
                && self
                    .longest
                    .as_ref()
                    .is_none_or(|longest| longest.0 < outcome.done_at)
            {
                self.longest = Some((outcome.done_at, case.to_string()));
            }
        } else if !self.is_over_before(number) {
            let failure = SweepFailure {
                case: case.to_string(),
                words: case.words(&outcome),
                failures,
            };
            self.failure = Some((number, failure));
        }
    }
}

/// A sweep says something only about what it has really done.
fn idle_cut(struck: bool) -> Option<Failure> {
    (!struck).then(|| Check::TooSmall.failed("what was to strike did not"))
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (what, count) in &self.counts {
            writeln!(f, "  {what:<44} {count:>8}")?;
        }
        writeln!(f, "  {:<44} {:>8}", "runs", self.runs)?;
        writeln!(f, "  {:<44} {:>8}", "of them struck", self.fired)?;
        writeln!(
            f,
            "  {:<44} {:>8.1?}",
            "golden run, virtual time", self.golden
        )?;
        if let Some((longest, case)) = &self.longest {
            writeln!(
                f,
                "  {:<44} {longest:>8.1?}  {case}",
                "longest run, virtual time"
            )?;
        }
        Ok(())
    }
}
