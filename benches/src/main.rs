//! What milena costs: records a second, client CPU and allocations a record, latency of small transactions.
//!
//! `milena-benches baseline` takes the base line against a running broker. Nothing here compares with other clients: figures
//! of one machine say little, but what a record allocates, and how often its threads sleep and wake for it, is the same
//! everywhere, and `--check` holds it.

mod args;
mod baseline;
mod broker;
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

/// Counts what the whole process allocates, the client's threads included.
#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// What ends a run: a sentence.
type Failure = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Baseline(args) => baseline::run(&args),
        Command::Broker => broker::serve(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("error: {failure}");
            ExitCode::FAILURE
        }
    }
}
