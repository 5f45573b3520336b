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
//! // A rule that is still there and has done nothing fails the test when the broker is dropped.
//! assert!(broker.faults().check().is_err());
//! broker.faults().remove(lost);
//! ```

mod action;
mod course;
mod rule;

use std::collections::BTreeMap;
use std::fmt;

pub use action::{Action, Level};
pub(crate) use course::{Before, Change, Course, Decision, End, Forced, Gate, Named, Stop};
pub use rule::Rule;
pub(crate) use rule::{Subject, Touched};

/// Names a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RuleId(pub u64);

/// Names a barrier: everything held under it goes on at [`Broker::release`](crate::Broker::release),
/// and the rules that act [until](Rule::until) then end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HoldId(pub u64);

/// The rules of a cluster, in the order they were added.
///
/// The first rule that meets a request acts on it, and those behind it too as far as they take
/// something else of its way: an error, a delay and a throttle time can meet in one answer, but
/// nothing more happens to a request that is dropped before it is applied. A rule that cannot act
/// beside those before it does not count the request, nor has a rule acted whose error has no place
/// in the answer, or whose answer is never sent.
///
/// A [`Broker`](crate::Broker) that is dropped with rules that never acted panics, unless they were
/// [removed](Self::remove) or are [optional](Rule::optional), or the thread panics already: a test whose fault did not happen has not tested
/// what it says. `BrokerConfig::unfired_rules_fail` turns that off.
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
    /// Of those, whose late copy has not arrived: they have not happened yet.
    pending: u64,
    /// It acts no more, but its counts are still asked for.
    ended: bool,
}

/// Rules that never acted, for a test's message.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{}", self.describe())]
pub struct Unfired {
    /// The rules, what they were to do, and how many requests each of them met.
    pub rules: Vec<(RuleId, Rule, Action, u64)>,
    /// Those of them that have acted, but whose late copy of the request never arrived.
    pub under_way: Vec<RuleId>,
}

impl Unfired {
    fn describe(&self) -> String {
        let mut text = format!("{} fault(s) never happened:", self.rules.len());
        for (id, rule, action, met) in &self.rules {
            text += &format!(
                "\n  rule {}: {rule}: {action:?} ({met} requests matched)",
                id.0
            );
            if self.under_way.contains(id) {
                text += ": its late copy never arrived";
            }
        }
        text + "\nA rule that may stay idle is marked with Rule::optional().\n\
                If the test returned early with an error of its own (`?`), that is the reason and not \
                shown here: print it before the cluster is dropped."
    }
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
        let entry = Entry {
            rule,
            action,
            met: 0,
            fired: 0,
            pending: 0,
            ended: false,
        };
        self.rules.insert(id, entry);
        id
    }

    /// Ends a rule: it meets nothing any more. Its counts stay, and it must have acted by the end.
    /// True if it was there.
    pub fn end(&mut self, id: RuleId) -> bool {
        match self.rules.get_mut(&id) {
            Some(entry) => {
                entry.ended = true;
                true
            }
            None => false,
        }
    }

    /// Takes a rule away as if it had never been; true if it was there.
    pub fn remove(&mut self, id: RuleId) -> bool {
        self.rules.remove(&id).is_some()
    }

    /// Takes all rules away.
    pub fn clear(&mut self) {
        self.rules.clear();
    }

    /// How often a rule acted, late copies that are still to arrive counted.
    pub fn fired(&self, id: RuleId) -> u64 {
        self.rules.get(&id).map_or(0, |entry| entry.fired)
    }

    /// How many requests matched a rule, acted on or not.
    pub fn met(&self, id: RuleId) -> u64 {
        self.rules.get(&id).map_or(0, |entry| entry.met)
    }

    /// The rules that never acted, optional ones too.
    pub fn unfired(&self) -> Vec<(RuleId, Rule, Action)> {
        let idle = self.rules.iter().filter(|(_, entry)| !entry.has_happened());
        idle.map(|(id, entry)| (*id, entry.rule.clone(), entry.action))
            .collect()
    }

    /// Whether every rule that has to act has done so by now.
    pub fn check(&self) -> Result<(), Unfired> {
        let idle = |entry: &Entry| !entry.has_happened() && entry.rule.is_required();
        let rules: Vec<_> = self
            .rules
            .iter()
            .filter(|(_, entry)| idle(entry))
            .map(|(id, entry)| (*id, entry.rule.clone(), entry.action, entry.met))
            .collect();
        if rules.is_empty() {
            return Ok(());
        }
        let under_way = rules.iter().map(|(id, ..)| *id);
        let under_way = under_way.filter(|id| self.rules[id].pending > 0).collect();
        Err(Unfired { rules, under_way })
    }

    /// What the rule was to act on was not there: it acts on the next.
    pub(crate) fn missed(&mut self, id: RuleId) {
        if let Some(entry) = self.rules.get_mut(&id) {
            entry.fired = entry.fired.saturating_sub(1);
            entry.pending = entry.pending.min(entry.fired);
        }
    }

    /// The late copy that a rule wanted is there.
    pub(crate) fn arrived(&mut self, id: RuleId) {
        if let Some(entry) = self.rules.get_mut(&id) {
            entry.pending = entry.pending.saturating_sub(1);
        }
    }

    /// What the rule wanted has happened after all.
    pub(crate) fn happened(&mut self, id: RuleId) {
        if let Some(entry) = self.rules.get_mut(&id) {
            entry.fired += 1;
        }
    }

    /// Ends the rules that act until this barrier falls.
    pub(crate) fn release(&mut self, hold: HoldId) {
        for entry in self.rules.values_mut() {
            entry.ended |= entry.rule.ends_with() == Some(hold);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// Whether any rule could meet requests of this API: if not, its body need not be looked at.
    pub(crate) fn watches(&self, subject: &Subject<'_>) -> bool {
        self.rules
            .values()
            .any(|entry| !entry.ended && entry.rule.meets_header(subject))
    }

    /// Whether a rule meets this request, acting or not.
    pub(crate) fn meets(&self, id: RuleId, subject: &Subject<'_>, touched: &Touched) -> bool {
        self.rules
            .get(&id)
            .is_some_and(|entry| entry.rule.meets_header(subject) && entry.rule.meets_body(touched))
    }

    /// What the rules do to this request, counted. `except`: a rule that has to do with it already.
    pub(crate) fn decide(
        &mut self,
        subject: &Subject<'_>,
        touched: &Touched,
        except: Option<RuleId>,
    ) -> Vec<Decision> {
        let mut decisions: Vec<Decision> = Vec::new();
        for (id, entry) in &mut self.rules {
            let fits = decisions
                .iter()
                .all(|earlier| earlier.action.goes_with(entry.action));
            if Some(*id) == except || entry.is_early() || !fits {
                continue;
            }
            if entry.acts(subject, touched, &mut self.random) {
                decisions.push(entry.decision(*id));
            }
        }
        decisions
    }

    /// The rule that cuts this request while it still comes in, and behind how many bytes.
    pub(crate) fn decide_early(&mut self, subject: &Subject<'_>) -> Option<(RuleId, usize)> {
        for (id, entry) in &mut self.rules {
            if !entry.is_early() {
                continue;
            }
            if let Action::CutRequest(bytes) = entry.action
                && entry.acts(subject, &Touched::default(), &mut self.random)
            {
                return Some((*id, bytes));
            }
        }
        None
    }

    pub(crate) fn has_early(&self) -> bool {
        self.rules.values().any(Entry::is_early)
    }

    /// A place in something of this length, from the cluster's seed.
    pub(crate) fn place(&mut self, length: usize) -> usize {
        self.random.usize(..length.max(1))
    }
}

impl Entry {
    /// Whether it looks at requests that are not there as a whole yet.
    fn is_early(&self) -> bool {
        matches!(self.action, Action::CutRequest(_)) && !self.rule.needs_body()
    }

    fn acts(
        &mut self,
        subject: &Subject<'_>,
        touched: &Touched,
        random: &mut fastrand::Rng,
    ) -> bool {
        if self.ended || !self.rule.meets_header(subject) || !self.rule.meets_body(touched) {
            return false;
        }
        self.met += 1;
        let acts = self.rule.acts(self.met, self.fired, random);
        self.fired += u64::from(acts);
        self.pending += u64::from(acts && self.action.sends_late());
        acts
    }

    /// Whether something of what it wants was there to be seen. A copy that is still under way
    /// when the test ends has tested nothing.
    fn has_happened(&self) -> bool {
        self.fired > self.pending
    }

    fn decision(&self, rule: RuleId) -> Decision {
        Decision {
            rule,
            action: self.action,
            partitions: self.rule.partitions().to_vec(),
        }
    }
}

/// One line a rule: what it meets, what it does, how often it met and acted.
impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (id, entry) in &self.rules {
            let Entry {
                rule,
                action,
                met,
                fired,
                pending,
                ended,
            } = entry;
            let state = match (*fired, *ended) {
                (0, _) => " never fired",
                (_, true) => " ended",
                _ => "",
            };
            write!(
                f,
                "rule {}: {rule}: {action:?}: met {met}, fired {fired}{state}",
                id.0
            )?;
            match *pending {
                0 => writeln!(f)?,
                pending => writeln!(f, ", {pending} late copies still to arrive")?,
            }
        }
        Ok(())
    }
}
