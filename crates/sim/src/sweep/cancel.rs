//! Every future is dropped: instead of each of its polls, and while it waits, after each event of the world.

use std::collections::BTreeMap;

use super::{Case, Summary, Sweep};
use crate::golden::Outcome;
use crate::golden::watch::{Cut, Moment};

pub(super) fn make(sweep: &Sweep, golden: &Outcome, summary: &mut Summary) {
    let polls = polls(golden);
    let events = events(golden);
    count_futures(golden, summary);
    let every = sweep.every.max(1);
    let alone = |cut: &Cut| Case::Drops(vec![*cut]);
    let mut cases: Vec<Case> = polls.iter().map(alone).collect();
    let waiting: Vec<Case> = events.iter().step_by(every).map(alone).collect();
    let counts = [
        ("futures dropped at a poll", cases.len()),
        ("futures dropped while they wait", waiting.len()),
    ];
    cases.extend(waiting);
    for (what, count) in counts {
        summary.counts.push((what.to_owned(), count as u64));
    }
    sweep.run_all(&cases, summary);
    if summary.failure.is_none() && sweep.pairs > 0 {
        let cases = pairs(sweep, &[polls, events].concat(), summary);
        summary
            .counts
            .push(("pairs of futures dropped".to_owned(), cases.len() as u64));
        sweep.run_all(&cases, summary);
    }
}

/// Each poll of each future.
fn polls(golden: &Outcome) -> Vec<Cut> {
    let each = |(number, polls): (usize, usize)| {
        (0..polls).map(move |polls| Cut {
            number,
            moment: Moment::Polled(polls),
        })
    };
    (golden
        .awaits
        .iter()
        .map(|entry| entry.polls.len())
        .enumerate())
    .flat_map(each)
    .collect()
}

/// Each event that a future waits through.
fn events(golden: &Outcome) -> Vec<Cut> {
    let cut = |(event, number): &(u64, usize)| Cut {
        number: *number,
        moment: Moment::Event(*event),
    };
    golden.pending.iter().map(cut).collect()
}

fn count_futures(golden: &Outcome, summary: &mut Summary) {
    let mut labels: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    for entry in &golden.awaits {
        let (count, polls) = labels.entry(entry.label).or_default();
        *count += 1;
        *polls += entry.polls.len() as u64;
    }
    for (label, (count, polls)) in &labels {
        let what = format!("{label} ({polls} polls)");
        summary.counts.push((what, *count));
    }
    let counts = [
        ("futures", golden.awaits.len() as u64),
        ("their polls", labels.values().map(|(_, polls)| polls).sum()),
        ("events of the world", golden.events),
    ];
    for (what, count) in counts {
        summary.counts.push((what.to_owned(), count));
    }
}

/// Two by lot: the second is one that the run with the first comes to after it.
fn pairs(sweep: &Sweep, all: &[Cut], summary: &Summary) -> Vec<Case> {
    let mut rng = fastrand::Rng::with_seed(sweep.seed);
    let mut cases = Vec::with_capacity(sweep.pairs);
    while cases.len() < sweep.pairs && !all.is_empty() {
        let first = all[rng.usize(..all.len())];
        let mut script = sweep.script();
        Case::Drops(vec![first]).put_into(&mut script, summary.golden);
        script.records = true;
        let outcome = script.make();
        let second = |cut: &Cut| match cut.moment {
            Moment::Polled(polls) => outcome.awaits[cut.number].polls[polls] > outcome.dropped_at,
            Moment::Event(event) => event > outcome.dropped_at + 1,
        };
        let polls: Vec<Cut> = polls(&outcome).into_iter().filter(second).collect();
        let events: Vec<Cut> = events(&outcome).into_iter().filter(second).collect();
        let second = if rng.bool() { polls } else { events };
        if let Some(second) = rng.choice(second) {
            cases.push(Case::Drops(vec![first, second]));
        }
    }
    cases
}
