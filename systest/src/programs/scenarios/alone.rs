//! One fault in each run: the long form.

use fastrand::Rng;
use milena_testbroker::relay::{ApiKey, RelayAction, RelayPath};

use super::super::scenario::{Fault, Scenario, Strike, api_name};
use super::{For, Which, Wish, any_request};
use super::{all_paths, late_each, lost_answer, ms, node, outage, path, requests, scenario, secs};
use super::{strike, throttled, transactional};

type Planned = (String, For, Vec<Strike>);

pub(super) fn scenarios(wish: Wish, rng: &mut Rng) -> Vec<Scenario> {
    let mut planned = of_apis(wish, rng);
    planned.extend(of_any_request(rng));
    planned.extend(of_the_network(rng));
    planned.extend(of_brokers());
    planned.extend(of_programs());
    let mut scenarios: Vec<Scenario> = planned
        .into_iter()
        .map(|(name, programs, strikes)| scenario(wish, rng, &name, programs, strikes))
        .collect();
    let black_hole = outage(wish, rng, "outage-black-hole", RelayPath::BlackHole);
    scenarios.push(black_hole);
    let mut consume = scenario(wish, rng, "consume", For::Producer, vec![]);
    consume.consume = true;
    scenarios.push(consume);
    scenarios
}

/// Each fault of a request for each API that writes.
fn of_apis(wish: Wish, rng: &mut Rng) -> Vec<Planned> {
    let mut planned = Vec::new();
    for api in transactional(wish).into_iter().chain([ApiKey::PRODUCE]) {
        let (programs, every) = match api {
            ApiKey::PRODUCE => (For::Both, 20),
            _ => (For::Copier, 4),
        };
        let delay = RelayAction::DelayRequest(ms(rng.u64(100..400)));
        for (label, every, action) in [
            ("answer-lost", every, RelayAction::LoseAnswer),
            ("request-lost", every, RelayAction::LoseRequest),
            ("duplicate", 2, RelayAction::Duplicate),
            ("delay", every, delay),
        ] {
            let name = format!("{label}-{}", api_name(api));
            let strike = requests(label, api, 0, Which::Every(every), &[action]);
            planned.push((name, programs, vec![strike]));
        }
    }
    let init = lost_answer(ApiKey::INIT_PRODUCER_ID, 0, Which::First);
    planned.push(("answer-lost-init".to_owned(), For::Both, vec![init]));
    planned
}

fn of_any_request(rng: &mut Rng) -> Vec<Planned> {
    let mut planned = Vec::new();
    let produce = late_each(ApiKey::PRODUCE, rng, 60, 100);
    planned.push(("late-produce".to_owned(), For::Both, produce));
    let end_txn = late_each(ApiKey::END_TXN, rng, 5, 9);
    planned.push(("late-end-txn".to_owned(), For::Copier, end_txn));
    for (name, every, action) in [
        ("cut-request", 20..40, RelayAction::CutNow),
        ("cut-answer", 20..40, RelayAction::CutAnswer),
        ("swallowed", 300..500, RelayAction::Swallow),
    ] {
        let fault = any_request(name, rng.u64(every), action);
        planned.push((name.to_owned(), For::Both, vec![strike(0, fault)]));
    }
    planned
}

fn of_the_network(rng: &mut Rng) -> Vec<Planned> {
    let cuts = [200, 400, 600, 800].map(|at| strike(at, Fault::CutAll));
    let black_hole = path(300, node(rng), RelayPath::BlackHole, secs(20));
    let refused = path(300, node(rng), RelayPath::Refused, secs(8));
    let all_refused = all_paths(600, RelayPath::Refused, secs(6));
    let slow = all_paths(300, throttled(), secs(10));
    vec![
        ("cut-all".to_owned(), For::Both, cuts.into()),
        ("black-hole".to_owned(), For::Both, vec![black_hole]),
        ("throttled".to_owned(), For::Both, vec![slow]),
        ("refused".to_owned(), For::Both, vec![refused, all_refused]),
    ]
}

fn of_brokers() -> Vec<Planned> {
    let each = |fault: fn(usize) -> Fault| -> Vec<Strike> {
        let strikes = [(200, 1), (400, 2), (600, 3)];
        strikes.map(|(at, node)| strike(at, fault(node))).into()
    };
    let kills = each(|node| Fault::KillNode {
        node,
        down: secs(4),
    });
    let pauses = each(|node| Fault::PauseNode {
        node,
        lasting: secs(8),
    });
    let all_paused = strike(500, Fault::PauseAll { lasting: secs(10) });
    let all_killed = strike(500, Fault::KillAll);
    vec![
        ("each-broker-killed".to_owned(), For::Both, kills),
        ("each-broker-paused".to_owned(), For::Both, pauses),
        ("all-paused".to_owned(), For::Both, vec![all_paused]),
        ("all-killed".to_owned(), For::Both, vec![all_killed]),
    ]
}

fn of_programs() -> Vec<Planned> {
    let kills = [100, 250, 400, 550, 700, 850].map(|at| strike(at, Fault::KillCopiers));
    let pause = |seconds| {
        let lasting = secs(seconds);
        vec![strike(300, Fault::PausePrograms { lasting })]
    };
    vec![
        ("program-killed".to_owned(), For::Copier, kills.into()),
        ("program-paused".to_owned(), For::Both, pause(4)),
        ("paused-too-long".to_owned(), For::Copier, pause(16)),
    ]
}
