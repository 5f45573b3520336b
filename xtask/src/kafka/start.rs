//! `kafka start`: from nothing to a cluster whose every node is registered.

use super::state::{self, Cluster};
use super::{DEFAULT_NAME, jars, node, probe, stop};
use crate::failure::{Context, Failure, Result};
use crate::flags::Flags;
use crate::process::ProcessId;
use std::env;
use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// Free ports are looked for here: below the range that systems hand out for outgoing connections, so none is taken in passing.
const FREE_PORTS: std::ops::Range<u16> = 20_000..30_000;
const POLL_INTERVAL: Duration = Duration::from_millis(100);
/// Generous: three JVMs beside a compiler on two cores take a minute.
const TIMEOUT_SECONDS: u64 = 240;

struct Wish {
    name: String,
    version: String,
    nodes: u16,
    /// 0: any free ones.
    port: u16,
    transaction_version: Option<u8>,
    relay_ports: Vec<u16>,
    session_timeout_ms: u32,
    controlled_shutdown: bool,
    watched: Vec<ProcessId>,
    reuse: bool,
    timeout: Duration,
}

pub(crate) fn main(arguments: &[String]) -> Result<()> {
    let wish = Wish::parse(arguments)?;
    let started = Instant::now();
    let lock = state::lock(&wish.name)?;
    if let Some(cluster) = running(&wish)? {
        println!("{}", cluster.bootstrap());
        return Ok(());
    }
    let jars = jars::fetch(&wish.version)?;
    let cluster = wish.lay_out()?;
    for watched in &wish.watched {
        cluster.watch(watched)?;
    }
    spawn_supervisor(&cluster)?;
    if let Err(failure) = wait_until_registered(&cluster, wish.timeout) {
        drop(lock);
        stop::stop(&cluster);
        return Err(failure);
    }
    cluster.mark("ready")?;
    eprintln!(
        "Kafka {} with {} node(s) is ready after {:.1} s",
        jars.version,
        wish.nodes,
        started.elapsed().as_secs_f32()
    );
    println!("{}", cluster.bootstrap());
    Ok(())
}

impl Wish {
    fn parse(arguments: &[String]) -> Result<Self> {
        let flags = Flags::parse(
            arguments,
            &[
                "version",
                "nodes",
                "port",
                "name",
                "transaction-version",
                "relay-ports",
                "session-timeout",
                "watch-pid",
                "timeout",
            ],
            &["reuse", "controlled-shutdown"],
        )?
        .without_rest()?;
        let nodes = flags.parsed("nodes")?.unwrap_or(1);
        if nodes != 1 && nodes != 3 {
            return Err(Failure::new(format!("--nodes is 1 or 3, not {nodes}")));
        }
        let version = flags.required("version")?.to_owned();
        let transaction_version = flags.parsed("transaction-version")?;
        node::check_transaction_version(&version, transaction_version)?;
        let port: u16 = flags.parsed("port")?.unwrap_or(9092);
        if port.checked_add(nodes).is_none() {
            return Err(Failure::new(format!(
                "--port {port} leaves no room for {nodes} nodes"
            )));
        }
        let mut watched = Vec::new();
        for pid in flags.all("watch-pid")? {
            let process = ProcessId::of(pid);
            watched.push(
                process.ok_or_else(|| Failure::new(format!("process {pid} is not running")))?,
            );
        }
        Ok(Self {
            name: flags.value("name").unwrap_or(DEFAULT_NAME).to_owned(),
            version,
            nodes,
            port,
            transaction_version,
            relay_ports: relay_ports(&flags, nodes)?,
            session_timeout_ms: match flags.parsed::<u32>("session-timeout")? {
                Some(seconds) => seconds.saturating_mul(1000),
                None => state::SESSION_TIMEOUT_MS,
            },
            controlled_shutdown: flags.switch("controlled-shutdown"),
            watched,
            reuse: flags.switch("reuse"),
            timeout: Duration::from_secs(flags.parsed("timeout")?.unwrap_or(TIMEOUT_SECONDS)),
        })
    }

    /// Writes down a new cluster: ports that were free a moment ago, and where its data goes.
    fn lay_out(&self) -> Result<Cluster> {
        let ports = self.broker_ports()?;
        let mut taken = [ports.as_slice(), &self.relay_ports].concat();
        let controller_ports = free_ports(self.nodes, &taken)?;
        taken.extend(&controller_ports);
        let relays = u16::try_from(self.relay_ports.len()).unwrap_or(0);
        let relay_targets = free_ports(relays, &taken)?;
        let cluster = Cluster {
            name: self.name.clone(),
            version: self.version.clone(),
            transaction_version: self.transaction_version,
            ports,
            controller_ports,
            relay_ports: self.relay_ports.clone(),
            relay_targets,
            session_timeout_ms: self.session_timeout_ms,
            controlled_shutdown: self.controlled_shutdown,
            data: state::data_directory(&self.name),
        };
        // What a broker that was killed from outside may have left.
        cluster.remove();
        fs::create_dir_all(cluster.directory())
            .context(|| format!("create {}", cluster.directory().display()))?;
        cluster.save()?;
        Ok(cluster)
    }

    fn broker_ports(&self) -> Result<Vec<u16>> {
        if self.port == 0 {
            return free_ports(self.nodes, &self.relay_ports);
        }
        let ports: Vec<u16> = (self.port..self.port + self.nodes).collect();
        for port in &ports {
            if !is_free(*port) {
                return Err(Failure::new(format!(
                    "port {port} is in use: end what listens there, or give another --port"
                )));
            }
        }
        Ok(ports)
    }
}

/// `--relay-ports P,P,P`: one a node, all different.
fn relay_ports(flags: &Flags, nodes: u16) -> Result<Vec<u16>> {
    let Some(text) = flags.value("relay-ports") else {
        return Ok(Vec::new());
    };
    let ports: Vec<u16> = text
        .split(',')
        .map(|port| {
            port.parse()
                .context(|| format!("--relay-ports: {port} is no port"))
        })
        .collect::<Result<_>>()?;
    let distinct = (1..)
        .zip(&ports)
        .all(|(next, port)| !ports[next..].contains(port));
    if ports.len() == usize::from(nodes) && distinct && !ports.contains(&0) {
        return Ok(ports);
    }
    Err(Failure::new(format!(
        "--relay-ports {text}: one port a node, all different, for {nodes} node(s)"
    )))
}

/// The cluster of that name that runs already, if it may be handed out again.
fn running(wish: &Wish) -> Result<Option<Cluster>> {
    let Some(cluster) = Cluster::load(&wish.name)? else {
        return Ok(None);
    };
    if !cluster.is_ready() {
        stop::stop_locked(&cluster);
        return Ok(None);
    }
    let same = cluster.version == wish.version
        && cluster.ports.len() == usize::from(wish.nodes)
        && cluster.transaction_version == wish.transaction_version
        && cluster.relay_ports == wish.relay_ports
        && cluster.session_timeout_ms == wish.session_timeout_ms
        && cluster.controlled_shutdown == wish.controlled_shutdown;
    if !wish.reuse || !same {
        return Err(Failure::new(format!(
            "a cluster runs already ({cluster}): cargo xtask kafka stop --name {}, or give another --name",
            wish.name
        )));
    }
    // A cluster that was started to stay is not made to end with a test run.
    if !cluster.watched().is_empty() {
        for watched in &wish.watched {
            cluster.watch(watched)?;
        }
    }
    Ok(Some(cluster))
}

/// In a process group of its own, so that neither Ctrl-C nor the end of this terminal's job reaches the brokers.
fn spawn_supervisor(cluster: &Cluster) -> Result<()> {
    let program = env::current_exe().context(|| "find the xtask program".into())?;
    let own = ProcessId::of(std::process::id())
        .ok_or_else(|| Failure::new("this process is not in the process table"))?;
    cluster.save_process("starter", &own)?;
    let log = cluster.directory().join("supervisor.log");
    let output = File::create(&log).context(|| format!("create {}", log.display()))?;
    let child = Command::new(program)
        .args(["kafka", "supervise", "--name", &cluster.name])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(output)
        .process_group(0)
        .spawn()
        .context(|| "start the supervisor".into())?;
    let supervisor =
        ProcessId::of(child.id()).ok_or_else(|| Failure::new("the supervisor ended at once"))?;
    cluster.save_process("supervisor", &supervisor)
}

/// Every node must know every node: a node that only itself knows of would refuse to lead or to replicate.
fn wait_until_registered(cluster: &Cluster, timeout: Duration) -> Result<()> {
    let deadline = Instant::now() + timeout;
    let mut expected = cluster.ports.clone();
    expected.sort_unstable();
    loop {
        let all = cluster.ports.iter().all(|port| {
            probe::registered_ports(*port).is_ok_and(|mut ports| {
                ports.sort_unstable();
                ports == expected
            })
        });
        if all {
            return Ok(());
        }
        if !cluster.is_supervised() || cluster.is_marked("failed") {
            return Err(Failure::new(format!(
                "Kafka {} did not start:\n{}",
                cluster.version,
                why(cluster)
            )));
        }
        if Instant::now() >= deadline {
            return Err(Failure::new(format!(
                "Kafka {} was not ready within {} s:\n{}",
                cluster.version,
                timeout.as_secs(),
                why(cluster)
            )));
        }
        thread::sleep(POLL_INTERVAL);
    }
}

fn why(cluster: &Cluster) -> String {
    let log = cluster.directory().join("supervisor.log");
    let mut text = fs::read_to_string(log).unwrap_or_default();
    for node in 1..=cluster.ports.len() {
        text.push_str(&format!("node {node}: {}\n", node::log_tail(cluster, node)));
    }
    text
}

fn free_ports(count: u16, taken: &[u16]) -> Result<Vec<u16>> {
    // Starts at a place that differs from process to process: two that look at the same moment should not find the same ports.
    let span = FREE_PORTS.end - FREE_PORTS.start;
    let offset = u16::try_from(std::process::id() * 16 % u32::from(span)).unwrap_or(0);
    let ports = (0..span)
        .map(|step| FREE_PORTS.start + (offset + step) % span)
        .filter(|port| !taken.contains(port) && is_free(*port))
        .take(usize::from(count));
    let ports: Vec<u16> = ports.collect();
    if ports.len() == usize::from(count) {
        return Ok(ports);
    }
    Err(Failure::new("no free ports between 20000 and 30000"))
}

fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn relay_ports_of(text: &str, nodes: u16) -> Result<Vec<u16>> {
        let arguments = ["--relay-ports".to_owned(), text.to_owned()];
        relay_ports(&Flags::parse(&arguments, &["relay-ports"], &[])?, nodes)
    }

    #[test]
    fn relay_ports_are_one_a_node_and_all_different() {
        assert_eq!(relay_ports_of("1,2,3", 3).expect("valid"), [1, 2, 3]);
        assert_eq!(relay_ports_of("7", 1).expect("valid"), [7]);
        for wrong in ["1,2", "1,2,2", "1,2,x", "0,1,2", ""] {
            assert!(relay_ports_of(wrong, 3).is_err(), "{wrong}");
        }
    }
}
