//! What the cluster was asked and what it did, for failure messages and assertions.

use std::collections::VecDeque;
use std::fmt;
use std::time::{Duration, Instant};

use milena_wire::{ApiKey, ApiVersion, CorrelationId};

use crate::connection::ConnectionId;
use crate::faults::RuleId;

/// The last requests and events, oldest first; how many is `BrokerConfig::history_max`.
#[derive(Debug)]
pub struct History {
    entries: VecDeque<Entry>,
    entries_max: usize,
    /// Entries ever made.
    total: u64,
    started: Option<Instant>,
}

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// When.
    pub at: Instant,
    /// At which node.
    pub node: i32,
    /// On which connection; `None` for a request that outlived its own.
    pub connection: Option<ConnectionId>,
    /// The request, if it is about one.
    pub request: Option<RequestName>,
    /// What happened.
    pub outcome: Outcome,
}

/// What tells one request from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestName {
    /// Its API.
    pub api: ApiKey,
    /// Its version.
    pub version: ApiVersion,
    /// Its correlation id.
    pub correlation_id: CorrelationId,
}

/// What happened to a request or connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A connection was accepted.
    Connected,
    /// A connection was closed by its client.
    Disconnected,
    /// A connection was closed by the broker, for this reason.
    Closed(String),
    /// A rule met the request.
    Fault(RuleId),
    /// The request was applied.
    Applied,
    /// It waits inside the broker (long poll, CONCURRENT_TRANSACTIONS).
    Waiting,
    /// Its answer was queued, of this many bytes.
    Answered(usize),
    /// Its answer had nowhere to go.
    AnswerLost,
}

impl History {
    pub(crate) fn new(entries_max: usize) -> Self {
        Self {
            entries: VecDeque::new(),
            entries_max,
            total: 0,
            started: None,
        }
    }

    /// The entries kept, oldest first.
    pub fn entries(&self) -> impl DoubleEndedIterator<Item = &Entry> + ExactSizeIterator {
        self.entries.iter()
    }

    /// How many entries were ever made, those no longer kept too.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// How often requests of this API were applied, among the entries kept.
    pub fn applied(&self, api: ApiKey) -> usize {
        let is_it = |entry: &&Entry| {
            entry.outcome == Outcome::Applied && entry.request.is_some_and(|name| name.api == api)
        };
        self.entries.iter().filter(is_it).count()
    }

    pub(crate) fn push(&mut self, entry: Entry) {
        self.started.get_or_insert(entry.at);
        self.total += 1;
        if self.entries_max == 0 {
            return;
        }
        if self.entries.len() >= self.entries_max {
            self.entries.pop_front();
        }
        self.entries.push_back(entry);
    }
}

/// One line an entry, with the time since the first.
impl fmt::Display for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for entry in &self.entries {
            let since = self
                .started
                .map_or(Duration::ZERO, |started| entry.at - started);
            write!(
                f,
                "{:>10.3} ms node {}",
                since.as_secs_f64() * 1_000.0,
                entry.node
            )?;
            match entry.connection {
                Some(connection) => write!(f, " conn {}", connection.0)?,
                None => f.write_str(" conn -")?,
            }
            if let Some(name) = entry.request {
                write!(
                    f,
                    " {} {} #{}",
                    name.api, name.version, name.correlation_id.0
                )?;
            }
            writeln!(f, " {:?}", entry.outcome)?;
        }
        Ok(())
    }
}
