//! Several faults of a kind in one run each: the short form.

use std::time::Duration;

use fastrand::Rng;
use milena_testbroker::relay::{ApiKey, RelayAction, RelayPath};

use super::super::scenario::{Fault, Scenario, Strike};
use super::{For, Which, Wish};
use super::{all_paths, late_each, lost_answer, ms, node, outage, path, requests, scenario, secs};
use super::{strike, throttled, transactional};

pub(super) fn scenarios(wish: Wish, rng: &mut Rng) -> Vec<Scenario> {
    let mut late = late_each(ApiKey::PRODUCE, rng, 100, 150);
    late.extend(late_each(ApiKey::END_TXN, rng, 10, 16));
    let answers = answers(wish, rng);
    let network = network(wish, rng);
    let brokers = brokers(rng);
    let all_brokers = vec![
        strike(300, Fault::PauseAll { lasting: secs(10) }),
        strike(600, Fault::KillAll),
    ];
    let second = |pause| vec![strike(300, Fault::SecondCopier { pause })];
    let terminated = vec![strike(500, Fault::Terminate)];
    let paused = second(Some(secs(3)));
    let mut scenarios = vec![
        scenario(wish, rng, "answers", For::Both, answers),
        scenario(wish, rng, "late", For::Both, late),
        scenario(wish, rng, "network", For::Both, network),
        scenario(wish, rng, "brokers", For::Both, brokers),
        scenario(wish, rng, "all-brokers", For::Both, all_brokers),
        scenario(wish, rng, "program", For::Both, program()),
        outage(wish, rng, "outage", RelayPath::Refused),
        scenario(wish, rng, "fenced", For::Copier, second(None)),
        scenario(wish, rng, "fenced-while-paused", For::Copier, paused),
        scenario(wish, rng, "terminated", For::Both, terminated),
    ];
    for scenario in &mut scenarios {
        scenario.short = true;
        // In one of them, what is left is also read by `milena consume`, with aborted records in between.
        scenario.consume = scenario.name == "answers";
    }
    scenarios
}

/// Requests and answers that are lost, torn, doubled and late.
fn answers(wish: Wish, rng: &mut Rng) -> Vec<Strike> {
    let mut strikes = vec![lost_answer(ApiKey::INIT_PRODUCER_ID, 0, Which::First)];
    for api in transactional(wish) {
        let (answer, request) = (Which::Every(rng.u64(5..9)), Which::Every(rng.u64(9..14)));
        strikes.push(lost_answer(api, 100, answer));
        let lost = [RelayAction::LoseRequest];
        strikes.push(requests("request-lost", api, 100, request, &lost));
    }
    let delay = RelayAction::Delay(ms(rng.u64(50..300)));
    let every = [
        ("answer-lost", 100, 30, RelayAction::LoseAnswer),
        ("request-lost", 150, 50, RelayAction::LoseRequest),
        ("cut-request", 200, 60, RelayAction::CutNow),
        ("cut-answer", 200, 60, RelayAction::CutAnswer),
        ("duplicate", 250, 20, RelayAction::Duplicate),
        ("delay", 300, 20, delay),
    ];
    for (label, at, least, action) in every {
        let which = Which::Every(rng.u64(least..least + 15));
        strikes.push(requests(label, ApiKey::PRODUCE, at, which, &[action]));
    }
    let cut = [RelayAction::CutAnswer];
    let which = Which::Every(rng.u64(20..40));
    strikes.push(requests("cut-answer", ApiKey::FETCH, 200, which, &cut));
    strikes
}

fn network(wish: Wish, rng: &mut Rng) -> Vec<Strike> {
    let black_hole = Duration::from_secs(if wish.short { 8 } else { 20 });
    vec![
        path(200, node(rng), RelayPath::BlackHole, black_hole),
        path(400, node(rng), RelayPath::Refused, secs(3)),
        all_paths(550, throttled(), secs(3)),
        strike(700, Fault::CutAll),
        all_paths(800, RelayPath::Refused, secs(2)),
    ]
}

/// The pause first: until a killed broker is back and in sync, the programs may be done.
fn brokers(rng: &mut Rng) -> Vec<Strike> {
    let (paused, killed) = (node(rng), node(rng));
    let pause = Fault::PauseNode {
        node: paused,
        lasting: secs(5),
    };
    let kill = Fault::KillNode {
        node: killed,
        down: secs(2),
    };
    vec![strike(150, pause), strike(400, kill)]
}

/// Killed and started again, paused shortly, and for longer than a transaction may take.
fn program() -> Vec<Strike> {
    let pause = |seconds| Fault::PausePrograms {
        lasting: secs(seconds),
    };
    vec![
        strike(150, Fault::KillCopiers),
        strike(300, pause(2)),
        strike(500, Fault::KillCopiers),
        strike(650, pause(14)),
        strike(850, Fault::KillCopiers),
    ]
}
