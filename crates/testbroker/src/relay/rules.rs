//! Which requests a fault is for, and what happens to them.

use std::{collections::BTreeMap, time::Duration};

use milena_wire::ApiKey;

/// Names the requests a fault is for. Counted from the moment the rule is added; without a count, all that match.
#[derive(Debug, Clone)]
pub struct RelayRule {
    api: Option<ApiKey>,
    /// The port of the broker that the request is for.
    broker: Option<u16>,
    choice: Choice,
}

#[derive(Debug, Clone, Copy)]
enum Choice {
    Always,
    Nth(u64),
    Times(u64),
    Every(u64),
}

impl RelayRule {
    /// Requests of one API.
    pub fn on(api: ApiKey) -> Self {
        Self {
            api: Some(api),
            broker: None,
            choice: Choice::Always,
        }
    }

    /// Requests of any API.
    pub fn any() -> Self {
        Self {
            api: None,
            broker: None,
            choice: Choice::Always,
        }
    }

    /// Only those for the broker that listens on this port (its own, not the relay's).
    #[must_use]
    pub fn to_broker(self, port: u16) -> Self {
        Self {
            broker: Some(port),
            ..self
        }
    }

    /// Only the `n`-th of them, counted from 1.
    #[must_use]
    pub fn nth(self, n: u64) -> Self {
        Self {
            choice: Choice::Nth(n),
            ..self
        }
    }

    /// Only the first `n` of them.
    #[must_use]
    pub fn times(self, n: u64) -> Self {
        Self {
            choice: Choice::Times(n),
            ..self
        }
    }

    /// Each `n`-th of them: the `n`-th, the `2n`-th, and so on.
    #[must_use]
    pub fn every(self, n: u64) -> Self {
        Self {
            choice: Choice::Every(n),
            ..self
        }
    }

    /// All of them.
    #[must_use]
    pub fn always(self) -> Self {
        Self {
            choice: Choice::Always,
            ..self
        }
    }
}

/// What happens to a request that a rule names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RelayAction {
    /// The request is forwarded; when its answer comes, the answer is swallowed and the connection closed: the broker
    /// has acted, and the client cannot know.
    LoseAnswer,
    /// Not a byte of the request is forwarded and the connection is closed: the broker has not acted, and the client
    /// cannot know.
    LoseRequest,
    /// The request is forwarded; its answer, and so all later ones of that connection, wait for
    /// [`Relay::release`](super::Relay::release).
    HoldAnswers(HoldToken),
    /// The answer arrives this much later.
    Delay(Duration),
    /// The request waits this long before a byte of it is forwarded, and so do all later ones of that connection.
    DelayRequest(Duration),
    /// Half of what has been read of the request is forwarded, then the connection is closed: a torn frame.
    CutNow,
    /// Half of what has been read of the answer is forwarded, then the connection is closed: the broker has acted, and
    /// the client has a torn frame.
    CutAnswer,
    /// Neither this request nor anything later on its connection is forwarded, and the connection stays: the client
    /// has to find out by itself. Together with `ResendAfter`: a request held back by the network.
    Swallow,
    /// The request reaches the broker twice, one right after the other on the same connection; the second answer is
    /// swallowed. Fired when the broker has answered the second.
    Duplicate,
    /// A copy of the request reaches the broker this much later, over a connection of its own; the original goes its
    /// way. Fired when the broker has answered the copy. Together with `LoseAnswer` or `LoseRequest`: the late
    /// duplicate of a request that the client has seen no answer to.
    ResendLater {
        /// Counted from the moment the original was read.
        after: Duration,
    },
    /// The same, but the copy leaves when so many later requests of the same API have come to the relay, over whichever
    /// connection.
    ResendAfter {
        /// Counted from the original, which is not one of them.
        requests: u64,
    },
    /// The same, but the copy leaves when [`Relay::release`](super::Relay::release) is called with this token: for a
    /// test that must know what happened before it.
    ResendOnRelease(HoldToken),
}

impl RelayAction {
    /// Whether a copy of the request leaves later.
    pub(super) fn is_late(self) -> bool {
        matches!(
            self,
            Self::ResendLater { .. } | Self::ResendAfter { .. } | Self::ResendOnRelease(_)
        )
    }

    /// The token that has to be released before all of this has happened.
    pub(super) fn token(self) -> Option<HoldToken> {
        match self {
            Self::HoldAnswers(token) | Self::ResendOnRelease(token) => Some(token),
            _ => None,
        }
    }
}

/// Names what is held back together, answers or copies; the number is the caller's choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct HoldToken(pub u64);

/// Names a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct RelayRuleId(u64);

/// What is to happen to one request, in the order the rules were added; almost always empty.
pub(super) type Verdict = Vec<(RelayRuleId, RelayAction)>;

/// The rules of a relay, and how often each fired.
#[derive(Debug, Default)]
pub(super) struct Rules {
    active: BTreeMap<RelayRuleId, ActiveRule>,
    /// Outlives the rule, so that a test can ask after it has taken the rule out.
    fired: BTreeMap<RelayRuleId, u64>,
    added: u64,
}

#[derive(Debug)]
struct ActiveRule {
    rule: RelayRule,
    action: RelayAction,
    seen: u64,
}

impl Rules {
    pub(super) fn add(&mut self, rule: RelayRule, action: RelayAction) -> RelayRuleId {
        self.added += 1;
        let id = RelayRuleId(self.added);
        self.active.insert(
            id,
            ActiveRule {
                rule,
                action,
                seen: 0,
            },
        );
        id
    }

    pub(super) fn remove(&mut self, id: RelayRuleId) {
        self.active.remove(&id);
    }

    /// Takes out the rules that hold answers under `token`.
    pub(super) fn release(&mut self, token: HoldToken) {
        self.active
            .retain(|_, active| active.action != RelayAction::HoldAnswers(token));
    }

    /// Counts a request against every rule and says what is to happen to it.
    pub(super) fn judge(&mut self, api: ApiKey, broker: u16) -> Verdict {
        let mut verdict = Verdict::new();
        for (&id, active) in &mut self.active {
            if active.matches(api, broker) {
                verdict.push((id, active.action));
            }
        }
        verdict
    }

    pub(super) fn count_fired(&mut self, id: RelayRuleId) {
        *self.fired.entry(id).or_default() += 1;
    }

    pub(super) fn fired(&self, id: RelayRuleId) -> u64 {
        self.fired.get(&id).copied().unwrap_or(0)
    }
}

impl ActiveRule {
    fn matches(&mut self, api: ApiKey, broker: u16) -> bool {
        if self.rule.api.is_some_and(|wanted| wanted != api)
            || self.rule.broker.is_some_and(|wanted| wanted != broker)
        {
            return false;
        }
        self.seen += 1;
        match self.rule.choice {
            Choice::Always => true,
            Choice::Nth(n) => self.seen == n,
            Choice::Times(n) => self.seen <= n,
            Choice::Every(n) => n > 0 && self.seen.is_multiple_of(n),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BROKER: u16 = 9092;

    fn matched(rule: RelayRule, requests: u64) -> Vec<u64> {
        let mut rules = Rules::default();
        rules.add(rule, RelayAction::LoseAnswer);
        (1..=requests)
            .filter(|_| !rules.judge(ApiKey::END_TXN, BROKER).is_empty())
            .collect()
    }

    #[test]
    fn each_count_chooses_its_requests() {
        let on = || RelayRule::on(ApiKey::END_TXN);
        assert_eq!(matched(on(), 3), [1, 2, 3]);
        assert_eq!(matched(on().nth(2), 5), [2]);
        assert_eq!(matched(on().times(2), 5), [1, 2]);
        assert_eq!(matched(on().every(2), 5), [2, 4]);
        assert_eq!(matched(RelayRule::any().nth(1), 2), [1]);
        assert_eq!(matched(RelayRule::on(ApiKey::PRODUCE), 3), [0u64; 0]);
        assert_eq!(matched(on().to_broker(BROKER).nth(1), 2), [1]);
        assert_eq!(matched(on().to_broker(BROKER + 1), 3), [0u64; 0]);
    }

    #[test]
    fn requests_of_other_apis_do_not_count() {
        let mut rules = Rules::default();
        rules.add(RelayRule::on(ApiKey::END_TXN).nth(1), RelayAction::CutNow);
        assert!(rules.judge(ApiKey::PRODUCE, BROKER).is_empty());
        assert_eq!(rules.judge(ApiKey::END_TXN, BROKER).len(), 1);
    }

    #[test]
    fn two_rules_apply_to_one_request_in_the_order_they_were_added() {
        let mut rules = Rules::default();
        let late = RelayAction::ResendLater {
            after: Duration::from_secs(1),
        };
        rules.add(RelayRule::on(ApiKey::END_TXN), RelayAction::LoseAnswer);
        rules.add(RelayRule::any(), late);
        let actions: Vec<_> = rules
            .judge(ApiKey::END_TXN, BROKER)
            .into_iter()
            .map(|(_, action)| action)
            .collect();
        assert_eq!(actions, [RelayAction::LoseAnswer, late]);
    }
}
