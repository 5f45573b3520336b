//! Java's transactional copier, and the tools for transactions.

use super::commands::{produce, read, topic};
use super::java::{Java, ensure};
use crate::failure::Result;

const COPIER: &str = "org.apache.kafka.tools.TransactionalMessageCopier";
const TRANSACTIONS: &str = "org.apache.kafka.tools.TransactionsCommand";

/// Every record is copied once although transactions are aborted at random.
pub(crate) async fn copier(java: &Java) -> Result<String> {
    const COUNT: usize = 1_000;
    let (source, target) = (topic(java, 1).await?, topic(java, 1).await?);
    produce(java, &source, COUNT).await?;
    let (group, id) = (java.name("group"), java.name("id"));
    let arguments = format!(
        "--broker-list {} --input-topic {source} --input-partition 0 --output-topic {target} --max-messages {COUNT} \
         --transaction-size 50 --transactional-id {id} --consumer-group {group} --enable-random-aborts",
        java.bootstrap()
    );
    let said = java.run(COPIER, &arguments).await?;
    ensure(said.contains("\"remaining\":0"), "the copier", &said)?;
    let written = read(java, &source, COUNT, "read_committed").await?;
    let copied = read(java, &target, COUNT, "read_committed").await?;
    ensure(
        copied == written,
        "copies",
        &format!("{} of {COUNT}, or in another order", copied.len()),
    )?;
    let more = read(java, &target, COUNT + 1, "read_uncommitted").await?;
    ensure(more.len() > COUNT, "aborted records", "there are none")?;
    Ok(format!(
        "{COUNT} records copied exactly once, with random aborts"
    ))
}

pub(crate) async fn tools(java: &Java) -> Result<String> {
    let (source, target) = (topic(java, 1).await?, topic(java, 1).await?);
    produce(java, &source, 100).await?;
    let (group, id) = (java.name("group"), java.name("id"));
    let arguments = format!(
        "--broker-list {} --input-topic {source} --input-partition 0 --output-topic {target} --max-messages 100 \
         --transaction-size 50 --transactional-id {id} --consumer-group {group}",
        java.bootstrap()
    );
    java.run(COPIER, &arguments).await?;
    let listed = java.tool(TRANSACTIONS, "list").await?;
    ensure(
        listed.contains(&id) && listed.contains("CompleteCommit"),
        "list",
        &listed,
    )?;
    let described = java
        .tool(TRANSACTIONS, &format!("describe --transactional-id {id}"))
        .await?;
    ensure(described.contains("CompleteCommit"), "describe", &described)?;
    let producers = java
        .tool(
            TRANSACTIONS,
            &format!("describe-producers --topic {target} --partition 0"),
        )
        .await?;
    ensure(
        producers.lines().count() >= 2,
        "describe-producers",
        &producers,
    )?;
    let hanging = java
        .tool(TRANSACTIONS, &format!("find-hanging --topic {target}"))
        .await?;
    ensure(!hanging.contains(&id), "find-hanging", &hanging)?;
    Ok("listed, described, producers described, none hanging".to_owned())
}
