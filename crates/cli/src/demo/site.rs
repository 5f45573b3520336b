//! Where the demo runs: on a broker of its own, or on the user's cluster behind a relay.

use std::time::Duration;

use milena::{AdminError, BrokerAddress, Client, ErrorCode, NewTopic};
use milena_testbroker::TestBroker;
use milena_testbroker::relay::Relay;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout, timeout_at};

use super::names::Names;
use crate::args::Address;
use crate::failure::Failure;

/// All of the preparations. With [`REMOVE_WITHIN`], wrong input has its answer within 15 s, whatever hangs.
const PREPARE_WITHIN: Duration = Duration::from_secs(10);
/// Of that, for a TCP connection to a broker.
const REACH_WITHIN: Duration = Duration::from_secs(4);
/// Of that, for a broker's first words.
const GREET_WITHIN: Duration = Duration::from_secs(6);
/// For taking topics away at the end; nobody waits longer for tidiness.
const REMOVE_WITHIN: Duration = Duration::from_secs(4);
/// A request that a broker swallows is noticed after so long, not only after the 30 s of an ordinary client.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(8);

/// The client that the faults are for, and no other: the auditor's must not use up what is meant for the pipeline.
pub(crate) const EXPOSED_CLIENT_ID: &str = "milena-demo-pipeline";

/// Nodes of the built-in broker.
const NODES: i32 = 3;

/// The cluster, and the place where its faults are made.
pub(crate) enum Site {
    /// Three nodes inside this process; their faults are made by the broker itself.
    BuiltIn(TestBroker),
    /// Somebody's Kafka; faults are made on the way there.
    Users {
        /// Stands between the pipeline and the brokers.
        relay: Relay,
        /// As the command line said.
        bootstrap: Vec<Address>,
    },
}

impl Site {
    /// The built-in broker, or the cluster at `bootstrap` if it says anything.
    pub(crate) fn open(bootstrap: &[Address]) -> Result<Self, Failure> {
        if bootstrap.is_empty() {
            TestBroker::builder()
                .nodes(NODES)
                // A rule that waits when the demo is interrupted is no failed test.
                .config(|config| config.unfired_rules_fail = false)
                .start()
                .map(Self::BuiltIn)
                .map_err(|error| {
                    Failure::Broken(format!("the built-in broker does not start: {error}"))
                })
        } else {
            let relay = Relay::start()
                .map_err(|error| Failure::Broken(format!("the relay does not start: {error}")))?;
            Ok(Self::Users {
                relay,
                bootstrap: bootstrap.to_vec(),
            })
        }
    }

    /// Whether leaders and coordinators are ours to move.
    pub(crate) fn moves(&self) -> bool {
        matches!(self, Self::BuiltIn(_))
    }

    /// Connects without a relay.
    pub(crate) async fn greet(&self) -> Result<Client, Failure> {
        match self {
            Self::BuiltIn(broker) => Client::connect(&broker.bootstrap()).await.map_err(|error| {
                Failure::Broken(format!("the built-in broker does not answer: {error}"))
            }),
            Self::Users { bootstrap, .. } => {
                reach(bootstrap).await?;
                let greeting = async {
                    let client = Client::builder()
                        .bootstrap(bootstrap.iter().map(Address::to_string))
                        .client_id("milena-demo")
                        .connect_timeout(REACH_WITHIN)
                        .request_timeout(REQUEST_TIMEOUT)
                        .build()
                        .await
                        .map_err(|error| error.to_string())?;
                    client
                        .admin()
                        .nodes()
                        .await
                        .map_err(|error| error.to_string())?;
                    Ok(client)
                };
                let silent = || Err("no answer".to_owned());
                let greeted: Result<Client, String> = timeout(GREET_WITHIN, greeting)
                    .await
                    .unwrap_or_else(|_| silent());
                greeted.map_err(|reason| {
                    let at = listed(bootstrap);
                    Failure::Input(format!(
                        "{at} does not answer like a Kafka broker: {reason}"
                    ))
                })
            }
        }
    }

    /// The pipeline's way to the cluster: through the faults.
    pub(crate) async fn connect_through_faults(&self) -> Result<Client, Failure> {
        let builder = Client::builder()
            .client_id(EXPOSED_CLIENT_ID)
            .request_timeout(REQUEST_TIMEOUT);
        let builder = match self {
            Self::BuiltIn(broker) => builder.bootstrap([broker.bootstrap()]),
            Self::Users { relay, bootstrap } => {
                let through = bootstrap
                    .iter()
                    .map(|address| relay.route(&address.host, address.port))
                    .map(|(host, port)| format!("{host}:{port}"));
                let relay = relay.clone();
                builder
                    .bootstrap(through)
                    .address_map(move |address: BrokerAddress| {
                        let (host, port) = relay.route(&address.host, address.port);
                        BrokerAddress {
                            host: host.into(),
                            port,
                        }
                    })
            }
        };
        builder
            .build()
            .await
            .map_err(|error| Failure::Broken(format!("the pipeline cannot connect: {error}")))
    }
}

/// When all preparations must be over that begin now.
pub(crate) fn prepare_deadline() -> Instant {
    Instant::now() + PREPARE_WITHIN
}

/// Creates the topics.
pub(crate) async fn create_topics(
    client: &Client,
    names: &Names,
    deadline: Instant,
) -> Result<(), Failure> {
    for (topic, partitions) in names.topics() {
        let request = NewTopic::new(topic, partitions).replication_factor(-1);
        let reason = match timeout_at(deadline, client.admin().create_topic(request)).await {
            Ok(Ok(())) => continue,
            Ok(Err(error)) => error.to_string(),
            Err(_) => "the cluster did not answer in time".to_owned(),
        };
        return Err(Failure::Input(format!(
            "topic '{topic}' cannot be created: {reason}"
        )));
    }
    Ok(())
}

/// Takes the topics away; returns those that stayed, and why. One that was never created is no matter.
pub(crate) async fn remove_topics(client: &Client, names: &Names) -> Vec<(String, String)> {
    let deadline = Instant::now() + REMOVE_WITHIN;
    let mut stayed = Vec::new();
    for (topic, _) in names.topics() {
        let reason = match timeout_at(deadline, client.admin().delete_topic(topic)).await {
            Ok(Ok(())) => continue,
            Ok(Err(AdminError::Refused {
                error: ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
                ..
            })) => continue,
            Ok(Err(error)) => error.to_string(),
            Err(_) => "no answer".to_owned(),
        };
        stayed.push((topic.to_owned(), reason));
    }
    stayed
}

/// Checks that something listens at one of the addresses at least. Without this step, "connection refused" and "not a Kafka
/// broker" would have to be told apart by a client's error text.
async fn reach(bootstrap: &[Address]) -> Result<(), Failure> {
    let mut attempts = JoinSet::new();
    for address in bootstrap.iter().cloned() {
        attempts.spawn(async move {
            let connect = TcpStream::connect((address.host.as_str(), address.port));
            match timeout(REACH_WITHIN, connect).await {
                Ok(Ok(_)) => Ok(()),
                Ok(Err(error)) => Err(error.to_string()),
                Err(_) => Err("no answer".to_owned()),
            }
        });
    }
    let mut reason = "no address given".to_owned();
    while let Some(attempt) = attempts.join_next().await {
        match attempt {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(error)) => reason = error,
            Err(error) => reason = error.to_string(),
        }
    }
    Err(Failure::Input(format!(
        "there is no broker at {}: {reason}",
        listed(bootstrap)
    )))
}

fn listed(bootstrap: &[Address]) -> String {
    let addresses: Vec<_> = bootstrap.iter().map(Address::to_string).collect();
    addresses.join(", ")
}
