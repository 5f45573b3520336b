//! A read_committed reader gets what the markers say, a read_uncommitted one everything: each record once and in order.

use std::collections::BTreeMap;

use milena_testbroker::StoredRecord;

use super::{Truth, named, value};
use crate::failure::{Check, Failure};
use crate::ledger::{Ledger, Read};
use crate::plan::{BANK, INVOICES};

/// The name of the reader that sees only what is committed.
pub(crate) const COMMITTED: &str = "reader of committed records";
/// The name of the reader that sees everything.
pub(crate) const EVERYTHING: &str = "reader of all records";

pub(crate) fn check(truth: &Truth, ledger: &Ledger, wrong: &mut Vec<Failure>) {
    of(COMMITTED, &truth.committed, ledger, wrong);
    of(EVERYTHING, &truth.all, ledger, wrong);
}

/// What one reader got, against `logs`, which hold what is there for it.
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
        let key = (reader, topic.clone(), *partition);
        let empty = Vec::new();
        let read: &Vec<Read> = ledger.reads.get(&key).unwrap_or(&empty);
        let same = |(read, record): (&Read, &StoredRecord)| {
            read.0 == record.offset && read.1 == value(record)
        };
        let agreed = read
            .iter()
            .zip(records)
            .take_while(|pair| same(*pair))
            .count();
        if agreed < read.len() || agreed < records.len() {
            let got = read
                .get(agreed)
                .map(|(offset, value)| (*offset, named(value)));
            let due = records
                .get(agreed)
                .map(|record| (record.offset, named(value(record))));
            wrong.push(Check::Readers.failed(format!(
                "the {reader} of {topic}-{partition} got {got:?} instead of {due:?}"
            )));
        }
    }
}
