//! The scenarios: first those of the short form, in which faults of a kind come together, then one for each fault alone.

mod alone;
mod together;

use std::time::Duration;

use fastrand::Rng;
use milena_testbroker::relay::{ApiKey, RelayAction, RelayPath, RelayRule};

use super::scenario::{CopierPlan, Fault, ProducerPlan, Scenario, Strike, api_name};
use crate::cluster::NODES;

/// What all scenarios of a run depend on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wish {
    pub(crate) seed: u64,
    pub(crate) short: bool,
    /// TV1: partitions and offsets are added to a transaction by requests of their own.
    pub(crate) adds: bool,
}

/// Which programs a fault is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum For {
    Producer,
    Copier,
    Both,
}

/// Most requests are done again within seconds, so that a run of faults is not one of waiting.
const TIGHT: [&str; 4] = [
    "request.timeout.ms=2000",
    "retry.backoff.ms=50",
    "metadata.max.age.ms=5000",
    "reconnect.backoff.max.ms=1000",
];

/// All scenarios of a run.
pub(crate) fn all(wish: Wish) -> Vec<Scenario> {
    let mut rng = Rng::with_seed(wish.seed);
    let mut scenarios = together::scenarios(wish, &mut rng);
    scenarios.extend(alone::scenarios(wish, &mut rng));
    if wish.short {
        scenarios.retain(|scenario| scenario.short);
    }
    scenarios
}

/// All nodes away for longer than a record has: records fail, and those after them must not suffer.
fn outage(wish: Wish, rng: &mut Rng, name: &str, network: RelayPath) -> Scenario {
    let strikes = vec![all_paths(400, network, secs(9))];
    let mut scenario = scenario(wish, rng, name, For::Both, strikes);
    scenario.settings = tight(rng);
    scenario
        .settings
        .push("delivery.timeout.ms=5000".to_owned());
    if let Some(plan) = &mut scenario.producer {
        plan.errors_allowed = true;
    }
    scenario
}

fn scenario(
    wish: Wish,
    rng: &mut Rng,
    name: &str,
    programs: For,
    strikes: Vec<Strike>,
) -> Scenario {
    let settings = if wish.short || rng.bool() {
        tight(rng)
    } else {
        vec![format!("linger.ms={}", [0, 5, 20][rng.usize(0..3)])]
    };
    let scale = if wish.short { 1 } else { 3 };
    Scenario {
        name: name.to_owned(),
        short: false,
        producer: (programs != For::Copier).then(|| ProducerPlan {
            records: scale * rng.u64(11_000..14_000),
            rate: if wish.short { 1_500 } else { 4_000 },
            keys: rng.bool().then(|| rng.u64(5..60)),
            partitions: rng.i32(3..8),
            errors_allowed: false,
        }),
        copiers: (programs != For::Producer).then(|| CopierPlan {
            count: 1 + i32::from(!wish.short && rng.bool()),
            // So small that a copy takes as long as the faults need.
            transaction_size: if wish.short {
                rng.u64(15..40)
            } else {
                rng.u64(30..100)
            },
            // Only a copier that is paused for long may be fenced for it.
            timeout: secs(if paused_longest(&strikes) > secs(5) {
                10
            } else {
                60
            }),
            aborts: true,
        }),
        consume: false,
        settings,
        strikes,
    }
}

fn tight(rng: &mut Rng) -> Vec<String> {
    let linger = format!("linger.ms={}", if rng.bool() { 0 } else { 20 });
    let tight = TIGHT.iter().map(|line| (*line).to_owned());
    tight.chain([linger]).collect()
}

fn paused_longest(strikes: &[Strike]) -> Duration {
    let pause = |strike: &Strike| match strike.fault {
        Fault::PausePrograms { lasting } => Some(lasting),
        _ => None,
    };
    strikes.iter().filter_map(pause).max().unwrap_or_default()
}

fn transactional(wish: Wish) -> Vec<ApiKey> {
    let mut apis = vec![ApiKey::END_TXN, ApiKey::TXN_OFFSET_COMMIT];
    if wish.adds {
        apis.extend([ApiKey::ADD_PARTITIONS_TO_TXN, ApiKey::ADD_OFFSETS_TO_TXN]);
    }
    apis
}

/// Which requests of an API.
#[derive(Clone, Copy, Debug)]
enum Which {
    First,
    Every(u64),
}

impl Which {
    fn of(self, rule: RelayRule) -> RelayRule {
        match self {
            Self::First => rule.nth(1),
            Self::Every(n) => rule.every(n),
        }
    }
}

fn requests(label: &str, api: ApiKey, at: u64, which: Which, actions: &[RelayAction]) -> Strike {
    let fault = Fault::Requests {
        label: format!("{label}:{}", api_name(api)),
        rule: which.of(RelayRule::on(api)),
        actions: actions.to_vec(),
        at_least: 1,
    };
    strike(at, fault)
}

fn any_request(label: &str, every: u64, action: RelayAction) -> Fault {
    Fault::Requests {
        label: label.to_owned(),
        rule: RelayRule::any().every(every),
        actions: vec![action],
        at_least: 3,
    }
}

fn lost_answer(api: ApiKey, at: u64, which: Which) -> Strike {
    requests("answer-lost", api, at, which, &[RelayAction::LoseAnswer])
}

/// A request that comes late, or once more: held back on a connection that stays, lost with its connection, or applied with its
/// answer lost.
fn late_each(api: ApiKey, rng: &mut Rng, from: u64, to: u64) -> Vec<Strike> {
    let first = [
        ("held", RelayAction::Swallow),
        ("late", RelayAction::LoseRequest),
        ("again", RelayAction::LoseAnswer),
    ];
    let mut strikes = Vec::new();
    // Neighbours seldom meet at one request, of which only one copy would be kept.
    for (every, (label, action)) in (rng.u64(from..to)..).zip(first) {
        let resent = RelayAction::ResendAfter {
            requests: rng.u64(1..5),
        };
        strikes.push(requests(
            label,
            api,
            0,
            Which::Every(every),
            &[action, resent],
        ));
    }
    strikes
}

fn strike(at: u64, fault: Fault) -> Strike {
    Strike { at, fault }
}

fn path(at: u64, node: usize, path: RelayPath, lasting: Duration) -> Strike {
    strike(
        at,
        Fault::Path {
            node,
            path,
            lasting,
        },
    )
}

fn all_paths(at: u64, path: RelayPath, lasting: Duration) -> Strike {
    strike(at, Fault::Outage { path, lasting })
}

fn throttled() -> RelayPath {
    RelayPath::Throttled {
        bytes_per_second: 20_000,
    }
}

fn node(rng: &mut Rng) -> usize {
    rng.usize(1..=NODES)
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn names(short: bool) -> Vec<String> {
        let wish = Wish {
            seed: 1,
            short,
            adds: true,
        };
        all(wish)
            .into_iter()
            .map(|scenario| scenario.name)
            .collect()
    }

    #[test]
    fn names_are_unique_and_the_short_form_is_a_part_of_the_long_one() {
        let long = names(false);
        let set: BTreeSet<_> = long.iter().collect();
        assert_eq!(set.len(), long.len());
        assert!(names(true).iter().all(|name| set.contains(name)));
    }

    #[test]
    fn the_short_form_has_every_kind_of_fault() {
        let wish = Wish {
            seed: 1,
            short: true,
            adds: true,
        };
        let labels: BTreeSet<String> = all(wish)
            .iter()
            .flat_map(|scenario| &scenario.strikes)
            .map(|strike| strike.fault.label())
            .collect();
        for wanted in [
            "answer-lost:produce",
            "answer-lost:end-txn",
            "answer-lost:add-partitions",
            "answer-lost:txn-offset-commit",
            "answer-lost:init-producer-id",
            "request-lost:produce",
            "delay:produce",
            "held:produce",
            "held:end-txn",
            "late:end-txn",
            "again:end-txn",
            "duplicate:produce",
            "cut-request:produce",
            "cut-answer:produce",
            "black-hole",
            "all-throttled",
            "refused",
            "all-refused",
            "broker-killed",
            "broker-paused",
            "all-paused",
            "all-killed",
            "program-killed",
            "program-paused",
            "second-instance",
            "second-instance-while-paused",
            "terminated",
        ] {
            assert!(labels.contains(wanted), "{wanted}: {labels:?}");
        }
    }
}
