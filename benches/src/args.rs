//! What the command line may say.

use clap::{Args, Parser, Subcommand, ValueEnum};
use milena_benches::wire::{Options, TOLERANCE};

/// What milena costs.
#[derive(Debug, Parser)]
#[command(name = "milena-benches", arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Produce, read back and commit against a running broker, and print what that cost the client
    Baseline(BaselineArgs),
    /// Batches and messages against kafka-protocol and against the least code that could do it: ratios of one run, and what each must reach
    Wire(WireArgs),
    /// The test broker: requests a second in memory and by TCP, memory, time to start
    Broker(BrokerArgs),
    /// The embedded broker, until standard input ends: a process of its own, so that its costs are not the client's
    #[command(hide = true)]
    Serve,
}

/// Options of `broker`.
#[derive(Args, Clone, Debug)]
pub(crate) struct BrokerArgs {
    /// How often everything is done
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) runs: u32,

    /// How many requests of each kind
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(100..=1_000_000))]
    pub(crate) requests: u32,

    /// End with failure if what is asked for is missed by more than the tolerance
    #[arg(long)]
    pub(crate) check: bool,

    /// The part of what is asked for that it may be missed by: more where others use the machine
    #[arg(long, value_name = "PART", default_value_t = TOLERANCE)]
    pub(crate) tolerance: f64,

    /// Print JSON instead of a table
    #[arg(long)]
    pub(crate) json: bool,
}

/// Options of `baseline`.
#[derive(Args, Clone, Debug)]
pub(crate) struct BaselineArgs {
    /// Brokers, host:port[,..] [default: the embedded broker, in a process of its own]
    #[arg(long, value_name = "HOST:PORT[,..]")]
    pub(crate) bootstrap: Option<String>,

    /// How many records of 100 bytes [default: 5000000, with --short 200000]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    records_100: Option<u64>,

    /// How many records of 1 KiB [default: 1000000, with --short 200000]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    records_1k: Option<u64>,

    /// How many transactions of each kind [default: 500, with --short 50]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    transactions: Option<u64>,

    /// Partitions of each topic
    #[arg(long, value_name = "N", default_value_t = 6, value_parser = clap::value_parser!(i32).range(1..=1000))]
    pub(crate) partitions: i32,

    /// How many times everything is done; with more than one, minimum, median and maximum are printed
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) runs: u32,

    /// Only these jobs
    #[arg(long, value_delimiter = ',', value_name = "GROUP,..")]
    only: Vec<Group>,

    /// Fewer records and transactions: seconds instead of minutes
    #[arg(long)]
    short: bool,

    /// End with failure if a record allocates more than it may
    #[arg(long)]
    pub(crate) check: bool,

    /// Print JSON instead of a table
    #[arg(long)]
    pub(crate) json: bool,
}

/// Options of `wire`.
#[derive(Args, Clone, Debug)]
pub(crate) struct WireArgs {
    /// How often what a row compares takes turns
    #[arg(long, value_name = "N", default_value_t = 41, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    rounds: u32,

    /// Only the rows whose name contains one of these
    #[arg(long, value_delimiter = ',', value_name = "PART,..")]
    only: Vec<String>,

    /// End with failure if a target is missed by more than the tolerance
    #[arg(long)]
    check: bool,

    /// The part of a target that it may be missed by: more where others use the machine
    #[arg(long, value_name = "PART", default_value_t = TOLERANCE)]
    tolerance: f64,

    /// Print JSON instead of a table
    #[arg(long)]
    json: bool,
}

impl WireArgs {
    pub(crate) fn options(self) -> Options {
        Options {
            rounds: self.rounds as usize,
            only: self.only,
            json: self.json,
            check: self.check,
            tolerance: self.tolerance,
        }
    }
}

/// Jobs that go together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Group {
    /// Records of 100 bytes, produced and read back
    #[value(name = "100")]
    Small,
    /// Records of 1 KiB, produced and read back
    #[value(name = "1k")]
    Large,
    /// Transactions of 1 and of 1,000 records
    Transactions,
}

impl BaselineArgs {
    pub(crate) fn records_100(&self) -> u64 {
        self.count(self.records_100, 5_000_000, 200_000)
    }

    pub(crate) fn records_1k(&self) -> u64 {
        self.count(self.records_1k, 1_000_000, 200_000)
    }

    pub(crate) fn transactions(&self) -> u64 {
        self.count(self.transactions, 500, 50)
    }

    pub(crate) fn includes(&self, group: Group) -> bool {
        self.only.is_empty() || self.only.contains(&group)
    }

    fn count(&self, given: Option<u64>, full: u64, short: u64) -> u64 {
        given.unwrap_or(if self.short { short } else { full })
    }
}
