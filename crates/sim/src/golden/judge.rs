//! The end of a golden run is known exactly: what was told against what is in the logs.

use std::collections::BTreeSet;

use milena_testbroker::Broker;

use super::{COMMITTED_RECORDS, PARTITIONS, bank, orders};
use crate::check::{self, Truth, named, readers, value};
use crate::failure::{Check, Failure};
use crate::ledger::{Ending, Fate, Ledger};
use crate::plan::{BANK, INVOICES, ORDERS};

/// A run that came to its end.
pub(super) fn whole(broker: &Broker, ledger: &Ledger) -> Vec<Failure> {
    let truth = Truth::of(broker);
    let mut wrong = check::written(&truth, ledger);
    readers::of(readers::COMMITTED, &truth.committed, ledger, &mut wrong);
    nothing_failed(&truth, ledger, &mut wrong);
    let committed = ledger
        .transactions
        .iter()
        .filter(|transaction| transaction.ending == Ending::Committed)
        .count();
    let expected = [
        (ORDERS, (orders::EACH * PARTITIONS) as usize),
        (BANK, bank::COMMITTED_RECORDS),
        (INVOICES, COMMITTED_RECORDS - bank::COMMITTED_RECORDS),
    ];
    for (topic, expected) in expected {
        let found = truth.committed(topic).count();
        if found != expected {
            wrong.push(Check::Torn.failed(format!(
                "{topic} holds {found} committed records instead of {expected}; the bank was told of {committed} commits"
            )));
        }
    }
    wrong
}

/// A run that stands still.
pub(super) fn halted(broker: &Broker, ledger: &Ledger) -> Vec<Failure> {
    let mut wrong = ledger.violations.clone();
    wrong.extend(check::at_any_time(&Truth::of(broker), ledger));
    wrong
}

/// A run whose answers were damaged on their way. Most of their fields are protected by nothing, so that a client may be told
/// anything; but records are, and one that is handed out is one that was sent.
pub(super) fn damaged(ledger: &Ledger) -> Vec<Failure> {
    let sent: BTreeSet<&[u8]> = ledger
        .sent
        .iter()
        .map(|sent| sent.value.as_bytes())
        .collect();
    let mut wrong = ledger.violations.clone();
    for ((_, topic, partition), stretches) in &ledger.reads {
        for (offset, read) in stretches.iter().flat_map(|stretch| &stretch.records) {
            // An invoice is its order behind two numbers.
            let order = || read.splitn(3, |byte| *byte == b'/').nth(2);
            let told = if topic == INVOICES {
                order()
            } else {
                Some(&read[..])
            };
            if !told.is_some_and(|told| sent.contains(told)) {
                wrong.push(Check::Readers.failed(format!(
                    "{} was read at {offset} of {topic}-{partition}, and nobody has sent it",
                    named(read)
                )));
            }
        }
    }
    wrong
}

/// No broker refuses anything in a golden run, and no deadline is near: what was accepted is in the log, whether or not
/// somebody waited to hear of it, but what was aborted with its transaction.
fn nothing_failed(truth: &Truth, ledger: &Ledger, wrong: &mut Vec<Failure>) {
    let there: BTreeSet<&[u8]> = [ORDERS, BANK]
        .into_iter()
        .flat_map(|topic| truth.records(topic))
        .map(|(_, record)| value(record))
        .collect();
    for sent in &ledger.sent {
        let aborted = sent.transaction.is_some_and(|transaction| {
            matches!(ledger.transactions[transaction].ending, Ending::Aborted(_))
        });
        if sent.fate == Fate::NotAccepted || aborted {
            continue;
        }
        let bytes = sent.value.as_bytes();
        if let Fate::Failed(persistence) = sent.fate {
            let text = format!("{} failed without a reason: {persistence:?}", named(bytes));
            wrong.push(Check::Refused.failed(text));
        }
        if !there.contains(bytes) {
            let text = format!("{} was accepted, and is not in the log", named(bytes));
            wrong.push(Check::Lost.failed(text));
        }
    }
}
