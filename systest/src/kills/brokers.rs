//! Each broker in turn is killed, ended and paused under the working pipeline, and at last all three are paused at once.

use std::process::Command;
use std::time::{Duration, Instant};

use super::incarnation::Incarnation;
use super::report::BrokerFault;
use super::{Plan, Run};
use crate::cluster::{NODES, NodeCommand};
use crate::failure::{Failure, Result};

/// How long a broker stays away before it is started again.
const DOWN: Duration = Duration::from_secs(2);
/// Longer than the brokers' session time-out: others take over what it led, and it wakes up believing that it leads.
const PAUSED: Duration = Duration::from_secs(9);
const ALL_PAUSED: Duration = Duration::from_secs(5);

/// What is done to one broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    Kill,
    Terminate,
    Pause,
}

const FAULTS: [Fault; 3] = [Fault::Kill, Fault::Terminate, Fault::Pause];

impl Run {
    /// Strikes every broker with every fault (in a short run, each with another one), waiting in between until the replicas
    /// are in sync again; then all of them at once.
    pub(super) async fn strike_brokers(
        &mut self,
        current: &mut Incarnation,
        plan: &Plan,
    ) -> Result<()> {
        self.report.faults_wanted = faults_wanted(plan);
        for round in 0..plan.broker_rounds {
            for node in 1..=NODES {
                for (turn, fault) in (0..).zip(FAULTS) {
                    if !plan.short || turn == (node + round) % FAULTS.len() {
                        self.strike(current, node, fault).await?;
                    }
                }
            }
            self.pause_all(current).await?;
        }
        Ok(())
    }

    async fn strike(&mut self, current: &mut Incarnation, node: usize, fault: Fault) -> Result<()> {
        let (word, first, pause, second) = match fault {
            Fault::Kill => ("SIGKILL", NodeCommand::Kill, DOWN, NodeCommand::Start),
            Fault::Terminate => ("SIGTERM", NodeCommand::Terminate, DOWN, NodeCommand::Start),
            Fault::Pause => (
                "SIGSTOP 9 s",
                NodeCommand::Pause,
                PAUSED,
                NodeCommand::Resume,
            ),
        };
        current.open().await?;
        let before = current.commits;
        let begun = Instant::now();
        self.cluster.node(node, first).await?;
        tokio::time::sleep(pause).await;
        self.cluster.node(node, second).await?;
        self.recover(current, format!("{word} to node {node}"), before, begun)
            .await
    }

    async fn pause_all(&mut self, current: &mut Incarnation) -> Result<()> {
        current.open().await?;
        let before = current.commits;
        let begun = Instant::now();
        for node in 1..=NODES {
            self.cluster.node(node, NodeCommand::Pause).await?;
        }
        tokio::time::sleep(ALL_PAUSED).await;
        for node in 1..=NODES {
            self.cluster.node(node, NodeCommand::Resume).await?;
        }
        self.recover(current, "SIGSTOP 5 s to all".to_owned(), before, begun)
            .await
    }

    /// The same incarnation must go on: a pipeline that ends because a broker does is a fault.
    async fn recover(
        &mut self,
        current: &mut Incarnation,
        what: String,
        before: u64,
        begun: Instant,
    ) -> Result<()> {
        current.catch_up();
        let commits_meanwhile = current.commits - before;
        self.cluster.wait_until_in_sync().await?;
        current.commits(2).await?;
        if !self.feed.is_running() {
            return Err(Failure::new("the input ended before the broker faults did"));
        }
        self.note_gap(current);
        let fault = BrokerFault {
            what,
            whole_again: begun.elapsed(),
            commits_meanwhile,
        };
        eprintln!(
            "{}: whole after {:.1} s",
            fault.what,
            fault.whole_again.as_secs_f64()
        );
        self.report.faults.push(fault);
        Ok(())
    }
}

fn faults_wanted(plan: &Plan) -> usize {
    let each = if plan.short { 1 } else { FAULTS.len() };
    plan.broker_rounds * (NODES * each + 1)
}

/// Sends a signal to a process by its number: through `sh`, whose `kill` is built in, since std can send only SIGKILL.
pub(super) fn signal(pid: u32, signal: &str) -> Result<()> {
    let status = Command::new("sh")
        .arg("-c")
        .arg(format!("kill -s {signal} {pid}"))
        .status()?;
    if status.success() {
        return Ok(());
    }
    Err(Failure::new(format!("process {pid} took no SIG{signal}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::words;

    #[test]
    fn a_short_run_strikes_every_broker_once_and_with_every_fault() {
        let plan = Plan::parse(&words(&["--short"])).expect("valid");
        assert_eq!(faults_wanted(&plan), 4);
        let full = Plan::parse(&[]).expect("valid");
        assert_eq!(faults_wanted(&full), 10);
    }
}
