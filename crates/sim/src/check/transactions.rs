//! Transactions are whole: committed ones visible with all that was accepted, aborted ones invisible, and those whose outcome
//! nobody knows are one or the other.

use std::collections::BTreeSet;

use super::{Truth, named, value};
use crate::failure::{Check, Failure};
use crate::ledger::{Ending, Fate, Ledger};
use crate::plan::{BANK, MANUAL, ORDERS};

pub(super) fn check(truth: &Truth, ledger: &Ledger, wrong: &mut Vec<Failure>) {
    let visible: BTreeSet<&[u8]> = truth
        .committed(BANK)
        .chain(truth.committed(ORDERS))
        .map(|(_, record)| value(record))
        .collect();
    let mut last_offset = None;
    for (number, transaction) in ledger.transactions.iter().enumerate() {
        let accepted: Vec<&[u8]> = ledger
            .sent
            .iter()
            .filter(|sent| sent.transaction == Some(number) && sent.fate != Fate::NotAccepted)
            .map(|sent| sent.value.as_bytes())
            .collect();
        // One that holds nothing is committed without a word to any broker.
        let empty = accepted.is_empty() && transaction.offset.is_none();
        let (seen, hidden): (Vec<&[u8]>, Vec<&[u8]>) = accepted
            .into_iter()
            .partition(|value| visible.contains(value));
        let example = |values: &[&[u8]]| values.first().map(|value| named(value));
        match &transaction.ending {
            Ending::Open => wrong.push(Check::Torn.failed(format!("transaction {number} was never ended"))),
            Ending::Committed if !hidden.is_empty() => wrong.push(Check::Torn.failed(format!(
                "transaction {number} is committed, and {} of its records are not visible: {:?}",
                hidden.len(),
                example(&hidden)
            ))),
            Ending::Aborted(cause) if !seen.is_empty() => wrong.push(Check::Torn.failed(format!(
                "transaction {number} is aborted ({cause}), and {} of its records are visible: {:?}",
                seen.len(),
                example(&seen)
            ))),
            Ending::Unknown if !seen.is_empty() && !hidden.is_empty() => wrong.push(Check::Torn.failed(format!(
                "transaction {number} is torn: {:?} is visible, {:?} is not",
                example(&seen),
                example(&hidden)
            ))),
            _ => {}
        }
        if transaction.ending == Ending::Committed {
            if transaction.fenced && !empty {
                wrong.push(Check::Torn.failed(format!(
                    "transaction {number} was committed by a fenced instance"
                )));
            }
            if let Some(failed) = &transaction.failed_send {
                let name = named(failed.as_bytes());
                wrong.push(Check::Torn.failed(format!(
                    "transaction {number} was committed although {name} failed"
                )));
            }
            last_offset = transaction.offset.or(last_offset);
        }
    }
    let unknown = ledger
        .transactions
        .iter()
        .any(|transaction| transaction.ending == Ending::Unknown && transaction.offset.is_some());
    let found = truth
        .offsets
        .get(&(MANUAL.to_owned(), ORDERS.to_owned(), 0))
        .copied();
    if found != last_offset && !unknown {
        wrong.push(Check::Torn.failed(format!(
            "group {MANUAL} stands at {found:?}, the last committed transaction with an offset said {last_offset:?}"
        )));
    }
}
