//! `cargo xtask`: the tasks around milena that are programs and not crates.
//!
//! `cargo xtask kafka ..` starts and stops real Apache Kafka from Maven Central jars; nothing but Java 17 and Maven is needed.
//! `cargo xtask fuzz` gives milena's decoders bytes that no honest peer sends.
//! `cargo xtask plants` plants one bug after another, and fails unless the simulation catches each.

#![allow(
    clippy::disallowed_methods,
    reason = "a task waits for real processes: clock and sleep are its business"
)]

mod failure;
mod flags;
mod fuzz;
mod kafka;
mod plants;
mod process;

use std::process::ExitCode;

const USAGE: &str = "\
usage: cargo xtask kafka <command> [options]

  start --version V [--nodes 1|3] [--port P] [--name N] [--transaction-version 0|1|2]
        [--watch-pid PID] [--reuse] [--timeout SECONDS] [--relay-ports P1,P2,P3]
        [--session-timeout SECONDS] [--controlled-shutdown]
                       start brokers on P, P+1, P+2 (default 9092; 0 picks free ports), return when every node is
                       registered, and print host:port,.. on standard output. With --watch-pid (may be repeated) the
                       brokers end when those processes are gone. With --reuse a running cluster of the same name and
                       shape is handed out again. With --relay-ports each node has one more listener, which tells
                       clients to come to that port of 127.0.0.1: a relay's. A killed node is fenced, and may come back,
                       after --session-timeout (default 18); with --controlled-shutdown SIGTERM lets a node hand over
                       what it leads
  relay-targets [--name N]
                       print 127.0.0.1:A,127.0.0.1:B,..: where the listeners behind --relay-ports really are
  node [--name N] --node I [--timeout SECONDS] kill|term|stop|cont|start
                       SIGKILL, SIGTERM (both return when the process is gone), SIGSTOP or SIGCONT to one broker; start
                       starts it again on its own data and returns when it is registered (default time-out 120)
  stop [--name N | --all]
                       end brokers and remove their data
  in-sync [--name N] [--timeout SECONDS]
                       return when every partition has a leader and all its replicas in sync
  env [--name N]       print MILENA_BOOTSTRAP=.. of a running cluster
  list                 print the running clusters
  classpath --version V
                       print the Java class path, fetching the jars first if they are missing
  run --version V CLASS [ARGUMENTS..]
                       run a Java tool of that version, for example org.apache.kafka.tools.TopicCommand
  java-count --version V --bootstrap HOST:PORT --topic T [--idle-timeout SECONDS]
                       print how many records Java's console consumer sees in T under read_committed

       cargo xtask plants [--plant NAME] [--seeds N]
                       build the simulation with bugs on demand, plant them one at a time, and fail unless a check that is
                       there for it catches each within N seeds (200)

       cargo xtask fuzz --seconds N [--target NAME].. [--jobs J]
                       build the fuzz targets with nightly Rust and run each for its share of N seconds, J of them at a time
                       (1), on top of the corpora in fuzz/corpus and of what earlier runs have found; print what each
                       reached, and fail if one was broken. --target may be repeated
       cargo xtask fuzz --minimise [--seconds N] [--target NAME]..
                       bring the best of what runs have found into fuzz/corpus, within 30 KiB a target
       cargo xtask fuzz --build [--target NAME]..
                       only build";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match arguments.split_first() {
        Some((task, rest)) if task == "kafka" => kafka::main(rest),
        Some((task, rest)) if task == "fuzz" => fuzz::main(rest),
        Some((task, rest)) if task == "plants" => plants::main(rest),
        Some((help, _)) if help == "help" || help == "--help" || help == "-h" => {
            println!("{USAGE}");
            Ok(())
        }
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("error: {failure}");
            ExitCode::FAILURE
        }
    }
}
