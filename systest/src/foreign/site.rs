//! What the clients use: `milena broker`, or real Kafka.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::cluster::Cluster;
use crate::failure::{Context, Failure, Result};
use crate::options::Options;
use crate::toolchains::last_lines;

/// The Kafka whose tools are used.
const TOOLS: &str = "4.3.1";

/// Who may use a cluster that asks.
pub(crate) const USER: &str = "alice";
pub(crate) const PASSWORD: &str = "alice-secret";

/// A running cluster.
pub(crate) struct Site {
    bootstrap: String,
    modern: bool,
    kind: Kind,
}

enum Kind {
    Broker(Child),
    Kafka(Cluster),
}

impl Site {
    pub(crate) async fn start(options: &Options) -> Result<Self> {
        let on: String = options.value("on", "broker".to_owned())?;
        if on != "broker" {
            let cluster = Cluster::start(&on, None).await?;
            return Ok(Self {
                bootstrap: cluster.bootstrap().to_owned(),
                modern: !on.starts_with("3."),
                kind: Kind::Kafka(cluster),
            });
        }
        let version: String = options.value("as-version", "4.3".to_owned())?;
        Self::start_broker(options, version != "3.9", &["--as-version", &version]).await
    }

    /// Starts `milena broker` with users and, if wanted, TLS: a certificate and its key.
    pub(crate) async fn start_secure(options: &Options, certificate: &[&str]) -> Result<Self> {
        let user = format!("{USER}:{PASSWORD}");
        let arguments = [&["--sasl-user", &user], certificate].concat();
        Self::start_broker(options, true, &arguments).await
    }

    async fn start_broker(options: &Options, modern: bool, arguments: &[&str]) -> Result<Self> {
        let milena = options.value("milena", beside_this()?)?;
        let mut child = Command::new(&milena)
            .args(["broker", "--nodes", "3", "--port", "0", "--dump"])
            .arg("--until-stdin-ends")
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context(|| format!("start {}", milena.display()))?;
        let output = child.stdout.take();
        let mut lines = BufReader::new(output.ok_or_else(|| Failure::new("no output"))?).lines();
        let first = timeout(Duration::from_secs(10), lines.next_line()).await??;
        // The dump at its end is for people who run it themselves.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Ok(Self {
            bootstrap: first.ok_or_else(|| Failure::new("milena broker said nothing"))?,
            modern,
            kind: Kind::Broker(child),
        })
    }

    pub(crate) fn bootstrap(&self) -> &str {
        &self.bootstrap
    }

    pub(crate) fn is_broker(&self) -> bool {
        matches!(self.kind, Kind::Broker(_))
    }

    /// Whether it has the consumer groups of KIP-848.
    pub(crate) fn is_modern(&self) -> bool {
        self.modern
    }

    /// The version of Java's tools.
    pub(crate) fn tools(&self) -> &str {
        match &self.kind {
            Kind::Broker(_) => TOOLS,
            Kind::Kafka(cluster) => cluster.version(),
        }
    }

    /// Ends it; a broker that does not end well has failed.
    pub(crate) async fn stop(self) -> Result<()> {
        let Kind::Broker(mut child) = self.kind else {
            return Ok(());
        };
        drop(child.stdin.take());
        let status = timeout(Duration::from_secs(10), child.wait()).await??;
        match status.success() {
            true => Ok(()),
            false => Err(Failure::new(format!("milena broker ended with {status}"))),
        }
    }
}

/// Runs a program to its end; its standard output.
pub(crate) async fn output<A: AsRef<OsStr>>(
    program: &Path,
    arguments: &[A],
    within: Duration,
) -> Result<String> {
    let name = program.display();
    let run = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = timeout(within, run)
        .await
        .map_err(|_| Failure::new(format!("{name} was not done after {within:?}")))?
        .context(|| format!("run {name}"))?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(said);
    }
    let errors = String::from_utf8_lossy(&output.stderr);
    let said = format!("{} | {}", last_lines(&errors), last_lines(&said));
    Err(Failure::new(said))
}

fn beside_this() -> Result<PathBuf> {
    let this = std::env::current_exe()?;
    Ok(this.with_file_name("milena"))
}
