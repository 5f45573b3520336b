//! Options of the programs that Kafka's system tests know.

use std::path::{Path, PathBuf};

use clap::Args;

use super::{Address, parse_address};

/// What `milena verifiable-producer --help` says first.
pub(super) const PRODUCER_ABOUT: &str = "\
Send numbers in order, and say what became of each.

The values 0, 1, 2, .. go to a topic without waiting for answers; the producer is idempotent. Standard output carries \
one JSON object a line, as Kafka's own VerifiableProducer writes them: startup_complete first, \
producer_send_success with partition and offset (-1 if the broker did not tell) or producer_send_error once for \
each record, shutdown_complete and tool_data last.

On SIGTERM or Ctrl-C no more is sent; what is under way is waited for, for 25 s at most.";

/// And what it says last.
pub(super) const PRODUCER_EXIT: &str = "\
Exit status:
  0    ended as asked, also if records failed: their lines say so
  1    no broker answered within 300 s, or standard output was closed
  2    wrong input: an argument, a setting, or something that milena cannot do yet";

/// What `milena transactional-copier --help` says first.
pub(super) const COPIER_ABOUT: &str = "\
Copy one partition to the same partition of another topic, exactly once.

Records are read as read_committed from where the group has committed, else from the beginning, up to the end as it is \
at the start. Each transaction holds at most --transaction-size of them and the position after the last. After an \
abort, reading goes on from the committed position. Standard output carries one JSON object a line, as Kafka's own \
TransactionalMessageCopier writes them: ProcessLoop at every turn and at least every 300 ms, ShutdownComplete \
last.

On SIGTERM or Ctrl-C an open transaction is aborted and one that is being committed is finished, within 20 s.";

/// And what it says last.
pub(super) const COPIER_EXIT: &str = "\
Exit status:
  0    ended as asked: all was copied if the last line says \"remaining\":0, else it was told to end
  1    fenced by a newer copier, timed out, or it could not go on; started again, it goes on where the group stands
  2    wrong input: an argument, a setting, or something that milena cannot do yet";

/// What `milena consume --help` says first.
pub(super) const CONSUME_ABOUT: &str = "\
Write the records of a topic to a file, one JSON object a line.

Every partition is read from its first record to its end as it is at the start: the high watermark, or with \
read_committed the last stable offset. Records of a partition come in order; partitions interleave. An object has topic, \
partition, offset, timestamp, key, value and headers; bytes are base64, and null is not the same as empty.";

/// And what it says last.
pub(super) const CONSUME_EXIT: &str = "\
Exit status:
  0    the file holds everything up to the end
  1    a partition cannot be read, 85 s were not enough, or the file cannot be written; it is not complete then
  2    wrong input: an argument, a setting, or something that milena cannot do yet
  130  interrupted; the file is not complete then";

/// Options of `milena verifiable-producer`.
#[derive(Args, Clone, Debug)]
pub(crate) struct VerifiableProducerArgs {
    /// Brokers to ask first, separated by commas
    #[arg(long, value_name = "HOST:PORT", required = true, value_delimiter = ',', value_parser = parse_address)]
    pub bootstrap_server: Vec<Address>,

    /// The topic to write to
    #[arg(long, value_name = "TOPIC")]
    pub topic: String,

    /// How many records; -1: until a signal
    #[arg(long, value_name = "N", default_value_t = -1, allow_negative_numbers = true)]
    pub max_messages: i64,

    /// How many records a second; -1: no limit
    #[arg(long, value_name = "N", default_value_t = -1, allow_negative_numbers = true)]
    pub throughput: i64,

    /// What the broker answers for; milena does -1 (all replicas in sync) only
    #[arg(long, value_name = "N", default_value_t = -1, allow_negative_numbers = true,
          value_parser = clap::value_parser!(i64).range(-1..=1))]
    pub acks: i64,

    /// Values are N.0, N.1, .. instead of 0, 1, ..
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub value_prefix: Option<i64>,

    /// Keys 0 to N-1, round and round; without it keys are null
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub repeating_keys: Option<u64>,

    /// The first record's timestamp in ms since 1970, later ones as much later as they are sent; -1: the time of day
    #[arg(
        long,
        value_name = "MS",
        default_value_t = -1,
        allow_negative_numbers = true
    )]
    pub message_create_time: i64,

    /// A file of settings, with Kafka's names in Java's properties syntax
    #[arg(long, value_name = "FILE")]
    pub command_config: Option<PathBuf>,

    /// The old name of --command-config
    #[arg(
        long = "producer.config",
        value_name = "FILE",
        conflicts_with = "command_config"
    )]
    pub producer_config: Option<PathBuf>,
}

impl VerifiableProducerArgs {
    /// The file of settings, under either name.
    pub(crate) fn config(&self) -> Option<&Path> {
        self.command_config
            .as_deref()
            .or(self.producer_config.as_deref())
    }
}

/// Options of `milena transactional-copier`.
#[derive(Args, Clone, Debug)]
pub(crate) struct TransactionalCopierArgs {
    /// Brokers to ask first, separated by commas
    #[arg(long, visible_alias = "bootstrap-server", value_name = "HOST:PORT", required = true,
          value_delimiter = ',', value_parser = parse_address)]
    pub broker_list: Vec<Address>,

    /// The transactional id: a newer copier with the same one fences this one
    #[arg(long, value_name = "ID")]
    pub transactional_id: String,

    /// The group whose committed position says where to go on
    #[arg(long, value_name = "GROUP")]
    pub consumer_group: String,

    /// The topic to read from
    #[arg(long, value_name = "TOPIC")]
    pub input_topic: String,

    /// The partition of it to read, and of the output topic to write
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(0..))]
    pub input_partition: i32,

    /// The topic to write to
    #[arg(long, value_name = "TOPIC")]
    pub output_topic: String,

    /// How many records a transaction may hold
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..))]
    pub transaction_size: u32,

    /// After how many ms the broker aborts a transaction that stays open
    #[arg(long, value_name = "MS", default_value_t = 60_000, value_parser = clap::value_parser!(u64).range(1..))]
    pub transaction_timeout: u64,

    /// Abort every third transaction, by chance
    #[arg(long)]
    pub enable_random_aborts: bool,

    /// Share the input topic with others of the group; milena cannot do that yet
    #[arg(long)]
    pub group_mode: bool,

    /// Send group, generation and member with the offsets; a partition that is assigned by hand has only the first
    #[arg(long)]
    pub use_group_metadata: bool,

    /// How many records to copy; -1: up to the end as it is at the start
    #[arg(long, value_name = "N", default_value_t = -1, allow_negative_numbers = true)]
    pub max_messages: i64,

    /// A file of settings, with Kafka's names in Java's properties syntax
    #[arg(long, value_name = "FILE")]
    pub command_config: Option<PathBuf>,
}

/// Options of `milena consume`.
#[derive(Args, Clone, Debug)]
pub(crate) struct ConsumeArgs {
    /// Brokers to ask first, separated by commas
    #[arg(long, value_name = "HOST:PORT", required = true, value_delimiter = ',', value_parser = parse_address)]
    pub bootstrap_server: Vec<Address>,

    /// The topic to read
    #[arg(long, value_name = "TOPIC")]
    pub topic: String,

    /// The file to write
    #[arg(long, value_name = "FILE")]
    pub output: PathBuf,

    /// read_committed or read_uncommitted [default: what isolation.level says, else read_committed]
    #[arg(long, value_name = "LEVEL", value_parser = crate::system::settings::isolation)]
    pub isolation_level: Option<milena::IsolationLevel>,

    /// A file of settings, with Kafka's names in Java's properties syntax
    #[arg(long, value_name = "FILE")]
    pub command_config: Option<PathBuf>,
}
