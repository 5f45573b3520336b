//! What a run of kills has come to: the table, and whether it was enough.

use std::fmt::{self, Write as _};
use std::time::Duration;

use super::audit::Audit;

/// One kill of the program.
#[derive(Clone, Debug)]
pub(super) struct ClientKill {
    pub(super) incarnation: u32,
    /// Transactions that this incarnation had committed.
    pub(super) commits: u64,
    /// The state in which the coordinator had its transaction afterwards, in Kafka's word.
    pub(super) state: String,
    /// From the start of the next incarnation to its first commit.
    pub(super) recovery: Option<Duration>,
}

impl ClientKill {
    /// Whether it met an open transaction.
    pub(super) fn is_open(&self) -> bool {
        self.state == "Ongoing"
    }
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
    /// Incarnations of which aborted records are in the log, and how many records.
    pub(super) aborted_incarnations: Vec<u32>,
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
            complain(
                kill.is_open() && !self.aborted_incarnations.contains(&number),
                format!(
                    "incarnation {number} had a transaction open, and nothing of it is in the log as aborted"
                ),
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

    fn open_kills(&self) -> usize {
        self.kills.iter().filter(|kill| kill.is_open()).count()
    }

    fn kills_table(&self, text: &mut String) -> fmt::Result {
        writeln!(
            text,
            "incarnation  commits  transaction when killed  next one's first commit"
        )?;
        for kill in &self.kills {
            let recovery = kill.recovery.map_or("-".to_owned(), seconds);
            writeln!(
                text,
                "{:>11}  {:>7}  {:<23}  {recovery:>22}",
                kill.incarnation, kill.commits, kill.state
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

    fn summary(&self, text: &mut String) -> fmt::Result {
        let recoveries: Vec<Duration> =
            self.kills.iter().filter_map(|kill| kill.recovery).collect();
        let commits: Vec<u64> = self.kills.iter().map(|kill| kill.commits).collect();
        let (least, most) = (commits.iter().min(), commits.iter().max());
        let rows = [
            (
                "Kafka",
                format!("{}, three nodes, seed {}", self.version, self.seed),
            ),
            (
                "kills of the program",
                format!(
                    "{}, {} with a transaction open",
                    self.kills.len(),
                    self.open_kills()
                ),
            ),
            (
                "commits before a kill",
                format!(
                    "{} to {}",
                    least.copied().unwrap_or(0),
                    most.copied().unwrap_or(0)
                ),
            ),
            (
                "first commit after a kill",
                format!(
                    "p50 {}, max {}",
                    percentile(&recoveries, 50),
                    percentile(&recoveries, 100)
                ),
            ),
            ("broker faults", self.faults.len().to_string()),
            ("longest time between commits", seconds(self.gap_max)),
            (
                "paused instance fenced",
                if self.zombie_fenced { "yes" } else { "NO" }.to_owned(),
            ),
            (
                "records",
                format!(
                    "{} in, {} out, {} aborted in the log",
                    self.audit.inputs, self.audit.outputs, self.aborted_records
                ),
            ),
            (
                "incarnations with aborted records",
                self.aborted_incarnations.len().to_string(),
            ),
            (
                "lost / doubled / torn",
                format!(
                    "{} / {} / {}",
                    self.audit.lost, self.audit.doubled, self.audit.torn
                ),
            ),
            (
                "out of order / stray",
                format!("{} / {}", self.audit.reordered, self.audit.strays),
            ),
            (
                "partitions not read to the end",
                self.unread.len().to_string(),
            ),
            (
                "transactions still open",
                self.open_transactions.len().to_string(),
            ),
            ("seconds", format!("{:.0}", self.seconds)),
        ];
        writeln!(text)?;
        for (name, value) in rows {
            writeln!(text, "{name:<34}{value}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        self.kills_table(&mut text)?;
        self.summary(&mut text)?;
        formatter.write_str(&text)
    }
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
        .map_or("-".to_owned(), |duration| seconds(*duration))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kill(incarnation: u32, state: &str) -> ClientKill {
        ClientKill {
            incarnation,
            commits: 3,
            state: state.to_owned(),
            recovery: Some(Duration::from_secs(u64::from(incarnation))),
        }
    }

    fn good() -> Report {
        Report {
            version: "4.3.1".to_owned(),
            kills: vec![kill(1, "Ongoing"), kill(2, "CompleteCommit")],
            kills_wanted: 2,
            open_wanted: 1,
            zombie_fenced: true,
            written: 9,
            audit: Audit {
                inputs: 9,
                outputs: 18,
                ..Audit::default()
            },
            aborted_incarnations: vec![1],
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
        let plants: [(&str, fn(&mut Report)); 11] = [
            ("too few kills", |report| report.kills_wanted = 3),
            ("too few open", |report| report.open_wanted = 2),
            ("no commit", |report| report.kills[1].commits = 0),
            ("no aborted record", |report| {
                report.aborted_incarnations.clear()
            }),
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
