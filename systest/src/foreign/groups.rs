//! Java's consumers in groups, and the tools for groups.

use std::collections::BTreeSet;

use serde_json::Value;

use super::commands::{produce, topic};
use super::java::{Java, Running, ensure, until};
use crate::failure::Result;

const CONSUMER: &str = "org.apache.kafka.tools.VerifiableConsumer";
const GROUPS: &str = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand";

/// Two members share six partitions, and the second leaves again.
pub(crate) async fn rebalance(java: &Java, protocol: &str) -> Result<String> {
    let name = topic(java, 6).await?;
    let group = java.name("group");
    let start = || {
        let mut arguments = format!(
            "--bootstrap-server {} --topic {name} --group-id {group} --reset-policy earliest",
            java.bootstrap()
        );
        if java.is_modern() {
            arguments.push_str(&format!(" --group-protocol {protocol}"));
        }
        if protocol == "classic" {
            arguments.push_str(" --session-timeout 10000");
        }
        java.start(CONSUMER, &arguments)
    };
    let first = start()?;
    until("the first member has everything", || {
        owned(&first).len() == 6
    })
    .await?;
    let second = start()?;
    until("the members share", || {
        owned(&first).len() == 3 && owned(&second).len() == 3
    })
    .await?;
    let overlap = owned(&first).intersection(&owned(&second)).count();
    ensure(
        overlap == 0,
        "partitions of two members",
        &overlap.to_string(),
    )?;
    produce(java, &name, 1_500).await?;
    until("every record is read", || {
        consumed(&first) + consumed(&second) >= 1_500
    })
    .await?;
    let both = consumed(&first).min(consumed(&second));
    second.end().await?;
    until("the first has everything again", || {
        owned(&first).len() == 6
    })
    .await?;
    let (read, failed) = (consumed(&first), has_failed_commit(&first));
    first.end().await?;
    ensure(
        both > 0 && !failed,
        "both have read, no commit failed",
        &format!("{read}, {failed}"),
    )?;
    Ok(format!(
        "1,500 records by two members of protocol {protocol}, then one has all"
    ))
}

pub(crate) async fn tools(java: &Java) -> Result<String> {
    let name = topic(java, 2).await?;
    let group = java.name("group");
    produce(java, &name, 100).await?;
    let read = format!(
        "--bootstrap-server {} --topic {name} --group-id {group} --reset-policy earliest --max-messages 100",
        java.bootstrap()
    );
    let said = java.run(CONSUMER, &read).await?;
    ensure(
        said.contains("shutdown_complete"),
        "VerifiableConsumer",
        &said,
    )?;
    let listed = java.tool(GROUPS, "--list").await?;
    ensure(listed.contains(&group), "list", &listed)?;
    let described = java
        .tool(GROUPS, &format!("--describe --group {group}"))
        .await?;
    ensure(described.contains(&name), "describe", &described)?;
    let state = java
        .tool(GROUPS, &format!("--describe --group {group} --state"))
        .await?;
    ensure(state.contains("Empty"), "state", &state)?;
    let reset = format!("--group {group} --topic {name} --reset-offsets --to-earliest --execute");
    let said = java.tool(GROUPS, &reset).await?;
    ensure(said.contains(&name), "reset", &said)?;
    let said = java.run(CONSUMER, &read).await?;
    ensure(
        said.contains("shutdown_complete"),
        "reading again after the reset",
        &said,
    )?;
    java.tool(GROUPS, &format!("--delete --group {group}"))
        .await?;
    let listed = java.tool(GROUPS, "--list").await?;
    ensure(!listed.contains(&group), "list after delete", &listed)?;
    Ok("listed, described, reset and read again, deleted".to_owned())
}

/// What a member has by its own account.
fn owned(member: &Running) -> BTreeSet<String> {
    let mut owned = BTreeSet::new();
    for event in member.events() {
        let partitions = event["partitions"].as_array().cloned().unwrap_or_default();
        let partitions = partitions.iter().map(Value::to_string);
        match event["name"].as_str() {
            Some("partitions_assigned") => owned.extend(partitions),
            Some("partitions_revoked") => partitions.for_each(|gone| {
                owned.remove(&gone);
            }),
            _ => {}
        }
    }
    owned
}

fn consumed(member: &Running) -> i64 {
    let read =
        |event: &Value| (event["name"] == "records_consumed").then(|| event["count"].as_i64());
    member.events().iter().filter_map(read).flatten().sum()
}

fn has_failed_commit(member: &Running) -> bool {
    let failed = |event: &Value| event["name"] == "offsets_committed" && event["success"] == false;
    member.events().iter().any(failed)
}
