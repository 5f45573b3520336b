//! A read_committed reader gets what the markers say, a read_uncommitted one everything: from where it began or has sought,
//! each record once and in order. In the end it stands at the end, whatever lies there.

use std::collections::BTreeMap;

use milena_testbroker::{Broker, StoredRecord};

use super::{Truth, named, value};
use crate::failure::{Check, Failure};
use crate::ledger::{Ledger, Read, Stretch};
use crate::plan::{BANK, INVOICES};

/// The name of the reader that sees only what is committed.
pub(crate) const COMMITTED: &str = "reader of committed records";
/// The name of the reader that sees everything.
pub(crate) const EVERYTHING: &str = "reader of all records";
/// The name of the reader of what is committed that seeks.
pub(crate) const WANDERING: &str = "reader of committed records that seeks";
/// The name of the reader of everything that seeks.
pub(crate) const WANDERING_EVERYTHING: &str = "reader of all records that seeks";

/// Whether it is worth looking at what they got.
pub(crate) fn are_at_the_end(broker: &Broker, ledger: &Ledger) -> bool {
    ledger
        .positions
        .iter()
        .all(|((reader, topic, partition), position)| {
            let end = broker.log(topic, *partition).map_or(0, |log| {
                if [COMMITTED, WANDERING].contains(reader) {
                    log.last_stable_offset()
                } else {
                    log.high_watermark()
                }
            });
            *position == end
        })
}

pub(crate) fn check(truth: &Truth, ledger: &Ledger, wrong: &mut Vec<Failure>) {
    for reader in [COMMITTED, WANDERING] {
        of(reader, &truth.committed, ledger, wrong);
        stands_at(reader, &truth.stable, ledger, wrong);
    }
    for reader in [EVERYTHING, WANDERING_EVERYTHING] {
        of(reader, &truth.all, ledger, wrong);
        stands_at(reader, &truth.ends, ledger, wrong);
    }
}

/// What one reader of `logs` got.
pub(crate) fn of(
    reader: &'static str,
    logs: &BTreeMap<(String, i32), Vec<StoredRecord>>,
    ledger: &Ledger,
    wrong: &mut Vec<Failure>,
) {
    for ((topic, partition), records) in logs {
        if ![BANK, INVOICES].contains(&topic.as_str()) {
            continue;
        }
        let reading = (reader, topic.clone(), *partition);
        let stretches = ledger.reads.get(&reading).map_or(&[][..], Vec::as_slice);
        let wrongly = match stretches.split_last() {
            Some((last, before)) => before
                .iter()
                .find_map(|stretch| difference(records, stretch, false))
                .or_else(|| difference(records, last, true)),
            None => difference(records, &Stretch::default(), true),
        };
        if let Some(text) = wrongly {
            let text = format!("the {reader} of {topic}-{partition} {text}");
            wrong.push(Check::Readers.failed(text));
        }
    }
}

fn stands_at(
    reader: &'static str,
    ends: &BTreeMap<(String, i32), i64>,
    ledger: &Ledger,
    wrong: &mut Vec<Failure>,
) {
    for ((topic, partition), end) in ends {
        let reading = (reader, topic.clone(), *partition);
        let position = ledger.positions.get(&reading);
        if [BANK, INVOICES].contains(&topic.as_str()) && position != Some(end) {
            wrong.push(Check::Readers.failed(format!(
                "the {reader} of {topic}-{partition} stands at {position:?}, and the end is {end}"
            )));
        }
    }
}

/// What a stretch has otherwise than the log; a `whole` one goes to its end.
fn difference(records: &[StoredRecord], stretch: &Stretch, whole: bool) -> Option<String> {
    let Stretch { from, records: got } = stretch;
    let first = records.partition_point(|record| record.offset < *from);
    let due = &records[first..];
    let same =
        |(read, record): (&Read, &StoredRecord)| read.0 == record.offset && read.1 == value(record);
    let agreed = got.iter().zip(due).take_while(|pair| same(*pair)).count();
    if agreed == got.len() && (!whole || agreed == due.len()) {
        return None;
    }
    let got = got
        .get(agreed)
        .map(|(offset, value)| (*offset, named(value)));
    let due = due
        .get(agreed)
        .map(|record| (record.offset, named(value(record))));
    Some(format!("got {got:?} instead of {due:?}, sought at {from}"))
}
