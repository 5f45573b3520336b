//! `cargo xtask plants`: milena is built with one bug at a time, and the simulation must catch each by the check that is there
//! for it. A simulation that finds nothing proves nothing.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::failure::{Context, Failure, Result};
use crate::flags::Flags;
use crate::process;

const SEEDS: u64 = 200;
/// Seeds without a plant, which must all pass: a check that fails for no reason would catch every plant.
const CONTROL_SEEDS: u64 = 20;
/// A plant can make the client run in circles; nobody waits for that longer than this.
const PATIENCE: Duration = Duration::from_secs(300);
/// Plants that are looked for at the same time.
const WORKERS: usize = 2;
/// So much of a failure is told.
const TEXT_MAX: usize = 110;

/// What came of one plant.
struct Row {
    plant: String,
    caught: bool,
    seed: String,
    check: String,
    text: String,
    took: Duration,
}

pub(crate) fn main(arguments: &[String]) -> Result<()> {
    let flags = Flags::parse(arguments, &["plant", "seeds"], &[])?.without_rest()?;
    let seeds = flags.parsed("seeds")?.unwrap_or(SEEDS);
    let program = build()?;
    let mut wanted = names(&program)?;
    if let Some(plant) = flags.value("plant") {
        wanted.retain(|name| name == plant);
        if wanted.is_empty() {
            let all = names(&program)?.join("\n  ");
            return Err(Failure::new(format!(
                "{plant} is not a plant; there are:\n  {all}"
            )));
        }
    }
    let begun = Instant::now();
    let control = control(&program)?;
    let rows = search_all(&program, &wanted, seeds)?;
    println!(
        "\n{:<56} {:>6}  {:<12} first line",
        "plant", "seed", "check"
    );
    print_row(&control);
    rows.iter().for_each(print_row);
    let missed: Vec<&str> = rows
        .iter()
        .filter(|row| !row.caught)
        .map(|row| row.plant.as_str())
        .collect();
    println!(
        "\n{} of {} plants caught within {seeds} seeds, {} s",
        rows.len() - missed.len(),
        rows.len(),
        begun.elapsed().as_secs()
    );
    if !control.caught {
        return Err(Failure::new("a run without a plant failed"));
    }
    if missed.is_empty() {
        return Ok(());
    }
    let missed = missed.join(", ");
    Err(Failure::new(format!(
        "not caught by a check that is there for it: {missed}"
    )))
}

/// Builds the simulation with the plants in it, apart from all other builds: nothing that ships is ever built so.
fn build() -> Result<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let target = env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| root.join("target"), PathBuf::from)
        .join("plants");
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .args(["build", "--quiet", "--release", "--package", "milena-sim"])
        .args(["--features", "plants", "--target-dir"])
        .arg(&target)
        .current_dir(&root)
        .status()
        .context(|| "cargo could not be started".to_owned())?;
    if !status.success() {
        return Err(Failure::new("the simulation with plants does not build"));
    }
    Ok(target.join("release").join("milena-sim"))
}

fn names(program: &Path) -> Result<Vec<String>> {
    let listed = process::output(Command::new(program).arg("--plants"), "the list of plants")?;
    let name = |line: &str| line.split('\t').next().map(str::to_owned);
    Ok(listed.lines().filter_map(name).collect())
}

fn control(program: &Path) -> Result<Row> {
    let begun = Instant::now();
    let seeds = CONTROL_SEEDS.to_string();
    let mut child = start(program, &["--seeds", &seeds])?;
    let text = wait(&mut child)?.unwrap_or_default();
    let passed = child.wait().is_ok_and(|status| status.success());
    let failed = text.lines().find(|line| line.starts_with("FAILED"));
    Ok(Row {
        plant: "none (control)".to_owned(),
        caught: passed,
        seed: format!("1-{seeds}"),
        check: if passed { "all passed" } else { "FAILED" }.to_owned(),
        text: failed.unwrap_or_default().to_owned(),
        took: begun.elapsed(),
    })
}

fn search_all(program: &Path, plants: &[String], seeds: u64) -> Result<Vec<Row>> {
    let next = Mutex::new(plants.iter());
    let rows = Mutex::new(Vec::new());
    let work = || -> Result<()> {
        loop {
            let Some(plant) = lock(&next).next() else {
                return Ok(());
            };
            let row = search(program, plant, seeds)?;
            eprintln!(
                "{} {plant}: {} s",
                if row.caught { "caught" } else { "MISSED" },
                row.took.as_secs()
            );
            lock(&rows).push(row);
        }
    };
    thread::scope(|scope| {
        let workers: Vec<_> = (0..WORKERS).map(|_| scope.spawn(work)).collect();
        workers.into_iter().try_for_each(|worker| {
            worker
                .join()
                .unwrap_or_else(|_| Err(Failure::new("a worker panicked")))
        })
    })?;
    let mut rows = std::mem::take(&mut *lock(&rows));
    rows.sort_by_key(|row: &Row| plants.iter().position(|plant| *plant == row.plant));
    Ok(rows)
}

fn search(program: &Path, plant: &str, seeds: u64) -> Result<Row> {
    let begun = Instant::now();
    let mut child = start(program, &["--plant", plant, "--seeds", &seeds.to_string()])?;
    let told = wait(&mut child)?;
    let line = match &told {
        Some(text) => text.lines().last().unwrap_or_default(),
        None => "missed\t\t-\tnone\tthe search did not come to an end",
    };
    // Whether, the plant, the seed, the check, and what it said.
    let mut fields = line.splitn(5, '\t');
    let mut field = || fields.next().unwrap_or_default().to_owned();
    let (word, _, seed, check, text) = (field(), field(), field(), field(), field());
    Ok(Row {
        plant: plant.to_owned(),
        caught: word == "caught",
        seed,
        check,
        text,
        took: begun.elapsed(),
    })
}

fn start(program: &Path, arguments: &[&str]) -> Result<Child> {
    Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .context(|| format!("{} could not be started", program.display()))
}

/// All that it says, or nothing if it does not end.
fn wait(child: &mut Child) -> Result<Option<String>> {
    let stdout = child.stdout.take();
    let reader = thread::spawn(move || stdout.map(std::io::read_to_string));
    let begun = Instant::now();
    while child
        .try_wait()
        .context(|| "a run cannot be waited for".to_owned())?
        .is_none()
    {
        if begun.elapsed() > PATIENCE {
            // Gone already is as good.
            let _ = child.kill();
            let _ = child.wait();
            return Ok(None);
        }
        thread::sleep(Duration::from_millis(20));
    }
    let text = reader.join().ok().flatten();
    text.transpose()
        .context(|| "a run's words cannot be read".to_owned())
}

fn print_row(row: &Row) {
    let text: String = row.text.chars().take(TEXT_MAX).collect();
    let verdict = if row.caught { "" } else { "MISSED; " };
    println!(
        "{:<56} {:>6}  {:<12} {verdict}{text}",
        row.plant, row.seed, row.check
    );
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
