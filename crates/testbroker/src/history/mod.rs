//! What the cluster was asked and what it did, for failure messages and assertions.

mod describe;

use std::collections::{BTreeSet, VecDeque};
use std::fmt;
use std::time::{Duration, Instant};

use bytes::Bytes;
use milena_wire::messages::{AnyRequest, AnyResponse};
use milena_wire::{
    ApiKey, ApiVersion, CorrelationId, RequestHeader, decode_any_request, decode_any_response,
};

use crate::connection::ConnectionId;
use crate::faults::RuleId;

/// The last requests and events, oldest first; how many is `BrokerConfig::history_max`.
///
/// Requests and answers are kept as bytes, up to `BrokerConfig::history_bytes_max` together and
/// `BrokerConfig::history_frame_bytes_max` each: the oldest lose theirs first.
#[derive(Debug)]
pub struct History {
    entries: VecDeque<Entry>,
    entries_max: usize,
    frame_bytes_max: usize,
    bytes_max: usize,
    /// Bytes of the frames of all entries.
    bytes: usize,
    /// Entries at the front that have lost their frames.
    stripped: usize,
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
    /// The number of the request among all, the same in all its entries; 0 if it is about none.
    pub number: u64,
    /// The request, if it is about one.
    pub request: Option<RequestName>,
    /// What happened.
    pub outcome: Outcome,
    /// The request's bytes without their length, as far as they are kept.
    pub frame: Option<Bytes>,
    /// The answer's, of an [`Outcome::Answered`].
    pub answer: Option<Bytes>,
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

impl Entry {
    pub(crate) fn of_connection(
        at: Instant,
        node: i32,
        connection: ConnectionId,
        outcome: Outcome,
    ) -> Self {
        Self {
            at,
            node,
            connection: Some(connection),
            number: 0,
            request: None,
            outcome,
            frame: None,
            answer: None,
        }
    }

    /// The request; `None` if it is about none, its bytes are not kept or cannot be read.
    pub fn decoded(&self) -> Option<(RequestHeader<'_>, AnyRequest<'_>)> {
        decode_any_request(self.frame.as_ref()?).ok()
    }

    /// The answer, of an [`Outcome::Answered`] whose bytes are kept.
    pub fn decoded_answer(&self) -> Option<AnyResponse<'_>> {
        let name = self.request?;
        let decoded = decode_any_response(self.answer.as_ref()?, name.api, name.version);
        decoded.ok().map(|(_, answer)| answer)
    }

    /// The client id of the request.
    pub fn client_id(&self) -> Option<&str> {
        self.decoded()?.0.client_id
    }

    /// What the request asks for, in a line: partitions, identities, sequences, offsets.
    pub fn describe(&self) -> String {
        describe::request(self)
    }

    /// What the answer says, in a line.
    pub fn describe_answer(&self) -> String {
        describe::answer(self)
    }
}

impl History {
    pub(crate) fn new(entries_max: usize, bytes_max: usize, frame_bytes_max: usize) -> Self {
        Self {
            entries: VecDeque::new(),
            entries_max,
            frame_bytes_max: if entries_max == 0 { 0 } else { frame_bytes_max },
            bytes_max,
            bytes: 0,
            stripped: 0,
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
        let is_it = |entry: &&Entry| entry.outcome == Outcome::Applied;
        self.of_api(api).filter(is_it).count()
    }

    /// The entries about requests of this API.
    pub fn of_api(&self, api: ApiKey) -> impl DoubleEndedIterator<Item = &Entry> {
        let is_it = move |entry: &&Entry| entry.request.is_some_and(|name| name.api == api);
        self.entries.iter().filter(is_it)
    }

    /// The entries about a connection and its requests.
    pub fn of_connection(&self, conn: ConnectionId) -> impl DoubleEndedIterator<Item = &Entry> {
        let is_it = move |entry: &&Entry| entry.connection == Some(conn);
        self.entries.iter().filter(is_it)
    }

    /// The entries about requests that carry this client id, as far as their bytes are kept.
    pub fn of_client<'a>(
        &'a self,
        client_id: &'a str,
    ) -> impl DoubleEndedIterator<Item = &'a Entry> {
        let is_it = move |entry: &&Entry| entry.client_id() == Some(client_id);
        self.entries.iter().filter(is_it)
    }

    /// The entries that a rule made.
    pub fn of_rule(&self, rule: RuleId) -> impl DoubleEndedIterator<Item = &Entry> {
        let is_it = move |entry: &&Entry| entry.outcome == Outcome::Fault(rule);
        self.entries.iter().filter(is_it)
    }

    /// Every request of this API, once each, decoded, with the first entry about it. Those whose
    /// bytes are not kept are left out.
    pub fn requests_of(&self, api: ApiKey) -> impl Iterator<Item = (&Entry, AnyRequest<'_>)> {
        let mut seen = BTreeSet::new();
        self.of_api(api)
            .filter(move |entry| entry.number > 0 && seen.insert(entry.number))
            .filter_map(|entry| Some((entry, entry.decoded()?.1)))
    }

    /// Every answer to a request of this API, decoded.
    pub fn answers_of(&self, api: ApiKey) -> impl Iterator<Item = (&Entry, AnyResponse<'_>)> {
        self.of_api(api)
            .filter_map(|entry| Some((entry, entry.decoded_answer()?)))
    }

    /// A copy to keep of a request. A copy, because the frame shares its memory with what was read
    /// from the connection along with it.
    pub(crate) fn keep(&self, frame: &[u8]) -> Option<Bytes> {
        let fits = !frame.is_empty() && frame.len() <= self.frame_bytes_max;
        fits.then(|| Bytes::copy_from_slice(frame))
    }

    /// A copy to keep of an answer without its length.
    pub(crate) fn keep_parts(&self, parts: &[Bytes], length: usize) -> Option<Bytes> {
        let fits = length > 4 && length <= self.frame_bytes_max;
        fits.then(|| Bytes::from(parts.concat()).slice(4..))
    }

    pub(crate) fn push(&mut self, entry: Entry) {
        self.started.get_or_insert(entry.at);
        self.total += 1;
        if self.entries_max == 0 {
            return;
        }
        if self.entries.len() >= self.entries_max {
            self.bytes -= self.entries.pop_front().map_or(0, |oldest| oldest.bytes());
            self.stripped = self.stripped.saturating_sub(1);
        }
        self.bytes += entry.bytes();
        self.entries.push_back(entry);
        while self.bytes > self.bytes_max
            && let Some(entry) = self.entries.get_mut(self.stripped)
        {
            self.bytes -= entry.bytes();
            entry.frame = None;
            entry.answer = None;
            self.stripped += 1;
        }
    }

    /// The last entries, one a line, with what was asked and answered, the time since the first.
    pub(crate) fn tell(&self, last: usize, f: &mut dyn fmt::Write) -> fmt::Result {
        let skip = self.entries.len().saturating_sub(last);
        if skip > 0 {
            writeln!(f, "... {} entries before these", self.total - last as u64)?;
        }
        let mut told = BTreeSet::new();
        for entry in self.entries.iter().skip(skip) {
            self.line(entry, f)?;
            if entry.number > 0 && told.insert(entry.number) {
                write!(f, " {}", entry.describe())?;
            }
            if entry.answer.is_some() {
                write!(f, " {}", entry.describe_answer())?;
            }
            writeln!(f)?;
        }
        Ok(())
    }

    fn line(&self, entry: &Entry, f: &mut dyn fmt::Write) -> fmt::Result {
        let since = self
            .started
            .map_or(Duration::ZERO, |started| entry.at - started);
        let ms = since.as_secs_f64() * 1_000.0;
        write!(f, "{ms:>10.3} ms node {}", entry.node)?;
        match entry.connection {
            Some(connection) => write!(f, " conn {}", connection.0)?,
            None => f.write_str(" conn -")?,
        }
        if let Some(name) = entry.request {
            let RequestName {
                api,
                version,
                correlation_id,
            } = name;
            write!(f, " {api} {version} #{}", correlation_id.0)?;
        }
        write!(f, " {:?}", entry.outcome)
    }
}

impl Entry {
    fn bytes(&self) -> usize {
        let length = |bytes: &Option<Bytes>| bytes.as_ref().map_or(0, Bytes::len);
        length(&self.frame) + length(&self.answer)
    }
}

/// One line an entry, with the time since the first.
impl fmt::Display for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for entry in &self.entries {
            self.line(entry, f)?;
            writeln!(f)?;
        }
        Ok(())
    }
}
