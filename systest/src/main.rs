//! Hits milena's programs on real Kafka.

#![allow(
    clippy::disallowed_methods,
    reason = "what is done to real processes is timed by a real clock"
)]

mod check;
mod cluster;
mod codecs;
mod differ;
mod failure;
mod foreign;
mod java;
mod kills;
mod options;
mod pipeline_process;
mod programs;
mod toolchains;

use std::env;
use std::process::ExitCode;

use failure::{Failure, Result};

const HELP: &str = "\
usage: cargo run --release -p milena-systest -- <command> [options]

  programs [--version 4.3.1|3.9.2|both] [--scenario NAME].. [--short] [--seed N] [--milena PATH] [--list]
             run Kafka's system-test programs as milena has them under faults, and compare what they said with what Java reads
  kills [--version 4.3.1|3.9.2] [--client-kills 20] [--broker-rounds 1] [--short] [--seed N]
             kill the exactly-once pipeline with SIGKILL, and each broker in turn, and have Java compare what went in and came out
  codecs [--version 4.3.1|3.9.2] [--short]
             write with every codec and read it with Java, librdkafka and franz-go, and the other way round; needs a JDK, Python and Go
  differ [--version 4.3.1|3.9.2] [--sequences 200] [--seed N] [--only AREA,..] [--shrink] [--keep-going] [--bootstrap HOST:PORT] [--workers N]
             send the same random requests to the test broker and to one node of real Kafka, and compare every field of the answers;
             areas: produce, transactions, fetch, offsets, groups, consumer-groups, admin
  foreign [--on broker|4.3.1|3.9.2] [--as-version 4.3|3.9] [--only java|librdkafka|franz-go] [--milena PATH]
             have Java's tools, librdkafka and franz-go use `milena broker` (or, to hold the checks against it, real Kafka): topics, groups with
             rebalances, transactions; needs a JDK, Python and Go
";

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match run(&arguments).await {
        Ok(status) => ExitCode::from(status),
        Err(failure) => {
            eprintln!("error: {failure}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: &[String]) -> Result<u8> {
    let (command, rest) = arguments
        .split_first()
        .ok_or_else(|| Failure::new(HELP.trim_end()))?;
    match command.as_str() {
        "programs" => programs::main(rest).await.map(|()| 0),
        "kills" => kills::main(rest).await.map(|()| 0),
        "differ" => differ::main(rest).await.map(|()| 0),
        "codecs" => codecs::main(rest).await.map(|()| 0),
        "foreign" => foreign::main(rest).await.map(|()| 0),
        // What `kills` starts and kills.
        "pipeline-process" => pipeline_process::main(rest).await,
        other => Err(Failure::new(format!("{other} is not a command\n{HELP}"))),
    }
}
