//! Java's tools for topics, settings, records and the cluster itself.

use std::fs;

use super::java::{Java, ensure};
use crate::failure::{Failure, Result};

const TOPICS: &str = "org.apache.kafka.tools.TopicCommand";
const CONFIGS: &str = "kafka.admin.ConfigCommand";
const PRODUCER: &str = "org.apache.kafka.tools.VerifiableProducer";
const CONSOLE_CONSUMER: &str = "org.apache.kafka.tools.consumer.ConsoleConsumer";
const OFFSETS: &str = "org.apache.kafka.tools.GetOffsetShell";

/// A topic with so many partitions on three nodes.
pub(crate) async fn topic(java: &Java, partitions: usize) -> Result<String> {
    let name = java.name("topic");
    let arguments =
        format!("--create --topic {name} --partitions {partitions} --replication-factor 3");
    java.tool(TOPICS, &arguments).await?;
    Ok(name)
}

/// Writes the numbers below `count`, over all partitions, and looks whether each was acknowledged.
pub(crate) async fn produce(java: &Java, topic: &str, count: usize) -> Result<()> {
    // Without keys a producer stays with one partition for a while: a member of a group could go without.
    let arguments =
        format!("--topic {topic} --max-messages {count} --acks -1 --repeating-keys 100");
    let said = java.tool(PRODUCER, &arguments).await?;
    let sent = said.matches("producer_send_success").count();
    ensure(sent == count, "acknowledged", &format!("{sent} of {count}"))
}

/// The values of a topic, from its beginning; `count` of them.
pub(crate) async fn read(
    java: &Java,
    topic: &str,
    count: usize,
    isolation: &str,
) -> Result<Vec<String>> {
    let arguments = format!(
        "--topic {topic} --from-beginning --isolation-level {isolation} --max-messages {count} --timeout-ms 20000"
    );
    let said = java.tool(CONSOLE_CONSUMER, &arguments).await?;
    Ok(said.lines().map(str::to_owned).collect())
}

/// The end offsets of a topic, added up.
async fn ends(java: &Java, topic: &str, time: &str) -> Result<i64> {
    let said = java
        .tool(OFFSETS, &format!("--topic {topic} --time {time}"))
        .await?;
    let offset = |line: &str| line.rsplit(':').next()?.trim().parse::<i64>().ok();
    let offsets: Option<Vec<i64>> = said.lines().map(offset).collect();
    let offsets = offsets.ok_or_else(|| Failure::new(format!("not offsets: {said}")))?;
    Ok(offsets.iter().sum())
}

pub(crate) async fn topics(java: &Java) -> Result<String> {
    let name = topic(java, 3).await?;
    let described = java
        .tool(TOPICS, &format!("--describe --topic {name}"))
        .await?;
    let wanted = [
        "PartitionCount: 3",
        "ReplicationFactor: 3",
        "Partition: 2",
        "Isr:",
    ];
    ensure(
        wanted.iter().all(|part| described.contains(part)),
        "describe",
        &described,
    )?;
    java.tool(TOPICS, &format!("--alter --topic {name} --partitions 5"))
        .await?;
    let described = java
        .tool(TOPICS, &format!("--describe --topic {name}"))
        .await?;
    ensure(
        described.contains("PartitionCount: 5"),
        "more partitions",
        &described,
    )?;
    let fewer = java
        .tool(TOPICS, &format!("--alter --topic {name} --partitions 2"))
        .await;
    ensure(fewer.is_err(), "fewer partitions", "were accepted")?;
    let again = java
        .tool(TOPICS, &format!("--create --topic {name} --partitions 1"))
        .await;
    ensure(again.is_err(), "the same name", "was accepted")?;
    java.tool(TOPICS, &format!("--delete --topic {name}"))
        .await?;
    let listed = java.tool(TOPICS, "--list").await?;
    ensure(!listed.contains(&name), "list after delete", &listed)?;
    Ok("created, described, grown, refused twice, deleted".to_owned())
}

pub(crate) async fn configs(java: &Java) -> Result<String> {
    let name = topic(java, 1).await?;
    let entity = format!("--entity-type topics --entity-name {name}");
    let add = format!("{entity} --alter --add-config retention.ms=1234567,cleanup.policy=compact");
    java.tool(CONFIGS, &add).await?;
    let described = java.tool(CONFIGS, &format!("{entity} --describe")).await?;
    let wanted = ["retention.ms=1234567", "cleanup.policy=compact"];
    ensure(
        wanted.iter().all(|part| described.contains(part)),
        "describe",
        &described,
    )?;
    let remove = format!("{entity} --alter --delete-config retention.ms");
    java.tool(CONFIGS, &remove).await?;
    let described = java.tool(CONFIGS, &format!("{entity} --describe")).await?;
    ensure(!described.contains("1234567"), "removed", &described)?;
    let wrong = format!("{entity} --alter --add-config cleanup.policy=burn");
    ensure(
        java.tool(CONFIGS, &wrong).await.is_err(),
        "a wrong value",
        "was accepted",
    )?;
    let all = java
        .tool(
            CONFIGS,
            "--entity-type brokers --entity-name 1 --describe --all",
        )
        .await?;
    ensure(all.contains("num.partitions="), "a broker's settings", &all)?;
    Ok("set, described, removed, a wrong value refused; a broker's settings".to_owned())
}

pub(crate) async fn produce_and_consume(java: &Java) -> Result<String> {
    const COUNT: usize = 2_000;
    let name = topic(java, 4).await?;
    produce(java, &name, COUNT).await?;
    let mut values = read(java, &name, COUNT, "read_committed").await?;
    values.sort_unstable();
    values.dedup();
    ensure(
        values.len() == COUNT,
        "different values",
        &values.len().to_string(),
    )?;
    let (end, start) = (
        ends(java, &name, "-1").await?,
        ends(java, &name, "-2").await?,
    );
    ensure(
        (end, start) == (2_000, 0),
        "offsets",
        &format!("{start}..{end}"),
    )?;
    let perf = format!(
        "--topic {name} --num-records 5000 --record-size 200 --throughput -1 --bootstrap-server {}",
        java.bootstrap()
    );
    let said = java
        .run("org.apache.kafka.tools.ProducerPerformance", &perf)
        .await?;
    ensure(
        said.contains("5000 records sent"),
        "ProducerPerformance",
        &said,
    )?;
    Ok(format!(
        "{COUNT} records by VerifiableProducer, each once in ConsoleConsumer; 5,000 by ProducerPerformance"
    ))
}

pub(crate) async fn cluster(java: &Java) -> Result<String> {
    let versions = java
        .tool("org.apache.kafka.tools.BrokerApiVersionsCommand", "")
        .await?;
    let nodes = versions.matches("Produce(0): ").count();
    ensure(
        nodes == 3,
        "API versions of three nodes",
        &nodes.to_string(),
    )?;
    let features = java
        .tool("org.apache.kafka.tools.FeatureCommand", "describe")
        .await?;
    ensure(features.contains("metadata.version"), "features", &features)?;
    let id = java
        .run(
            "org.apache.kafka.tools.ClusterTool",
            &format!("cluster-id --bootstrap-server {}", java.bootstrap()),
        )
        .await?;
    ensure(id.contains("Cluster ID: "), "cluster id", &id)?;
    let logs = java
        .tool("org.apache.kafka.tools.LogDirsCommand", "--describe")
        .await?;
    ensure(logs.contains("\"logDirs\""), "log directories", &logs)?;
    let quorum = java
        .tool(
            "org.apache.kafka.tools.MetadataQuorumCommand",
            "describe --status",
        )
        .await?;
    ensure(quorum.contains("LeaderId:"), "quorum", &quorum)?;
    Ok("API versions, features, id, log directories, quorum".to_owned())
}

pub(crate) async fn records_and_leaders(java: &Java) -> Result<String> {
    let name = topic(java, 1).await?;
    produce(java, &name, 100).await?;
    let json =
        format!(r#"{{"partitions":[{{"topic":"{name}","partition":0,"offset":60}}],"version":1}}"#);
    let file = File::with(&json)?;
    let deleted = java
        .tool(
            "org.apache.kafka.tools.DeleteRecordsCommand",
            &format!("--offset-json-file {}", file.0.display()),
        )
        .await?;
    ensure(
        deleted.contains("low_watermark: 60"),
        "records deleted",
        &deleted,
    )?;
    ensure(ends(java, &name, "-2").await? == 60, "start", "is not 60")?;
    let moved = format!(
        r#"{{"version":1,"partitions":[{{"topic":"{name}","partition":0,"replicas":[3,2]}}]}}"#
    );
    let file = File::with(&moved)?;
    const REASSIGN: &str = "org.apache.kafka.tools.reassign.ReassignPartitionsCommand";
    let json = format!("--reassignment-json-file {}", file.0.display());
    java.tool(REASSIGN, &format!("{json} --execute")).await?;
    let mut said = String::new();
    for _ in 0..10 {
        said = java.tool(REASSIGN, &format!("{json} --verify")).await?;
        if said.contains("is completed") {
            break;
        }
    }
    ensure(said.contains("is completed"), "reassignment", &said)?;
    let elected = java
        .tool(
            "org.apache.kafka.tools.LeaderElectionCommand",
            &format!("--election-type preferred --topic {name} --partition 0"),
        )
        .await?;
    let fine = ["completed", "Valid replica already elected"];
    ensure(
        fine.iter().any(|part| elected.contains(part)),
        "election",
        &elected,
    )?;
    let described = java
        .tool(TOPICS, &format!("--describe --topic {name}"))
        .await?;
    ensure(
        described.contains("Leader: 3") && described.contains("Replicas: 3,2"),
        "leader",
        &described,
    )?;
    let left = read(java, &name, 40, "read_committed").await?;
    ensure(left.len() == 40, "records left", &left.len().to_string())?;
    Ok(
        "60 of 100 records deleted, the partition moved to two other nodes, its leader elected"
            .to_owned(),
    )
}

/// A file that is gone with this value.
struct File(std::path::PathBuf);

impl File {
    fn with(text: &str) -> Result<Self> {
        static MADE: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let number = MADE.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let name = format!("milena-foreign-{}-{number}.json", std::process::id());
        let file = Self(std::env::temp_dir().join(name));
        fs::write(&file.0, text)?;
        Ok(file)
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}
