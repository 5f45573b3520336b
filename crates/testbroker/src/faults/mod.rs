//! Faults on request: typed rules that say which requests they meet and what becomes of them.
//!
//! ```
//! # use milena_testbroker::{Action, Broker, BrokerConfig, Rule};
//! # use milena_wire::ApiKey;
//! let mut broker = Broker::new(BrokerConfig::default());
//! // The third Produce to t-0 is applied, but its answer is lost with the connection.
//! let rule = Rule::on(ApiKey::PRODUCE).topic_partition("t", 0).nth(3);
//! let lost = broker.faults().add(rule, Action::ApplyThenDrop);
//! assert_eq!(broker.faults().fired(lost), 0);
//! ```

mod rule;

use std::collections::BTreeMap;
use std::time::Duration;

use milena_wire::ErrorCode;

pub use rule::Rule;
pub(crate) use rule::{Subject, Touched};

/// Names a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RuleId(pub u64);

/// Names a barrier: everything held under it goes on at [`Broker::release`](crate::Broker::release).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HoldId(pub u64);

/// What becomes of a request that a rule meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Not applied; answered with this error. Where the rule names partitions, only those get the
    /// error and the rest of the request is applied.
    Error(ErrorCode),
    /// Applied, but answered with this error, for instance REQUEST_TIMED_OUT.
    ApplyThenError(ErrorCode),
    /// Not applied, and the answer does not speak of it: of the partitions that the rule names, the
    /// rest is done. Produce only; elsewhere as `Error(KAFKA_STORAGE_ERROR)`.
    LeaveOut,
    /// Not applied; the connection is closed.
    DropBeforeApply,
    /// Applied; the connection is closed instead of an answer.
    ApplyThenDrop,
    /// The connection is closed now, and the request is applied after this long all the same: a
    /// copy that was under way.
    DropThenApply(Duration),
    /// Applied and answered; then applied once more after this long, its second answer lost.
    Duplicate(Duration),
    /// Not applied, never answered; the connection stays open.
    Ignore,
    /// Applied, never answered; the connection stays open.
    ApplyThenIgnore,
    /// Applied after this long.
    Delay(Duration),
    /// Applied at once, answered after this long.
    DelayAnswer(Duration),
    /// Applied once the barrier is released.
    HoldRequest(HoldId),
    /// Applied at once, answered once the barrier is released.
    HoldAnswer(HoldId),
    /// The connection is closed before the request is looked at.
    CutConnection,
    /// Applied; this many bytes of the answer leave, then the connection is closed.
    CutAnswer(usize),
    /// Applied; the bits of this byte of the answer, counted from the start of the frame, are
    /// turned over.
    CorruptAnswer(usize),
    /// Applied; in a record batch of the answer, the bits of one of the bytes that its checksum is over are turned over: the one
    /// so far from the batch's end, modulo their number. An answer without records does not count.
    CorruptRecords(usize),
    /// Applied; the answer asks the client to be silent for this long.
    Throttle(Duration),
}

/// The rules of a cluster, in the order they were added: the first that meets a request acts on it.
#[derive(Debug)]
pub struct Faults {
    rules: BTreeMap<RuleId, Entry>,
    added: u64,
    random: fastrand::Rng,
}

#[derive(Debug)]
struct Entry {
    rule: Rule,
    action: Action,
    met: u64,
    fired: u64,
}

/// A rule's decision about one request.
#[derive(Clone, Debug)]
pub(crate) struct Decision {
    pub(crate) rule: RuleId,
    pub(crate) action: Action,
    /// The partitions an `Error` is about; empty: the whole request.
    pub(crate) partitions: Vec<(String, Option<i32>)>,
}

impl Faults {
    pub(crate) fn new(seed: u64) -> Self {
        // Another stream than the topic ids, which come from the same seed.
        Self {
            rules: BTreeMap::new(),
            added: 0,
            random: fastrand::Rng::with_seed(seed ^ 0x6661_756c_7473),
        }
    }

    /// Adds a rule behind those that are there.
    pub fn add(&mut self, rule: Rule, action: Action) -> RuleId {
        self.added += 1;
        let id = RuleId(self.added);
        self.rules.insert(
            id,
            Entry {
                rule,
                action,
                met: 0,
                fired: 0,
            },
        );
        id
    }

    /// Takes a rule away; true if it was there.
    pub fn remove(&mut self, id: RuleId) -> bool {
        self.rules.remove(&id).is_some()
    }

    /// Takes all rules away.
    pub fn clear(&mut self) {
        self.rules.clear();
    }

    /// How often a rule acted.
    pub fn fired(&self, id: RuleId) -> u64 {
        self.rules.get(&id).map_or(0, |entry| entry.fired)
    }

    /// How many requests matched a rule, acted on or not.
    pub fn met(&self, id: RuleId) -> u64 {
        self.rules.get(&id).map_or(0, |entry| entry.met)
    }

    /// The rules that never acted: a test that leaves one behind did not test what it says.
    pub fn unfired(&self) -> Vec<(RuleId, Rule, Action)> {
        let idle = self.rules.iter().filter(|(_, entry)| entry.fired == 0);
        idle.map(|(id, entry)| (*id, entry.rule.clone(), entry.action))
            .collect()
    }

    /// What the rule was to act on was not there: it acts on the next.
    pub(crate) fn missed(&mut self, id: RuleId) {
        if let Some(entry) = self.rules.get_mut(&id) {
            entry.fired = entry.fired.saturating_sub(1);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// Whether any rule could meet requests of this API: if not, its body need not be looked at.
    pub(crate) fn watches(&self, subject: &Subject<'_>) -> bool {
        self.rules
            .values()
            .any(|entry| entry.rule.meets_header(subject))
    }

    /// The action on this request, counted.
    pub(crate) fn decide(&mut self, subject: &Subject<'_>, touched: &Touched) -> Option<Decision> {
        for (id, entry) in &mut self.rules {
            if !entry.rule.meets_header(subject) || !entry.rule.meets_body(touched) {
                continue;
            }
            entry.met += 1;
            if entry.rule.acts(entry.met, entry.fired, &mut self.random) {
                entry.fired += 1;
                let partitions = entry.rule.partitions().to_vec();
                return Some(Decision {
                    rule: *id,
                    action: entry.action,
                    partitions,
                });
            }
        }
        None
    }
}
