//! The result of a run: as a table, as one JSON object, and as a verdict.

use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{CellAlignment, Table};
use hdrhistogram::Histogram;
use serde_json::{Value, json};

use super::audit::Findings;
use super::plan::{Fired, Kind};

/// Everything the run found out.
pub(crate) struct Report {
    pub seed: u64,
    pub payments: u64,
    pub transactions: Transactions,
    /// Pipelines started again after an error that the demo had not asked for.
    pub recoveries: u64,
    pub fired: Fired,
    /// Whether leaders and coordinators were ours to move.
    pub moves: bool,
    pub findings: Findings,
    /// Records that a read_uncommitted reader sees and a read_committed one does not.
    pub hidden: u64,
    pub commit: Latency,
    /// How long the pipeline worked, faults included.
    pub seconds: f64,
    pub topics: [String; 3],
}

/// How the transactions ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Transactions {
    pub committed: u64,
    pub aborted: u64,
    /// Commits of an old instance that the broker refused.
    pub fenced: u64,
}

/// Commit latencies in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Latency {
    pub p50: f64,
    pub p99: f64,
}

impl Latency {
    /// Of latencies recorded in microseconds.
    pub(crate) fn of(histogram: &Histogram<u64>) -> Self {
        let milliseconds = |quantile| histogram.value_at_quantile(quantile) as f64 / 1_000.0;
        Self {
            p50: milliseconds(0.50),
            p99: milliseconds(0.99),
        }
    }
}

impl Report {
    /// Why the run does not count as a success; empty if it does.
    pub(crate) fn complaints(&self) -> Vec<String> {
        let findings = &self.findings;
        let mut complaints = Vec::new();
        for (count, what) in [
            (findings.lost, "lost"),
            (findings.doubled, "doubled"),
            (findings.torn, "torn"),
        ] {
            if count > 0 {
                complaints.push(format!("{count} of {} payments {what}", self.payments));
            }
        }
        if findings.foreign > 0 {
            complaints.push(format!(
                "{} records that no order explains",
                findings.foreign
            ));
        }
        if !findings.balanced {
            complaints.push("the accounts do not hold what the orders say".to_owned());
        }
        let ours = |kind: &&Kind| {
            self.moves || !matches!(kind, Kind::LeaderMoved | Kind::CoordinatorMoved)
        };
        complaints.extend(
            Kind::ALL
                .iter()
                .filter(ours)
                .filter_map(|&kind| self.fired.shortfall(kind, self.payments)),
        );
        if self.transactions.fenced == 0 {
            complaints.push("the old pipeline's commit was not fenced".to_owned());
        }
        complaints
    }

    fn records_per_second(&self) -> f64 {
        let records = self.findings.ledger_records + self.findings.refused_records;
        if self.seconds > 0.0 {
            records as f64 / self.seconds
        } else {
            0.0
        }
    }

    /// One line of JSON: first the documented keys, in their order, then what else is worth knowing.
    pub(crate) fn to_json(&self) -> String {
        let faults = Kind::ALL.map(|kind| (kind.key(), json!(self.fired.count(kind))));
        let commit = [
            ("p50", json!(rounded(self.commit.p50, 3))),
            ("p99", json!(rounded(self.commit.p99, 3))),
        ];
        let findings = &self.findings;
        let plain = |value: Value| value.to_string();
        object(&[
            ("payments", plain(json!(self.payments))),
            ("refused", plain(json!(findings.refused))),
            ("committed", plain(json!(self.transactions.committed))),
            ("aborted", plain(json!(self.transactions.aborted))),
            ("fenced", plain(json!(self.transactions.fenced))),
            (
                "faults",
                object(&faults.map(|(key, value)| (key, plain(value)))),
            ),
            ("lost", plain(json!(findings.lost))),
            ("doubled", plain(json!(findings.doubled))),
            ("torn", plain(json!(findings.torn))),
            (
                "commit_ms",
                object(&commit.map(|(key, value)| (key, plain(value)))),
            ),
            (
                "records_per_second",
                plain(json!(rounded(self.records_per_second(), 1))),
            ),
            ("seed", plain(json!(self.seed))),
            ("applied", plain(json!(findings.applied))),
            ("balanced", plain(json!(findings.balanced))),
            ("ledger_records", plain(json!(findings.ledger_records))),
            ("pipelines_recovered", plain(json!(self.recoveries))),
            ("hidden_records", plain(json!(self.hidden))),
            ("seconds", plain(json!(rounded(self.seconds, 3)))),
            ("topics", plain(json!(self.topics))),
            ("complaints", plain(json!(self.complaints()))),
        ])
    }

    /// The table for people.
    pub(crate) fn to_table(&self) -> String {
        let mut table = Table::new();
        table.load_style(UTF8_FULL_CONDENSED);
        table.set_header([format!("milena demo, seed {}", self.seed), String::new()]);
        let findings = &self.findings;
        let transactions = &self.transactions;
        let mut row = |label: &str, value: String| {
            table.add_row([label.to_owned(), value]);
        };
        row("payments", grouped(self.payments));
        row("  applied (debit and credit)", grouped(findings.applied));
        row("  refused", grouped(findings.refused));
        row("transactions committed", grouped(transactions.committed));
        row("  aborted", grouped(transactions.aborted));
        row("  fenced", grouped(transactions.fenced));
        for kind in Kind::ALL {
            row(kind.label(), grouped(self.fired.count(kind) as u64));
        }
        row("lost", grouped(findings.lost));
        row("doubled", grouped(findings.doubled));
        row("torn", grouped(findings.torn));
        row(
            "balances",
            if findings.balanced {
                "conserved"
            } else {
                "WRONG"
            }
            .to_owned(),
        );
        row(
            &format!("records committed to {}", self.topics[1]),
            grouped(findings.ledger_records),
        );
        row("records hidden from read_committed", grouped(self.hidden));
        row(
            "commit latency p50 / p99",
            format!("{:.1} ms / {:.1} ms", self.commit.p50, self.commit.p99),
        );
        row(
            "records a second",
            grouped(self.records_per_second().round() as u64),
        );
        if let Some(values) = table.column_mut(1) {
            values.set_cell_alignment(CellAlignment::Right);
        }
        table.to_string()
    }
}

/// JSON by hand, because the keys have an order and `serde_json`'s map does not keep it.
fn object(members: &[(&str, String)]) -> String {
    let members: Vec<_> = members
        .iter()
        .map(|(key, value)| format!("\"{key}\":{value}"))
        .collect();
    format!("{{{}}}", members.join(","))
}

fn rounded(value: f64, digits: i32) -> f64 {
    let scale = 10f64.powi(digits);
    (value * scale).round() / scale
}

/// `20000` as `20,000`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAYMENTS: u64 = 20_000;

    fn success() -> Report {
        let mut fired = Fired::default();
        for kind in Kind::ALL {
            for turn in 0..10 {
                fired.note(kind, turn * PAYMENTS / 10);
            }
        }
        Report {
            seed: 5,
            payments: PAYMENTS,
            transactions: Transactions {
                committed: 350,
                aborted: 24,
                fenced: 1,
            },
            recoveries: 0,
            fired,
            moves: true,
            findings: Findings {
                applied: 19_980,
                refused: 20,
                balanced: true,
                ledger_records: 39_960,
                refused_records: 20,
                ..Findings::default()
            },
            hidden: 512,
            commit: Latency {
                p50: 2.0005,
                p99: 31.25,
            },
            seconds: 8.0,
            topics: ["payments", "ledger", "payments-refused"].map(str::to_owned),
        }
    }

    #[test]
    fn a_clean_run_with_all_its_faults_has_no_complaints() {
        assert_eq!(success().complaints(), Vec::<String>::new());
    }

    #[test]
    fn every_finding_and_every_missing_fault_is_a_complaint() {
        type Spoil = fn(&mut Report);
        let spoilers: [(&str, Spoil); 8] = [
            ("lost", |r| r.findings.lost = 1),
            ("doubled", |r| r.findings.doubled = 2),
            ("torn", |r| r.findings.torn = 3),
            ("no order explains", |r| r.findings.foreign = 1),
            ("accounts", |r| r.findings.balanced = false),
            ("connection_cut", |r| r.fired = Fired::default()),
            ("pipeline_dropped", |r| r.fired = Fired::default()),
            ("fenced", |r| r.transactions.fenced = 0),
        ];
        for (word, spoil) in spoilers {
            let mut report = success();
            spoil(&mut report);
            let complaints = report.complaints();
            assert!(
                complaints.iter().any(|c| c.contains(word)),
                "{word}: {complaints:?}"
            );
        }
    }

    #[test]
    fn moves_are_required_only_where_they_are_ours_to_make() {
        let mut report = success();
        let mut fired = Fired::default();
        for kind in [Kind::ConnectionCut, Kind::AnswerLost, Kind::PipelineDropped] {
            for turn in 0..10 {
                fired.note(kind, turn * PAYMENTS / 10);
            }
        }
        report.fired = fired;
        assert_eq!(report.complaints().len(), 2);
        report.moves = false;
        assert_eq!(report.complaints(), Vec::<String>::new());
    }

    #[test]
    fn json_begins_with_the_documented_keys_in_their_order() {
        let json = success().to_json();
        let documented = concat!(
            r#"{"payments":20000,"refused":20,"committed":350,"aborted":24,"fenced":1,"#,
            r#""faults":{"connection_cut":10,"answer_lost":10,"leader_moved":10,"coordinator_moved":10,"pipeline_dropped":10},"#,
            r#""lost":0,"doubled":0,"torn":0,"commit_ms":{"p50":2.001,"p99":31.25},"records_per_second":4997.5,"#,
        );
        assert!(json.starts_with(documented), "{json}");
        let parsed: Value = serde_json::from_str(&json).expect("it is JSON");
        assert_eq!(parsed["topics"][1], "ledger");
        assert_eq!(parsed["hidden_records"], 512);
        assert!(!json.contains('\n'), "one object, one line");
    }

    #[test]
    fn the_table_shows_every_figure() {
        let table = success().to_table();
        for text in [
            "20,000",
            "19,980",
            "350",
            "24",
            "fenced",
            "connections cut",
            "answers lost",
            "leaders moved",
            "coordinators moved",
            "pipelines dropped",
            "lost",
            "doubled",
            "torn",
            "conserved",
            "39,960",
            "512",
            "2.0 ms / 31.2 ms",
            "4,998",
        ] {
            assert!(table.contains(text), "{text} is missing in\n{table}");
        }
    }

    #[test]
    fn quantiles_come_from_the_histogram_in_milliseconds() {
        let mut histogram = Histogram::<u64>::new(3).expect("three digits");
        for microseconds in (1..=100).map(|n| n * 1_000) {
            histogram.record(microseconds).expect("it resizes");
        }
        let latency = Latency::of(&histogram);
        assert!((latency.p50 - 50.0).abs() < 0.1, "{latency:?}");
        assert!((latency.p99 - 99.0).abs() < 0.1, "{latency:?}");
    }

    #[test]
    fn an_empty_run_divides_by_nothing() {
        let mut report = success();
        report.seconds = 0.0;
        report.commit = Latency::of(&Histogram::<u64>::new(3).expect("three digits"));
        assert!(report.to_json().contains(r#""records_per_second":0.0"#));
    }

    #[test]
    fn numbers_are_grouped_by_thousands() {
        for (number, text) in [
            (0, "0"),
            (999, "999"),
            (1_000, "1,000"),
            (1_234_567, "1,234,567"),
        ] {
            assert_eq!(grouped(number), text);
        }
    }
}
