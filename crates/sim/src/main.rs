//! Runs seeds of the simulation and says what came of them.

use std::process::ExitCode;

use milena_sim::{Fault, Options, Report, Tally, run};

mod sweep_command;

const USAGE: &str = "usage: milena-sim [--seeds N] [--first S] | --seed S [--trace] | sweep cancel|bytes

  --seeds N   how many seeds to run (50)
  --first S   the first of them (1)
  --seed S    only this one
  --trace     tell all of it
  --plant P   with this bug planted, until a check catches it that is there for it (needs the feature `plants`)
  --plants    the bugs that can be planted";

/// Over this many seeds, each kind of fault must have struck so often.
const SEEDS_THAT_COUNT: u64 = 50;
const FAULTS_MIN: u64 = 20;
/// Lines told of a run that failed.
const TAIL: usize = 120;

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some("sweep") {
        return sweep_command::run(std::env::args().skip(2));
    }
    let arguments = match Arguments::parse(std::env::args().skip(1)) {
        Ok(arguments) => arguments,
        Err(message) => {
            eprintln!("{message}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    // A panic inside a run is one of its failures, and told with them.
    std::panic::set_hook(Box::new(|info| eprintln!("{info}")));
    if let Some(status) = planted(&arguments) {
        return status;
    }
    if arguments.trace {
        let report = run(
            arguments.first,
            Options {
                in_words: true,
                ..Options::default()
            },
        );
        report.lines.iter().for_each(|line| println!("{line}"));
        print_row(&report);
        return verdict(&report);
    }
    let mut sum = Sum::default();
    for seed in arguments.first..arguments.first + arguments.seeds {
        let report = run(seed, Options::default());
        print_row(&report);
        if !report.failures.is_empty() {
            return tell(seed);
        }
        sum.add(&report);
    }
    sum.print()
}

/// Without the feature there is nothing to plant.
#[cfg(not(feature = "plants"))]
fn planted(arguments: &Arguments) -> Option<ExitCode> {
    (arguments.plants || arguments.plant.is_some()).then(|| {
        eprintln!("built without the feature `plants`");
        ExitCode::from(2)
    })
}

/// Plants are looked for one line each: `caught` or `missed`, the plant, the seed, the check, and what it said.
#[cfg(feature = "plants")]
fn planted(arguments: &Arguments) -> Option<ExitCode> {
    use milena_sim::plants::{ROWS, plant_for_good, row, search};
    if arguments.plants {
        for row in ROWS {
            let checks: Vec<_> = row.caught_by.iter().map(|check| check.name()).collect();
            println!(
                "{}\t{}\t{}",
                row.plant.name(),
                checks.join(","),
                row.plant.does()
            );
        }
        return Some(ExitCode::SUCCESS);
    }
    let name = arguments.plant.as_deref()?;
    let Some(row) = row(name) else {
        eprintln!("{name:?} is not a plant; --plants tells them");
        return Some(ExitCode::from(2));
    };
    if arguments.trace {
        plant_for_good(row);
        return None;
    }
    // A panic is one of the failures; here only the named ones are told.
    std::panic::set_hook(Box::new(|_| {}));
    let search = search(row, arguments.first, arguments.seeds);
    let (word, found) = match (search.caught, search.other) {
        (Some(caught), _) => ("caught", Some(caught)),
        (None, other) => ("missed", other),
    };
    let (seed, check, text) = match &found {
        Some((seed, failure)) => (*seed, failure.check.name(), failure.text.as_str()),
        None => (search.seeds, "none", ""),
    };
    let line = text.lines().next().unwrap_or_default();
    println!("{word}\t{name}\t{seed}\t{check}\t{line}");
    Some(ExitCode::from(u8::from(word == "missed")))
}

fn verdict(report: &Report) -> ExitCode {
    for failure in &report.failures {
        println!("FAILED seed {}: {failure}", report.seed);
    }
    if report.failures.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(1)
    }
}

/// Runs a seed that failed once more, in words.
fn tell(seed: u64) -> ExitCode {
    let again = run(
        seed,
        Options {
            in_words: true,
            ..Options::default()
        },
    );
    let from = again.lines.len().saturating_sub(TAIL);
    again.lines[from..]
        .iter()
        .for_each(|line| println!("{line}"));
    println!("\nAll of it: milena-sim --seed {seed} --trace");
    verdict(&again);
    ExitCode::from(1)
}

fn print_row(report: &Report) {
    println!(
        "seed {:>6}  {:016x}  {:<7}  {:>5} records  {:>4} transactions ({:>4} committed)  {:>4} faults  {:>7.1} s  {:>7} events",
        report.seed,
        report.trace_hash,
        report.protocol,
        report.records,
        report.transactions,
        report.committed,
        report.faults.total(),
        report.elapsed.as_secs_f64(),
        report.events,
    );
}

#[derive(Default)]
struct Sum {
    seeds: u64,
    records: usize,
    transactions: usize,
    committed: usize,
    faults: Tally,
}

impl Sum {
    fn add(&mut self, report: &Report) {
        self.seeds += 1;
        self.records += report.records;
        self.transactions += report.transactions;
        self.committed += report.committed;
        self.faults.merge(&report.faults);
    }

    fn print(&self) -> ExitCode {
        println!(
            "\n{:<36} {:>8}\n{:<36} {:>8}\n{:<36} {:>8}\n{:<36} {:>8}",
            "seeds",
            self.seeds,
            "records",
            self.records,
            "transactions",
            self.transactions,
            "of them committed",
            self.committed
        );
        println!("faults");
        let mut rare = Vec::new();
        for fault in Fault::ALL {
            let count = self.faults.count(*fault);
            println!("  {:<34} {count:>8}", fault.name());
            if count < FAULTS_MIN {
                rare.push(fault.name());
            }
        }
        println!("  {:<34} {:>8}", "together", self.faults.total());
        if self.seeds >= SEEDS_THAT_COUNT && !rare.is_empty() {
            println!("FAILED: struck less than {FAULTS_MIN} times: {rare:?}");
            return ExitCode::from(1);
        }
        ExitCode::SUCCESS
    }
}

struct Arguments {
    first: u64,
    seeds: u64,
    trace: bool,
    plant: Option<String>,
    plants: bool,
}

impl Arguments {
    fn parse(arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut parsed = Self {
            first: 1,
            seeds: SEEDS_THAT_COUNT,
            trace: false,
            plant: None,
            plants: false,
        };
        let mut arguments = arguments;
        while let Some(argument) = arguments.next() {
            if argument == "--plant" {
                let name = arguments.next().ok_or("--plant wants a name")?;
                parsed.plant = Some(name);
                continue;
            }
            let mut number = || {
                let text = arguments.next().unwrap_or_default();
                text.parse::<u64>()
                    .map_err(|_| format!("{argument} wants a number, not {text:?}"))
            };
            match argument.as_str() {
                "--seeds" => parsed.seeds = number()?,
                "--first" => parsed.first = number()?,
                "--seed" => (parsed.first, parsed.seeds) = (number()?, 1),
                "--plants" => parsed.plants = true,
                "--trace" => parsed.trace = true,
                other => return Err(format!("{other:?} is not known")),
            }
        }
        Ok(parsed)
    }
}
