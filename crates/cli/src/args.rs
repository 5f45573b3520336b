//! What the command line may say.

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Args, Parser, Subcommand};
use milena::Compression;

use crate::system::compression::codec;

mod broker;
mod system;

pub(crate) use broker::{AsVersion, BrokerArgs};
pub(crate) use system::{ConsumeArgs, TransactionalCopierArgs, VerifiableProducerArgs};

/// The fewest payments that leave every fault something to strike.
pub(crate) const PAYMENTS_MIN: u64 = 200;
/// The auditor keeps some twenty bytes for each payment.
const PAYMENTS_MAX: u64 = 10_000_000;

/// milena: an Apache Kafka client that does not lose, double or tear a record.
#[derive(Debug, Parser)]
#[command(name = "milena", version, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Move payments exactly once while everything that can break, breaks
    #[command(long_about = DEMO_ABOUT, after_long_help = DEMO_EXIT)]
    Demo(DemoArgs),
    /// Be a Kafka cluster in one process, for tests in any language
    #[command(long_about = broker::ABOUT, after_long_help = broker::EXIT)]
    Broker(BrokerArgs),
    /// Send numbers in order, and say what became of each
    #[command(long_about = system::PRODUCER_ABOUT, after_long_help = system::PRODUCER_EXIT)]
    VerifiableProducer(VerifiableProducerArgs),
    /// Copy one partition to another topic, exactly once
    #[command(long_about = system::COPIER_ABOUT, after_long_help = system::COPIER_EXIT)]
    TransactionalCopier(TransactionalCopierArgs),
    /// Write the records of a topic to a file, one JSON object a line
    #[command(long_about = system::CONSUME_ABOUT, after_long_help = system::CONSUME_EXIT)]
    Consume(ConsumeArgs),
}

const DEMO_ABOUT: &str = "\
Move payments exactly once while everything that can break, breaks.

A bank in small: payment orders are written to a topic, and an exactly-once pipeline turns each into a debit \
and a credit in a ledger, at most 50 orders a step. Meanwhile connections are cut, answers are lost after the \
request was applied, partition leaders and coordinators move, the pipeline is dropped in mid-transaction and \
started again, and once an old instance stays alive and must be fenced. About one order in a thousand is \
refused after half of it was written: its transaction aborts, and on the next attempt the order goes to a \
topic of its own.

At the end an auditor reads the outputs as read_committed and checks every payment: applied or refused exactly \
once, debit and credit together, all balances as the orders say.

Without --bootstrap the demo brings its own three-node broker and needs nothing else.";

const DEMO_EXIT: &str = "\
Exit status:
  0    every payment moved exactly once, every kind of fault fired often enough, the old instance was fenced
  1    the audit failed, or the demo could not go on
  2    wrong input: an argument, a broker that is not there, a topic that cannot be created
  130  interrupted (Ctrl-C); the open transaction is aborted first";

/// Options of `milena demo`.
#[derive(Args, Clone, Debug)]
pub(crate) struct DemoArgs {
    /// How many payment orders
    #[arg(long, value_name = "N", default_value_t = 20_000,
          value_parser = clap::value_parser!(u64).range(PAYMENTS_MIN..=PAYMENTS_MAX))]
    pub payments: u64,

    /// The seed of orders and refusals [default: a random one, which the report shows]
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,

    /// How batches are compressed: none, gzip, snappy, lz4 or zstd
    #[arg(long, value_name = "CODEC", default_value = "none", value_parser = codec)]
    pub compression: Compression,

    /// Print the result as one JSON object instead of a table
    #[arg(long)]
    pub json: bool,

    /// Run on this cluster instead of the built-in broker
    ///
    /// The demo creates topics of its own there, with the broker's default replication factor, and removes them at
    /// the end. Its connections go through a relay inside the program, which cuts them and loses answers; leaders
    /// and coordinators are left alone. Several brokers are separated by commas.
    #[arg(long, value_name = "HOST:PORT", value_delimiter = ',', value_parser = parse_address)]
    pub bootstrap: Vec<Address>,

    /// Leave the topics on the cluster, to look at them with other tools
    #[arg(long, requires = "bootstrap")]
    pub keep_topics: bool,
}

/// A broker's address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    /// A name or an IP address, without brackets.
    pub host: String,
    /// Never 0.
    pub port: u16,
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

fn parse_address(text: &str) -> Result<Address, String> {
    let wrong = || "it must look like HOST:PORT, for example 127.0.0.1:9092".to_owned();
    let (host, port) = text.trim().rsplit_once(':').ok_or_else(wrong)?;
    let host = match host.strip_prefix('[') {
        Some(bracketed) => bracketed.strip_suffix(']').ok_or_else(wrong)?,
        // Two colons without brackets: where the port begins is anyone's guess.
        None if host.contains(':') => return Err(wrong()),
        None => host,
    };
    let port: u16 = port.parse().map_err(|_| wrong())?;
    if host.is_empty() || host.contains(char::is_whitespace) || port == 0 {
        return Err(wrong());
    }
    Ok(Address {
        host: host.to_owned(),
        port,
    })
}

/// Why there is nothing to run.
#[derive(Debug)]
pub(crate) enum NotRun {
    /// Help or version was asked for; print it.
    Asked(clap::Error),
    /// The arguments are wrong; one sentence says how.
    Wrong(String),
}

/// Reads the command line.
pub(crate) fn parse<I, T>(arguments: I) -> Result<Cli, NotRun>
where
    I: IntoIterator<Item = T>,
    T: Into<OsString> + Clone,
{
    Cli::try_parse_from(arguments).map_err(|error| match error.kind() {
        ErrorKind::DisplayHelp
        | ErrorKind::DisplayVersion
        | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => NotRun::Asked(error),
        _ => NotRun::Wrong(sentence(&error)),
    })
}

/// clap's message is a paragraph with usage and hints; here one sentence must do.
fn sentence(error: &clap::Error) -> String {
    let rendered = error.render().to_string();
    let mut first = rendered
        .lines()
        .next()
        .unwrap_or("wrong arguments")
        .trim_start_matches("error: ")
        .trim_end_matches(':')
        .to_owned();
    if error.kind() == ErrorKind::MissingRequiredArgument
        && let Some(ContextValue::Strings(missing)) = error.get(ContextKind::InvalidArg)
    {
        first = format!("{} is needed for this", missing.join(", "));
    }
    let suggested = [ContextKind::SuggestedArg, ContextKind::SuggestedSubcommand]
        .into_iter()
        .find_map(|kind| match error.get(kind)? {
            ContextValue::String(text) => Some(text.clone()),
            ContextValue::Strings(texts) => texts.first().cloned(),
            _ => None,
        });
    match suggested {
        Some(suggested) => format!("{first}; did you mean '{suggested}'?"),
        None => format!("{first}; see 'milena --help'"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn demo(arguments: &[&str]) -> Result<DemoArgs, String> {
        match parse(["milena", "demo"].iter().chain(arguments)) {
            Ok(Cli {
                command: Command::Demo(demo),
            }) => Ok(demo),
            Ok(other) => panic!("another program: {other:?}"),
            Err(NotRun::Wrong(sentence)) => Err(sentence),
            Err(NotRun::Asked(help)) => panic!("nobody asked: {help}"),
        }
    }

    #[test]
    fn the_flags_of_kafkas_programs_are_read_in_any_order_and_may_be_negative() {
        let line = "milena verifiable-producer --throughput -1 --topic t --max-messages -1 --value-prefix -3 --acks -1 \
                    --bootstrap-server 127.0.0.1:1,127.0.0.1:2 --producer.config f --message-create-time -1";
        let Ok(Cli {
            command: Command::VerifiableProducer(producer),
        }) = parse(line.split_whitespace())
        else {
            panic!("it is read");
        };
        assert_eq!((producer.throughput, producer.max_messages), (-1, -1));
        assert_eq!((producer.value_prefix, producer.acks), (Some(-3), -1));
        assert_eq!(producer.bootstrap_server.len(), 2);
        assert_eq!(producer.config(), Some(std::path::Path::new("f")));
        for list in ["--broker-list", "--bootstrap-server"] {
            let line = format!(
                "milena transactional-copier {list} 127.0.0.1:1 --transactional-id x --consumer-group g --input-topic i \
                 --input-partition 3 --output-topic o --use-group-metadata --max-messages -1"
            );
            let Ok(Cli {
                command: Command::TransactionalCopier(copier),
            }) = parse(line.split_whitespace())
            else {
                panic!("it is read");
            };
            assert_eq!((copier.input_partition, copier.max_messages), (3, -1));
            assert_eq!(
                (copier.transaction_size, copier.transaction_timeout),
                (200, 60_000)
            );
            assert!(!copier.enable_random_aborts && !copier.group_mode);
        }
    }

    fn refused(arguments: &[&str]) -> String {
        let sentence = demo(arguments).expect_err("wrong arguments");
        assert!(!sentence.contains('\n'), "one sentence: {sentence:?}");
        sentence
    }

    #[test]
    fn the_definition_holds_together() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }

    #[test]
    fn nothing_but_demo_means_twenty_thousand_payments_on_the_built_in_broker() {
        let demo = demo(&[]).expect("it needs no options");
        assert_eq!(demo.payments, 20_000);
        assert_eq!(demo.seed, None);
        assert!(demo.bootstrap.is_empty() && !demo.json && !demo.keep_topics);
    }

    #[test]
    fn all_options_are_read() {
        let demo = demo(&[
            "--payments",
            "2000",
            "--seed",
            "7",
            "--json",
            "--bootstrap",
            "a:1,[::1]:9092",
            "--keep-topics",
        ])
        .expect("all valid");
        assert_eq!((demo.payments, demo.seed), (2_000, Some(7)));
        assert!(demo.json && demo.keep_topics);
        let addresses: Vec<_> = demo.bootstrap.iter().map(Address::to_string).collect();
        assert_eq!(addresses, ["a:1", "[::1]:9092"]);
    }

    #[test]
    fn an_unknown_flag_is_named_and_the_nearest_one_suggested() {
        let sentence = refused(&["--paymnets", "5000"]);
        assert!(
            sentence.contains("--paymnets") && sentence.contains("'--payments'"),
            "{sentence}"
        );
        let sentence = refused(&["--quickly"]);
        assert!(
            sentence.contains("--quickly") && sentence.contains("--help"),
            "{sentence}"
        );
    }

    #[test]
    fn wrong_values_are_named_with_what_is_expected() {
        for value in ["0", "199", "x", "10000001"] {
            assert!(refused(&["--payments", value]).contains(value));
        }
        for value in [
            "localhost",
            "localhost:",
            ":9092",
            "a:0",
            "a:b",
            "::1:9092",
            "a b:1",
            "a:70000",
        ] {
            let sentence = refused(&["--bootstrap", value]);
            assert!(
                sentence.contains(value) && sentence.contains("HOST:PORT"),
                "{sentence}"
            );
        }
        assert!(refused(&["--seed", "-1"]).contains("-1"));
    }

    #[test]
    fn topics_can_be_kept_on_a_real_cluster_only() {
        assert!(refused(&["--keep-topics"]).contains("--bootstrap"));
    }

    #[test]
    fn help_and_version_are_no_errors() {
        for arguments in [
            &["milena", "--version"][..],
            &["milena", "demo", "--help"],
            &["milena"],
        ] {
            assert!(matches!(parse(arguments), Err(NotRun::Asked(_))));
        }
        let Err(NotRun::Asked(help)) = parse(["milena", "demo", "--help"]) else {
            panic!("help");
        };
        let help = help.to_string();
        for word in [
            "--payments",
            "--seed",
            "--json",
            "--bootstrap",
            "--keep-topics",
            "Exit status",
        ] {
            assert!(help.contains(word), "{word} is missing in\n{help}");
        }
    }
}
