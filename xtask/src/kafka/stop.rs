//! `kafka stop`: ends the brokers of a cluster and removes their data, whatever state they are in.

use super::state::{self, Cluster};
use super::{DEFAULT_NAME, node};
use crate::failure::{Failure, Result};
use crate::flags::Flags;
use crate::process::ProcessId;
use std::thread;
use std::time::{Duration, Instant};

/// Longer than the supervisor gives its brokers.
const SUPERVISOR_MAX: Duration = Duration::from_secs(10);

pub(crate) fn main(arguments: &[String]) -> Result<()> {
    let flags = Flags::parse(arguments, &["name"], &["all"])?.without_rest()?;
    if flags.switch("all") {
        for cluster in Cluster::all()? {
            stop(&cluster);
        }
        return Ok(());
    }
    let name = flags.value("name").unwrap_or(DEFAULT_NAME);
    match Cluster::load(name)? {
        Some(cluster) => {
            stop(&cluster);
            Ok(())
        }
        None => Err(Failure::new(format!("no cluster named {name} is running"))),
    }
}

/// Ends a cluster. It is gone afterwards, and its ports are free.
pub(crate) fn stop(cluster: &Cluster) {
    let _lock = state::lock(&cluster.name);
    stop_locked(cluster);
}

/// The same for a caller that holds the lock of that name.
pub(crate) fn stop_locked(cluster: &Cluster) {
    let brokers: Vec<ProcessId> = (1..=cluster.ports.len())
        .filter_map(|node| cluster.process(&node::role(node)))
        .collect();
    if let Some(supervisor) = cluster.process("supervisor") {
        let _ = cluster.mark("stop");
        wait_until_gone(&supervisor);
        supervisor.signal_group("KILL");
    }
    // Left alone by a supervisor that was killed itself. SIGKILL ends paused ones too.
    for broker in &brokers {
        broker.signal("KILL");
    }
    for broker in &brokers {
        wait_until_gone(broker);
    }
    cluster.remove();
}

fn wait_until_gone(process: &ProcessId) {
    let deadline = Instant::now() + SUPERVISOR_MAX;
    while process.is_alive() && Instant::now() < deadline {
        thread::sleep(Duration::from_millis(50));
    }
}
