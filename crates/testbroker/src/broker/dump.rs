//! Everything at once as text, and the last word of a broker.

use std::fmt::{self, Write};

use super::Broker;
use crate::cluster::is_internal;
use crate::log::PartitionLog;

/// Entries of the history and batches of a log in a dump.
const DUMP_ENTRIES: usize = 200;
const DUMP_BATCHES: usize = 40;
/// A dump is not longer than this many bytes; its middle is left out.
const DUMP_BYTES_MAX: usize = 256 * 1024;

impl Broker {
    /// Everything at once, for the message of a failed test: nodes, topics and the ends of their
    /// logs, groups, transactions, rules with their counts, and what was asked and answered last.
    pub fn dump(&self) -> String {
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = self.tell(&mut text, DUMP_BATCHES);
        let _ = self.history.tell(DUMP_ENTRIES, &mut text);
        shortened(self.with_topic_names(text))
    }

    #[cfg(feature = "tcp")]
    pub(crate) fn is_for_a_test(&self) -> bool {
        self.cluster.config.unfired_rules_fail
    }

    fn tell(&self, f: &mut dyn Write, batches: usize) -> fmt::Result {
        for node in self.nodes() {
            let state = if node.up { "up" } else { "down" };
            write!(f, "node {} {}:{} {state}", node.id, node.host, node.port)?;
            if let Some(rack) = &node.rack {
                write!(f, " rack {rack}")?;
            }
            match self.cluster.fetch_sessions.count(node.id) {
                0 => writeln!(f)?,
                sessions => writeln!(f, " {sessions} fetch sessions")?,
            }
        }
        for (id, transaction) in &self.cluster.transactions.by_id {
            writeln!(f, "transactional id {id}: {}", transaction.view())?;
        }
        for (id, group) in self.cluster.groups.iter() {
            write!(f, "{}", group.view(id, &self.cluster.topics))?;
        }
        for (name, index, partition) in self.cluster.topics.partitions() {
            // Fifty that nobody may write to.
            if is_internal(name) {
                continue;
            }
            write!(
                f,
                "{name}-{index} leader {} epoch {} replicas {:?} in sync {:?}",
                partition.leader, partition.leader_epoch, partition.replicas, partition.isr
            )?;
            for (node, end) in partition.behind() {
                write!(f, ", {node} only until {end}")?;
            }
            writeln!(f)?;
            tell_log(&partition.log, f, batches)?;
        }
        write!(f, "{}", self.faults)
    }

    /// Newer requests have topic ids where a reader wants names.
    fn with_topic_names(&self, mut text: String) -> String {
        for (name, topic) in self.cluster.topics.iter() {
            let id = topic.id.to_string();
            if text.contains(&id) {
                text = text.replace(&id, name);
            }
        }
        text
    }
}

fn tell_log(log: &PartitionLog, f: &mut dyn Write, batches: usize) -> fmt::Result {
    let text = log.to_string();
    let lines = text.lines().count();
    let skipped = lines.saturating_sub(batches + 1);
    for (number, line) in text.lines().enumerate() {
        if number == 0 || number > skipped {
            writeln!(f, "  {line}")?;
        } else if number == 1 {
            writeln!(f, "    ... {skipped} batches before these")?;
        }
    }
    Ok(())
}

fn shortened(text: String) -> String {
    if text.len() <= DUMP_BYTES_MAX {
        return text;
    }
    let half = DUMP_BYTES_MAX / 2;
    let head = (0..=half).rev().find(|at| text.is_char_boundary(*at));
    let tail = (text.len() - half..text.len()).find(|at| text.is_char_boundary(*at));
    let (head, tail) = (head.unwrap_or(0), tail.unwrap_or(text.len()));
    format!("{}\n...\n{}", &text[..head], &text[tail..])
}

/// Nodes, transactions, offsets, whole logs, rules and the whole history, as text.
impl fmt::Display for Broker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.tell(f, usize::MAX - 1)?;
        write!(f, "{}", self.history)
    }
}

/// A test whose fault did not happen has not tested what it says.
impl Drop for Broker {
    fn drop(&mut self) {
        if !self.cluster.config.unfired_rules_fail || std::thread::panicking() {
            return;
        }
        if let Err(unfired) = self.faults.check() {
            panic!("{unfired}");
        }
    }
}
