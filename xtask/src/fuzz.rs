//! `cargo xtask fuzz`: every fuzz target for a while, and what came of it.
//!
//! The targets are built as cargo-fuzz builds them, which therefore need not be installed: nightly Rust, AddressSanitizer, libFuzzer's
//! coverage. What a run finds worth keeping goes into a scratch corpus; `--minimise` brings the best of it into the one that is checked in.

mod build;
mod campaign;
mod minimise;
mod report;

use std::fs;
use std::path::{Path, PathBuf};

use crate::failure::{Context, Failure, Result};
use crate::flags::Flags;

/// One target, built.
struct Target {
    name: String,
    program: PathBuf,
    /// What is checked in.
    corpus: PathBuf,
    /// What runs have found on this machine.
    scratch: PathBuf,
    /// Where inputs go that broke it.
    artifacts: PathBuf,
    /// What libFuzzer said last.
    log: PathBuf,
}

pub(crate) fn main(arguments: &[String]) -> Result<()> {
    let flags = Flags::parse(
        arguments,
        &["seconds", "target", "jobs"],
        &["minimise", "build"],
    )?
    .without_rest()?;
    let mut names = names()?;
    let wanted: Vec<String> = flags.all("target")?;
    if let Some(unknown) = wanted.iter().find(|name| !names.contains(name)) {
        let all = names.join(", ");
        return Err(Failure::new(format!(
            "{unknown} is not a target; there are {all}"
        )));
    }
    names.retain(|name| wanted.is_empty() || wanted.contains(name));
    let seconds: Option<u64> = flags.parsed("seconds")?;
    let jobs: usize = flags.parsed("jobs")?.unwrap_or(1);
    let minimise = flags.switch("minimise");
    if seconds.is_none() && !minimise && !flags.switch("build") {
        return Err(Failure::new(
            "for how long? --seconds N; or --minimise, or --build",
        ));
    }
    let targets = build::build(&names)?;
    if let Some(seconds) = seconds {
        campaign::run(&targets, seconds, jobs.max(1))?;
    }
    if minimise {
        minimise::minimise(&targets)?;
    }
    Ok(())
}

/// The folder of the fuzz targets.
fn fuzz() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
    root.unwrap_or_else(|| Path::new(".")).join("fuzz")
}

/// Every target there is: a file each.
fn names() -> Result<Vec<String>> {
    let files = files(&fuzz().join("fuzz_targets"))?;
    let names = files.iter().filter_map(|path| path.file_stem()?.to_str());
    Ok(names.map(str::to_owned).collect())
}

/// The files of a folder, in order of their names.
fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).context(|| folder.display().to_string())?;
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    Ok(paths)
}
