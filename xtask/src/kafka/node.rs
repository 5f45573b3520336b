//! One node of a cluster: a broker and controller in one process.

use super::jars::Jars;
use super::state::Cluster;
use crate::failure::{Context, Failure, Result};
use crate::process;
use std::fmt::Write as _;
use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

/// Any 16 bytes in base64url will do; the same for every cluster, since none ever meets another.
const CLUSTER_ID: &str = "bWlsZW5hLXRlc3Qta2Fmaw";

/// What a node logs, for the person who has to find out why it did not start.
const LOG4J2: &str = "\
status = error
appender.stdout.type = Console
appender.stdout.name = stdout
appender.stdout.layout.type = PatternLayout
appender.stdout.layout.pattern = [%d] %p %m (%c)%n
rootLogger.level = warn
rootLogger.appenderRef.stdout.ref = stdout
";
const RELOAD4J: &str = "\
log4j.rootLogger=WARN, stdout
log4j.appender.stdout=org.apache.log4j.ConsoleAppender
log4j.appender.stdout.layout=org.apache.log4j.PatternLayout
log4j.appender.stdout.layout.ConversionPattern=[%d] %p %m (%c)%n
";

/// Writes the configuration of a node and formats its storage.
pub(crate) fn prepare(cluster: &Cluster, jars: &Jars, node: usize) -> Result<()> {
    let directory = cluster.node_directory(node);
    fs::create_dir_all(&directory).context(|| format!("create {}", directory.display()))?;
    let data = data_directory(cluster, node);
    fs::create_dir_all(&data).context(|| format!("create {}", data.display()))?;
    let properties = directory.join("server.properties");
    fs::write(&properties, server_properties(cluster, node))
        .context(|| format!("write {}", properties.display()))?;
    let (logging, text) = logging(jars, &directory);
    fs::write(&logging, text).context(|| format!("write {}", logging.display()))?;

    let mut format = jars.java();
    // The first compiler only: formatting takes a second, and most of it is compiling.
    format
        .args(["-Xmx256m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"])
        .arg(logging_option(jars, &logging))
        .args(["kafka.tools.StorageTool", "format", "-t", CLUSTER_ID, "-c"])
        .arg(&properties);
    if jars.is_4_or_later()
        && let Some(version) = cluster.transaction_version
    {
        format
            .arg("--feature")
            .arg(format!("transaction.version={version}"));
    }
    process::output(
        &mut format,
        &format!("formatting the storage of node {node}"),
    )?;
    Ok(())
}

/// Starts a node, for the first time or again. Its output goes to `server.log` beside its configuration, after what it wrote
/// before it was ended.
pub(crate) fn spawn(cluster: &Cluster, jars: &Jars, node: usize) -> Result<Child> {
    let directory = cluster.node_directory(node);
    let log = log_file(cluster, node);
    let output = OpenOptions::new()
        .create(true)
        .append(true)
        .open(&log)
        .context(|| format!("create {}", log.display()))?;
    let errors = output.try_clone().context(|| "copy a file handle".into())?;
    let (logging, _) = logging(jars, &directory);
    let mut broker = jars.java();
    broker
        // A small heap and the collector without threads of its own: three nodes share two cores with the client under test.
        .args([
            "-Xms256m",
            "-Xmx640m",
            "-XX:+UseSerialGC",
            "-XX:+ExitOnOutOfMemoryError",
        ])
        .arg(logging_option(jars, &logging))
        .arg("kafka.Kafka")
        .arg(directory.join("server.properties"))
        .current_dir(&directory)
        .stdin(Stdio::null())
        .stdout(output)
        .stderr(errors);
    broker.spawn().context(|| format!("start node {node}"))
}

/// The name of a node's process in the cluster's state.
pub(crate) fn role(node: usize) -> String {
    format!("node-{node}")
}

/// The mark that asks the supervisor to start a node again.
pub(crate) fn start_mark(node: usize) -> String {
    format!("start-node-{node}")
}

/// The end of what a node logged, indented, for the message about its failure.
pub(crate) fn log_tail(cluster: &Cluster, node: usize) -> String {
    let text = fs::read_to_string(log_file(cluster, node)).unwrap_or_default();
    process::tail(&text, 12)
}

/// The topics of its own that a broker keeps must not need more nodes than there are, or no transaction would ever start.
fn server_properties(cluster: &Cluster, node: usize) -> String {
    let nodes = cluster.ports.len();
    let (replicas, in_sync) = if nodes >= 3 { (3, 2) } else { (1, 1) };
    let voters: Vec<String> = (1..)
        .zip(&cluster.controller_ports)
        .map(|(id, port)| format!("{id}@127.0.0.1:{port}"))
        .collect();
    let (port, controller) = (cluster.ports[node - 1], cluster.controller_ports[node - 1]);
    // Brokers keep to the first listener among themselves: what a relay does is done to clients only.
    let (relay_listens, relay_advertises) = match (
        cluster.relay_targets.get(node - 1),
        cluster.relay_ports.get(node - 1),
    ) {
        (Some(target), Some(relay)) => (
            format!(",RELAY://127.0.0.1:{target}"),
            format!(",RELAY://127.0.0.1:{relay}"),
        ),
        _ => (String::new(), String::new()),
    };
    let mut text = format!(
        "process.roles=broker,controller
node.id={node}
controller.quorum.voters={voters}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}{relay_listens}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}{relay_advertises}
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,RELAY:PLAINTEXT
log.dirs={data}
default.replication.factor={replicas}
min.insync.replicas={in_sync}
offsets.topic.replication.factor={replicas}
transaction.state.log.replication.factor={replicas}
transaction.state.log.min.isr={in_sync}
broker.session.timeout.ms={session_timeout}
controlled.shutdown.enable={controlled_shutdown}
",
        voters = voters.join(","),
        data = data_directory(cluster, node).display(),
        session_timeout = cluster.session_timeout_ms,
        controlled_shutdown = cluster.controlled_shutdown,
    );
    text.push_str(SMALL);
    if jars_know_share_groups(&cluster.version) {
        let _ = writeln!(
            text,
            "share.coordinator.state.topic.replication.factor={replicas}"
        );
        let _ = writeln!(text, "share.coordinator.state.topic.min.isr={in_sync}");
        let _ = writeln!(text, "share.coordinator.state.topic.num.partitions=1");
    }
    text
}

/// Small numbers start faster. Timed-out transactions are looked for every second instead of every ten, so that tests of them
/// need not wait.
const SMALL: &str = "\
offsets.topic.num.partitions=5
transaction.state.log.num.partitions=5
group.initial.rebalance.delay.ms=0
log.retention.ms=-1
auto.create.topics.enable=false
num.network.threads=2
num.io.threads=4
broker.heartbeat.interval.ms=500
transaction.abort.timed.out.transaction.cleanup.interval.ms=1000
log.index.size.max.bytes=1048576
log.cleaner.dedupe.buffer.size=16777216
";

fn jars_know_share_groups(version: &str) -> bool {
    super::jars::is_4_or_later(version)
}

fn data_directory(cluster: &Cluster, node: usize) -> PathBuf {
    cluster.data.join(format!("node-{node}"))
}

fn log_file(cluster: &Cluster, node: usize) -> PathBuf {
    cluster.node_directory(node).join("server.log")
}

fn logging(jars: &Jars, directory: &Path) -> (PathBuf, &'static str) {
    if jars.is_4_or_later() {
        (directory.join("log4j2.properties"), LOG4J2)
    } else {
        (directory.join("log4j.properties"), RELOAD4J)
    }
}

fn logging_option(jars: &Jars, file: &Path) -> String {
    let property = if jars.is_4_or_later() {
        "log4j2.configurationFile"
    } else {
        "log4j.configuration"
    };
    format!("-D{property}=file:{}", file.display())
}

/// What `--transaction-version` may say for a Kafka version.
pub(crate) fn check_transaction_version(version: &str, transaction: Option<u8>) -> Result<()> {
    match transaction {
        None => Ok(()),
        Some(0..=2) if super::jars::is_4_or_later(version) => Ok(()),
        Some(0) => Ok(()), // what 3.x has anyway: no finalized transaction.version
        Some(0..=2) => Err(Failure::new(format!(
            "Kafka {version} has no finalized transaction.version: leave --transaction-version away, or take 4.0 or later"
        ))),
        Some(other) => Err(Failure::new(format!(
            "--transaction-version is 0, 1 or 2, not {other}"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cluster(nodes: u16) -> Cluster {
        Cluster {
            name: "x".into(),
            version: "4.3.1".into(),
            transaction_version: None,
            ports: (9092..9092 + nodes).collect(),
            controller_ports: (20_000..20_000 + nodes).collect(),
            relay_ports: Vec::new(),
            relay_targets: Vec::new(),
            session_timeout_ms: 18_000,
            controlled_shutdown: false,
            data: PathBuf::from("data"),
        }
    }

    #[test]
    fn three_nodes_replicate_and_one_does_not() {
        let three = server_properties(&cluster(3), 2);
        assert!(three.contains(
            "controller.quorum.voters=1@127.0.0.1:20000,2@127.0.0.1:20001,3@127.0.0.1:20002\n"
        ));
        assert!(
            three.contains("listeners=PLAINTEXT://127.0.0.1:9093,CONTROLLER://127.0.0.1:20001\n")
        );
        assert!(three.contains("\nmin.insync.replicas=2\n"));
        let one = server_properties(&cluster(1), 1);
        assert!(one.contains("transaction.state.log.replication.factor=1\n"));
    }

    #[test]
    fn a_relay_listener_says_the_relays_address_and_brokers_keep_to_their_own() {
        let mut cluster = cluster(3);
        assert!(!server_properties(&cluster, 1).contains("RELAY://"));
        cluster.relay_ports = vec![31_001, 31_002, 31_003];
        cluster.relay_targets = vec![21_001, 21_002, 21_003];
        let text = server_properties(&cluster, 2);
        assert!(text.contains(
            "listeners=PLAINTEXT://127.0.0.1:9093,CONTROLLER://127.0.0.1:20001,RELAY://127.0.0.1:21002\n"
        ));
        assert!(
            text.contains(
                "advertised.listeners=PLAINTEXT://127.0.0.1:9093,RELAY://127.0.0.1:31002\n"
            )
        );
        assert!(text.contains("inter.broker.listener.name=PLAINTEXT\n"));
    }

    #[test]
    fn transaction_versions_are_refused_where_the_broker_has_none() {
        assert!(check_transaction_version("4.3.1", Some(1)).is_ok());
        assert!(check_transaction_version("3.9.2", None).is_ok());
        assert!(check_transaction_version("3.9.2", Some(2)).is_err());
        assert!(check_transaction_version("4.3.1", Some(3)).is_err());
    }
}
