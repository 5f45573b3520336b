//! `kafka node`: kills, pauses and starts single brokers of a running cluster. `kafka in-sync`: waits until that is forgotten.
//! `kafka relay-targets`: where a relay sends to.

use super::state::Cluster;
use super::{DEFAULT_NAME, node, probe};
use crate::failure::{Failure, Result};
use crate::flags::Flags;
use crate::process::ProcessId;
use std::thread;
use std::time::{Duration, Instant};

const POLL_INTERVAL: Duration = Duration::from_millis(50);
/// A killed broker may not register again before its session is over, and then it recovers its logs beside other work.
const TIMEOUT_SECONDS: u64 = 120;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Kill,
    Term,
    Stop,
    Cont,
    Start,
}

pub(crate) fn main(arguments: &[String]) -> Result<()> {
    let flags = Flags::parse(arguments, &["name", "node", "timeout"], &[])?;
    let [action] = flags.rest.as_slice() else {
        return Err(Failure::new(
            "kafka node needs one of kill, term, stop, cont and start, after its options",
        ));
    };
    let action = Action::parse(action)?;
    let cluster = running(flags.value("name").unwrap_or(DEFAULT_NAME))?;
    let wish: usize = flags
        .parsed("node")?
        .ok_or_else(|| Failure::new("--node is missing"))?;
    if wish == 0 || wish > cluster.ports.len() {
        return Err(Failure::new(format!(
            "--node {wish}: the nodes of this cluster are 1 to {}",
            cluster.ports.len()
        )));
    }
    let timeout = Duration::from_secs(flags.parsed("timeout")?.unwrap_or(TIMEOUT_SECONDS));
    let deadline = Instant::now() + timeout;
    match action {
        Action::Kill => end(&cluster, wish, "KILL", deadline),
        Action::Term => end(&cluster, wish, "TERM", deadline),
        Action::Stop => process(&cluster, wish).map(|process| process.signal("STOP")),
        Action::Cont => process(&cluster, wish).map(|process| process.signal("CONT")),
        Action::Start => start(&cluster, wish, deadline),
    }
}

/// Prints where the listeners behind `--relay-ports` really are.
pub(crate) fn relay_targets(arguments: &[String]) -> Result<()> {
    let flags = Flags::parse(arguments, &["name"], &[])?.without_rest()?;
    let cluster = running(flags.value("name").unwrap_or(DEFAULT_NAME))?;
    if cluster.relay_targets.is_empty() {
        return Err(Failure::new(format!(
            "cluster {} was started without --relay-ports",
            cluster.name
        )));
    }
    let targets: Vec<String> = cluster
        .relay_targets
        .iter()
        .map(|port| format!("127.0.0.1:{port}"))
        .collect();
    println!("{}", targets.join(","));
    Ok(())
}

/// Returns once every node says that every partition has a leader and all its replicas in sync.
pub(crate) fn in_sync(arguments: &[String]) -> Result<()> {
    let flags = Flags::parse(arguments, &["name", "timeout"], &[])?.without_rest()?;
    let cluster = running(flags.value("name").unwrap_or(DEFAULT_NAME))?;
    let timeout = Duration::from_secs(flags.parsed("timeout")?.unwrap_or(TIMEOUT_SECONDS));
    let deadline = Instant::now() + timeout;
    let mut expected = cluster.ports.clone();
    expected.sort_unstable();
    loop {
        let states: Vec<std::result::Result<(), String>> = cluster
            .ports
            .iter()
            .map(|port| is_whole(*port, &expected))
            .collect();
        if states.iter().all(std::result::Result::is_ok) {
            return Ok(());
        }
        if Instant::now() >= deadline || !cluster.is_ready() {
            let said = (1..).zip(states);
            let said: Vec<String> = said
                .filter_map(|(node, state)| Some(format!("node {node}: {}", state.err()?)))
                .collect();
            return Err(Failure::new(format!(
                "the replicas are not all in sync: {}",
                said.join("; ")
            )));
        }
        thread::sleep(POLL_INTERVAL);
    }
}

fn is_whole(port: u16, expected: &[u16]) -> std::result::Result<(), String> {
    let mut ports = probe::registered_ports(port).map_err(|error| error.to_string())?;
    ports.sort_unstable();
    if ports != expected {
        return Err(format!("it knows the brokers at {ports:?}"));
    }
    let counted = probe::partitions(port).map_err(|error| error.to_string())?;
    match counted.not_whole {
        0 => Ok(()),
        some => Err(format!("{some} of {} partitions are not", counted.all)),
    }
}

impl Action {
    fn parse(text: &str) -> Result<Self> {
        Ok(match text {
            "kill" => Self::Kill,
            "term" => Self::Term,
            "stop" => Self::Stop,
            "cont" => Self::Cont,
            "start" => Self::Start,
            other => {
                return Err(Failure::new(format!(
                    "{other} is not one of kill, term, stop, cont and start"
                )));
            }
        })
    }
}

fn running(name: &str) -> Result<Cluster> {
    match Cluster::load(name)? {
        Some(cluster) if cluster.is_ready() => Ok(cluster),
        _ => Err(Failure::new(format!("no cluster named {name} is running"))),
    }
}

fn process(cluster: &Cluster, node: usize) -> Result<ProcessId> {
    let process = cluster.process(&node::role(node));
    process
        .filter(ProcessId::is_alive)
        .ok_or_else(|| Failure::new(format!("node {node} does not run")))
}

/// Sends a signal that ends a node, and waits until it has.
fn end(cluster: &Cluster, node: usize, signal: &str, deadline: Instant) -> Result<()> {
    let process = process(cluster, node)?;
    process.signal(signal);
    while process.is_alive() {
        if Instant::now() >= deadline {
            return Err(Failure::new(format!(
                "node {node} still runs long after SIG{signal}"
            )));
        }
        thread::sleep(POLL_INTERVAL);
    }
    Ok(())
}

/// Asks the supervisor, whose child every node is: so that the node ends with the cluster, whoever asked for it.
fn start(cluster: &Cluster, node: usize, deadline: Instant) -> Result<()> {
    if process(cluster, node).is_ok() {
        return Err(Failure::new(format!("node {node} runs already")));
    }
    cluster.forget_process(&node::role(node));
    let wish = node::start_mark(node);
    cluster.mark(&wish)?;
    loop {
        let asked = cluster.is_marked(&wish);
        if !asked && process(cluster, node).is_err() {
            return Err(Failure::new(format!(
                "node {node} did not start:\n{}",
                node::log_tail(cluster, node)
            )));
        }
        if !asked && is_registered(cluster, node) {
            return Ok(());
        }
        if !cluster.is_ready() {
            return Err(Failure::new(format!(
                "cluster {} ended while node {node} was started",
                cluster.name
            )));
        }
        if Instant::now() >= deadline {
            cluster.unmark(&wish);
            return Err(Failure::new(format!(
                "node {node} was not registered again in time:\n{}",
                node::log_tail(cluster, node)
            )));
        }
        thread::sleep(POLL_INTERVAL);
    }
}

/// By the node's own word: the others list a killed node until its session is over. It answers no sooner than it has read its
/// own new registration, and lists itself no sooner than the controller has let it in.
fn is_registered(cluster: &Cluster, node: usize) -> bool {
    let port = cluster.ports[node - 1];
    probe::registered_ports(port).is_ok_and(|ports| ports.contains(&port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_action_is_one_of_five_words() {
        for (text, action) in [
            ("kill", Action::Kill),
            ("term", Action::Term),
            ("stop", Action::Stop),
            ("cont", Action::Cont),
            ("start", Action::Start),
        ] {
            assert_eq!(Action::parse(text).expect("a word of the usage"), action);
        }
        assert!(Action::parse("restart").is_err());
    }
}
