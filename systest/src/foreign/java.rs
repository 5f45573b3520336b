//! Java's tools, each a process of its own as users run them.

use std::path::Path;
use std::process::Stdio;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep};

use super::site::{self, Site};
use crate::cluster::{kafka, words};
use crate::failure::{Context, Failure, Result};

/// One tool may take so long.
const TOOL_MAX: Duration = Duration::from_secs(60);

/// Java with Kafka's jars, and the cluster that it is to use.
pub(crate) struct Java {
    classpath: String,
    bootstrap: String,
    modern: bool,
    named: AtomicU32,
}

impl Java {
    pub(crate) async fn prepare(site: &Site) -> Result<Self> {
        let classpath = kafka(words(&["classpath", "--version", site.tools()])).await?;
        Ok(Self {
            classpath: classpath.trim().to_owned(),
            bootstrap: site.bootstrap().to_owned(),
            modern: site.is_modern(),
            named: AtomicU32::new(0),
        })
    }

    pub(crate) fn is_modern(&self) -> bool {
        self.modern
    }

    /// A name that nobody had before.
    pub(crate) fn name(&self, kind: &str) -> String {
        format!("java-{kind}-{}", self.named.fetch_add(1, Ordering::Relaxed))
    }

    pub(crate) fn bootstrap(&self) -> &str {
        &self.bootstrap
    }

    /// Runs a tool with `--bootstrap-server` and these arguments, parted by spaces; its standard output.
    pub(crate) async fn tool(&self, class: &str, arguments: &str) -> Result<String> {
        let bootstrap = format!("--bootstrap-server {}", self.bootstrap);
        self.run(class, &format!("{bootstrap} {arguments}")).await
    }

    pub(crate) async fn run(&self, class: &str, arguments: &str) -> Result<String> {
        let arguments = self.arguments(class, arguments);
        let done = site::output(Path::new("java"), &arguments, TOOL_MAX).await;
        done.context(|| class.to_owned())
    }

    /// Starts a tool that runs until it is told to end.
    pub(crate) fn start(&self, class: &str, arguments: &str) -> Result<Running> {
        let mut child = Command::new("java")
            .args(self.arguments(class, arguments))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .context(|| format!("start {class}"))?;
        let events = Arc::new(Mutex::new(Vec::new()));
        let output = child
            .stdout
            .take()
            .ok_or_else(|| Failure::new("no output"))?;
        let heard = Arc::clone(&events);
        tokio::spawn(async move {
            let mut lines = BufReader::new(output).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                if let Ok(event) = serde_json::from_str(&line) {
                    let mut events = heard.lock().unwrap_or_else(PoisonError::into_inner);
                    events.push(event);
                }
            }
        });
        Ok(Running { child, events })
    }

    /// Small and quick to start: these programs live for seconds.
    fn arguments(&self, class: &str, arguments: &str) -> Vec<String> {
        let mut all = words(&[
            "-Xmx256m",
            "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1",
            "-cp",
        ]);
        all.push(self.classpath.clone());
        all.push(class.to_owned());
        all.extend(arguments.split_whitespace().map(str::to_owned));
        all
    }
}

/// A tool that prints events, a JSON object a line.
pub(crate) struct Running {
    child: Child,
    events: Arc<Mutex<Vec<Value>>>,
}

impl Running {
    /// The events so far, oldest first.
    pub(crate) fn events(&self) -> Vec<Value> {
        let events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        events.clone()
    }

    /// Asks it to end and waits until it has.
    pub(crate) async fn end(mut self) -> Result<()> {
        if let Some(pid) = self.child.id() {
            let pid = pid.to_string();
            Command::new("kill").args(["-TERM", &pid]).status().await?;
        }
        let ended = tokio::time::timeout(TOOL_MAX, self.child.wait()).await;
        ended.map_err(|_| Failure::new("it does not end"))??;
        Ok(())
    }
}

/// Waits until `holds`, a minute at most.
pub(crate) async fn until(what: &str, mut holds: impl FnMut() -> bool) -> Result<()> {
    let deadline = Instant::now() + TOOL_MAX;
    while !holds() {
        if Instant::now() > deadline {
            return Err(Failure::new(format!("{what}: not within {TOOL_MAX:?}")));
        }
        sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

/// Fails with `what` and the text that is not as it should be.
pub(crate) fn ensure(holds: bool, what: &str, text: &str) -> Result<()> {
    match holds {
        true => Ok(()),
        false => Err(Failure::new(format!(
            "{what}: {}",
            text.trim().replace('\n', " | ")
        ))),
    }
}
