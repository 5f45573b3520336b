//! The differences that are allowed: `docs/test-broker/DIFFERENCES.md` is this table for readers, and a test holds the two together.

use std::collections::BTreeMap;

use milena_wire::ApiKey;

use super::compare::Difference;

/// One kind of difference.
pub(crate) struct Rule {
    /// Its name in the table of the document and in reports.
    pub(crate) name: &'static str,
    /// Whether the long run is expected to need it. One that is never needed is reported.
    pub(crate) common: bool,
    allows: fn(&Difference) -> bool,
}

/// How far two clocks that were read for the same thing may be apart.
const CLOCK_TOLERANCE_MS: i64 = 60_000;

/// The rules, the first that allows a difference being the one that is counted.
pub(crate) const RULES: &[Rule] = &[
    Rule {
        name: "throttle",
        common: false,
        allows: |found| found.field == "throttle_time_ms",
    },
    Rule {
        name: "clock",
        common: true,
        allows: |found| {
            let by_clock = [
                "base_time_of_broker",
                "max_time_of_broker",
                "log_append_time_ms",
                "timestamp",
                "transaction_start_time_ms",
                "last_timestamp",
            ];
            let times = (found.real.parse::<i64>(), found.ours.parse::<i64>());
            let (Ok(real), Ok(ours)) = times else {
                return false;
            };
            by_clock.contains(&&*found.field)
                && real > super::batch::base_time() + CLOCK_TOLERANCE_MS
                && (real - ours).abs() < CLOCK_TOLERANCE_MS
        },
    },
    Rule {
        name: "leader",
        common: false,
        allows: |found| {
            let both = found.real.len() > 2 && found.ours.len() > 2;
            found.field == "leader" && both
        },
    },
    Rule {
        name: "text",
        common: true,
        allows: |found| {
            let is_text = ["error_message", "batch_index_error_message"];
            is_text.contains(&&*found.field) && found.real != "None" && found.ours != "None"
        },
    },
];

/// What was counted beside the differences themselves.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    /// Uses of each rule, with the API that used it.
    pub(crate) allowed: BTreeMap<(&'static str, &'static str), u64>,
    /// Lists whose order differed, by API and field.
    pub(crate) orders: BTreeMap<(&'static str, String), u64>,
    /// Answers compared, by API and version.
    pub(crate) answers: BTreeMap<(i16, i16), u64>,
    /// Answers with an error code in them.
    pub(crate) errors: u64,
    /// How often a side was asked again, by API: (real, ours).
    pub(crate) asked_again: BTreeMap<&'static str, (u64, u64)>,
}

impl Tally {
    /// Whether a rule allows the difference; if so it is counted.
    pub(crate) fn allows(&mut self, api: ApiKey, found: &Difference) -> bool {
        let Some(rule) = RULES.iter().find(|rule| (rule.allows)(found)) else {
            return false;
        };
        *self.allowed.entry((rule.name, api.name())).or_default() += 1;
        true
    }

    pub(crate) fn add(&mut self, other: &Self) {
        for (key, count) in &other.allowed {
            *self.allowed.entry(*key).or_default() += count;
        }
        for (key, count) in &other.orders {
            *self.orders.entry(key.clone()).or_default() += count;
        }
        for (key, count) in &other.answers {
            *self.answers.entry(*key).or_default() += count;
        }
        for (key, (real, ours)) in &other.asked_again {
            let entry = self.asked_again.entry(key).or_default();
            *entry = (entry.0 + real, entry.1 + ours);
        }
        self.errors += other.errors;
    }

    /// How often another member was chosen to lead a group.
    pub(crate) fn leaders(&self) -> u64 {
        let uses = self.allowed.iter();
        let uses = uses.filter(|((rule, _), _)| *rule == "leader");
        uses.map(|(_, count)| count).sum()
    }

    /// The rules that were never needed though they are expected to be.
    pub(crate) fn unused(&self) -> Vec<&'static str> {
        let used = |name| self.allowed.keys().any(|(rule, _)| *rule == name);
        let unused = RULES
            .iter()
            .filter(|rule| rule.common && !used(rule.name))
            .map(|rule| rule.name);
        unused.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCUMENT: &str = include_str!("../../../docs/test-broker/DIFFERENCES.md");

    #[test]
    fn every_rule_is_in_the_document_and_every_row_of_it_is_a_rule() {
        for rule in RULES {
            let row = format!("| `{}` |", rule.name);
            assert!(DOCUMENT.contains(&row), "{} is not explained", rule.name);
        }
        let rows = DOCUMENT.lines().filter(|line| line.starts_with("| `"));
        for row in rows {
            let name = row.trim_start_matches("| `").split('`').next();
            let known = RULES.iter().any(|rule| Some(rule.name) == name);
            assert!(known, "no rule for {row}");
        }
    }

    #[test]
    fn a_clock_may_be_off_by_a_little_and_a_code_by_nothing() {
        let allowed = |field: &str, real: &str, ours: &str| {
            let found = Difference {
                path: field.to_owned(),
                field: field.to_owned(),
                real: real.to_owned(),
                ours: ours.to_owned(),
            };
            Tally::default().allows(ApiKey::FETCH, &found)
        };
        let time = |after_ms: i64| (crate::differ::batch::base_time() + after_ms).to_string();
        assert!(allowed("timestamp", &time(9_000_000), &time(9_001_000)));
        assert!(!allowed("timestamp", &time(9_000_000), &time(9_900_000)));
        assert!(!allowed("timestamp", &time(10), &time(0)));
        assert!(!allowed("error_code", "NONE (0)", "UNKNOWN (1)"));
    }
}
