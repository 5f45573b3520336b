//! One sequence against both brokers at once.

use std::sync::Arc;
use std::time::{Duration, Instant};

use milena_testbroker::TestBroker;
use milena_wire::messages::{AnyRequest, DescribeTransactionsRequest};
use milena_wire::{ApiKey, ApiVersion, decode_any_response};

use super::ask::{Ask, Pen, Sent, Step};
use super::compare::{Comparer, Difference};
use super::ids::Ids;
use super::link::{Heard, Link};
use super::plan::{LINKS, Plan};
use super::rules::Tally;
use super::tree::Value;
use super::vars::Vars;
use super::versions::Versions;
use crate::failure::{Failure, Result};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(15);
/// How long a request that waits for others is given before the next is sent: they must arrive in the same order on both sides.
const HEAD_START: Duration = Duration::from_millis(15);
/// States of a transaction that wait for their producer, or for markers.
const OPEN: &[&str] = &["Ongoing"];
const ENDING: &[&str] = &["PrepareCommit", "PrepareAbort", "PrepareEpochFence"];
/// How often a side is asked again while its answer is one that passes.
const TRIES: u32 = 60;

/// Both brokers, each with what was learned from it.
pub(crate) struct Pair<'a> {
    pub(crate) real: Side,
    pub(crate) ours: Side,
    broker: &'a TestBroker,
    versions: &'a Versions,
    pub(crate) ids: Ids,
    pub(crate) tally: Tally,
    /// Asked for and not answered yet, by connection.
    waiting: Vec<(usize, Pending)>,
    correlation: i32,
    /// Whether the rest cannot be compared.
    parted: bool,
}

/// One of the brokers.
pub(crate) struct Side {
    links: Vec<Link>,
    pub(crate) vars: Vars,
}

#[derive(Clone)]
struct Pending {
    ask: Arc<dyn Ask>,
    version: i16,
    step: usize,
    sent: (Sent, Sent),
}

/// Where the two parted.
#[derive(Clone, Debug)]
pub(crate) struct Finding {
    pub(crate) seed: u64,
    pub(crate) step: usize,
    pub(crate) api: ApiKey,
    pub(crate) version: i16,
    pub(crate) request: String,
    pub(crate) real: String,
    pub(crate) ours: String,
    pub(crate) difference: Difference,
    /// The steps that led there.
    pub(crate) story: Vec<String>,
}

/// An answer, or the lack of one.
#[derive(Clone, Debug)]
enum Answer {
    Said(Value),
    Not(&'static str),
}

impl Side {
    pub(crate) fn new(address: &str, prefix: &str) -> Self {
        Self {
            links: (0..LINKS).map(|_| Link::new(address)).collect(),
            vars: Vars::new(prefix),
        }
    }

    fn hear(
        &mut self,
        link: usize,
        key: ApiKey,
        version: i16,
        patience: Duration,
    ) -> Result<Answer> {
        match self.links[link].hear(patience)? {
            Heard::Closed => Ok(Answer::Not("the connection was closed")),
            Heard::Nothing => Ok(Answer::Not("no answer")),
            Heard::Frame(frame) => {
                let read = decode_any_response(&frame, key, ApiVersion(version));
                Ok(read.map_or(
                    Answer::Not("an answer that cannot be read"),
                    |(_, answer)| Answer::Said(Value::of(&answer)),
                ))
            }
        }
    }

    /// A request of the preparations, which is not compared.
    pub(crate) fn ask(&mut self, request: AnyRequest<'_>, version: i16) -> Result<Value> {
        let pen = Pen {
            version,
            correlation: 0,
        };
        let key = request.key();
        let sent = pen.write(request)?;
        let link = LINKS - 1;
        self.links[link].send(&sent.bytes)?;
        match self.hear(link, key, version, PATIENCE)? {
            Answer::Said(value) => Ok(value),
            Answer::Not(why) => Err(Failure::new(format!("{key} {version}: {why}"))),
        }
    }
}

impl<'a> Pair<'a> {
    pub(crate) fn new(
        real: &str,
        broker: &'a TestBroker,
        versions: &'a Versions,
        prefix: &str,
    ) -> Self {
        Self {
            real: Side::new(real, prefix),
            ours: Side::new(&broker.bootstrap(), prefix),
            broker,
            versions,
            ids: Ids::default(),
            tally: Tally::default(),
            waiting: Vec::new(),
            correlation: 0,
            parted: false,
        }
    }

    /// Runs the plan, all but the steps of `dropped`, up to the first difference.
    pub(crate) fn run(&mut self, plan: &Plan, dropped: &[usize]) -> Result<Option<Finding>> {
        self.prepare(plan)?;
        let mut found = None;
        for (index, step) in plan.steps.iter().enumerate() {
            if dropped.contains(&index) {
                continue;
            }
            found = self.step(index, step)?;
            if found.is_some() || self.parted {
                break;
            }
        }
        if found.is_none() && !self.parted {
            found = self.collect(|_| true)?;
        }
        self.clean(plan)?;
        if let Some(finding) = &mut found {
            finding.seed = plan.seed;
        }
        Ok(found)
    }

    fn step(&mut self, index: usize, step: &Step) -> Result<Option<Finding>> {
        match step {
            Step::Pause(millis) => {
                std::thread::sleep(Duration::from_millis(*millis));
                Ok(None)
            }
            Step::AwaitTimeout(transaction) => {
                let id = self.real.vars.transactional_id(*transaction);
                // Without the step that set a short time-out nothing happens, on either side.
                self.settle(&id, OPEN, Duration::from_secs(4))?;
                self.settle(&id, ENDING, PATIENCE)?;
                Ok(None)
            }
            Step::Ask { ask, link, version } => {
                let found = self.collect(|waiting| waiting == *link)?;
                if found.is_some() {
                    return Ok(found);
                }
                let version = self.versions.pick(ask.key(), *version, ask.version_max());
                match version {
                    Some(version) => self.ask(index, ask, *link, version),
                    None => Ok(None),
                }
            }
        }
    }

    fn ask(
        &mut self,
        step: usize,
        ask: &Arc<dyn Ask>,
        link: usize,
        version: i16,
    ) -> Result<Option<Finding>> {
        self.correlation += 1;
        let pen = Pen {
            version,
            correlation: self.correlation,
        };
        let written = (
            ask.write(&self.real.vars, &pen),
            ask.write(&self.ours.vars, &pen),
        );
        // What the version cannot say is not asked.
        let (Ok(real), Ok(ours)) = written else {
            return Ok(None);
        };
        self.real.links[link].send(&real.bytes)?;
        self.ours.links[link].send(&ours.bytes)?;
        let pending = Pending {
            ask: ask.clone(),
            version,
            step,
            sent: (real, ours),
        };
        if ask.may_wait() {
            self.waiting.push((link, pending));
            std::thread::sleep(HEAD_START);
            return Ok(None);
        }
        self.finish(link, &pending)
    }

    /// The answers of the connections that have any to come.
    fn collect(&mut self, wanted: impl Fn(usize) -> bool) -> Result<Option<Finding>> {
        while let Some(place) = self.waiting.iter().position(|(link, _)| wanted(*link)) {
            let (link, pending) = self.waiting.remove(place);
            let found = self.finish(link, &pending)?;
            if found.is_some() || self.parted {
                return Ok(found);
            }
        }
        Ok(None)
    }

    fn finish(&mut self, link: usize, pending: &Pending) -> Result<Option<Finding>> {
        let (ask, version) = (&pending.ask, pending.version);
        let (key, name) = (ask.key(), ask.key().name());
        let mut tries = 0;
        loop {
            let real = Self::settled(&mut self.real, link, pending, &pending.sent.0)?;
            let ours = Self::settled(&mut self.ours, link, pending, &pending.sent.1)?;
            let again = self.tally.asked_again.entry(name).or_default();
            *again = (again.0 + real.1, again.1 + ours.1);
            let (mut real, mut ours) = (real.0, ours.0);
            narrow(ask.as_ref(), &mut real, &self.real.vars);
            narrow(ask.as_ref(), &mut ours, &self.ours.vars);
            let mut ids = self.ids.clone();
            let mut tally = self.tally.clone();
            let found = compare(key, &real, &ours, &mut ids, &mut tally);
            if found.is_some() && ask.reads_metadata() && tries < TRIES {
                tries += 1;
                std::thread::sleep(Duration::from_millis(10));
                self.tally.asked_again.entry(name).or_default().0 += 1;
                self.real.links[link].send(&pending.sent.0.bytes)?;
                self.ours.links[link].send(&pending.sent.1.bytes)?;
                continue;
            }
            // From here on the two groups are led by different members, which is nobody's fault.
            let generation = match &real {
                Answer::Said(value) => value.number("generation_id").unwrap_or(0),
                Answer::Not(_) => 0,
            };
            self.parted = tally.leaders() > self.tally.leaders() && generation > 1;
            (self.ids, self.tally) = (ids, tally);
            if self.parted {
                return Ok(None);
            }
            *self.tally.answers.entry((key.0, version)).or_default() += 1;
            if let Some(difference) = found {
                return Ok(Some(Finding {
                    seed: 0,
                    step: pending.step,
                    api: key,
                    version,
                    request: pending.sent.1.text.clone(),
                    real: show(&real),
                    ours: show(&ours),
                    difference,
                    story: Vec::new(),
                }));
            }
            self.remember(ask.as_ref(), &real, &ours)?;
            return Ok(None);
        }
    }

    fn remember(&mut self, ask: &dyn Ask, real: &Answer, ours: &Answer) -> Result<()> {
        if let (Answer::Said(real), Answer::Said(ours)) = (real, ours) {
            ask.absorb(real, &mut self.real.vars);
            ask.absorb(ours, &mut self.ours.vars);
        }
        if let Some(transaction) = ask.ends_transaction() {
            let id = self.real.vars.transactional_id(transaction);
            if !self.settle(&id, ENDING, PATIENCE)? {
                return Err(Failure::new(format!("{id} stays in one of {ENDING:?}")));
            }
        }
        Ok(())
    }

    /// The answer that stays: a coordinator that is busy with the last transaction, or not there yet, is asked again.
    fn settled(
        side: &mut Side,
        link: usize,
        pending: &Pending,
        sent: &Sent,
    ) -> Result<(Answer, u64)> {
        let (ask, version) = (&pending.ask, pending.version);
        let mut asked_again = 0;
        loop {
            let answer = side.hear(link, ask.key(), version, PATIENCE)?;
            let passes = match &answer {
                Answer::Said(value) => PASSING.iter().any(|code| value.mentions(code)),
                Answer::Not(_) => false,
            };
            if !passes || asked_again >= u64::from(TRIES) {
                return Ok((answer, asked_again));
            }
            asked_again += 1;
            std::thread::sleep(Duration::from_millis(if asked_again < 10 { 2 } else { 25 }));
            side.links[link].send(&sent.bytes)?;
        }
    }

    /// Waits until a transaction is in none of these states any more, on both sides; whether that was so in time.
    fn settle(&mut self, id: &str, states: &[&str], patience: Duration) -> Result<bool> {
        let deadline = Instant::now() + patience;
        loop {
            let request = DescribeTransactionsRequest {
                transactional_ids: vec![id],
            };
            let real = self.real.ask(request.into(), 0)?;
            let real = real.get("transaction_states").map_or(&[][..], Value::items);
            let real_busy = real
                .iter()
                .any(|state| states.contains(&state.string("transaction_state")));
            let ours = self.broker.with(|broker| broker.transaction_state(id));
            let ours_busy =
                ours.is_some_and(|view| states.contains(&&*format!("{:?}", view.state)));
            if !real_busy && !ours_busy {
                return Ok(true);
            }
            if Instant::now() > deadline {
                return Ok(false);
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

/// Answers that say: not now. Nothing of such a request was done.
const PASSING: &[&str] = &[
    "CONCURRENT_TRANSACTIONS",
    "COORDINATOR_LOAD_IN_PROGRESS",
    "COORDINATOR_NOT_AVAILABLE",
];

fn narrow(ask: &dyn Ask, answer: &mut Answer, vars: &Vars) {
    if let Answer::Said(value) = answer {
        ask.narrow(value, vars);
    }
}

fn compare(
    api: ApiKey,
    real: &Answer,
    ours: &Answer,
    ids: &mut Ids,
    tally: &mut Tally,
) -> Option<Difference> {
    match (real, ours) {
        (Answer::Said(real), Answer::Said(ours)) => {
            if real.has_error() {
                tally.errors += 1;
            }
            Comparer { api, ids, tally }.compare(real, ours)
        }
        (Answer::Not(real), Answer::Not(ours)) if real == ours => None,
        _ => Some(Difference {
            path: "the answer itself".to_owned(),
            field: "the answer itself".to_owned(),
            real: show(real),
            ours: show(ours),
        }),
    }
}

fn show(answer: &Answer) -> String {
    match answer {
        Answer::Said(value) => value.to_string(),
        Answer::Not(why) => (*why).to_owned(),
    }
}
