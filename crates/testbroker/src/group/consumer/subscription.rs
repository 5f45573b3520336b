//! What the members of a group subscribe to: topic names, and regular expressions that the
//! coordinator looks up (Kafka's `TopicRegexResolver`).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use milena_wire::{ErrorCode, Uuid};
use regex_lite::Regex;

use super::member::Member;
use super::{ConsumerGroup, Refusal};
use crate::cluster::Topics;

/// Between two look-ups of a group at least this much time passes.
const LOOK_UP_EVERY_MIN: Duration = Duration::from_secs(10);

/// After this time expressions are looked up again even if no topic was created
/// (`group.consumer.regex.refresh.interval.ms`).
const LOOK_UP_EVERY_MAX: Duration = Duration::from_secs(10 * 60);

/// The expressions of a group and the topics they stood for when last looked up.
#[derive(Debug, Default)]
pub(super) struct Expressions {
    resolved: BTreeMap<Arc<str>, BTreeSet<Arc<str>>>,
    looked_up: Option<Instant>,
    /// The topics that there were then: only new ones are a reason to look again.
    known: BTreeSet<Uuid>,
}

/// What a request did to its member's expression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RegexChange {
    None,
    /// It is not known yet which topics it stands for.
    Unresolved,
    /// Which topics it stands for is known.
    Resolved,
}

/// How many subscribe to a topic, by its name and by expressions.
#[derive(Clone, Copy, Debug, Default)]
struct Count {
    names: usize,
    expressions: usize,
}

impl Expressions {
    pub(super) fn of(&self, regex: &str) -> Option<&BTreeSet<Arc<str>>> {
        self.resolved.get(regex)
    }

    pub(super) fn forget(&mut self, regex: &str) {
        self.resolved.remove(regex);
    }
}

/// An expression that has to match a whole topic name.
fn compile(regex: &str) -> Result<Regex, regex_lite::Error> {
    // Alone first: `a)(b` is wrong, though it is right between parentheses.
    Regex::new(regex)?;
    Regex::new(&format!(r"\A(?:{regex})\z"))
}

impl ConsumerGroup {
    /// What the request changes about its member's expression, if that may be changed.
    pub(super) fn regex_change(
        &self,
        before: &Member,
        after: &Member,
    ) -> Result<RegexChange, Refusal> {
        if before.regex == after.regex {
            return Ok(RegexChange::None);
        }
        if after.regex.is_empty() {
            return Ok(RegexChange::Resolved);
        }
        if self.subscribers_of(&after.regex) > 0 {
            let resolved = self.expressions.of(&after.regex).is_some();
            let change = if resolved {
                RegexChange::Resolved
            } else {
                RegexChange::Unresolved
            };
            return Ok(change);
        }
        compile(&after.regex).map_err(|error| {
            let regex = &after.regex;
            let message = format!(
                "SubscribedTopicRegex `{regex}` is not a valid regular expression: {error}."
            );
            Refusal::new(ErrorCode::INVALID_REGULAR_EXPRESSION, message)
        })?;
        Ok(RegexChange::Unresolved)
    }

    pub(super) fn subscribers_of(&self, regex: &str) -> usize {
        let members = self.members.values();
        members.filter(|member| *member.regex == *regex).count()
    }

    fn regexes(&self) -> BTreeSet<Arc<str>> {
        let regexes = self.members.values().map(|member| member.regex.clone());
        regexes.filter(|regex| !regex.is_empty()).collect()
    }

    /// Looks the expressions up again if it is time and there is a reason. Kafka does so in the
    /// background behind the answer, so what comes out of it counts from the next request on.
    pub(super) fn look_up(&mut self, now: Instant, topics: &Topics, changed: RegexChange) {
        let regexes = self.regexes();
        let last = self.expressions.looked_up;
        let due = last.is_none_or(|last| now > last + LOOK_UP_EVERY_MIN);
        if regexes.is_empty() || !due {
            return;
        }
        let unknown = changed == RegexChange::Unresolved
            || regexes.len() != self.expressions.resolved.len()
            || last.is_none_or(|last| now > last + LOOK_UP_EVERY_MAX);
        let is_new = |id: &Uuid| !self.expressions.known.contains(id);
        if !unknown && !topics.iter().any(|(_, topic)| is_new(&topic.id)) {
            return;
        }
        let resolved: BTreeMap<_, _> = regexes
            .into_iter()
            .map(|regex| {
                let found = topics_of(&regex, topics);
                (regex, found)
            })
            .collect();
        let nothing = BTreeSet::new();
        let differs = resolved.iter().any(|(regex, found)| {
            let before = self.expressions.of(regex).unwrap_or(&nothing);
            before != found
        });
        self.expressions = Expressions {
            resolved,
            looked_up: Some(now),
            known: topics.iter().map(|(_, topic)| topic.id).collect(),
        };
        let metadata = self.metadata_now(topics);
        if differs || metadata != self.metadata {
            self.raise_epoch(metadata);
        }
    }

    fn counts(&self) -> BTreeMap<Arc<str>, Count> {
        let mut counts: BTreeMap<Arc<str>, Count> = BTreeMap::new();
        for name in self.members.values().flat_map(|member| &member.names) {
            counts.entry(name.clone()).or_default().names += 1;
        }
        for name in self.expressions.resolved.values().flatten() {
            counts.entry(name.clone()).or_default().expressions += 1;
        }
        counts
    }

    /// The topics that the group subscribes to and that exist: a change of it raises the group
    /// epoch (Kafka's metadata hash).
    pub(super) fn metadata_now(&self, topics: &Topics) -> BTreeMap<Uuid, i32> {
        let counts = self.counts();
        let existing = counts.keys().filter_map(|name| topics.get(name));
        existing
            .map(|topic| {
                let partitions = i32::try_from(topic.partitions.len()).unwrap_or(i32::MAX);
                (topic.id, partitions)
            })
            .collect()
    }

    /// Whether all members subscribe to the same topics, as Kafka reckons it.
    pub(super) fn is_homogeneous(&self) -> bool {
        let counts = self.counts();
        match self.regexes().first() {
            None => counts
                .values()
                .all(|count| count.names == self.members.len()),
            Some(regex) => {
                self.subscribers_of(regex) == self.members.len()
                    && counts
                        .values()
                        .all(|count| count.names == 0 && count.expressions == 1)
            }
        }
    }

    /// The topics that a member subscribes to and that exist.
    pub(super) fn topics_of_member(&self, member: &Member, topics: &Topics) -> BTreeSet<Uuid> {
        let found = self.expressions.of(&member.regex);
        let names = member.names.iter().chain(found.into_iter().flatten());
        names
            .filter_map(|name| topics.get(name))
            .map(|topic| topic.id)
            .collect()
    }

    /// Whether any member subscribes to this topic, by name or expression.
    pub(crate) fn is_subscribed_to(&self, topic: &str) -> bool {
        self.members
            .values()
            .any(|member| member.names.contains(topic))
            || self
                .expressions
                .resolved
                .values()
                .any(|found| found.contains(topic))
    }
}

fn topics_of(regex: &str, topics: &Topics) -> BTreeSet<Arc<str>> {
    // What cannot be compiled was refused when it came.
    let Ok(regex) = compile(regex) else {
        return BTreeSet::new();
    };
    topics
        .iter()
        .map(|(name, _)| name)
        .filter(|name| regex.is_match(name))
        .cloned()
        .collect()
}
