//! A three-node Kafka of one's own, started and ended by `cargo xtask kafka`, and its brokers killed, paused and started again.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use milena::{Client, NewTopic};

use crate::failure::{Context, Failure, Result};

/// How many nodes a cluster has; they are numbered from 1.
pub(crate) const NODES: usize = 3;
/// A killed broker may come back after so long. Short, or a run of kills would be spent waiting for it.
const SESSION_TIMEOUT_SECONDS: &str = "6";

/// What is done to one broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NodeCommand {
    /// SIGKILL; returns when the process is gone.
    Kill,
    /// SIGTERM, upon which it hands over what it leads; returns when the process is gone.
    Terminate,
    /// SIGSTOP.
    Pause,
    /// SIGCONT.
    Resume,
    /// Starts it again on its own data; returns when it is registered again.
    Start,
}

/// A running cluster, of three nodes unless it says otherwise. Dropped, it ends; it ends as well when this process does, however that happens.
#[derive(Debug)]
pub(crate) struct Cluster {
    name: String,
    version: String,
    bootstrap: String,
    relay_targets: Vec<u16>,
}

impl Cluster {
    /// Starts three nodes of a Kafka version. With `relay`, each has one more listener, which sends its clients to that port of
    /// 127.0.0.1; [`Cluster::relay_targets`] says where a relay on those ports must forward to.
    pub(crate) async fn start(version: &str, relay: Option<[u16; NODES]>) -> Result<Self> {
        static STARTED: AtomicU32 = AtomicU32::new(0);
        let own = std::process::id();
        let name = format!("systest-{own}-{}", STARTED.fetch_add(1, Ordering::Relaxed));
        let mut arguments = words(&["start", "--version", version, "--name", &name]);
        arguments.extend(words(&["--nodes", "3", "--port", "0"]));
        arguments.extend(words(&["--session-timeout", SESSION_TIMEOUT_SECONDS]));
        arguments.extend(words(&["--controlled-shutdown", "--watch-pid"]));
        arguments.push(own.to_string());
        if let Some(ports) = relay {
            arguments.push("--relay-ports".to_owned());
            arguments.push(ports.map(|port| port.to_string()).join(","));
        }
        let bootstrap = kafka(arguments).await?.trim().to_owned();
        let mut cluster = Self {
            name,
            version: version.to_owned(),
            bootstrap,
            relay_targets: Vec::new(),
        };
        if relay.is_some() {
            let targets = kafka(words(&["relay-targets", "--name", &cluster.name])).await?;
            cluster.relay_targets = ports_of(targets.trim())?;
        }
        Ok(cluster)
    }

    /// Starts one node of a Kafka version.
    pub(crate) async fn start_one(version: &str) -> Result<Self> {
        let own = std::process::id().to_string();
        let name = format!("systest-{own}-one");
        let mut arguments = words(&["start", "--version", version, "--name", &name]);
        arguments.extend(words(&["--nodes", "1", "--port", "0", "--watch-pid", &own]));
        Ok(Self {
            bootstrap: kafka(arguments).await?.trim().to_owned(),
            name,
            version: version.to_owned(),
            relay_targets: Vec::new(),
        })
    }

    /// `host:port,..` of the brokers themselves, past any relay.
    pub(crate) fn bootstrap(&self) -> &str {
        &self.bootstrap
    }

    /// The Kafka version it was started with.
    pub(crate) fn version(&self) -> &str {
        &self.version
    }

    /// The ports behind the relay's, in the order of the nodes; empty without a relay.
    pub(crate) fn relay_targets(&self) -> &[u16] {
        &self.relay_targets
    }

    /// Does something to node `node` (1, 2 or 3).
    pub(crate) async fn node(&self, node: usize, command: NodeCommand) -> Result<()> {
        let word = match command {
            NodeCommand::Kill => "kill",
            NodeCommand::Terminate => "term",
            NodeCommand::Pause => "stop",
            NodeCommand::Resume => "cont",
            NodeCommand::Start => "start",
        };
        let node = node.to_string();
        kafka(words(&[
            "node", "--name", &self.name, "--node", &node, word,
        ]))
        .await
        .context(|| format!("{word} node {node}"))?;
        Ok(())
    }

    /// Waits until every replica of every partition is in sync. Needs all nodes.
    pub(crate) async fn wait_until_in_sync(&self) -> Result<()> {
        kafka(words(&["in-sync", "--name", &self.name])).await?;
        Ok(())
    }

    /// Creates a topic with three replicas, of which two must have a record before it counts.
    pub(crate) async fn create_topic(&self, name: &str, partitions: i32) -> Result<()> {
        let topic = NewTopic::new(name, partitions)
            .replication_factor(3)
            .config("min.insync.replicas", "2");
        self.create(name, topic).await
    }

    /// Creates a topic with one replica.
    pub(crate) async fn create_plain_topic(&self, name: &str, partitions: i32) -> Result<()> {
        self.create(name, NewTopic::new(name, partitions).replication_factor(1))
            .await
    }

    async fn create(&self, name: &str, topic: NewTopic) -> Result<()> {
        let client = Client::connect(&self.bootstrap).await?;
        let created = client.admin().create_topic(topic).await;
        created.context(|| format!("create topic {name}"))
    }

    /// Ends the cluster and removes its data.
    pub(crate) fn stop(self) {
        drop(self);
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // If it fails, the supervisor ends the cluster with this process.
        if let Ok(xtask) = xtask() {
            let _ = run(&xtask, &words(&["stop", "--name", &self.name]));
        }
    }
}

/// Runs `xtask kafka ..` to its end, off the runtime's threads; its standard output.
pub(crate) async fn kafka(arguments: Vec<String>) -> Result<String> {
    let done = tokio::task::spawn_blocking(move || run(&xtask()?, &arguments));
    done.await?
}

fn run(xtask: &Path, arguments: &[String]) -> Result<String> {
    let output = Command::new(xtask)
        .arg("kafka")
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .context(|| format!("run {}", xtask.display()))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(Failure::new(format!(
        "xtask kafka {} failed:\n{}",
        arguments.join(" "),
        String::from_utf8_lossy(&output.stderr).trim()
    )))
}

/// The xtask program itself, built first if need be. Not through `cargo xtask`: cargo waits for whatever else is being built,
/// and a broker that is killed a minute late is killed in another place.
fn xtask() -> Result<PathBuf> {
    static PROGRAM: std::sync::OnceLock<Result<PathBuf>> = std::sync::OnceLock::new();
    PROGRAM.get_or_init(build_xtask).clone()
}

fn build_xtask() -> Result<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let built = Command::new(cargo)
        .args(["build", "--quiet", "--package", "xtask"])
        .current_dir(&root)
        .stdin(Stdio::null())
        .status()
        .context(|| "build xtask".to_owned())?;
    if !built.success() {
        return Err(Failure::new(format!("building xtask failed ({built})")));
    }
    let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    Ok(target.join("debug").join("xtask"))
}

/// The ports of `127.0.0.1:A,127.0.0.1:B`.
fn ports_of(addresses: &str) -> Result<Vec<u16>> {
    let port = |address: &str| {
        let (_, port) = address.rsplit_once(':')?;
        port.parse().ok()
    };
    let ports: Option<Vec<u16>> = addresses.split(',').map(port).collect();
    ports.ok_or_else(|| Failure::new(format!("{addresses} is no list of host:port")))
}

pub(crate) fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_read_from_a_list_of_addresses() {
        assert_eq!(
            ports_of("127.0.0.1:1,127.0.0.1:22").expect("valid"),
            [1, 22]
        );
        assert!(ports_of("").is_err());
        assert!(ports_of("127.0.0.1:x").is_err());
    }
}
