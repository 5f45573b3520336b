//! What a run of kills has come to: the table, and whether it was enough.

use std::collections::BTreeSet;
use std::fmt::{self, Write as _};
use std::time::Duration;

use super::audit::{Audit, Step};

/// One kill of the program.
#[derive(Clone, Debug)]
pub(super) struct ClientKill {
    pub(super) incarnation: u32,
    /// Transactions that this incarnation had committed.
    pub(super) commits: u64,
    /// The last step of which it had said that it is in the logs, uncommitted.
    pub(super) last_open: u64,
    /// From the kill to the first commit of the next incarnation.
    pub(super) recovery: Option<Duration>,
}

/// One thing that was done to brokers.
#[derive(Clone, Debug)]
pub(super) struct BrokerFault {
    pub(super) what: String,
    /// From the fault to the next commit after the broker was back and the replicas in sync.
    pub(super) whole_again: Duration,
    /// Commits while the broker was away.
    pub(super) commits_meanwhile: u64,
}

/// Everything that is known at the end.
#[derive(Clone, Debug, Default)]
pub(super) struct Report {
    pub(super) version: String,
    pub(super) seed: u64,
    pub(super) kills: Vec<ClientKill>,
    /// How many kills there must be, and how many with a transaction open.
    pub(super) kills_wanted: usize,
    pub(super) open_wanted: usize,
    pub(super) faults: Vec<BrokerFault>,
    pub(super) faults_wanted: usize,
    /// A paused instance went on after a newer one had committed, and was fenced.
    pub(super) zombie_fenced: bool,
    /// The longest time between two commits of one incarnation.
    pub(super) gap_max: Duration,
    /// Records that the input was acknowledged to hold.
    pub(super) written: u64,
    pub(super) audit: Audit,
    /// Steps of which aborted records are in the log, and how many records.
    pub(super) aborted_steps: BTreeSet<Step>,
    pub(super) aborted_records: usize,
    /// Partitions of the input that the group has not read to their end.
    pub(super) unread: Vec<String>,
    pub(super) open_transactions: Vec<String>,
    pub(super) seconds: f64,
}

impl Report {
    /// What is wrong, a sentence each. Too few kills are wrong as well: they would prove nothing.
    pub(super) fn complaints(&self) -> Vec<String> {
        let mut complaints = Vec::new();
        let mut complain = |wrong: bool, text: String| {
            if wrong {
                complaints.push(text);
            }
        };
        let audit = &self.audit;
        complain(
            !audit.is_clean(),
            format!("the output is wrong:\n  {}", audit.examples.join("\n  ")),
        );
        complain(
            audit.inputs as u64 != self.written || self.written == 0,
            format!(
                "{} input records were acknowledged, Java reads {}",
                self.written, audit.inputs
            ),
        );
        let kills = self.kills.len();
        complain(
            kills < self.kills_wanted,
            format!("{kills} kills, {} were asked for", self.kills_wanted),
        );
        let open = self.open_kills();
        complain(
            open < self.open_wanted,
            format!(
                "{open} kills met an open transaction, {} must",
                self.open_wanted
            ),
        );
        for kill in &self.kills {
            let number = kill.incarnation;
            complain(
                kill.commits == 0,
                format!("incarnation {number} was killed before its first commit"),
            );
        }
        complain(
            self.faults.len() < self.faults_wanted,
            format!(
                "{} broker faults, {} were asked for",
                self.faults.len(),
                self.faults_wanted
            ),
        );
        complain(
            !self.zombie_fenced,
            "the paused instance was not fenced".to_owned(),
        );
        complain(
            !self.unread.is_empty(),
            format!("the group's offsets are behind: {}", self.unread.join(", ")),
        );
        complain(
            !self.open_transactions.is_empty(),
            format!("still open: {}", self.open_transactions.join(", ")),
        );
        complaints
    }

    /// By the log: what it wrote last is there, and aborted. Nothing but the kill can be the reason, since an incarnation that
    /// aborts by itself goes on to later steps.
    fn met_open(&self, kill: &ClientKill) -> bool {
        let last = (kill.incarnation, kill.last_open)..=(kill.incarnation, u64::MAX);
        self.aborted_steps.range(last).next().is_some()
    }

    fn open_kills(&self) -> usize {
        let open = self.kills.iter().filter(|kill| self.met_open(kill));
        open.count()
    }

    fn kills_table(&self, text: &mut String) -> fmt::Result {
        writeln!(
            text,
            "incarnation  commits  transaction when killed  first commit after it"
        )?;
        for kill in &self.kills {
            let recovery = kill.recovery.map_or_else(nothing, seconds);
            let state = if self.met_open(kill) { "open" } else { "none" };
            writeln!(
                text,
                "{:>11}  {:>7}  {state:<23}  {recovery:>20}",
                kill.incarnation, kill.commits
            )?;
        }
        writeln!(
            text,
            "\nfault                      commits meanwhile  whole and committing again"
        )?;
        for fault in &self.faults {
            writeln!(
                text,
                "{:<25}  {:>17}  {:>26}",
                fault.what,
                fault.commits_meanwhile,
                seconds(fault.whole_again)
            )?;
        }
        Ok(())
    }

    fn summary(&self) -> Vec<(&'static str, String)> {
        let mut rows = vec![(
            "Kafka",
            format!("{}, three nodes, seed {}", self.version, self.seed),
        )];
        rows.extend(self.what_was_done());
        rows.extend(self.what_came_of_it());
        rows.push(("seconds", format!("{:.0}", self.seconds)));
        rows
    }

    fn what_was_done(&self) -> [(&'static str, String); 6] {
        let recoveries: Vec<Duration> =
            self.kills.iter().filter_map(|kill| kill.recovery).collect();
        let commits = || self.kills.iter().map(|kill| kill.commits);
        let (kills, open) = (self.kills.len(), self.open_kills());
        let (least, most) = (commits().min(), commits().max());
        let (middle, longest) = (percentile(&recoveries, 50), percentile(&recoveries, 100));
        let fenced = if self.zombie_fenced { "yes" } else { "NO" };
        [
            (
                "kills of the program",
                format!("{kills}, {open} with a transaction open"),
            ),
            (
                "commits before a kill",
                format!("{} to {}", least.unwrap_or(0), most.unwrap_or(0)),
            ),
            (
                "first commit after a kill",
                format!("p50 {middle}, max {longest}"),
            ),
            ("broker faults", self.faults.len().to_string()),
            ("longest time between commits", seconds(self.gap_max)),
            ("paused instance fenced", fenced.to_owned()),
        ]
    }

    fn what_came_of_it(&self) -> [(&'static str, String); 6] {
        let audit = &self.audit;
        let aborted = self.aborted_records;
        [
            (
                "records",
                format!(
                    "{} in, {} out, {aborted} aborted in the log",
                    audit.inputs, audit.outputs
                ),
            ),
            (
                "steps with aborted records",
                self.aborted_steps.len().to_string(),
            ),
            (
                "lost / doubled / torn",
                format!("{} / {} / {}", audit.lost, audit.doubled, audit.torn),
            ),
            (
                "out of order / stray",
                format!("{} / {}", audit.reordered, audit.strays),
            ),
            (
                "partitions not read to the end",
                self.unread.len().to_string(),
            ),
            (
                "transactions still open",
                self.open_transactions.len().to_string(),
            ),
        ]
    }
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        self.kills_table(&mut text)?;
        writeln!(text)?;
        for (name, value) in self.summary() {
            writeln!(text, "{name:<34}{value}")?;
        }
        formatter.write_str(&text)
    }
}

fn nothing() -> String {
    "-".to_owned()
}

fn seconds(duration: Duration) -> String {
    format!("{:.2} s", duration.as_secs_f64())
}

/// The smallest value that so many percent of them do not exceed.
fn percentile(durations: &[Duration], percent: usize) -> String {
    let mut sorted = durations.to_vec();
    sorted.sort_unstable();
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted
        .get(rank - 1)
        .map_or_else(nothing, |duration| seconds(*duration))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kill(incarnation: u32) -> ClientKill {
        ClientKill {
            incarnation,
            commits: 3,
            last_open: 8,
            recovery: Some(Duration::from_secs(u64::from(incarnation))),
        }
    }

    fn good() -> Report {
        Report {
            version: "4.3.1".to_owned(),
            kills: vec![kill(1), kill(2)],
            kills_wanted: 2,
            open_wanted: 1,
            zombie_fenced: true,
            written: 9,
            audit: Audit {
                inputs: 9,
                outputs: 18,
                ..Audit::default()
            },
            // The second incarnation aborted once, long before it was killed.
            aborted_steps: BTreeSet::from([(1, 7), (1, 8), (2, 5)]),
            ..Report::default()
        }
    }

    #[test]
    fn a_good_run_has_no_complaint() {
        assert_eq!(good().complaints(), [""; 0]);
        assert!(
            good().to_string().contains("p50 1.00 s, max 2.00 s"),
            "{}",
            good()
        );
    }

    #[test]
    fn each_shortfall_is_a_complaint() {
        type Plant = fn(&mut Report);
        let plants: [(&str, Plant); 11] = [
            ("too few kills", |report| report.kills_wanted = 3),
            ("too few open", |report| report.open_wanted = 2),
            ("no commit", |report| report.kills[1].commits = 0),
            ("no aborted record", |report| report.aborted_steps.clear()),
            ("too few faults", |report| report.faults_wanted = 1),
            ("no fence", |report| report.zombie_fenced = false),
            ("lost", |report| report.audit.lost = 1),
            ("torn", |report| report.audit.torn = 1),
            ("an input record is gone", |report| report.written = 10),
            ("offsets behind", |report| {
                report.unread.push("in-0: 1 of 2".into())
            }),
            ("open transaction", |report| {
                report.open_transactions.push("x Ongoing".into())
            }),
        ];
        for (what, plant) in plants {
            let mut report = good();
            plant(&mut report);
            assert_eq!(report.complaints().len(), 1, "{what}");
        }
    }

    #[test]
    fn a_percentile_is_one_of_the_values() {
        let durations: Vec<Duration> = (1..=4).map(Duration::from_secs).collect();
        assert_eq!(percentile(&durations, 50), "2.00 s");
        assert_eq!(percentile(&durations, 100), "4.00 s");
        assert_eq!(percentile(&[], 50), "-");
    }
}
