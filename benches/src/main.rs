//! What milena costs: records a second, client CPU and allocations a record, latency of small transactions.
//!
//! `milena-benches baseline` takes the base line against a running broker. Nothing there compares with other clients: figures
//! of one machine say little, but what a record allocates, and how often its threads sleep and wake for it, is the same
//! everywhere, and `--check` holds it. `milena-benches wire` compares batches and messages with another implementation and with
//! the least code that could do it, by ratios of one run. `milena-benches broker` measures the test broker.

mod args;
mod baseline;
mod broker;
mod broker_costs;
mod consume;
mod job;
mod meter;
mod payload;
mod produce;
mod report;
mod transactions;

use std::alloc::System;
use std::process::ExitCode;

use clap::Parser;
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

use args::{Cli, Command};
use milena_benches::Failure;

/// Counts what the whole process allocates, the client's threads included.
#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Baseline(args) => baseline::run(&args),
        Command::Wire(args) => milena_benches::wire::run(&args.options()),
        Command::Broker(args) => broker_costs::run(&args),
        Command::Serve => broker::serve(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("error: {failure}");
            ExitCode::FAILURE
        }
    }
}
