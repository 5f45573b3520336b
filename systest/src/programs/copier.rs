//! A transactional copier, over all its incarnations.

use std::path::PathBuf;
use std::time::Duration;

use milena_testbroker::relay::{ApiKey, Relay};
use tokio::time::{Instant, sleep, timeout};

use super::process::Process;
use super::scenario::CopierPlan;
use super::world::INPUT;
use crate::check::copier::{Fate, Incarnation, has_finished};
use crate::failure::Result;

/// More restarts are no restarts after a fault.
const INCARNATIONS_MAX: usize = 12;
/// A fenced instance has to notice within this time.
const FENCED_WITHIN: Duration = Duration::from_secs(60);

/// How a copier is started, each time.
#[derive(Clone, Debug)]
pub(crate) struct Wish {
    pub(crate) program: PathBuf,
    pub(crate) bootstrap: String,
    pub(crate) settings: String,
    pub(crate) output: String,
    pub(crate) id: String,
    pub(crate) group: String,
    pub(crate) partition: i32,
    pub(crate) plan: CopierPlan,
    /// The brokers speak TV2.
    pub(crate) tv2: bool,
}

/// The copier and what became of its earlier incarnations.
#[derive(Debug)]
pub(crate) struct Copier {
    pub(crate) wish: Wish,
    pub(crate) incarnations: Vec<Incarnation>,
    /// The last words on standard error of incarnations that ended badly.
    pub(crate) errors: Vec<String>,
    running: Option<(Process, Fate)>,
    /// What earlier incarnations committed, as far as they said.
    before: u64,
    pub(crate) started: Instant,
    pub(crate) took: Duration,
    given_up: bool,
}

impl Copier {
    pub(crate) fn start(wish: Wish) -> Result<Self> {
        let process = wish.start()?;
        Ok(Self {
            wish,
            incarnations: Vec::new(),
            errors: Vec::new(),
            running: Some((process, Fate::Finish)),
            before: 0,
            started: Instant::now(),
            took: Duration::ZERO,
            given_up: false,
        })
    }

    pub(crate) fn is_done(&self) -> bool {
        self.running.is_none()
    }

    pub(crate) fn progress(&self) -> u64 {
        let now = self
            .running
            .as_ref()
            .map_or(0, |(process, _)| process.progress());
        self.before + now
    }

    /// Writes down an incarnation that has ended, and starts the next if it had not finished.
    pub(crate) fn look_after(&mut self) -> Result<()> {
        let Some((process, _)) = &self.running else {
            return Ok(());
        };
        if process.exit().is_none() {
            return Ok(());
        }
        self.bury();
        let finished = self.incarnations.last().is_some_and(has_finished);
        if finished || self.given_up || self.incarnations.len() >= INCARNATIONS_MAX {
            self.took = self.started.elapsed();
            return Ok(());
        }
        self.running = Some((self.wish.start()?, Fate::Finish));
        Ok(())
    }

    fn bury(&mut self) {
        let Some((process, fate)) = self.running.take() else {
            return;
        };
        if let Some(incarnation) = ended(&process, fate) {
            self.before += process.progress();
            let may_fail = !matches!(fate, Fate::Finish | Fate::MayBeFenced);
            if !may_fail && !has_finished(&incarnation) {
                self.errors.push(process.errors());
            }
            self.incarnations.push(incarnation);
        }
    }

    /// Sends a signal that is to end it; false if it has ended already.
    pub(crate) fn end(&mut self, signal: &str, by: Fate) -> bool {
        match &mut self.running {
            Some((process, fate)) if process.signal(signal) => {
                *fate = by;
                true
            }
            _ => false,
        }
    }

    /// Stops it; if for longer than its transactions may take, it may find itself fenced afterwards.
    pub(crate) fn pause(&mut self, lasting: Duration) -> bool {
        let timeout = self.wish.plan.timeout;
        match &mut self.running {
            Some((process, fate)) if process.signal("STOP") => {
                if lasting >= timeout && *fate == Fate::Finish {
                    *fate = Fate::MayBeFenced;
                }
                true
            }
            _ => false,
        }
    }

    pub(crate) fn resume(&self) {
        if let Some((process, _)) = &self.running {
            process.signal("CONT");
        }
    }

    pub(crate) fn give_up(&mut self) {
        self.given_up = true;
        if let Some((process, _)) = &self.running {
            process.signal("KILL");
        }
    }

    /// Starts a second instance with the same id, and waits until the first has noticed. How many identities were asked for
    /// between the moment when both ran and the end of the first; `None` if there was no first to be fenced.
    pub(crate) async fn second(
        &mut self,
        pause: Option<Duration>,
        relay: &Relay,
    ) -> Result<Option<u64>> {
        let Some((first, _)) = self.running.take() else {
            return Ok(None);
        };
        if pause.is_some() && !first.signal("STOP") {
            return Ok(None);
        }
        let second = self.wish.start()?;
        // It has the id once it has copied something.
        let copying = async {
            while second.progress() == 0 && second.exit().is_none() {
                sleep(Duration::from_millis(10)).await;
            }
        };
        let _ = timeout(FENCED_WITHIN, copying).await;
        let asked = || relay.requests(ApiKey::INIT_PRODUCER_ID);
        let mut before = asked();
        if let Some(pause) = pause {
            sleep(pause).await;
            before = asked();
            first.signal("CONT");
        }
        let noticing = async {
            while first.exit().is_none() {
                sleep(Duration::from_millis(10)).await;
            }
        };
        if timeout(FENCED_WITHIN, noticing).await.is_err() {
            first.signal("KILL");
            sleep(Duration::from_secs(1)).await;
        }
        if let Some(incarnation) = ended(&first, Fate::Fenced) {
            self.before += first.progress();
            self.incarnations.push(incarnation);
        }
        // Under TV1 a first instance that wakes up with a batch unresolved must ask for a new epoch, and brokers abort the newer
        // instance's open transaction for it before they look at the epoch it asked with. That one has to be started again.
        let fate = match pause {
            Some(_) if !self.wish.tv2 => Fate::MayBeFenced,
            _ => Fate::Finish,
        };
        self.running = Some((second, fate));
        Ok(Some(asked() - before))
    }
}

fn ended(process: &Process, fate: Fate) -> Option<Incarnation> {
    let (exit, ended_at) = process.exit()?;
    Some(Incarnation {
        lines: process.lines(),
        exit,
        ended_at,
        fate,
    })
}

impl Wish {
    fn start(&self) -> Result<Process> {
        let timeout = self.plan.timeout.as_millis().to_string();
        let (size, partition) = (
            self.plan.transaction_size.to_string(),
            self.partition.to_string(),
        );
        let mut arguments = vec!["transactional-copier"];
        arguments.extend(["--broker-list", &self.bootstrap]);
        arguments.extend(["--transactional-id", &self.id]);
        arguments.extend(["--consumer-group", &self.group]);
        arguments.extend(["--input-topic", INPUT, "--input-partition", &partition]);
        arguments.extend(["--output-topic", &self.output]);
        arguments.extend([
            "--transaction-size",
            &size,
            "--transaction-timeout",
            &timeout,
        ]);
        arguments.extend(["--use-group-metadata", "--command-config", &self.settings]);
        if self.plan.aborts {
            arguments.push("--enable-random-aborts");
        }
        let arguments: Vec<String> = arguments.into_iter().map(str::to_owned).collect();
        Process::start(&self.program, &arguments, processed)
    }
}

/// `totalProcessed` of a line; what it was before if the line has none.
fn processed(before: u64, line: &str) -> u64 {
    let value: Option<serde_json::Value> = serde_json::from_str(line).ok();
    let processed = value.and_then(|value| value["totalProcessed"].as_u64());
    processed.unwrap_or(before)
}
