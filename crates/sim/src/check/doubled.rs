//! Nothing is doubled: every value is unique, so none is in a log twice.

use std::collections::BTreeMap;

use super::{Truth, named, value};
use crate::failure::{Check, Failure};
use crate::ledger::Ledger;
use crate::plan::{BANK, ORDERS};

pub(super) fn check(truth: &Truth, _: &Ledger, wrong: &mut Vec<Failure>) {
    for topic in [ORDERS, BANK] {
        let mut places: BTreeMap<&[u8], (i32, i64)> = BTreeMap::new();
        for (partition, record) in truth.records(topic) {
            let here = (partition, record.offset);
            if let Some(there) = places.insert(value(record), here) {
                let name = named(value(record));
                wrong.push(
                    Check::Doubled.failed(format!("{name} in {topic} at {there:?} and {here:?}")),
                );
            }
        }
    }
}
