//! What all scenarios of a version share: the cluster, the relay before it, and the copiers' input.

use std::env;
use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::time::Duration;

use milena::{Client, Record};
use milena_testbroker::relay::{Relay, RelayPath};
use tokio::time::{Instant, sleep};

use super::verify;
use crate::cluster::{Cluster, NODES};
use crate::failure::{Context, Failure, Result};
use crate::java::{Isolation, JavaRecord};

/// One copier can copy each.
pub(crate) const INPUT_PARTITIONS: i32 = 2;
/// After so many records comes an aborted transaction of a few, which no copier may copy.
const ABORTED_EVERY: u64 = 1000;
/// Where relays listen: apart from where xtask looks for ports, and from where systems take those of outgoing connections.
const RELAY_PORTS: std::ops::Range<u16> = 12_000..20_000;
/// After a fault of the whole cluster.
const HEALTHY_WITHIN: Duration = Duration::from_secs(90);

/// A three-node cluster whose clients all come through a relay.
pub(crate) struct World {
    pub(crate) cluster: Cluster,
    pub(crate) relay: Relay,
    pub(crate) ports: [u16; NODES],
    pub(crate) milena: PathBuf,
    /// For properties and outputs; removed at the end.
    pub(crate) folder: PathBuf,
    pub(crate) input: Vec<JavaRecord>,
    /// Whether the folder stays.
    pub(crate) keep: bool,
}

/// The topic that every copier reads.
pub(crate) const INPUT: &str = "systest-input";

impl World {
    pub(crate) async fn start(version: &str, milena: PathBuf, input_records: u64) -> Result<Self> {
        let ports = free_ports()?;
        let cluster = Cluster::start(version, Some(ports)).await?;
        let relay = Relay::start()?;
        for (port, target) in ports.iter().zip(cluster.relay_targets()) {
            relay
                .listen(*port, "127.0.0.1", *target)
                .context(|| format!("let the relay listen on port {port}"))?;
        }
        let own = std::process::id();
        let folder = env::temp_dir().join(format!("milena-systest-{own}-{version}"));
        fs::create_dir_all(&folder).context(|| format!("create {}", folder.display()))?;
        let mut world = Self {
            cluster,
            relay,
            ports,
            milena,
            folder,
            input: Vec::new(),
            keep: false,
        };
        if input_records > 0 {
            world.cluster.create_topic(INPUT, INPUT_PARTITIONS).await?;
            world.fill_input(input_records).await?;
            let expected = input_records * u64::from(INPUT_PARTITIONS.unsigned_abs());
            let expected = usize::try_from(expected).unwrap_or(usize::MAX);
            let committed = Isolation::ReadCommitted;
            let text = verify::java_text(&world, INPUT, committed, expected).await?;
            world.input = verify::java_records(&text)?;
            if world.input.len() != expected {
                let count = world.input.len();
                let text = format!("the input has {count} records, not {expected}");
                return Err(Failure::new(text));
            }
        }
        Ok(world)
    }

    /// The addresses that programs are given: the relay's.
    pub(crate) fn bootstrap(&self) -> String {
        let addresses = self.ports.map(|port| format!("127.0.0.1:{port}"));
        addresses.join(",")
    }

    /// A client past the relay.
    pub(crate) async fn direct(&self) -> Result<Client> {
        Ok(Client::connect(self.cluster.bootstrap()).await?)
    }

    /// A client that the faults strike as well.
    pub(crate) async fn relayed(&self) -> Result<Client> {
        Ok(Client::connect(&self.bootstrap()).await?)
    }

    /// Makes the network to node `node` (from 1) so; how many connections stood there.
    pub(crate) fn set_path(&self, node: usize, path: RelayPath) -> usize {
        let target = self.cluster.relay_targets()[node - 1];
        self.relay.set_path("127.0.0.1", target, path).unwrap_or(0)
    }

    /// Creates a topic once the cluster is well again.
    pub(crate) async fn create_topic(&self, name: &str, partitions: i32) -> Result<()> {
        let started = Instant::now();
        loop {
            match self.cluster.create_topic(name, partitions).await {
                Ok(()) => return Ok(()),
                Err(failure) if started.elapsed() > HEALTHY_WITHIN => return Err(failure),
                Err(_) => sleep(Duration::from_secs(1)).await,
            }
        }
    }

    /// Keys of all kinds, and aborted transactions between the records.
    async fn fill_input(&self, records: u64) -> Result<()> {
        let client = self.direct().await?;
        let producer = client.producer().build().await?;
        let mut aborting = client
            .transactional_producer("systest-fill")
            .build()
            .await?;
        let mut deliveries = Vec::new();
        for number in 0..records {
            for partition in 0..INPUT_PARTITIONS {
                let value = format!("c.{partition}.{number}");
                let key = (number % 13).to_string();
                let mut record = Record::to(INPUT).partition(partition).value(value.as_str());
                if number % 7 != 0 {
                    record = record.key(key.as_str());
                }
                deliveries.push(producer.send(record).await?);
            }
            if number % ABORTED_EVERY == ABORTED_EVERY / 2 {
                producer.flush().await?;
                let transaction = aborting.begin().await?;
                for partition in 0..INPUT_PARTITIONS {
                    let record = Record::to(INPUT).partition(partition).value("aborted");
                    transaction.send(record).await?.await?;
                }
                transaction.abort().await?;
            }
        }
        for delivery in deliveries {
            delivery.await?;
        }
        Ok(())
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if !self.keep {
            // Nothing depends on its being gone.
            let _ = fs::remove_dir_all(&self.folder);
        }
    }
}

fn free_ports() -> Result<[u16; NODES]> {
    let span = u32::from(RELAY_PORTS.end - RELAY_PORTS.start);
    let offset = u16::try_from(std::process::id() * 16 % span).unwrap_or(0);
    let ports: Vec<u16> = (0..RELAY_PORTS.len())
        .filter_map(|step| u16::try_from(step).ok())
        .map(|step| RELAY_PORTS.start + (offset + step) % (RELAY_PORTS.end - RELAY_PORTS.start))
        .filter(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok())
        .take(NODES)
        .collect();
    ports
        .try_into()
        .map_err(|_| Failure::new("no free ports for the relay"))
}
