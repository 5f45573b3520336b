//! Nothing is doubled: every value is unique, so none is in a log twice.

use std::collections::BTreeMap;

use super::{Truth, named, value};
use crate::ledger::Ledger;
use crate::plan::{BANK, ORDERS};

pub(super) fn check(truth: &Truth, _: &Ledger, wrong: &mut Vec<String>) {
    for topic in [ORDERS, BANK] {
        let mut places: BTreeMap<&[u8], (i32, i64)> = BTreeMap::new();
        for (partition, record) in truth.records(topic) {
            let here = (partition, record.offset);
            if let Some(there) = places.insert(value(record), here) {
                let name = named(value(record));
                wrong.push(format!(
                    "doubled: {name} in {topic} at {there:?} and {here:?}"
                ));
            }
        }
    }
}
