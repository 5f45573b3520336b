//! Other clients, each a small program beside this one (`systest/codecs`, `systest/go`), made ready through its own package manager.

use std::env;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::Case;
use super::corpus::Line;
use crate::cluster::{kafka, words};
use crate::failure::{Context, Failure, Result};

/// The version of librdkafka's Python package, which brings the library.
const CONFLUENT_KAFKA: &str = "2.16.1";

/// Another client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Other {
    Java,
    Librdkafka,
    FranzGo,
}

/// A client that can be run.
#[derive(Clone, Debug)]
pub(crate) struct Prepared {
    pub(crate) other: Other,
    program: OsString,
    arguments: Vec<OsString>,
}

impl Other {
    pub(crate) const ALL: [Self; 3] = [Self::Java, Self::Librdkafka, Self::FranzGo];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Java => "java",
            Self::Librdkafka => "librdkafka",
            Self::FranzGo => "franz-go",
        }
    }

    /// What it can write beyond what everybody does: levels that milena's build does not have.
    pub(crate) const fn more_cases(self) -> &'static [Case] {
        match self {
            Self::Java => &[Case("gzip:1"), Case("lz4:17"), Case("zstd:19")],
            Self::Librdkafka => &[Case("gzip:1"), Case("lz4:12"), Case("zstd:12")],
            Self::FranzGo => &[Case("gzip:1"), Case("zstd:11")],
        }
    }

    /// Fetches and builds what it needs, once.
    pub(crate) async fn prepare(self, version: &str) -> Result<Prepared> {
        let (program, arguments) = match self {
            Self::Java => {
                let path = kafka(words(&["classpath", "--version", version])).await?;
                let source = beside("codecs/Codecs.java");
                let arguments = vec!["-cp".into(), path.trim().into(), source.into()];
                ("java".into(), arguments)
            }
            Self::Librdkafka => {
                let python = blocking(python).await?;
                (python.into(), vec![beside("codecs/codecs.py").into()])
            }
            Self::FranzGo => (blocking(go).await?.into(), Vec::new()),
        };
        Ok(Prepared {
            other: self,
            program,
            arguments,
        })
    }
}

impl Prepared {
    /// Writes `lines`, by case the partition of its place in the list.
    pub(crate) async fn write(
        &self,
        bootstrap: &str,
        topic: &str,
        cases: &[Case],
        lines: &[Line],
    ) -> Result<()> {
        let cases: Vec<&str> = cases.iter().map(|case| case.0).collect();
        let arguments = words(&["write", bootstrap, topic, &cases.join(",")]);
        let lines: Vec<String> = lines.iter().map(Line::to_string).collect();
        self.run(arguments, lines.join("\n") + "\n").await?;
        Ok(())
    }

    /// Reads the topic until it has seen so many records, or for half a minute.
    pub(crate) async fn read(
        &self,
        bootstrap: &str,
        topic: &str,
        cases: &[Case],
        count: usize,
    ) -> Result<Vec<Line>> {
        let (partitions, count) = (cases.len().to_string(), count.to_string());
        let arguments = words(&["read", bootstrap, topic, &partitions, &count]);
        let text = self.run(arguments, String::new()).await?;
        text.lines().map(Line::parse).collect()
    }

    async fn run(&self, arguments: Vec<String>, input: String) -> Result<String> {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).args(arguments);
        let name = self.other.name();
        blocking(move || {
            command
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped());
            let mut child = command.spawn().context(|| format!("start {name}"))?;
            let mut stdin = child.stdin.take();
            let feeder = std::thread::spawn(move || {
                let sent = stdin
                    .as_mut()
                    .map(|stdin| stdin.write_all(input.as_bytes()));
                // One that ends before it has read everything says why itself.
                drop(sent);
            });
            let output = child.wait_with_output()?;
            drop(feeder.join());
            if output.status.success() {
                return Ok(String::from_utf8(output.stdout)?);
            }
            let errors = String::from_utf8_lossy(&output.stderr);
            Err(Failure::new(format!(
                "{name} failed: {}",
                last_lines(&errors)
            )))
        })
        .await
    }
}

/// Python in an environment of its own that has librdkafka.
fn python() -> Result<PathBuf> {
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

/// The program of `systest/go`.
fn go() -> Result<PathBuf> {
    let cache = cache()?;
    let program = cache.join("codecs-go");
    let _lock = lock(&cache)?;
    let mut build = Command::new("go");
    build
        .args(["build", "-o"])
        .arg(&program)
        .arg(".")
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

fn beside(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    tokio::task::spawn_blocking(work).await?
}

/// Where programs say what went wrong.
fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.trim().lines().collect();
    lines[lines.len().saturating_sub(5)..].join(" | ")
}
