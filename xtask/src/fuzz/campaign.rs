//! Runs of libFuzzer.

use std::fs::{self, File};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::report::{self, Row};
use super::{Target, fuzz};
use crate::failure::{Context, Failure, Result};

/// No input is longer: what can be wrong with bytes is wrong with few of them.
pub(super) const INPUT_BYTES_MAX: usize = 16 * 1024;
/// No input may take so long, in seconds.
const INPUT_SECONDS_MAX: u64 = 10;
/// No target may take so much memory, nor ask for so much at once, in MiB. The sanitizer's own memory is in the first.
const MEMORY_MIB_MAX: u64 = 1024;
const ALLOCATION_MIB_MAX: u64 = 64;
/// A run ends by itself; how long it may take for that after its time.
const PATIENCE: Duration = Duration::from_secs(120);

/// Runs each target for its share of `seconds`, `jobs` at a time, and fails if one was broken.
pub(super) fn run(targets: &[Target], seconds: u64, jobs: usize) -> Result<()> {
    let share = (seconds / targets.len() as u64).max(1);
    println!(
        "{} targets, {share} s each, {jobs} at a time",
        targets.len()
    );
    let next = Mutex::new(targets.iter());
    let rows = Mutex::new(Vec::new());
    let work = || -> Result<()> {
        loop {
            // Its own statement, or the lock would be held while the target runs.
            let target = next.lock().unwrap_or_else(PoisonError::into_inner).next();
            let Some(target) = target else {
                return Ok(());
            };
            let row = run_one(target, share)?;
            rows.lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(row);
        }
    };
    thread::scope(|scope| {
        let workers: Vec<_> = (0..jobs).map(|_| scope.spawn(work)).collect();
        workers.into_iter().try_for_each(|worker| {
            worker
                .join()
                .unwrap_or_else(|_| Err(Failure::new("a worker panicked")))
        })
    })?;
    let mut rows = rows.into_inner().unwrap_or_else(PoisonError::into_inner);
    rows.sort_by(|a, b| a.target.cmp(&b.target));
    report::print(&rows);
    report::verdict(targets, &rows)
}

/// libFuzzer's program for `target`, bounded, its words going to the target's log.
pub(super) fn program(target: &Target) -> Result<Command> {
    let log = File::create(&target.log).context(|| target.log.display().to_string())?;
    let mut command = Command::new(&target.program);
    command
        .arg(format!("-max_len={INPUT_BYTES_MAX}"))
        .arg(format!("-timeout={INPUT_SECONDS_MAX}"))
        .arg(format!("-rss_limit_mb={MEMORY_MIB_MAX}"))
        .arg(format!("-malloc_limit_mb={ALLOCATION_MIB_MAX}"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log);
    Ok(command)
}

/// Waits for `child`, but not beyond `limit`; whether it ended well.
pub(super) fn wait(child: &mut Child, limit: Duration) -> Result<bool> {
    let begun = Instant::now();
    loop {
        let ended = child
            .try_wait()
            .context(|| "waiting for a target".to_owned())?;
        if let Some(status) = ended {
            return Ok(status.success());
        }
        if begun.elapsed() > limit {
            // Gone already is as good.
            let _ = child.kill();
            let _ = child.wait();
            return Ok(false);
        }
        thread::sleep(Duration::from_millis(100));
    }
}

fn run_one(target: &Target, seconds: u64) -> Result<Row> {
    let before = super::files(&target.artifacts)?;
    let mut child = program(target)?
        .arg(format!("-max_total_time={seconds}"))
        .arg("-print_final_stats=1")
        .arg(format!("-dict={}", fuzz().join("dictionary.txt").display()))
        .arg(format!("-artifact_prefix={}/", target.artifacts.display()))
        .args([&target.scratch, &target.corpus])
        .spawn()
        .context(|| format!("{} could not be started", target.program.display()))?;
    let succeeded = wait(&mut child, Duration::from_secs(seconds) + PATIENCE)?;
    let text = fs::read(&target.log).context(|| target.log.display().to_string())?;
    let mut findings = super::files(&target.artifacts)?;
    findings.retain(|path| !before.contains(path));
    let row = report::row(
        &target.name,
        &String::from_utf8_lossy(&text),
        findings,
        succeeded,
    );
    eprintln!("{}: {}", row.target, row.verdict());
    Ok(row)
}
