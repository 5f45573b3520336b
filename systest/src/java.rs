//! What Java's own tools see of a cluster: records, transactions, group offsets.

use crate::cluster::{Cluster, kafka, words};
use crate::failure::{Failure, Result};

const CONSOLE_CONSUMER: &str = "org.apache.kafka.tools.consumer.ConsoleConsumer";
/// The console consumer ends when nothing came for so long: it does not know the end of a topic, and a count would not say
/// it either, since the end offset counts markers.
const IDLE_TIMEOUT_MS: &str = "5000";
/// For the second look: a Java program that is starved for seconds takes that for the end.
const IDLE_TIMEOUT_LONG_MS: &str = "20000";
/// Between fields, between records, and for null: none of ours holds these characters.
const FIELD: char = '\u{1f}';
const RECORD: char = '\u{1e}';
const NULL: &str = "\u{1d}";

/// Which records are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Isolation {
    ReadCommitted,
    ReadUncommitted,
}

/// A record as Java's console consumer prints it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct JavaRecord {
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    pub(crate) key: Option<String>,
    pub(crate) value: Option<String>,
}

/// Everything in a topic, from the beginning to the end of what the isolation level shows. Takes five idle seconds longer than
/// the reading itself. Keys and values must not hold the characters U+001D to U+001F.
pub(crate) async fn read(
    cluster: &Cluster,
    topic: &str,
    isolation: Isolation,
) -> Result<Vec<JavaRecord>> {
    read_within(cluster, topic, isolation, IDLE_TIMEOUT_MS).await
}

/// The same, with a second and more patient look if there seem to be fewer than `count` records.
pub(crate) async fn read_at_least(
    cluster: &Cluster,
    topic: &str,
    isolation: Isolation,
    count: usize,
) -> Result<Vec<JavaRecord>> {
    let records = read(cluster, topic, isolation).await?;
    if records.len() >= count {
        return Ok(records);
    }
    read_within(cluster, topic, isolation, IDLE_TIMEOUT_LONG_MS).await
}

async fn read_within(
    cluster: &Cluster,
    topic: &str,
    isolation: Isolation,
    idle_timeout_ms: &str,
) -> Result<Vec<JavaRecord>> {
    let level = match isolation {
        Isolation::ReadCommitted => "read_committed",
        Isolation::ReadUncommitted => "read_uncommitted",
    };
    let (field, record) = (
        format!("key.separator={FIELD}"),
        format!("line.separator={RECORD}"),
    );
    let null = format!("null.literal={NULL}");
    let mut arguments = words(&["--topic", topic, "--from-beginning"]);
    arguments.extend(words(&["--isolation-level", level]));
    arguments.extend(words(&["--timeout-ms", idle_timeout_ms]));
    for property in [
        "print.partition=true",
        "print.offset=true",
        "print.key=true",
        "print.value=true",
        &field,
        &record,
        &null,
    ] {
        arguments.extend(words(&["--property", property]));
    }
    let text = tool(cluster, CONSOLE_CONSUMER, arguments).await?;
    records_of(&text)
}

/// Runs one of Java's tools on a cluster; its standard output.
pub(crate) async fn tool(cluster: &Cluster, class: &str, arguments: Vec<String>) -> Result<String> {
    let mut all = words(&["run", "--version", cluster.version(), class]);
    all.extend(words(&["--bootstrap-server", cluster.bootstrap()]));
    all.extend(arguments);
    kafka(all).await
}

/// After the last record comes what the consumer logs at its end, on standard output as well.
fn records_of(text: &str) -> Result<Vec<JavaRecord>> {
    let Some((records, _)) = text.rsplit_once(RECORD) else {
        return Ok(Vec::new());
    };
    records.split(RECORD).map(record_of).collect()
}

/// `Partition:1|Offset:5|key|value`, the bars being [`FIELD`]. Lines of the log may come before it.
fn record_of(text: &str) -> Result<JavaRecord> {
    let malformed = || Failure::new(format!("not a record of the console consumer: {text:?}"));
    let fields: Vec<&str> = text.split(FIELD).collect();
    let [partition, offset, key, value] = fields.as_slice() else {
        return Err(malformed());
    };
    let number =
        |field: &str, name: &str| -> Option<i64> { field.strip_prefix(name)?.parse().ok() };
    let logged = partition.rfind('\n').map_or(0, |end| end + 1);
    let partition = &partition[logged..];
    let partition = number(partition, "Partition:").and_then(|number| i32::try_from(number).ok());
    let text_of = |field: &str| (field != NULL).then(|| field.to_owned());
    Ok(JavaRecord {
        partition: partition.ok_or_else(malformed)?,
        offset: number(offset, "Offset:").ok_or_else(malformed)?,
        key: text_of(key),
        value: text_of(value),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_printed_record_is_read_back_and_null_is_not_the_empty_text() {
        let record = record_of("Partition:2\u{1f}Offset:17\u{1f}\u{1d}\u{1f}a b").expect("valid");
        assert_eq!((record.partition, record.offset), (2, 17));
        assert_eq!(record.key, None);
        assert_eq!(record.value.as_deref(), Some("a b"));
        let empty = record_of("Partition:0\u{1f}Offset:0\u{1f}\u{1f}").expect("valid");
        assert_eq!(empty.key.as_deref(), Some(""));
    }

    #[test]
    fn what_the_consumer_logs_is_not_taken_for_records() {
        let text = "Option --property is deprecated\nPartition:0\u{1f}Offset:1\u{1f}k\u{1f}v\u{1e}\
            WARN slow\nPartition:0\u{1f}Offset:2\u{1f}k\u{1f}v\u{1e}ERROR TimeoutException\n";
        let offsets: Vec<i64> = records_of(text)
            .expect("two records")
            .iter()
            .map(|record| record.offset)
            .collect();
        assert_eq!(offsets, [1, 2]);
        assert_eq!(records_of("ERROR TimeoutException\n").expect("none"), []);
    }

    #[test]
    fn what_is_no_record_is_refused() {
        for text in [
            "Partition:2\u{1f}Offset:17\u{1f}k",
            "Offset:17\u{1f}Partition:2\u{1f}k\u{1f}v",
            "Partition:2\u{1f}Offset:x\u{1f}k\u{1f}v",
        ] {
            assert!(record_of(text).is_err(), "{text:?}");
        }
    }
}
