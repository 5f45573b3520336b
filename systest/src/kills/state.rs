//! What Java's tools say of the transactional id and of the group.

use std::collections::BTreeMap;

use crate::cluster::{Cluster, words};
use crate::failure::{Failure, Result};
use crate::java::tool;

const TRANSACTIONS: &str = "org.apache.kafka.tools.TransactionsCommand";
const GROUPS: &str = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand";

/// The state of a transactional id, in Kafka's own word, such as `Ongoing`.
pub(super) async fn transaction(cluster: &Cluster, id: &str) -> Result<String> {
    let arguments = words(&["describe", "--transactional-id", id]);
    let text = tool(cluster, TRANSACTIONS, arguments).await?;
    let states = column(&text, "TransactionState", "TransactionalId");
    let state = states.and_then(|mut states| states.remove(id));
    state.ok_or_else(|| Failure::new(format!("no state of transactional id {id} in:\n{text}")))
}

/// Transactional ids with a transaction that is neither committed nor aborted.
pub(super) async fn open_transactions(cluster: &Cluster) -> Result<Vec<String>> {
    let text = tool(cluster, TRANSACTIONS, words(&["list"])).await?;
    let states = column(&text, "TransactionState", "TransactionalId");
    let states =
        states.ok_or_else(|| Failure::new(format!("not a list of transactions:\n{text}")))?;
    Ok(states
        .into_iter()
        .filter(|(_, state)| {
            !matches!(state.as_str(), "CompleteCommit" | "CompleteAbort" | "Empty")
        })
        .map(|(id, state)| format!("{id} {state}"))
        .collect())
}

/// The partitions of a topic that a group has not read to their end, in words; all of them must have an offset.
pub(super) async fn unread(
    cluster: &Cluster,
    group: &str,
    topic: &str,
    partitions: i32,
) -> Result<Vec<String>> {
    let arguments = words(&["--describe", "--offsets", "--group", group]);
    let text = tool(cluster, GROUPS, arguments).await?;
    Ok(unread_in(&text, topic, partitions))
}

fn unread_in(text: &str, topic: &str, partitions: i32) -> Vec<String> {
    let rows = rows(
        text,
        &["TOPIC", "PARTITION", "CURRENT-OFFSET", "LOG-END-OFFSET"],
    );
    let mut unread = Vec::new();
    for partition in 0..partitions {
        let number = partition.to_string();
        let row = rows.iter().find(|row| row[0] == topic && row[1] == number);
        match row {
            Some(row) if row[2].parse::<i64>().is_ok() && row[2] == row[3] => {}
            Some(row) => unread.push(format!("{topic}-{partition}: {} of {}", row[2], row[3])),
            None => unread.push(format!("{topic}-{partition}: no offset")),
        }
    }
    unread
}

/// What a table says in one column, by what it says in another. None if there is no such table.
fn column(text: &str, value: &str, key: &str) -> Option<BTreeMap<String, String>> {
    text.lines()
        .any(|line| line.split_whitespace().any(|word| word == value))
        .then(|| {
            let rows = rows(text, &[key, value]);
            rows.into_iter()
                .map(|row| (row[0].to_owned(), row[1].to_owned()))
                .collect()
        })
}

/// The cells under these headings, row by row. Rows end where a table does; cells hold no spaces, and each has something in it.
fn rows<'a>(text: &'a str, headings: &[&str]) -> Vec<Vec<&'a str>> {
    let mut lines = text.lines().map(|line| line.split_whitespace().collect());
    let places: Option<Vec<usize>> = lines.find_map(|line: Vec<&str>| {
        let place = |heading: &&str| line.iter().position(|word| word == heading);
        headings.iter().map(place).collect()
    });
    let Some(places) = places else {
        return Vec::new();
    };
    lines
        .filter_map(|line: Vec<&str>| {
            let cell = |place: &usize| line.get(*place).copied();
            places.iter().map(cell).collect()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DESCRIBED: &str = "\
CoordinatorId\tTransactionalId\tProducerId\tProducerEpoch\tTransactionState\tTransactionTimeoutMs\tCurrentTransactionStartTimeMs\tTransactionDurationMs\tTopicPartitions
2            \tkills          \t1000      \t4            \tOngoing         \t60000               \t1700000000000                 \t312                  \tout-1,out-4
";
    const OFFSETS: &str = "
Consumer group 'kills' has no active members.

GROUP   TOPIC   PARTITION  CURRENT-OFFSET  LOG-END-OFFSET  LAG   CONSUMER-ID  HOST  CLIENT-ID
kills   in      0          10              10              0     -            -     -
kills   in      1          9               10              1     -            -     -
kills   in      3          -               10              -     -            -     -
";

    #[test]
    fn the_state_is_found_under_its_heading() {
        let states = column(DESCRIBED, "TransactionState", "TransactionalId").expect("a table");
        assert_eq!(states.get("kills").map(String::as_str), Some("Ongoing"));
        assert_eq!(
            column("Error: no such id\n", "TransactionState", "TransactionalId"),
            None
        );
    }

    #[test]
    fn a_partition_behind_without_offset_or_missing_is_unread() {
        let unread = unread_in(OFFSETS, "in", 4);
        assert_eq!(
            unread,
            ["in-1: 9 of 10", "in-2: no offset", "in-3: - of 10"]
        );
        assert_eq!(unread_in(OFFSETS, "in", 1), [""; 0]);
        assert_eq!(unread_in("", "in", 1).len(), 1);
    }
}
