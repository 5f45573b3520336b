//! The process that owns the brokers of one cluster.
//!
//! It ends them when `stop` asks, when the processes the cluster was started for are gone, or when `start` died before the
//! cluster was ready. A broker that ends later is no reason to: somebody killed it on purpose (`kafka node`), and may ask this
//! process to start it again. Brokers are its children, the restarted ones too, in its process group: whoever must end everything at once kills the group.

use super::jars::{self, Jars};
use super::node;
use super::state::{self, Cluster};
use crate::failure::{Context, Failure, Result};
use crate::flags::Flags;
use crate::process::ProcessId;
use std::process::Child;
use std::thread;
use std::time::{Duration, Instant};

const POLL_INTERVAL: Duration = Duration::from_millis(200);
/// A test run is several programs one after the other: the next one may still take over what the last one started.
const UNWATCHED_MAX: Duration = Duration::from_secs(3);
/// The data is thrown away, so an orderly end is only a courtesy; three nodes that end together wait for a quorum in vain.
const TERMINATE_MAX: Duration = Duration::from_secs(3);

pub(crate) fn main(arguments: &[String]) -> Result<()> {
    let flags = Flags::parse(arguments, &["name"], &[])?.without_rest()?;
    let name = flags.required("name")?;
    let cluster =
        Cluster::load(name)?.ok_or_else(|| Failure::new(format!("cluster {name} has no state")))?;
    let jars = jars::fetch(&cluster.version)?;
    let mut brokers = Vec::new();
    let outcome = supervise(&cluster, &jars, &mut brokers);
    if let Err(failure) = &outcome {
        eprintln!("{failure}");
        // `start` sees the mark, reads the logs and then stops this cluster; without it nobody would say why.
        let _ = cluster.mark("failed");
        wait_for_the_end(&cluster, &jars, &mut brokers)?;
    }
    end(&mut brokers);
    cluster.remove();
    outcome
}

fn supervise(cluster: &Cluster, jars: &Jars, brokers: &mut Vec<Child>) -> Result<()> {
    let nodes = 1..=cluster.ports.len();
    thread::scope(|scope| {
        let prepare = |node| scope.spawn(move || node::prepare(cluster, jars, node));
        let threads: Vec<_> = nodes.clone().map(prepare).collect();
        threads.into_iter().try_for_each(|thread| {
            let outcome = thread.join();
            outcome.unwrap_or_else(|_| Err(Failure::new("formatting the storage panicked")))
        })
    })?;
    for node in nodes {
        let broker = node::spawn(cluster, jars, node)?;
        let process = ProcessId::of(broker.id());
        brokers.push(broker);
        if let Some(process) = process {
            cluster.save_process(&node::role(node), &process)?;
        }
    }
    wait_for_the_end(cluster, jars, brokers)
}

/// Returns when the cluster has to end; fails if a broker ended before the cluster was ready.
fn wait_for_the_end(cluster: &Cluster, jars: &Jars, brokers: &mut [Child]) -> Result<()> {
    let starter = cluster.process("starter");
    let mut unwatched_since: Option<Instant> = None;
    loop {
        if cluster.is_marked("stop") || !cluster.is_marked("cluster") {
            return Ok(());
        }
        let ready = cluster.is_marked("ready");
        if !ready && !starter.as_ref().is_some_and(ProcessId::is_alive) {
            return Ok(());
        }
        if !ready && !cluster.is_marked("failed") {
            fail_if_one_ended(brokers)?;
        }
        if ready {
            start_again(cluster, jars, brokers);
        }
        let watched = cluster.watched();
        if !ready || watched.is_empty() || watched.iter().any(ProcessId::is_alive) {
            unwatched_since = None;
        } else if unwatched_since.get_or_insert_with(Instant::now).elapsed() > UNWATCHED_MAX {
            // Under the lock, so that nobody is handed a cluster that is on its way out. Tried only: whoever holds it may be
            // `stop`, waiting for this very process.
            if let Some(_lock) = state::try_lock(&cluster.name)?
                && !cluster.watched().iter().any(ProcessId::is_alive)
            {
                return cluster.mark("stop");
            }
        }
        thread::sleep(POLL_INTERVAL);
    }
}

/// Starts the nodes that `kafka node .. start` has asked for. A failure is for whoever asked: the rest of the cluster stays.
fn start_again(cluster: &Cluster, jars: &Jars, brokers: &mut [Child]) {
    for (node, broker) in (1..).zip(brokers) {
        // Looked after whether asked or not: an ended child stays in the process table until then.
        let ended = matches!(broker.try_wait(), Ok(Some(_)));
        let wish = node::start_mark(node);
        if !ended || !cluster.is_marked(&wish) {
            continue;
        }
        let started = node::spawn(cluster, jars, node).and_then(|child| {
            let process = ProcessId::of(child.id());
            *broker = child;
            let process = process.ok_or_else(|| Failure::new("it ended at once"))?;
            cluster.save_process(&node::role(node), &process)
        });
        if let Err(failure) = started {
            eprintln!("node {node} was not started again: {failure}");
        }
        cluster.unmark(&wish);
    }
}

fn fail_if_one_ended(brokers: &mut [Child]) -> Result<()> {
    for (node, broker) in (1..).zip(brokers) {
        let status = broker
            .try_wait()
            .context(|| format!("look after node {node}"))?;
        if let Some(status) = status {
            return Err(Failure::new(format!("node {node} ended: {status}")));
        }
    }
    Ok(())
}

fn end(brokers: &mut [Child]) {
    let processes: Vec<ProcessId> = brokers
        .iter()
        .filter_map(|broker| ProcessId::of(broker.id()))
        .collect();
    for process in &processes {
        process.signal("TERM");
    }
    let deadline = Instant::now() + TERMINATE_MAX;
    while Instant::now() < deadline && processes.iter().any(ProcessId::is_alive) {
        thread::sleep(Duration::from_millis(50));
    }
    for broker in brokers {
        let _ = broker.kill();
        let _ = broker.wait();
    }
}
