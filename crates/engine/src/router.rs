//! From a route to a link: which connections exist, which are wanted, and what became of every request.

use std::collections::{BTreeMap, VecDeque};
use std::io::IoSlice;
use std::time::Instant;

use bytes::{Bytes, BytesMut};
#[cfg(feature = "plants")]
use milena_cluster::plants::{Plant, is_planted};
use milena_cluster::{
    ApiVersions, ConnectError, Handshake, HandshakeRequest, NodeId, Outcome, Progress, SendFailure,
};

use crate::config::EngineConfig;
use crate::driver::{Action, CloseReason, LinkId};
use crate::link::{Link, Remains};

mod call;
mod targets;

pub(crate) use call::{Answer, Call, CallId, CallOutcome, EncodeCall};
use targets::Targets;
pub(crate) use targets::{Purpose, Target};

#[derive(Debug)]
enum Stage {
    Connecting,
    Handshaking(Handshake),
    Ready(ApiVersions),
}

#[derive(Debug)]
struct Entry {
    target: Target,
    purpose: Purpose,
    link: Link,
    stage: Stage,
    connect_deadline: Instant,
    transmitting: bool,
}

/// The call id of a handshake's own requests, which nobody outside waits for.
const HANDSHAKE: CallId = CallId(0);

#[derive(Debug)]
pub(crate) struct Router {
    config: EngineConfig,
    targets: Targets,
    links: BTreeMap<LinkId, Entry>,
    by_target: BTreeMap<(Target, Purpose), LinkId>,
    /// Calls that wait for their link to be ready.
    waiting: BTreeMap<(Target, Purpose), VecDeque<Call>>,
    actions: VecDeque<Action>,
    outcomes: VecDeque<(CallId, CallOutcome)>,
    started: VecDeque<CallId>,
    /// Versions and features that a link learnt, for the cluster's view.
    learnt: VecDeque<ApiVersions>,
    next_link: u64,
    next_call: u64,
    last_failure: Option<ConnectError>,
    /// Grows whenever a link becomes ready, loses its fullness or goes away: waiting senders look again then.
    revision: u64,
    lost: bool,
}

impl Router {
    pub(crate) fn new(config: EngineConfig, seed: u64) -> Self {
        Self {
            targets: Targets::new(config.bootstrap.clone(), config.retry, seed),
            config,
            links: BTreeMap::new(),
            by_target: BTreeMap::new(),
            waiting: BTreeMap::new(),
            actions: VecDeque::new(),
            outcomes: VecDeque::new(),
            started: VecDeque::new(),
            learnt: VecDeque::new(),
            next_link: 0,
            next_call: 0,
            last_failure: None,
            revision: 0,
            lost: false,
        }
    }

    pub(crate) fn next_call(&mut self) -> CallId {
        self.next_call += 1;
        CallId(self.next_call)
    }

    /// The brokers as metadata tells them now.
    pub(crate) fn set_nodes(
        &mut self,
        nodes: impl Iterator<Item = (NodeId, milena_cluster::BrokerAddress)>,
    ) {
        self.targets.set_nodes(nodes);
        // Who waits for a broker that is gone must ask for another, and not find out when its patience is over.
        let gone = self.waiting.keys().filter(|key| {
            self.targets.address(key.0).is_none() && !self.by_target.contains_key(key)
        });
        let gone: Vec<_> = gone.copied().collect();
        for key in gone {
            self.fail_waiting(key, &SendFailure::NoRoute);
        }
    }

    /// Sends `call` to `target` as soon as its link is ready.
    pub(crate) fn submit(&mut self, now: Instant, target: Target, purpose: Purpose, call: Call) {
        self.waiting
            .entry((target, purpose))
            .or_default()
            .push_back(call);
        self.pump(now, target, purpose);
    }

    /// Sends `call` to whichever broker answers.
    pub(crate) fn submit_any(&mut self, now: Instant, call: Call) {
        let is_ready = |id: &LinkId| {
            let entry = self.links.get(id);
            entry.is_some_and(|entry| matches!(entry.stage, Stage::Ready(_)))
        };
        let ready = self
            .by_target
            .iter()
            .filter(|((_, purpose), id)| *purpose == Purpose::Rest && is_ready(id));
        // In turn: one that takes requests and answers none must not get them all.
        let ready: Vec<Target> = ready.map(|((target, _), _)| *target).collect();
        let turn = usize::try_from(call.id.0).unwrap_or_default() % ready.len().max(1);
        let target = ready
            .get(turn)
            .copied()
            .or_else(|| self.targets.choose(now));
        match target {
            Some(target) => self.submit(now, target, Purpose::Rest, call),
            None => self
                .outcomes
                .push_back((call.id, Outcome::NotSent(SendFailure::NoRoute))),
        }
    }

    /// The link to `target`, if it can take a frame at once; else it is on its way, and [`Router::revision`] tells of it.
    pub(crate) fn ready_link(
        &mut self,
        now: Instant,
        target: Target,
        purpose: Purpose,
    ) -> Option<LinkId> {
        let Some(id) = self.by_target.get(&(target, purpose)) else {
            self.waiting.entry((target, purpose)).or_default();
            self.pump(now, target, purpose);
            return None;
        };
        let entry = self.links.get(id)?;
        (matches!(entry.stage, Stage::Ready(_)) && entry.link.has_room()).then_some(*id)
    }

    /// Hands `call` to a link that [`Router::ready_link`] has just named.
    pub(crate) fn hand_over(&mut self, now: Instant, id: LinkId, call: Call) {
        let client_id = std::sync::Arc::clone(&self.config.client_id);
        let Some(entry) = self.links.get_mut(&id) else {
            self.outcomes
                .push_back((call.id, Outcome::NotSent(SendFailure::ConnectionClosed)));
            return;
        };
        let Stage::Ready(versions) = &entry.stage else {
            return;
        };
        let version = match versions.pick(call.key, call.versions) {
            Ok(version) => version,
            Err(unsupported) => {
                self.outcomes.push_back((
                    call.id,
                    Outcome::NotSent(SendFailure::Unsupported(unsupported)),
                ));
                return;
            }
        };
        let correlation = entry.link.correlation();
        match (call.encode)(version, correlation, &client_id) {
            Ok(frame) => {
                #[cfg(feature = "plants")]
                if is_planted(Plant::BufferReusedInLink) {
                    self.links
                        .values_mut()
                        .for_each(|entry| entry.link.write_into_freed(&frame));
                }
                #[cfg(feature = "plants")]
                let Some(entry) = self.links.get_mut(&id) else {
                    return;
                };
                entry
                    .link
                    .enqueue(call.id, correlation, version, frame, now + call.timeout);
                entry.transmit(id, &mut self.actions);
            }
            Err(error) => self
                .outcomes
                .push_back((call.id, Outcome::NotSent(SendFailure::Encode(error)))),
        }
    }

    #[cfg(feature = "plants")]
    pub(crate) fn free_batch(&mut self, call: CallId) -> bool {
        self.links
            .values_mut()
            .any(|entry| entry.link.free_batch(call))
    }

    /// Takes back a call that no byte has left for. True if so; its outcome does not come any more.
    pub(crate) fn recall(&mut self, call: CallId) -> bool {
        for calls in self.waiting.values_mut() {
            if let Some(index) = calls.iter().position(|waiting| waiting.id == call) {
                calls.remove(index);
                return true;
            }
        }
        self.links.values_mut().any(|entry| {
            let recalled = entry.link.recall(call);
            // A socket that finds nothing to write tells nobody: the next frame asks for its turn anew.
            if recalled && !entry.link.wants_write() {
                entry.transmitting = false;
            }
            recalled
        })
    }

    pub(crate) fn read_buffer(&mut self, id: LinkId) -> Option<&mut BytesMut> {
        self.links
            .get_mut(&id)
            .map(|entry| entry.link.read_buffer())
    }

    pub(crate) fn write_slices<'a>(&'a mut self, id: LinkId, slices: &mut Vec<IoSlice<'a>>) {
        if let Some(entry) = self.links.get_mut(&id) {
            entry.link.write_slices(slices);
        }
    }

    pub(crate) fn handle_written(&mut self, id: LinkId, bytes: usize) {
        let Some(entry) = self.links.get_mut(&id) else {
            return;
        };
        entry.link.handle_written(bytes);
        self.started.extend(entry.link.take_started());
        self.revision += 1;
        entry.transmitting = false;
        if entry.link.wants_write() {
            entry.transmit(id, &mut self.actions);
        }
    }

    pub(crate) fn handle_connected(&mut self, now: Instant, id: LinkId) {
        let Some(entry) = self.links.get_mut(&id) else {
            return;
        };
        if matches!(entry.stage, Stage::Connecting) {
            entry.stage = Stage::Handshaking(Handshake::new("milena", env!("CARGO_PKG_VERSION")));
            self.shake(now, id);
        }
    }

    pub(crate) fn handle_closed(&mut self, now: Instant, id: LinkId, reason: &CloseReason) {
        self.drop_link(
            now,
            id,
            &ConnectError::Io(reason.to_string()),
            SendFailure::ConnectionClosed,
        );
    }

    pub(crate) fn handle_read(&mut self, now: Instant, id: LinkId) {
        loop {
            let Some(entry) = self.links.get_mut(&id) else {
                return;
            };
            match entry.link.poll_answer() {
                Ok(None) => return,
                Ok(Some(answered)) if answered.call == HANDSHAKE => {
                    self.handle_handshake(now, id, &answered.frame)
                }
                Ok(Some(answered)) => {
                    self.revision += 1;
                    let answer = Answer {
                        version: answered.version,
                        frame: answered.frame,
                        link: id,
                    };
                    self.outcomes
                        .push_back((answered.call, Outcome::Answered(answer)));
                }
                Err(_) => {
                    self.close(now, id, &ConnectError::NotKafka, SendFailure::BadAnswer);
                    return;
                }
            }
        }
    }

    /// The bytes of an answer made no sense: the link that brought it is not to be trusted.
    pub(crate) fn distrust(&mut self, now: Instant, id: LinkId) {
        self.close(now, id, &ConnectError::NotKafka, SendFailure::BadAnswer);
    }

    /// Closes the links that a consumer fetched over: nobody waits for what they still bring.
    pub(crate) fn close_fetches(&mut self, now: Instant, consumer: usize) {
        let own = |purpose: &Purpose| matches!(purpose, Purpose::Fetch { consumer: of, .. } if *of == consumer);
        let waiting = self.waiting.keys().filter(|(_, purpose)| own(purpose));
        let waiting: Vec<_> = waiting.copied().collect();
        for key in waiting {
            self.fail_waiting(key, &SendFailure::Closed);
        }
        let links = self.links.iter().filter(|(_, entry)| own(&entry.purpose));
        let ids: Vec<LinkId> = links.map(|(id, _)| *id).collect();
        for id in ids {
            self.close(
                now,
                id,
                &ConnectError::Io("not needed any more".into()),
                SendFailure::Closed,
            );
        }
    }

    /// Whether a connection was lost, or could not be made, since last asked.
    pub(crate) fn take_lost(&mut self) -> bool {
        std::mem::take(&mut self.lost)
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        let late: Vec<LinkId> = self
            .links
            .iter()
            .filter(|(_, entry)| entry.timeout().is_some_and(|at| at <= now))
            .map(|(id, _)| *id)
            .collect();
        for id in late {
            #[cfg(feature = "plants")]
            if is_planted(Plant::AnswerMatchedByOrderAfterTimeOut)
                && let Some(entry) = self.links.get_mut(&id)
                && matches!(entry.stage, Stage::Ready(_))
                && let Some(given_up) = entry.link.give_up(now)
            {
                let unsure = |call| (call, Outcome::Unsure(SendFailure::RequestTimedOut));
                self.outcomes.extend(given_up.into_iter().map(unsure));
                continue;
            }
            self.close(
                now,
                id,
                &ConnectError::TimedOut,
                SendFailure::RequestTimedOut,
            );
        }
        let keys: Vec<_> = self.waiting.keys().copied().collect();
        for (target, purpose) in keys {
            if let Some(calls) = self.waiting.get_mut(&(target, purpose)) {
                let (keep, expired): (VecDeque<_>, VecDeque<_>) =
                    calls.drain(..).partition(|call| call.deadline > now);
                *calls = keep;
                self.outcomes.extend(
                    expired
                        .into_iter()
                        .map(|call| (call.id, Outcome::NotSent(SendFailure::RequestTimedOut))),
                );
            }
            self.pump(now, target, purpose);
        }
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let links = self.links.values().filter_map(Entry::timeout).min();
        let waiting = self
            .waiting
            .iter()
            .filter_map(|((target, purpose), calls)| {
                let retry = if self.by_target.contains_key(&(*target, *purpose)) {
                    None
                } else {
                    self.targets.retry_at(*target)
                };
                calls.iter().map(|call| call.deadline).chain(retry).min()
            });
        links.into_iter().chain(waiting).min()
    }

    pub(crate) fn poll_outcome(&mut self) -> Option<(CallId, CallOutcome)> {
        self.outcomes.pop_front()
    }

    pub(crate) fn poll_started(&mut self) -> Option<CallId> {
        self.started.pop_front()
    }

    pub(crate) fn poll_learnt(&mut self) -> Option<ApiVersions> {
        self.learnt.pop_front()
    }

    pub(crate) fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    pub(crate) fn push_action(&mut self, action: Action) {
        self.actions.push_back(action);
    }

    pub(crate) fn revision(&self) -> u64 {
        self.revision
    }

    /// Why the last connection attempt failed, for the error that a user reads.
    pub(crate) fn last_failure(&self) -> Option<&ConnectError> {
        self.last_failure.as_ref()
    }

    /// Closes every link.
    pub(crate) fn shut_down(&mut self, now: Instant) {
        let ids: Vec<LinkId> = self.links.keys().copied().collect();
        for id in ids {
            self.close(
                now,
                id,
                &ConnectError::Io("closed".into()),
                SendFailure::Closed,
            );
        }
    }

    /// Moves what waits for this link on its way: connects, or hands over.
    fn pump(&mut self, now: Instant, target: Target, purpose: Purpose) {
        let Some(id) = self.by_target.get(&(target, purpose)).copied() else {
            if self.targets.retry_at(target).is_none_or(|at| at <= now) {
                self.connect(now, target, purpose);
            }
            return;
        };
        if !self
            .links
            .get(&id)
            .is_some_and(|entry| matches!(entry.stage, Stage::Ready(_)))
        {
            return;
        }
        for call in self.waiting.remove(&(target, purpose)).unwrap_or_default() {
            self.hand_over(now, id, call);
        }
    }

    fn connect(&mut self, now: Instant, target: Target, purpose: Purpose) {
        let Some(address) = self.targets.address(target) else {
            self.fail_waiting((target, purpose), &SendFailure::NoRoute);
            return;
        };
        let address = match &self.config.address_map {
            Some(map) => map(address.clone()),
            None => address.clone(),
        };
        self.next_link += 1;
        let id = LinkId(self.next_link);
        self.links.insert(
            id,
            Entry {
                target,
                purpose,
                link: Link::new(self.config.frame_bytes_max),
                stage: Stage::Connecting,
                connect_deadline: now + self.config.connect_timeout,
                transmitting: false,
            },
        );
        self.by_target.insert((target, purpose), id);
        self.actions
            .push_back(Action::Connect { link: id, address });
    }

    fn fail_waiting(&mut self, key: (Target, Purpose), failure: &SendFailure) {
        let calls = self.waiting.remove(&key).unwrap_or_default();
        self.outcomes.extend(
            calls
                .into_iter()
                .map(|call| (call.id, Outcome::NotSent(failure.clone()))),
        );
    }

    fn shake(&mut self, now: Instant, id: LinkId) {
        let Some(entry) = self.links.get_mut(&id) else {
            return;
        };
        let Stage::Handshaking(handshake) = &mut entry.stage else {
            return;
        };
        let correlation = entry.link.correlation();
        let Some(HandshakeRequest { version, frame }) =
            handshake.poll_request(correlation, &self.config.client_id)
        else {
            return;
        };
        entry.link.enqueue(
            HANDSHAKE,
            correlation,
            version,
            frame,
            now + self.config.connect_timeout,
        );
        entry.transmit(id, &mut self.actions);
    }

    fn handle_handshake(&mut self, now: Instant, id: LinkId, frame: &Bytes) {
        let Some(entry) = self.links.get_mut(&id) else {
            return;
        };
        let Stage::Handshaking(handshake) = &mut entry.stage else {
            return;
        };
        match handshake.handle_response(frame) {
            Ok(Progress::Again) => self.shake(now, id),
            Ok(Progress::Done(versions)) => {
                let (target, purpose) = (entry.target, entry.purpose);
                self.learnt.push_back(versions.clone());
                entry.stage = Stage::Ready(versions);
                self.targets.succeeded(target);
                self.last_failure = None;
                self.revision += 1;
                self.pump(now, target, purpose);
            }
            Err(error) => self.close(now, id, &error, SendFailure::ConnectFailed),
        }
    }

    fn close(&mut self, now: Instant, id: LinkId, error: &ConnectError, failure: SendFailure) {
        if self.links.contains_key(&id) {
            self.actions.push_back(Action::Close { link: id });
        }
        self.drop_link(now, id, error, failure);
    }

    /// The link is gone: whoever waits for an answer on it learns what is known, and calls that wait for it try again
    /// after the target's backoff, or fail with it.
    fn drop_link(&mut self, now: Instant, id: LinkId, error: &ConnectError, failure: SendFailure) {
        let Some(entry) = self.links.remove(&id) else {
            return;
        };
        self.by_target.remove(&(entry.target, entry.purpose));
        self.revision += 1;
        // A link that we close ourselves says nothing about its broker.
        let by_us = failure == SendFailure::Closed;
        self.lost |= !by_us;
        let was_ready = matches!(entry.stage, Stage::Ready(_));
        if was_ready && !by_us {
            self.targets.lost(now, entry.target);
        }
        if !was_ready {
            if !by_us {
                self.last_failure = Some(error.clone());
                self.targets.failed(now, entry.target);
            }
            self.fail_waiting((entry.target, entry.purpose), &SendFailure::ConnectFailed);
        }
        let Remains { not_sent, unsure } = entry.link.into_remains();
        let others = |call: &CallId| *call != HANDSHAKE;
        self.outcomes.extend(
            not_sent
                .into_iter()
                .filter(others)
                .map(|call| (call, Outcome::NotSent(failure.clone()))),
        );
        self.outcomes.extend(
            unsure
                .into_iter()
                .filter(others)
                .map(|call| (call, Outcome::Unsure(failure.clone()))),
        );
    }
}

impl Entry {
    /// Asks for one turn of writing, unless one is asked for already.
    fn transmit(&mut self, id: LinkId, actions: &mut VecDeque<Action>) {
        if !std::mem::replace(&mut self.transmitting, true) {
            actions.push_back(Action::Transmit { link: id });
        }
    }

    fn timeout(&self) -> Option<Instant> {
        match self.stage {
            Stage::Ready(_) => self.link.deadline(),
            _ => Some(self.connect_deadline),
        }
    }
}

#[cfg(test)]
mod tests;
