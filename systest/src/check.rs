//! What the programs must have said and left behind, whatever struck them. No clock, no process, no broker: evidence goes in,
//! complaints come out.

pub(crate) mod copier;
pub(crate) mod producer;
pub(crate) mod reading;

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// Kafka's own drivers take a program that says nothing for so long for hung.
const SILENCE_MAX: Duration = Duration::from_secs(60);

/// Kinds of wrong. Each has a planted history in the tests that it must find.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Wrong {
    /// A record that must be in the log is not.
    Missing,
    /// A record is in the log more than once.
    Twice,
    /// Records of a partition are not in the order they were handed over in.
    Order,
    /// A record is in the log that nobody sent, or not as it was sent.
    Stray,
    /// The log holds something else at the offset that the program said.
    Offset,
    /// A line is missing, there are too many, or it does not say what it should.
    Lines,
    /// Sends failed though every fault ended in time.
    Errors,
    /// Nothing was said for too long.
    Silence,
    /// The program ended otherwise than it should.
    Exit,
    /// A transaction is still open.
    Open,
    /// A reader saw something else than the log holds.
    Reader,
    /// The committed offsets do not cover what the output holds.
    Group,
    /// It took too long.
    Slow,
    /// A fault that was planned did not happen: the run shows nothing.
    Fault,
}

/// What is wrong: by kind how often, and the first few.
#[derive(Debug, Default)]
pub(crate) struct Complaints(BTreeMap<Wrong, (usize, Vec<String>)>);

impl Complaints {
    /// So many of a kind are kept in words.
    const EXAMPLES: usize = 3;

    pub(crate) fn add(&mut self, kind: Wrong, text: impl Into<String>) {
        let (count, examples) = self.0.entry(kind).or_default();
        *count += 1;
        if examples.len() < Self::EXAMPLES {
            examples.push(text.into());
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn extend(&mut self, others: Self) {
        for (kind, (count, examples)) in others.0 {
            let mine = self.0.entry(kind).or_default();
            mine.0 += count;
            mine.1.extend(examples);
        }
    }

    #[cfg(test)]
    pub(crate) fn kinds(&self) -> Vec<Wrong> {
        self.0.keys().copied().collect()
    }
}

impl fmt::Display for Complaints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (kind, (count, examples)) in &self.0 {
            writeln!(f, "    {kind:?} ({count}): {}", examples.join("; "))?;
        }
        Ok(())
    }
}

/// A line of a program's standard output, and when it came, from the program's start on.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) at: Duration,
    pub(crate) text: String,
}

/// How a program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    Code(i32),
    Signal(i32),
}

/// The lines that are objects, parsed; others are not for us.
fn objects(lines: &[Line], complaints: &mut Complaints) -> Vec<serde_json::Value> {
    let mut objects = Vec::with_capacity(lines.len());
    for line in lines.iter().filter(|line| line.text.starts_with('{')) {
        match serde_json::from_str(&line.text) {
            Ok(object) => objects.push(object),
            Err(error) => complaints.add(
                Wrong::Lines,
                format!("{:?} is no JSON object: {error}", line.text),
            ),
        }
    }
    objects
}

/// Looks for gaps between lines, before the first and after the last.
fn check_silence(lines: &[Line], ended_at: Duration, complaints: &mut Complaints) {
    let times = lines.iter().map(|line| line.at).chain([ended_at]);
    let mut before = Duration::ZERO;
    for at in times {
        let gap = at.saturating_sub(before);
        if gap >= SILENCE_MAX {
            complaints.add(
                Wrong::Silence,
                format!(
                    "{:.1} s without a line from second {:.1} on",
                    gap.as_secs_f32(),
                    before.as_secs_f32()
                ),
            );
        }
        before = at;
    }
}
