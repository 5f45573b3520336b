//! `systest programs`: Kafka's system-test programs, as milena has them, on three nodes of real Kafka under faults.

mod consume;
mod copier;
mod process;
mod run;
mod scenario;
mod scenarios;
mod verify;
mod watcher;
mod world;

use std::env;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::time::Instant;

use self::run::Finished;
use self::scenario::Scenario;
use self::scenarios::Wish;
use self::verify::Verdict;
use self::world::World;
use crate::failure::{Failure, Result};

/// Speaks TV2, and TV1.
const VERSIONS: [&str; 2] = ["4.3.1", "3.9.2"];
/// So many runs are judged together: Java takes seconds to start and to find the end, several can do so at once.
const JUDGED_TOGETHER: usize = 10;

struct Options {
    versions: Vec<String>,
    /// Only these; all, if none is named.
    named: Vec<String>,
    short: bool,
    list: bool,
    seed: u64,
    rounds: u64,
    milena: PathBuf,
}

pub(crate) async fn main(arguments: &[String]) -> Result<()> {
    let options = Options::parse(arguments)?;
    if options.list {
        for version in &options.versions {
            for scenario in options.scenarios(version, 0)? {
                println!("{version} {}", scenario.name);
            }
        }
        return Ok(());
    }
    if !options.milena.is_file() {
        let program = options.milena.display();
        let text = format!(
            "{program} is not there: cargo build --release -p milena-cli, or --milena PATH"
        );
        return Err(Failure::new(text));
    }
    let mut wrong = Vec::new();
    for version in &options.versions {
        wrong.extend(run_version(&options, version).await?);
    }
    if wrong.is_empty() {
        return Ok(());
    }
    Err(Failure::new(format!("wrong: {}", wrong.join(", "))))
}

/// One cluster, all scenarios; the names of those that went wrong.
async fn run_version(options: &Options, version: &str) -> Result<Vec<String>> {
    let started = Instant::now();
    // What one copier copies takes some ten seconds, so that faults have something to strike.
    let input = if options.short { 3_000 } else { 12_000 };
    let world = World::start(version, options.milena.clone(), input).await?;
    let mut world = Arc::new(world);
    println!("Kafka {version}, seed {}", options.seed);
    let (mut wrong, mut runs, mut count) = (Vec::new(), Vec::new(), 0);
    for round in 0..options.rounds {
        for scenario in options.scenarios(version, round)? {
            count += 1;
            eprintln!(
                "{:6.1} s  {} ..",
                started.elapsed().as_secs_f32(),
                scenario.name
            );
            let run = run::run(&world, scenario, count).await?;
            eprintln!("{:6.1} s  {}", started.elapsed().as_secs_f32(), fired(&run));
            runs.push(run);
            if runs.len() == JUDGED_TOGETHER {
                wrong.extend(judge(&mut world, std::mem::take(&mut runs)).await?);
            }
        }
    }
    wrong.extend(judge(&mut world, runs).await?);
    let seconds = started.elapsed().as_secs();
    println!(
        "Kafka {version}: {count} runs in {seconds} s, {} wrong",
        wrong.len()
    );
    Ok(wrong)
}

async fn judge(world: &mut Arc<World>, runs: Vec<Finished>) -> Result<Vec<String>> {
    let mut wrong = Vec::new();
    for verdict in verify::judge(world, runs).await? {
        print_verdict(&verdict);
        if !verdict.complaints.is_empty() {
            let mark = &verdict.finished.mark;
            wrong.push(format!("{} {mark}", world.cluster.version()));
            keep(world, &verdict)?;
        }
    }
    if !wrong.is_empty()
        && let Some(world) = Arc::get_mut(world)
    {
        world.keep = true;
    }
    Ok(wrong)
}

fn print_verdict(verdict: &Verdict) {
    let run = &verdict.finished;
    let restarts: usize = run
        .copiers
        .iter()
        .map(|copier| copier.incarnations.len())
        .sum();
    println!(
        "{:<28} {:6.1} s  {:6} records  {:6}+{} lines  {} copier starts  [{}]  {}",
        run.mark,
        run.took.as_secs_f32(),
        verdict.records,
        verdict.counts.successes,
        verdict.counts.errors,
        restarts,
        fired(run),
        if verdict.complaints.is_empty() {
            "right"
        } else {
            "WRONG"
        }
    );
    print!("{}", verdict.complaints);
    for errors in run.copiers.iter().flat_map(|copier| &copier.errors) {
        println!("    a copier that ended before it had finished said: {errors}");
    }
}

/// How often each kind of fault happened.
fn fired(run: &Finished) -> String {
    let fired = run.fired.iter();
    let fired: Vec<String> = fired
        .map(|(label, count)| format!("{label} {count}"))
        .collect();
    fired.join(", ")
}

/// Leaves what the programs said where a person can read it.
fn keep(world: &World, verdict: &Verdict) -> Result<()> {
    let run = &verdict.finished;
    let write = |name: String, lines: &[crate::check::Line], errors: &str| {
        let mut text = String::new();
        for line in lines {
            text.push_str(&format!("{:9.3} {}\n", line.at.as_secs_f32(), line.text));
        }
        text.push_str(errors);
        std::fs::write(world.folder.join(name), text)
    };
    if let Some(process) = &run.producer {
        write(
            format!("{}-producer.txt", run.mark),
            &process.lines(),
            &process.errors(),
        )?;
    }
    for (number, copier) in run.copiers.iter().enumerate() {
        for (incarnation, said) in copier.incarnations.iter().enumerate() {
            let name = format!("{}-copier-{number}-{incarnation}.txt", run.mark);
            write(
                name,
                &said.lines,
                &format!("{:?} {:?}\n", said.exit, said.fate),
            )?;
        }
    }
    println!(
        "    what the programs said is in {}",
        world.folder.display()
    );
    Ok(())
}

impl Options {
    fn parse(arguments: &[String]) -> Result<Self> {
        let mut options = Self {
            versions: VERSIONS.map(str::to_owned).into(),
            named: Vec::new(),
            short: false,
            list: false,
            seed: 1,
            rounds: 1,
            milena: beside_this()?,
        };
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            let mut value = || {
                let value = arguments.next();
                value.ok_or_else(|| Failure::new(format!("{argument} needs a value")))
            };
            match argument.as_str() {
                "--short" => options.short = true,
                "--list" => options.list = true,
                "--version" => match value()?.as_str() {
                    "both" => {}
                    version if VERSIONS.contains(&version) => {
                        options.versions = vec![version.to_owned()]
                    }
                    other => {
                        return Err(Failure::new(format!(
                            "--version is 4.3.1, 3.9.2 or both, not {other}"
                        )));
                    }
                },
                "--scenario" => options.named.push(value()?.clone()),
                "--seed" => options.seed = value()?.parse()?,
                "--rounds" => options.rounds = value()?.parse()?,
                "--milena" => options.milena = PathBuf::from(value()?),
                other => {
                    return Err(Failure::new(format!(
                        "{other} is not an option of programs"
                    )));
                }
            }
        }
        Ok(options)
    }

    fn scenarios(&self, version: &str, round: u64) -> Result<Vec<Scenario>> {
        let mut scenarios = scenarios::all(Wish {
            seed: self.seed + round,
            short: self.short,
            adds: version.starts_with('3'),
        });
        let is_there = |name: &&String| scenarios.iter().any(|scenario| scenario.name == **name);
        if let Some(name) = self.named.iter().find(|name| !is_there(name)) {
            let form = if self.short { " --short" } else { "" };
            return Err(Failure::new(format!(
                "{name} is no scenario on {version}: see --list{form}"
            )));
        }
        if !self.named.is_empty() {
            scenarios.retain(|scenario| self.named.contains(&scenario.name));
        }
        Ok(scenarios)
    }
}

/// The program that is built beside this one.
fn beside_this() -> Result<PathBuf> {
    let own = env::current_exe()?;
    Ok(own
        .parent()
        .unwrap_or_else(|| Path::new("."))
        .join("milena"))
}
