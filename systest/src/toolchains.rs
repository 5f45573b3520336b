//! Other languages' package managers: a Python that has librdkafka, the Go programs of `systest/go`.

use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::failure::{Context, Failure, Result};

/// The version of librdkafka's Python package, which brings the library.
const CONFLUENT_KAFKA: &str = "2.16.1";

/// Python in an environment of its own that has librdkafka.
pub(crate) fn python() -> Result<PathBuf> {
    let cache = cache()?;
    let environment = cache.join(format!("confluent-kafka-{CONFLUENT_KAFKA}"));
    let python = environment.join("bin/python");
    let _lock = lock(&cache)?;
    let imports = || {
        let mut command = Command::new(&python);
        command
            .args(["-c", "import confluent_kafka"])
            .stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    if imports() {
        return Ok(python);
    }
    let mut venv = Command::new("python3");
    run(
        venv.args(["-m", "venv", "--clear"]).arg(&environment),
        "make an environment for Python",
    )?;
    let package = format!("confluent-kafka=={CONFLUENT_KAFKA}");
    let mut pip = Command::new(&python);
    pip.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--only-binary",
        ":all:",
        &package,
    ]);
    run(&mut pip, "install librdkafka for Python")?;
    match imports() {
        true => Ok(python),
        false => Err(Failure::new(
            "confluent_kafka was installed and cannot be imported",
        )),
    }
}

/// A program of `systest/go`, by its folder.
pub(crate) fn go(name: &str) -> Result<PathBuf> {
    let cache = cache()?;
    let program = cache.join(format!("{name}-go"));
    let _lock = lock(&cache)?;
    let mut build = Command::new("go");
    build
        .args(["build", "-o"])
        .arg(&program)
        .arg(format!("./{name}"))
        .current_dir(beside("go"));
    run(&mut build, "build the program with franz-go")?;
    Ok(program)
}

fn run(command: &mut Command, doing: &str) -> Result<()> {
    let output = command.stdin(Stdio::null()).output();
    let output = output.context(|| format!("{doing} with {:?}", command.get_program()))?;
    if output.status.success() {
        return Ok(());
    }
    let errors = String::from_utf8_lossy(&output.stderr);
    Err(Failure::new(format!("{doing}: {}", last_lines(&errors))))
}

/// Where `cargo xtask` keeps Kafka's jars.
fn cache() -> Result<PathBuf> {
    let set = |name: &str| env::var_os(name).filter(|path| !path.is_empty());
    let home = || Some(Path::new(&set("HOME")?).join(".cache"));
    let cache = set("XDG_CACHE_HOME").map(PathBuf::from).or_else(home);
    let cache = cache.ok_or_else(|| Failure::new("neither XDG_CACHE_HOME nor HOME is set"))?;
    let cache = cache.join("milena");
    fs::create_dir_all(&cache).context(|| format!("create {}", cache.display()))?;
    Ok(cache)
}

/// Two runs may want to build the same at the same moment: the second waits, and finds it.
fn lock(cache: &Path) -> Result<File> {
    let lock = File::create(cache.join("codecs-lock"))?;
    lock.lock()?;
    Ok(lock)
}

pub(crate) fn beside(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    tokio::task::spawn_blocking(work).await?
}

/// Where programs say what went wrong.
pub(crate) fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.trim().lines().collect();
    lines[lines.len().saturating_sub(5)..].join(" | ")
}
