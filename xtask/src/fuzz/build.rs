//! The targets, with a sanitizer and coverage in them.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Target, fuzz};
use crate::failure::{Context, Failure, Result};
use crate::process;

/// As cargo-fuzz sets them.
const RUSTFLAGS: &[&str] = &[
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "-Cllvm-args=-sanitizer-coverage-stack-depth",
    "-Zsanitizer=address",
    "--cfg=fuzzing",
];

/// Builds the targets called `names`, all at once.
pub(super) fn build(names: &[String]) -> Result<Vec<Target>> {
    let host = host()?;
    check_compiler()?;
    let folder = env::var_os("CARGO_TARGET_DIR").map_or_else(
        || fuzz().join("target"),
        |folder| PathBuf::from(folder).join("fuzz"),
    );
    let mut cargo = Command::new("cargo");
    // The flags are for the host as a target, so that build scripts and macros stay as they are.
    cargo
        .args([
            "+nightly",
            "build",
            "--release",
            "--locked",
            "--target",
            &host,
        ])
        .arg("--target-dir")
        .arg(&folder)
        .env("RUSTFLAGS", RUSTFLAGS.join(" "))
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .current_dir(fuzz());
    for name in names {
        cargo.args(["--bin", name]);
    }
    let status = cargo
        .status()
        .context(|| "cargo could not be started".to_owned())?;
    if !status.success() {
        return Err(Failure::new("the fuzz targets do not build"));
    }
    let built = folder.join(host).join("release");
    names
        .iter()
        .map(|name| target(name, &folder, &built))
        .collect()
}

fn target(name: &str, folder: &Path, built: &Path) -> Result<Target> {
    let target = Target {
        name: name.to_owned(),
        program: built.join(name),
        corpus: fuzz().join("corpus").join(name),
        scratch: folder.join("corpus").join(name),
        artifacts: fuzz().join("artifacts").join(name),
        log: folder.join("logs").join(format!("{name}.log")),
    };
    let logs = folder.join("logs");
    for folder in [&target.corpus, &target.scratch, &target.artifacts, &logs] {
        fs::create_dir_all(folder).context(|| folder.display().to_string())?;
    }
    Ok(target)
}

/// What nightly Rust builds for.
fn host() -> Result<String> {
    let mut rustc = Command::new("rustc");
    let text = process::output(rustc.args(["+nightly", "-vV"]), "rustc +nightly");
    let text = text.map_err(|_| {
        Failure::new("fuzzing needs nightly Rust, for sanitizers: rustup toolchain install nightly")
    })?;
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned)
        .ok_or_else(|| Failure::new("rustc +nightly does not say what it builds for"))
}

/// libFuzzer is C++, and comes as source.
fn check_compiler() -> Result<()> {
    let compiler = env::var_os("CXX").unwrap_or_else(|| OsString::from("c++"));
    if process::is_installed(Path::new(&compiler), "--version") {
        return Ok(());
    }
    Err(Failure::new(format!(
        "fuzzing needs a C++ compiler, to build libFuzzer: install one, or name it in CXX ({} is not there)",
        compiler.display()
    )))
}
