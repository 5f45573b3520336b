//! What Java's tools say of transactions and of the group.

use crate::cluster::{Cluster, words};
use crate::failure::{Failure, Result};
use crate::java::tool;

const TRANSACTIONS: &str = "org.apache.kafka.tools.TransactionsCommand";
const GROUPS: &str = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand";

/// Transactional ids with a transaction that is neither committed nor aborted.
pub(super) async fn open_transactions(cluster: &Cluster) -> Result<Vec<String>> {
    let text = tool(cluster, TRANSACTIONS, words(&["list"])).await?;
    open_in(&text).ok_or_else(|| Failure::new(format!("not a list of transactions:\n{text}")))
}

/// None if there is no such table.
fn open_in(text: &str) -> Option<Vec<String>> {
    let rows = rows(text, &["TransactionalId", "TransactionState"]);
    let is_open =
        |row: &&Vec<&str>| !matches!(row[1], "CompleteCommit" | "CompleteAbort" | "Empty");
    let open = rows.iter().filter(is_open).map(|row| row.join(" "));
    // A table without a row would be of another cluster: there is at least the pipeline's own id.
    (!rows.is_empty()).then(|| open.collect())
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

    const LISTED: &str = "\
TransactionalId\tCoordinator\tProducerId\tTransactionState
kills-1        \t2          \t1000      \tCompleteCommit
other          \t1          \t1001      \tOngoing
";
    const OFFSETS: &str = "
Consumer group 'kills' has no active members.

GROUP   TOPIC   PARTITION  CURRENT-OFFSET  LOG-END-OFFSET  LAG   CONSUMER-ID  HOST  CLIENT-ID
kills   in      0          10              10              0     -            -     -
kills   in      1          9               10              1     -            -     -
kills   in      3          -               10              -     -            -     -
";

    #[test]
    fn a_transaction_that_is_not_complete_is_open() {
        assert_eq!(open_in(LISTED), Some(vec!["other Ongoing".to_owned()]));
        let complete = LISTED.replace("Ongoing", "CompleteAbort");
        assert_eq!(open_in(&complete), Some(Vec::new()));
        assert_eq!(open_in("Error: timed out\n"), None);
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
