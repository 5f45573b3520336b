//! Real Apache Kafka, started from Maven Central jars.
//!
//! `start` writes the state of a cluster under `target/kafka/NAME`, leaves a supervisor behind and returns once every node is
//! registered. The supervisor ([`supervisor`]) owns the brokers: it ends them when it is told to, when the processes it watches
//! are gone, or when `start` itself died half way; so no broker outlives a test run. `node` ([`control`]) kills, pauses and
//! starts single brokers.

mod control;
mod jars;
mod node;
mod oracle;
mod probe;
mod start;
mod state;
mod stop;
mod supervisor;

use crate::failure::{Failure, Result};
use crate::flags::Flags;
use state::Cluster;

/// The cluster meant when no `--name` is given.
const DEFAULT_NAME: &str = "default";

pub(crate) fn main(arguments: &[String]) -> Result<()> {
    let Some((command, rest)) = arguments.split_first() else {
        return Err(Failure::new("kafka needs a command: see cargo xtask help"));
    };
    match command.as_str() {
        "start" => start::main(rest),
        "stop" => stop::main(rest),
        "supervise" => supervisor::main(rest),
        "node" => control::main(rest),
        "in-sync" => control::in_sync(rest),
        "relay-targets" => control::relay_targets(rest),
        "env" => env(rest),
        "list" => list(rest),
        "classpath" => classpath(rest),
        "run" => oracle::run(rest),
        "java-count" => oracle::java_count(rest),
        other => Err(Failure::new(format!(
            "kafka {other} is not a command: see cargo xtask help"
        ))),
    }
}

fn env(arguments: &[String]) -> Result<()> {
    let flags = Flags::parse(arguments, &["name"], &[])?.without_rest()?;
    let name = flags.value("name").unwrap_or(DEFAULT_NAME);
    match Cluster::load(name)? {
        Some(cluster) if cluster.is_ready() => {
            println!("MILENA_BOOTSTRAP={}", cluster.bootstrap());
            Ok(())
        }
        _ => Err(Failure::new(format!(
            "no cluster named {name} is running: cargo xtask kafka start"
        ))),
    }
}

fn list(arguments: &[String]) -> Result<()> {
    Flags::parse(arguments, &[], &[])?.without_rest()?;
    for cluster in Cluster::all()? {
        if cluster.is_ready() {
            println!("{cluster}");
        }
    }
    Ok(())
}

fn classpath(arguments: &[String]) -> Result<()> {
    let flags = Flags::parse(arguments, &["version"], &[])?.without_rest()?;
    let jars = jars::fetch(flags.required("version")?)?;
    println!("{}", jars.class_path());
    Ok(())
}
