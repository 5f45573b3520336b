//! Which requests a rule meets.

use std::fmt;
use std::ops::RangeInclusive;

use milena_wire::{ApiKey, ApiVersion};

use super::HoldId;
use crate::connection::ConnectionId;

/// Which requests a fault meets, and how often it acts on them. Without a count it acts once, on
/// the first. Conditions add up: all must hold.
///
/// A rule has to act at least once, or the test fails (see [`Faults`](crate::Faults)); only one of
/// [probability](Self::probability) need not, unless it is [`required`](Self::required).
#[derive(Clone, Debug)]
pub struct Rule {
    api: Option<ApiKey>,
    node: Option<i32>,
    versions: Option<(i16, i16)>,
    client_id: Option<String>,
    connection: Option<ConnectionId>,
    partitions: Vec<(String, Option<i32>)>,
    transactional_id: Option<String>,
    group: Option<String>,
    count: Count,
    required: Option<bool>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Count {
    Nth(u64),
    Every(u64),
    Times(u64),
    After(u64, u64),
    Probability(f64),
    Always,
    Until(HoldId),
}

/// A request as its header tells it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Subject<'a> {
    pub(crate) api: ApiKey,
    pub(crate) version: ApiVersion,
    pub(crate) node: i32,
    pub(crate) client_id: Option<&'a str>,
    pub(crate) connection: Option<ConnectionId>,
}

/// What a request's body is about.
#[derive(Clone, Debug, Default)]
pub(crate) struct Touched {
    pub(crate) partitions: Vec<(String, i32)>,
    pub(crate) transactional_ids: Vec<String>,
    pub(crate) groups: Vec<String>,
}

impl Rule {
    /// Requests of one API.
    pub fn on(api: ApiKey) -> Self {
        Self {
            api: Some(api),
            ..Self::on_any()
        }
    }

    /// Requests of every API.
    pub fn on_any() -> Self {
        Self {
            api: None,
            node: None,
            versions: None,
            client_id: None,
            connection: None,
            partitions: Vec::new(),
            transactional_id: None,
            group: None,
            count: Count::Times(1),
            required: None,
        }
    }

    /// Only requests to this node.
    pub fn node(mut self, node: i32) -> Self {
        self.node = Some(node);
        self
    }

    /// Only requests of this version.
    pub fn version(self, version: ApiVersion) -> Self {
        self.versions(version.0..=version.0)
    }

    /// Only requests of these versions.
    pub fn versions(mut self, versions: RangeInclusive<i16>) -> Self {
        self.versions = Some((*versions.start(), *versions.end()));
        self
    }

    /// Only requests on this connection.
    pub fn connection(mut self, connection: ConnectionId) -> Self {
        self.connection = Some(connection);
        self
    }

    /// Only requests of this client id.
    pub fn client_id(mut self, client_id: &str) -> Self {
        self.client_id = Some(client_id.to_owned());
        self
    }

    /// Only requests that name this partition; may be given several times for any of them.
    pub fn topic_partition(mut self, topic: &str, partition: i32) -> Self {
        self.partitions.push((topic.to_owned(), Some(partition)));
        self
    }

    /// Only requests that name some partition of this topic.
    pub fn topic(mut self, topic: &str) -> Self {
        self.partitions.push((topic.to_owned(), None));
        self
    }

    /// Only requests of this transactional id.
    pub fn transactional_id(mut self, id: &str) -> Self {
        self.transactional_id = Some(id.to_owned());
        self
    }

    /// Only requests about this group.
    pub fn group(mut self, group: &str) -> Self {
        self.group = Some(group.to_owned());
        self
    }

    /// Acts on the n-th matching request only, counted from 1. If that one cannot be acted on, it
    /// never acts: `after(n - 1, 1)` would take the next.
    pub fn nth(mut self, n: u64) -> Self {
        self.count = Count::Nth(n);
        self
    }

    /// Acts on the first n matching requests.
    pub fn times(mut self, n: u64) -> Self {
        self.count = Count::Times(n);
        self
    }

    /// Lets `skip` matching requests pass, then acts on the next `n`.
    pub fn after(mut self, skip: u64, n: u64) -> Self {
        self.count = Count::After(skip, n);
        self
    }

    /// Acts on every n-th matching request.
    pub fn every(mut self, n: u64) -> Self {
        self.count = Count::Every(n.max(1));
        self
    }

    /// Acts on every matching request until [`Broker::release`](crate::Broker::release) of this
    /// barrier, or [`Faults::end`](crate::Faults::end) of the rule.
    pub fn until(mut self, hold: HoldId) -> Self {
        self.count = Count::Until(hold);
        self
    }

    /// A test does not fail if it never acts.
    pub fn optional(mut self) -> Self {
        self.required = Some(false);
        self
    }

    /// A test fails if it never acts: so are all rules but those of [`probability`](Self::probability).
    pub fn required(mut self) -> Self {
        self.required = Some(true);
        self
    }

    /// Acts on each matching request with this probability, drawn from the cluster's seed.
    pub fn probability(mut self, p: f64) -> Self {
        self.count = Count::Probability(p);
        self
    }

    /// Acts on every matching request.
    pub fn always(mut self) -> Self {
        self.count = Count::Always;
        self
    }

    pub(crate) fn partitions(&self) -> &[(String, Option<i32>)] {
        &self.partitions
    }

    pub(crate) fn is_required(&self) -> bool {
        let by_count = !matches!(self.count, Count::Probability(_));
        self.required.unwrap_or(by_count)
    }

    pub(crate) fn ends_with(&self) -> Option<HoldId> {
        match self.count {
            Count::Until(hold) => Some(hold),
            _ => None,
        }
    }

    /// Whether it asks for more than a request's header tells.
    pub(crate) fn needs_body(&self) -> bool {
        !self.partitions.is_empty() || self.transactional_id.is_some() || self.group.is_some()
    }

    pub(crate) fn meets_header(&self, subject: &Subject<'_>) -> bool {
        self.api.is_none_or(|api| api == subject.api)
            && self.node.is_none_or(|node| node == subject.node)
            && self
                .versions
                .is_none_or(|(min, max)| (min..=max).contains(&subject.version.0))
            && self
                .connection
                .is_none_or(|connection| Some(connection) == subject.connection)
            && self
                .client_id
                .as_deref()
                .is_none_or(|id| Some(id) == subject.client_id)
    }

    pub(crate) fn meets_body(&self, touched: &Touched) -> bool {
        let partition = self.partitions.is_empty()
            || touched.partitions.iter().any(|(topic, index)| {
                self.partitions.iter().any(|(wanted, wanted_index)| {
                    wanted == topic && wanted_index.is_none_or(|wanted| wanted == *index)
                })
            });
        partition
            && self
                .transactional_id
                .as_ref()
                .is_none_or(|id| touched.transactional_ids.contains(id))
            && self
                .group
                .as_ref()
                .is_none_or(|group| touched.groups.contains(group))
    }

    /// `met` counts this request already, `fired` does not.
    pub(crate) fn acts(&self, met: u64, fired: u64, random: &mut fastrand::Rng) -> bool {
        match self.count {
            Count::Nth(n) => met == n,
            Count::Times(n) => fired < n,
            Count::After(skip, n) => met > skip && fired < n,
            Count::Probability(p) => random.f64() < p,
            Count::Always | Count::Until(_) => true,
            Count::Every(n) => met.is_multiple_of(n),
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.api {
            Some(api) => write!(f, "{api}")?,
            None => f.write_str("any request")?,
        }
        match self.versions {
            Some((min, max)) if min == max => write!(f, " v{min}")?,
            Some((min, max)) => write!(f, " v{min}-{max}")?,
            None => {}
        }
        if let Some(node) = self.node {
            write!(f, " to node {node}")?;
        }
        if let Some(client_id) = &self.client_id {
            write!(f, " of client {client_id}")?;
        }
        if let Some(connection) = self.connection {
            write!(f, " on {connection}")?;
        }
        for (topic, partition) in &self.partitions {
            match partition {
                Some(partition) => write!(f, " about {topic}-{partition}")?,
                None => write!(f, " about {topic}")?,
            }
        }
        if let Some(id) = &self.transactional_id {
            write!(f, " of transactional id {id}")?;
        }
        if let Some(group) = &self.group {
            write!(f, " of group {group}")?;
        }
        match self.count {
            Count::Nth(n) => write!(f, ", number {n} of them"),
            Count::Every(n) => write!(f, ", every {n}th"),
            Count::Times(1) => f.write_str(", the first"),
            Count::Times(n) => write!(f, ", the first {n}"),
            Count::After(skip, n) => write!(f, ", {n} after the first {skip}"),
            Count::Probability(p) => write!(f, ", with probability {p}"),
            Count::Always => f.write_str(", always"),
            Count::Until(hold) => write!(f, ", until barrier {}", hold.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(rule: &Rule, requests: u64) -> Vec<u64> {
        let mut random = fastrand::Rng::with_seed(1);
        let mut acted = Vec::new();
        for met in 1..=requests {
            if rule.acts(met, acted.len() as u64, &mut random) {
                acted.push(met);
            }
        }
        acted
    }

    #[test]
    fn counts_say_which_requests_are_acted_on() {
        let rule = || Rule::on(ApiKey::FETCH);
        assert_eq!(count(&rule(), 4), [1]);
        assert_eq!(count(&rule().nth(3), 4), [3]);
        assert_eq!(count(&rule().times(2), 4), [1, 2]);
        assert_eq!(count(&rule().after(1, 2), 5), [2, 3]);
        assert_eq!(count(&rule().every(2), 5), [2, 4]);
        assert_eq!(count(&rule().always(), 3), [1, 2, 3]);
        assert_eq!(count(&rule().until(HoldId(1)), 2), [1, 2]);
        let some = count(&rule().probability(0.5), 100).len();
        assert!((30..70).contains(&some), "{some}");
    }

    #[test]
    fn every_condition_must_hold() {
        let subject = Subject {
            api: ApiKey::PRODUCE,
            version: ApiVersion(9),
            node: 2,
            client_id: Some("c"),
            connection: Some(ConnectionId(4)),
        };
        let touched = Touched {
            partitions: vec![("t".to_owned(), 1)],
            transactional_ids: vec!["x".to_owned()],
            groups: vec!["g".to_owned()],
        };
        let meets = |rule: Rule| rule.meets_header(&subject) && rule.meets_body(&touched);
        let rule = || Rule::on(ApiKey::PRODUCE);
        assert!(meets(rule().node(2).version(ApiVersion(9)).client_id("c")));
        assert!(meets(
            rule()
                .topic_partition("t", 1)
                .transactional_id("x")
                .group("g")
        ));
        assert!(meets(
            rule()
                .versions(8..=9)
                .connection(ConnectionId(4))
                .topic("t")
        ));
        assert!(!meets(rule().versions(10..=12)));
        assert!(!meets(rule().connection(ConnectionId(5))));
        assert!(meets(
            rule().topic_partition("u", 0).topic_partition("t", 1)
        ));
        assert!(!meets(Rule::on(ApiKey::FETCH)));
        assert!(!meets(rule().node(1)));
        assert!(!meets(rule().version(ApiVersion(8))));
        assert!(!meets(rule().client_id("d")));
        assert!(!meets(rule().topic_partition("t", 0)));
        assert!(!meets(rule().transactional_id("y")));
        assert!(!meets(rule().group("h")));
    }
}
