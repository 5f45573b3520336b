//! A sender, a leader, and a link that loses what it carries.

use std::collections::VecDeque;

use fastrand::Rng;

use super::super::*;
use super::broker::{Broker, RECORDS_MAX};

const STEPS: usize = 400;

/// What happened, in all runs: a model that never gets anywhere proves nothing.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Seen {
    pub(super) acknowledged: usize,
    pub(super) absent: usize,
    pub(super) doubtful: usize,
    pub(super) bumps: usize,
    pub(super) splits: usize,
    pub(super) recalled: usize,
    pub(super) commits: usize,
    pub(super) aborts: usize,
    pub(super) unresolved: usize,
}

#[derive(Debug)]
struct Frame {
    sent: SendBatch,
    link: u64,
    started: bool,
    answer: Option<(ErrorCode, i64)>,
}

pub(super) struct World {
    harness: Harness,
    broker: Broker,
    rng: Rng,
    transactional: bool,
    /// The link to the leader; frames may still be on an older one.
    link: u64,
    frames: VecDeque<Frame>,
    /// Frames of dead links that the broker will read all the same.
    ghosts: VecDeque<SendBatch>,
    jobs: Vec<SealJob>,
    timer: Option<Instant>,
    /// The first batch, and the log's end, when the transaction began.
    begun: (usize, usize),
    failed: bool,
    abandoned: bool,
    calm: bool,
    pub(super) seen: Seen,
}

impl World {
    pub(super) fn new(transactional: bool, seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let mut harness = Harness::cold(transactional);
        harness.sender.rng = Rng::with_seed(rng.u64(..));
        Self {
            harness,
            broker: Broker::new(),
            rng,
            transactional,
            link: LINK,
            frames: VecDeque::new(),
            ghosts: VecDeque::new(),
            jobs: Vec::new(),
            timer: None,
            begun: (0, 0),
            failed: false,
            abandoned: false,
            calm: false,
            seen: Seen::default(),
        }
    }

    pub(super) fn run(&mut self) {
        for _ in 0..STEPS {
            self.step();
            self.settle();
        }
        self.calm = true;
        self.broker.records_max = RECORDS_MAX;
        for _ in 0..2_000 {
            if self.harness.sender.is_drained() && self.frames.is_empty() && self.jobs.is_empty() {
                break;
            }
            self.advance();
            self.settle();
        }
        assert!(self.harness.sender.is_drained(), "it comes to rest");
        while let Some(ghost) = self.ghosts.pop_front() {
            self.broker.produce(&ghost.payload);
        }
        self.check();
    }

    /// Anything that can happen.
    fn step(&mut self) {
        match self.rng.u8(..100) {
            0..5 if !self.abandoned => {
                let records = self.rng.u32(1..=4);
                let batch = self.harness.close(records);
                self.jobs.push(self.harness.sender.push(batch));
            }
            0..80 => self.advance(),
            80..84 => self.kill_link(),
            84..86 => self.link += 1,
            86..88 => self.broker.records_max = self.rng.i32(1..=RECORDS_MAX),
            88 => self.broker.forget(),
            89..91 => {
                if let Some(ghost) = self.ghosts.pop_front() {
                    self.broker.produce(&ghost.payload);
                }
            }
            91 => self.pass_some(1_000..9_000),
            93 if self.transactional && self.rng.bool() => self.abandon(),
            _ => self.pass_some(0..200),
        }
    }

    /// What moves things on.
    fn advance(&mut self) {
        match self.rng.u8(..5) {
            0 if !self.jobs.is_empty() => {
                let job = self.jobs.swap_remove(self.rng.usize(..self.jobs.len()));
                self.harness.sender.handle_sealed(seal(job));
            }
            0 | 1 => self.send(),
            2 => {
                if let Some(frame) = self.frames.iter_mut().find(|frame| !frame.started) {
                    frame.started = true;
                    self.harness.sender.handle_started(frame.sent.id);
                    self.harness.sender.handle_timeout(self.harness.now);
                }
            }
            3 => self.serve(),
            _ => {
                if self
                    .frames
                    .front()
                    .is_some_and(|frame| frame.answer.is_some())
                    && let Some(frame) = self.frames.pop_front()
                    && let Some((error, offset)) = frame.answer
                {
                    self.seen.splits += usize::from(error == ErrorCode::MESSAGE_TOO_LARGE);
                    self.harness.outcome(&frame.sent, answer(error, offset));
                } else if self.calm {
                    self.pass(ms(50));
                }
            }
        }
    }

    fn send(&mut self) {
        let (now, identity) = (self.harness.now, self.harness.identity);
        let identity = if self.failed {
            ProducerIdentity::NONE
        } else {
            identity
        };
        if let Some(sent) = self.harness.sender.poll_send(now, self.link, identity) {
            assert!(self.frames.iter().all(|frame| frame.link == self.link));
            self.frames.push_back(Frame {
                sent,
                link: self.link,
                started: false,
                answer: None,
            });
            assert!(self.frames.len() <= WINDOW);
        }
    }

    /// The broker takes the next frame.
    fn serve(&mut self) {
        let leader = self.link;
        let Some(frame) = self
            .frames
            .iter_mut()
            .find(|frame| frame.started && frame.answer.is_none())
        else {
            return;
        };
        let chance = if self.calm { 0 } else { self.rng.u8(..100) };
        frame.answer = Some(match chance {
            _ if frame.link != leader => (ErrorCode::NOT_LEADER_OR_FOLLOWER, -1),
            80..85 => (ErrorCode::NOT_ENOUGH_REPLICAS, -1),
            85..87 => (ErrorCode::INVALID_RECORD, -1),
            87 => (ErrorCode::UNKNOWN_SERVER_ERROR, -1),
            88 => (ErrorCode::CONCURRENT_TRANSACTIONS, -1),
            _ => {
                let answer = self.broker.produce(&frame.sent.payload);
                match chance {
                    // Written, if it could be, and then the wait for the followers ended badly.
                    89..92 if answer.0.is_ok() => (ErrorCode::REQUEST_TIMED_OUT, -1),
                    92..94 if answer.0.is_ok() => (ErrorCode::NOT_LEADER_OR_FOLLOWER, -1),
                    94 if answer.0.is_ok() => (ErrorCode::UNKNOWN_SERVER_ERROR, -1),
                    95 if answer.0.is_ok() => (ErrorCode::DUPLICATE_SEQUENCE_NUMBER, -1),
                    _ => answer,
                }
            }
        });
    }

    fn kill_link(&mut self) {
        let dead: Vec<Frame> = self.frames.drain(..).collect();
        self.link += 1;
        for frame in &dead {
            if frame.started && frame.answer.is_none() && self.rng.bool() {
                let SendBatch { id, payload } = &frame.sent;
                let payload = payload.clone();
                self.ghosts.push_back(SendBatch { id: *id, payload });
            }
        }
        // The engine tells of them in any order.
        let mut dead = dead;
        self.rng.shuffle(&mut dead);
        for frame in dead {
            let outcome = if frame.started { unsure() } else { not_sent() };
            self.harness.outcome(&frame.sent, outcome);
        }
    }

    fn pass_some(&mut self, range: std::ops::Range<u64>) {
        let time = self.rng.u64(range);
        self.pass(ms(time));
    }

    fn pass(&mut self, time: Duration) {
        self.harness.now += time;
        // As in the engine: only a timer that was set comes back.
        if self.timer.is_some_and(|at| at <= self.harness.now) {
            self.harness.sender.handle_timeout(self.harness.now);
        }
    }

    fn abandon(&mut self) {
        self.abandoned = true;
        self.jobs.clear();
        self.harness.sender.abandon();
    }

    /// What the engine does after everything.
    fn settle(&mut self) {
        while let Some(event) = self.harness.sender.poll_event() {
            match event {
                SenderEvent::RefreshMetadata => {}
                SenderEvent::Failed(_) => self.failed = true,
                SenderEvent::Recall(id) => {
                    let queued = |frame: &Frame| frame.sent.id == id && !frame.started;
                    if let Some(index) = self.frames.iter().position(queued)
                        && let Some(frame) = self.frames.remove(index)
                    {
                        self.seen.recalled += 1;
                        self.harness.outcome(&frame.sent, not_sent());
                    }
                }
            }
        }
        if self.harness.sender.poll_bump() {
            self.seen.bumps += 1;
            self.harness.identity.epoch.0 += 1;
        }
        if self.transactional && self.failed && self.rng.u8(..3) == 0 {
            self.abandon();
        }
        if self.transactional && self.harness.sender.is_drained() && self.jobs.is_empty() {
            self.end();
        }
        let now = self.harness.now;
        self.timer = self.harness.sender.poll_timeout(now);
        assert!(self.timer.is_none_or(|at| at > now));
        let head = self.harness.sender.stamped.front();
        if let Some(due) = head.and_then(Stamped::due_at).filter(|due| *due > now) {
            assert!(
                self.timer.is_some_and(|at| at <= due),
                "a head that waits has a timer"
            );
        }
    }

    fn end(&mut self) {
        let pushed = self.harness.deliveries.len();
        if pushed == self.begun.0 || (!self.abandoned && !self.calm && self.rng.u8(..4) > 0) {
            return;
        }
        let commits = !self.failed && !self.abandoned;
        if commits {
            self.seen.commits += 1;
            let first = self.first_record(self.begun.0);
            let expected: Vec<u32> = (first..=self.harness.records).collect();
            assert_eq!(self.broker.log[self.begun.1..], expected, "all of it, once");
        } else {
            self.seen.aborts += 1;
            self.seen.unresolved += usize::from(self.harness.sender.is_unresolved());
        }
        self.harness.identity.epoch.0 += 1;
        self.broker.end(self.harness.identity.epoch.0);
        self.harness.sender.begin();
        (self.failed, self.abandoned) = (false, false);
        self.begun = (pushed, self.broker.log.len());
    }

    fn first_record(&self, batch: usize) -> u32 {
        let before: usize = self.harness.deliveries[..batch].iter().map(Vec::len).sum();
        u32::try_from(before).unwrap() + 1
    }

    fn check(&mut self) {
        let log = &self.broker.log;
        assert!(log.is_sorted_by(|a, b| a < b), "once and in order: {log:?}");
        let mut value = 0;
        for batch in 0..self.harness.deliveries.len() {
            for record in 0..self.harness.deliveries[batch].len() {
                value += 1;
                let told = self.harness.told_of(batch, record).expect("settled");
                let place = self.broker.log.binary_search(&value).ok();
                match told {
                    Ok(told) => {
                        let place =
                            place.unwrap_or_else(|| panic!("{value} is acknowledged and lost"));
                        let place = i64::try_from(place).unwrap();
                        assert!(
                            told.offset().is_none_or(|offset| offset == place),
                            "{value}"
                        );
                        self.seen.acknowledged += 1;
                    }
                    Err(error) if error.persistence() == Persistence::NotPersisted => {
                        assert_eq!(place, None, "{value} is in the log: {error}");
                        self.seen.absent += 1;
                    }
                    Err(_) => self.seen.doubtful += 1,
                }
            }
        }
        assert_eq!(self.harness.budget.used(), 0, "all memory is free again");
    }
}
