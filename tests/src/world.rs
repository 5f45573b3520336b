//! Where a scenario takes place: a broker, a relay in front of it, and names that nobody else uses.

use std::{
    process,
    sync::atomic::{AtomicU64, Ordering},
};

use milena::{BrokerAddress, Client, NewTopic, Record};
use milena_testbroker::{
    Action, Emulate, Rule, RuleId, TestBroker,
    relay::{ApiKey, Relay, RelayAction, RelayRule, RelayRuleId},
};

use crate::{
    Failure,
    kafka::{KAFKA_3, KAFKA_4},
};

/// The brokers that every scenario runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The embedded broker, three nodes, as Kafka 4.3 with `transaction.version` 2.
    EmbeddedTv2,
    /// The embedded broker, three nodes, as Kafka 3.9.
    EmbeddedTv1,
    /// Kafka 4.3.1, one node, `transaction.version` 2.
    Kafka4,
    /// Kafka 3.9.2, one node.
    Kafka3,
}

/// The surroundings of one scenario.
pub struct World {
    kind: Kind,
    /// Of the broker itself, `host:port`.
    bootstrap: (String, u16),
    broker: Option<TestBroker>,
    relay: Relay,
    unique: String,
}

impl World {
    /// `None` if this machine has no such broker.
    pub(crate) fn start(kind: Kind, name: &str) -> Option<Self> {
        let relay = Relay::start().expect("a thread can be started");
        let (bootstrap, broker) = match kind {
            Kind::Kafka4 => (split(KAFKA_4.bootstrap()?), None),
            Kind::Kafka3 => (split(KAFKA_3.bootstrap()?), None),
            Kind::EmbeddedTv2 | Kind::EmbeddedTv1 => {
                let builder = TestBroker::builder().nodes(3);
                let builder = match kind {
                    Kind::EmbeddedTv2 => builder.transaction_version(2),
                    _ => builder.emulate(Emulate::V3_9),
                };
                let broker = builder.start().expect("loopback has free ports");
                (split(&broker.bootstrap()), Some(broker))
            }
        };
        // Real Kafka keeps the names of former runs when it is not ours alone.
        let unique = format!(
            "{name}-{}-{}",
            process::id(),
            WORLDS.fetch_add(1, Ordering::Relaxed)
        );
        Some(Self {
            kind,
            bootstrap,
            broker,
            relay,
            unique,
        })
    }

    /// Which brokers these are.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The relay that every connection of [`client`](Self::client) goes through.
    pub fn relay(&self) -> &Relay {
        &self.relay
    }

    /// A client whose connections go through the relay.
    pub async fn client(&self) -> Result<Client, Failure> {
        let (host, port) = self.relay.route(&self.bootstrap.0, self.bootstrap.1);
        let relay = self.relay.clone();
        let through_relay = move |address: BrokerAddress| {
            let (host, port) = relay.route(&address.host, address.port);
            BrokerAddress {
                host: host.into(),
                port,
            }
        };
        let builder = Client::builder()
            .bootstrap([format!("{host}:{port}")])
            .client_id(&self.unique);
        Ok(builder.address_map(through_relay).build().await?)
    }

    /// A client that no fault of the relay reaches: for what only looks on.
    pub async fn witness(&self) -> Result<Client, Failure> {
        Ok(Client::connect(&format!("{}:{}", self.bootstrap.0, self.bootstrap.1)).await?)
    }

    /// A new topic of this scenario.
    pub async fn topic(&self, what: &str, partitions: i32) -> Result<Topic, Failure> {
        let name = self.name(what);
        self.witness()
            .await?
            .admin()
            .create_topic(NewTopic::new(&name, partitions).replication_factor(-1))
            .await?;
        Ok(Topic { name, partitions })
    }

    /// A name that no other scenario and no other run uses: for transactional ids and groups.
    pub fn name(&self, what: &str) -> String {
        format!("{}-{what}", self.unique)
    }

    /// The answer to the next request of this API is lost after the broker has acted: by the embedded broker itself
    /// where there is one, else by the relay.
    pub fn lose_next_answer(&self, api: ApiKey) -> LostAnswers<'_> {
        match &self.broker {
            Some(broker) => {
                let rule = Rule::on(api).nth(1);
                LostAnswers::Embedded(
                    broker,
                    broker.with(|broker| broker.faults().add(rule, Action::ApplyThenDrop)),
                )
            }
            None => {
                let rule = RelayRule::on(api).nth(1);
                LostAnswers::Relayed(&self.relay, self.relay.add(rule, RelayAction::LoseAnswer))
            }
        }
    }
}

/// A topic of a scenario.
#[derive(Debug, Clone)]
pub struct Topic {
    /// Its name.
    pub name: String,
    /// How many partitions it has.
    pub partitions: i32,
}

impl Topic {
    /// A record for it without a key.
    pub fn record<'a>(&'a self, partition: i32, value: &'a str) -> Record<'a> {
        Record::to(&self.name).partition(partition).value(value)
    }

    /// Every partition, as the client takes assignments.
    pub fn assignment(&self) -> Vec<(&str, i32)> {
        (0..self.partitions)
            .map(|partition| (self.name.as_str(), partition))
            .collect()
    }
}

/// Answers that are to be lost, and whether they were.
pub enum LostAnswers<'a> {
    /// By the embedded broker.
    Embedded(&'a TestBroker, RuleId),
    /// By the relay.
    Relayed(&'a Relay, RelayRuleId),
}

impl LostAnswers<'_> {
    /// How many have been lost.
    pub fn fired(&self) -> u64 {
        match *self {
            Self::Embedded(broker, rule) => broker.with(|broker| broker.faults().fired(rule)),
            Self::Relayed(relay, rule) => relay.fired(rule),
        }
    }
}

fn split(bootstrap: &str) -> (String, u16) {
    let (host, port) = bootstrap
        .rsplit_once(':')
        .expect("a broker prints its address as host:port");
    (
        host.to_owned(),
        port.parse()
            .expect("the embedded broker's port is a number"),
    )
}

/// Numbers the worlds of this process.
static WORLDS: AtomicU64 = AtomicU64::new(0);
