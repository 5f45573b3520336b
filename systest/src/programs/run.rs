//! Runs one scenario: topics, programs, faults at their places, the end.

use std::collections::BTreeMap;
use std::time::Duration;

use milena_testbroker::relay::{RelayPath, RelayRuleId};
use tokio::time::{Instant, sleep};

use super::copier::{self, Copier};
use super::process::Process;
use super::scenario::{Fault, ProducerPlan, Scenario, Strike};
use super::watcher::Watcher;
use super::world::{INPUT_PARTITIONS, World};
use crate::check::{Complaints, Wrong, copier::Fate};
use crate::cluster::{NODES, NodeCommand};
use crate::failure::{Context, Result};

/// A scenario that takes longer hangs; Kafka's own drivers give a copy 240 s.
const RUN_MAX: Duration = Duration::from_secs(300);
const LOOK_AGAIN: Duration = Duration::from_millis(10);
/// The network is well again and the programs are done: a late copy that waited for later requests has had them by now.
const LAST_COPIES: Duration = Duration::from_millis(500);

/// A run that is over; what it left in the log is not looked at yet.
pub(crate) struct Finished {
    pub(crate) scenario: Scenario,
    /// In the names of topics and ids: a scenario may be run more than once on a cluster.
    pub(crate) mark: String,
    pub(crate) number: u64,
    pub(crate) took: Duration,
    pub(crate) producer: Option<Process>,
    pub(crate) copiers: Vec<Copier>,
    pub(crate) watcher: Option<Watcher>,
    /// How often each kind of fault happened.
    pub(crate) fired: BTreeMap<String, u64>,
    pub(crate) complaints: Complaints,
}

impl Finished {
    pub(crate) fn producer_topic(&self) -> String {
        format!("vp-{}", self.mark)
    }

    pub(crate) fn output_topic(&self) -> String {
        format!("out-{}", self.mark)
    }
}

/// Runs a scenario to its end, whatever that is. Fails only if the run itself cannot be made.
pub(crate) async fn run(world: &World, scenario: Scenario, number: u64) -> Result<Finished> {
    let mark = format!("{}-{number}", scenario.name);
    let mut run = Run {
        world,
        rules: Vec::new(),
        finished: Finished {
            scenario,
            mark,
            number,
            took: Duration::ZERO,
            producer: None,
            copiers: Vec::new(),
            watcher: None,
            fired: BTreeMap::new(),
            complaints: Complaints::default(),
        },
    };
    run.create_topics().await?;
    let mut strikes = run.finished.scenario.strikes.clone();
    strikes.sort_by_key(|strike| strike.at);
    let started = Instant::now();
    // Rules from the beginning on are there before the programs: the first request of all may be meant.
    let first = strikes.partition_point(|strike| strike.at == 0);
    for strike in strikes.drain(..first) {
        run.fire(&strike.fault).await?;
    }
    run.start_programs()?;
    run.until_done(strikes, started).await?;
    run.finished.took = started.elapsed();
    sleep(LAST_COPIES).await;
    run.count_rules();
    Ok(run.finished)
}

struct Run<'w> {
    world: &'w World,
    finished: Finished,
    rules: Vec<Rule>,
}

struct Rule {
    label: String,
    ids: Vec<RelayRuleId>,
    at_least: u64,
}

impl Run<'_> {
    async fn create_topics(&mut self) -> Result<()> {
        if let Some(plan) = &self.finished.scenario.producer {
            let topic = self.finished.producer_topic();
            self.world.create_topic(&topic, plan.partitions).await?;
        }
        if self.finished.scenario.copiers.is_some() {
            let topic = self.finished.output_topic();
            self.world.create_topic(&topic, INPUT_PARTITIONS).await?;
            // Before any fault: the reader has to be there to be struck.
            self.finished.watcher = Some(Watcher::start(self.world, &topic).await?);
        }
        Ok(())
    }

    fn start_programs(&mut self) -> Result<()> {
        let settings = self.write_settings()?;
        let bootstrap = self.world.bootstrap();
        if let Some(plan) = &self.finished.scenario.producer {
            let terminated = self.finished.scenario.is_terminated();
            let arguments =
                producer_arguments(plan, terminated, &self.finished, &bootstrap, &settings);
            let started = Process::start(&self.world.milena, &arguments, |before, line| {
                before + u64::from(line.contains("producer_send_"))
            });
            self.finished.producer = Some(started?);
        }
        if let Some(plan) = &self.finished.scenario.copiers {
            for partition in 0..plan.count {
                let wish = copier::Wish {
                    program: self.world.milena.clone(),
                    bootstrap: bootstrap.clone(),
                    settings: settings.clone(),
                    output: self.finished.output_topic(),
                    id: format!("copy-{}-{partition}", self.finished.mark),
                    group: format!("group-{}", self.finished.mark),
                    partition,
                    plan: plan.clone(),
                    tv2: !self.world.cluster.version().starts_with('3'),
                };
                self.finished.copiers.push(Copier::start(wish)?);
            }
        }
        Ok(())
    }

    fn write_settings(&self) -> Result<String> {
        let file = self
            .world
            .folder
            .join(format!("{}.properties", self.finished.mark));
        let mut text = "enable.idempotence=true\n".to_owned();
        for line in &self.finished.scenario.settings {
            text.push_str(line);
            text.push('\n');
        }
        std::fs::write(&file, text).context(|| format!("write {}", file.display()))?;
        Ok(file.to_string_lossy().into_owned())
    }

    /// Fires each strike at its place, and starts copiers again that did not finish.
    async fn until_done(&mut self, strikes: Vec<Strike>, started: Instant) -> Result<()> {
        let mut strikes = strikes.into_iter().peekable();
        loop {
            for copier in &mut self.finished.copiers {
                copier.look_after()?;
            }
            let producing = |process: &Process| process.exit().is_none();
            let busy = self.finished.producer.as_ref().is_some_and(producing)
                || self.finished.copiers.iter().any(|copier| !copier.is_done());
            if !busy {
                break;
            }
            if started.elapsed() > RUN_MAX {
                let text = format!(
                    "not done after {} s, at {} of 1000",
                    RUN_MAX.as_secs(),
                    self.progress()
                );
                self.finished.complaints.add(Wrong::Slow, text);
                self.end_all().await;
                break;
            }
            let progress = self.progress();
            if let Some(strike) = strikes.next_if(|strike| strike.at <= progress) {
                self.fire(&strike.fault).await?;
            } else {
                sleep(LOOK_AGAIN).await;
            }
        }
        for strike in strikes {
            let text = format!(
                "{} was planned at {} of 1000",
                strike.fault.label(),
                strike.at
            );
            self.finished.complaints.add(Wrong::Fault, text);
        }
        Ok(())
    }

    /// How far the slowest program is, in thousandths.
    fn progress(&self) -> u64 {
        let share = |done: u64, of: u64| done.min(of) * 1000 / of.max(1);
        let plan = self.finished.scenario.producer.as_ref();
        let producer =
            self.finished
                .producer
                .as_ref()
                .zip(plan)
                .map(|(process, plan)| match process.exit() {
                    None => share(process.progress(), plan.records),
                    Some(_) => 1000,
                });
        let of = self.world.input.len() as u64 / INPUT_PARTITIONS.unsigned_abs() as u64;
        let copiers = self
            .finished
            .copiers
            .iter()
            .map(|copier| match copier.is_done() {
                false => share(copier.progress(), of),
                true => 1000,
            });
        copiers.chain(producer).min().unwrap_or(1000)
    }

    async fn end_all(&mut self) {
        if let Some(producer) = &self.finished.producer {
            producer.signal("KILL");
        }
        for copier in &mut self.finished.copiers {
            copier.give_up();
        }
        sleep(Duration::from_secs(1)).await;
        for copier in &mut self.finished.copiers {
            // It does not start again: it was given up.
            let _ = copier.look_after();
        }
    }

    /// Makes a fault happen, and waits as long as it lasts.
    async fn fire(&mut self, fault: &Fault) -> Result<()> {
        let happened = match fault {
            Fault::Requests {
                label,
                rule,
                actions,
                at_least,
            } => {
                self.rules.push(Rule {
                    label: label.clone(),
                    ids: self.world.relay.add_all(rule, actions),
                    at_least: *at_least,
                });
                return Ok(());
            }
            Fault::Path {
                node,
                path,
                lasting,
            } => self.path(&[*node], *path, *lasting).await,
            Fault::Outage { path, lasting } => self.path(&[1, 2, 3], *path, *lasting).await,
            Fault::CutAll => self.world.relay.cut_all() > 0,
            Fault::KillNode { node, down } => {
                self.world.cluster.node(*node, NodeCommand::Kill).await?;
                sleep(*down).await;
                self.world.cluster.node(*node, NodeCommand::Start).await?;
                // The next one would otherwise take the only up-to-date replica there is.
                self.world.cluster.wait_until_in_sync().await?;
                true
            }
            Fault::PauseNode { node, lasting } => {
                self.world.cluster.node(*node, NodeCommand::Pause).await?;
                sleep(*lasting).await;
                self.world.cluster.node(*node, NodeCommand::Resume).await?;
                true
            }
            Fault::KillAll => {
                self.kill_all().await?;
                true
            }
            Fault::PauseAll { lasting } => {
                self.each_node(NodeCommand::Pause).await?;
                sleep(*lasting).await;
                self.each_node(NodeCommand::Resume).await?;
                true
            }
            Fault::PausePrograms { lasting } => self.pause_programs(*lasting).await,
            Fault::KillCopiers => self.end_copiers("KILL", Fate::Killed),
            Fault::Terminate => {
                let producer = self.finished.producer.as_ref();
                let producer = producer.is_some_and(|process| process.signal("TERM"));
                self.end_copiers("TERM", Fate::Terminated) || producer
            }
            Fault::SecondCopier { pause } => self.second_copier(*pause).await?,
        };
        if happened {
            *self.finished.fired.entry(fault.label()).or_default() += 1;
        } else {
            let text = format!("{} found nobody to strike", fault.label());
            self.finished.complaints.add(Wrong::Fault, text);
        }
        Ok(())
    }

    async fn path(&self, nodes: &[usize], path: RelayPath, lasting: Duration) -> bool {
        let struck: usize = nodes
            .iter()
            .map(|node| self.world.set_path(*node, path))
            .sum();
        sleep(lasting).await;
        for node in nodes {
            self.world.set_path(*node, RelayPath::Open);
        }
        struck > 0
    }

    async fn each_node(&self, command: NodeCommand) -> Result<()> {
        let cluster = &self.world.cluster;
        tokio::try_join!(
            cluster.node(1, command),
            cluster.node(2, command),
            cluster.node(NODES, command)
        )?;
        Ok(())
    }

    /// At once, as far as possible: nobody is left to remember what the others forgot.
    async fn kill_all(&self) -> Result<()> {
        self.each_node(NodeCommand::Kill).await?;
        // A node that starts alone waits for a quorum.
        self.each_node(NodeCommand::Start).await?;
        self.world.cluster.wait_until_in_sync().await
    }

    async fn second_copier(&mut self, pause: Option<Duration>) -> Result<bool> {
        let Some(copier) = self.finished.copiers.first_mut() else {
            return Ok(false);
        };
        let asked = copier.second(pause, &self.world.relay).await?;
        if let Some(asked) = asked {
            let label = "identities-asked-for-meanwhile".to_owned();
            *self.finished.fired.entry(label).or_default() += asked;
        }
        Ok(asked.is_some())
    }

    fn end_copiers(&mut self, signal: &str, fate: Fate) -> bool {
        let mut struck = false;
        for copier in &mut self.finished.copiers {
            struck |= copier.end(signal, fate);
        }
        struck
    }

    async fn pause_programs(&mut self, lasting: Duration) -> bool {
        let producer = self.finished.producer.as_ref();
        let mut paused = usize::from(producer.is_some_and(|process| process.signal("STOP")));
        for copier in &mut self.finished.copiers {
            paused += usize::from(copier.pause(lasting));
        }
        sleep(lasting).await;
        if let Some(process) = &self.finished.producer {
            process.signal("CONT");
        }
        for copier in &self.finished.copiers {
            copier.resume();
        }
        paused > 0
    }

    /// A rule that never fired shows nothing.
    fn count_rules(&mut self) {
        for rule in self.rules.drain(..) {
            let fired = rule.ids.iter().map(|id| self.world.relay.fired(*id)).min();
            let fired = fired.unwrap_or(0);
            *self.finished.fired.entry(rule.label.clone()).or_default() += fired;
            if fired < rule.at_least {
                let text = format!("{} fired {fired} times of {}", rule.label, rule.at_least);
                self.finished.complaints.add(Wrong::Fault, text);
            }
            for id in rule.ids {
                self.world.relay.remove(id);
            }
        }
    }
}

fn producer_arguments(
    plan: &ProducerPlan,
    terminated: bool,
    finished: &Finished,
    bootstrap: &str,
    settings: &str,
) -> Vec<String> {
    let records = if terminated {
        "-1".to_owned()
    } else {
        plan.records.to_string()
    };
    let mut arguments = vec![
        "verifiable-producer".to_owned(),
        "--bootstrap-server".to_owned(),
        bootstrap.to_owned(),
        "--topic".to_owned(),
        finished.producer_topic(),
        "--max-messages".to_owned(),
        records,
        "--acks".to_owned(),
        "-1".to_owned(),
        "--throughput".to_owned(),
        plan.rate.to_string(),
        "--value-prefix".to_owned(),
        finished.number.to_string(),
        "--command-config".to_owned(),
        settings.to_owned(),
    ];
    if let Some(keys) = plan.keys {
        arguments.extend(["--repeating-keys".to_owned(), keys.to_string()]);
    }
    arguments
}
