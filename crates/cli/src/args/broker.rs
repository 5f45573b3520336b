//! Options of `milena broker`.

#[cfg(feature = "tls")]
use std::path::PathBuf;

use clap::{ArgAction, Args, ValueEnum};
use milena_testbroker::SaslMechanism;

/// What `milena broker --help` says first.
pub(super) const ABOUT: &str = "\
Be a Kafka cluster in one process, for the tests of programs in any language.

All nodes listen on ports of this machine, the first at --port and the others behind it. Nothing is kept on disk: when \
the program ends, all records are gone. Standard output carries one line, as soon as clients can connect: the \
addresses of the nodes with commas between them, which is what clients want as bootstrap servers. It serves until \
Ctrl-C or SIGTERM, or with --until-stdin-ends until standard input ends, so that it does not outlive the program \
that has started it. On SIGUSR1 it prints a dump of the cluster and goes on.";

/// And what it says last.
pub(super) const EXIT: &str = "\
Examples:
  milena broker                                     one node at 127.0.0.1:9092
  milena broker --nodes 3 --topic orders:6:3        with a topic that has 6 partitions of 3 replicas each
  milena broker --port 0 --until-stdin-ends         for a test driver: read one line, close stdin at the end
  milena broker --as-version 3.9                    clients see Kafka 3.9: another group and transaction protocol

Exit status:
  0    ended as asked
  1    it could not go on
  2    wrong input: an argument, a port that is taken, a topic that cannot be";

/// The most nodes that make sense in one process.
const NODES_MAX: i64 = 100;

/// Options of `milena broker`.
#[derive(Args, Clone, Debug)]
pub(crate) struct BrokerArgs {
    /// How many nodes
    #[arg(long, value_name = "N", default_value_t = 1,
          value_parser = clap::value_parser!(i32).range(1..=NODES_MAX))]
    pub nodes: i32,

    /// The port of the first node; the others have those behind it. 0: the system chooses all
    #[arg(long, value_name = "PORT", default_value_t = 9092)]
    pub port: u16,

    /// The address to listen at; 0.0.0.0 for all of this machine
    #[arg(long, value_name = "HOST", default_value = "127.0.0.1")]
    pub host: String,

    /// The name that clients are told to connect to [default: --host, or 127.0.0.1 if that is all addresses]
    #[arg(long, value_name = "HOST")]
    pub advertised_host: Option<String>,

    /// Which Kafka to look like: its APIs, their versions, its features
    #[arg(long, value_name = "VERSION", default_value = "4.3")]
    pub as_version: AsVersion,

    /// The finalized transaction.version [default: 2 as 4.3, 0 as 3.9, which has no 2]
    #[arg(long, value_name = "LEVEL", value_parser = clap::value_parser!(i16).range(0..=2))]
    pub transaction_version: Option<i16>,

    /// A topic to begin with; may be given again
    ///
    /// Without REPLICAS three nodes have one each, or all where there are fewer.
    #[arg(long, value_name = "NAME:PARTITIONS[:REPLICAS]", value_parser = parse_topic)]
    pub topic: Vec<Topic>,

    /// Whether a topic that a client asks for is created, as by a Kafka with default settings
    ///
    /// The client has to want it too: consumers of most languages do not.
    #[arg(long, value_name = "BOOL", default_value_t = true, action = ArgAction::Set)]
    pub auto_create_topics: bool,

    /// Partitions of a topic that is created without a count
    #[arg(long, value_name = "N", default_value_t = 1,
          value_parser = clap::value_parser!(i32).range(1..=1_000))]
    pub partitions: i32,

    /// A broker setting by Kafka's name, such as log.retention.ms=60000; may be given again
    #[arg(long, value_name = "NAME=VALUE", value_parser = parse_setting)]
    pub config: Vec<(String, String)>,

    /// A user and its password; with one, all clients have to authenticate. May be given again
    #[arg(long, value_name = "NAME:PASSWORD", value_parser = parse_user)]
    pub sasl_user: Vec<(String, String)>,

    /// How they may: PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512; may be given again [default: all of them]
    #[arg(long, value_name = "MECHANISM", value_parser = parse_mechanism, requires = "sasl_user")]
    pub sasl_mechanism: Vec<SaslMechanism>,

    /// After how many milliseconds they have to authenticate again [default: never]
    #[arg(long, value_name = "MS", requires = "sasl_user",
          value_parser = clap::value_parser!(u64).range(1..))]
    pub sasl_session: Option<u64>,

    /// Speak TLS: the file of the brokers' certificate, PEM, with those that lead to its authority
    #[cfg(feature = "tls")]
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,

    /// The file of its private key, PEM
    #[cfg(feature = "tls")]
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,

    /// Clients need a certificate, too, signed by the authority in this file, PEM
    #[cfg(feature = "tls")]
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub tls_client_ca: Option<PathBuf>,

    /// The seed of topic ids and whatever else is random: the same one, the same ids
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,

    /// End when standard input does
    #[arg(long)]
    pub until_stdin_ends: bool,

    /// At the end, print what the cluster holds: nodes, transactions, groups, batches, the last requests
    #[arg(long)]
    pub dump: bool,
}

/// A Kafka release that can be looked like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum AsVersion {
    /// Kafka 3.9
    #[value(name = "3.9")]
    V3_9,
    /// Kafka 4.3
    #[value(name = "4.3")]
    V4_3,
}

/// A topic to create.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Topic {
    pub name: String,
    pub partitions: i32,
    pub replicas: Option<i16>,
}

fn parse_topic(text: &str) -> Result<Topic, String> {
    let wrong = || "it must look like NAME:PARTITIONS or NAME:PARTITIONS:REPLICAS".to_owned();
    let mut parts = text.split(':');
    let name = parts.next().filter(|name| !name.is_empty());
    let partitions = parts.next().and_then(|count| count.parse().ok());
    let replicas = match parts.next() {
        Some(count) => Some(count.parse().map_err(|_| wrong())?),
        None => None,
    };
    match (name, partitions, parts.next()) {
        (Some(name), Some(partitions), None) if partitions > 0 && replicas != Some(0) => {
            Ok(Topic {
                name: name.to_owned(),
                partitions,
                replicas,
            })
        }
        _ => Err(wrong()),
    }
}

fn parse_setting(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("it must look like NAME=VALUE".to_owned()),
    }
}

fn parse_user(text: &str) -> Result<(String, String), String> {
    match text.split_once(':') {
        Some((name, password)) if !name.is_empty() && !password.is_empty() => {
            Ok((name.to_owned(), password.to_owned()))
        }
        _ => Err("it must look like NAME:PASSWORD".to_owned()),
    }
}

fn parse_mechanism(text: &str) -> Result<SaslMechanism, String> {
    let mut all = SaslMechanism::ALL.into_iter();
    let found = all.find(|mechanism| mechanism.name().eq_ignore_ascii_case(text));
    found.ok_or_else(|| "there are PLAIN, SCRAM-SHA-256 and SCRAM-SHA-512".to_owned())
}

#[cfg(test)]
mod tests {
    use super::super::{Cli, Command, NotRun, parse};
    use super::*;

    fn broker(line: &str) -> Result<BrokerArgs, String> {
        match parse(format!("milena broker {line}").split_whitespace()) {
            Ok(Cli {
                command: Command::Broker(broker),
            }) => Ok(broker),
            Err(NotRun::Wrong(sentence)) => Err(sentence),
            other => panic!("another program: {other:?}"),
        }
    }

    #[test]
    fn without_options_it_is_one_node_of_todays_kafka_at_kafkas_port() {
        let broker = broker("").expect("it needs no options");
        assert_eq!((broker.nodes, broker.port), (1, 9092));
        assert_eq!(broker.host, "127.0.0.1");
        assert_eq!(broker.as_version, AsVersion::V4_3);
        assert!(broker.auto_create_topics && broker.transaction_version.is_none());
        assert!(!broker.until_stdin_ends && !broker.dump);
    }

    #[test]
    fn all_options_are_read() {
        let broker = broker(
            "--nodes 3 --port 0 --host 0.0.0.0 --advertised-host kafka --as-version 3.9 --transaction-version 1 \
             --sasl-user ann:se:cret --sasl-mechanism plain --sasl-session 5000 --topic a:2 --topic b:6:3 --auto-create-topics false --partitions 4 --config log.retention.ms=5 --seed 7 --until-stdin-ends --dump",
        )
        .expect("all valid");
        assert_eq!((broker.nodes, broker.port, broker.seed), (3, 0, 7));
        let setting = ("log.retention.ms".to_owned(), "5".to_owned());
        assert_eq!(broker.config, [setting]);
        assert_eq!(broker.as_version, AsVersion::V3_9);
        assert_eq!(broker.transaction_version, Some(1));
        let topic = |name: &str, partitions, replicas| Topic {
            name: name.to_owned(),
            partitions,
            replicas,
        };
        assert_eq!(broker.topic, [topic("a", 2, None), topic("b", 6, Some(3))]);
        assert_eq!(broker.sasl_user, [("ann".to_owned(), "se:cret".to_owned())]);
        assert_eq!(broker.sasl_mechanism, [SaslMechanism::Plain]);
        assert_eq!(broker.sasl_session, Some(5_000));
        assert!(!broker.auto_create_topics && broker.until_stdin_ends && broker.dump);
    }

    #[test]
    fn what_is_no_topic_no_release_and_no_level_is_named() {
        for wrong in ["t", "t:", ":1", "t:0", "t:1:0", "t:1:2:3", "t:x", "t:-1"] {
            let sentence = broker(&format!("--topic {wrong}")).expect_err("no topic");
            assert!(sentence.contains("NAME:PARTITIONS"), "{sentence}");
        }
        for wrong in [
            "--as-version 2.8",
            "--transaction-version 3",
            "--nodes 0",
            "--sasl-user ann",
            "--sasl-user ann:x --sasl-mechanism GSSAPI",
            "--nodes 101",
            "--port 70000",
        ] {
            let value = wrong.rsplit(' ').next().expect("a value");
            let sentence = broker(wrong).expect_err("no such value");
            assert!(sentence.contains(value), "{sentence}");
        }
    }
}
