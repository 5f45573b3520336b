//! What the relay knows, under one lock: routes, connections, requests under way, rules.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
};

use milena_wire::{ApiKey, CorrelationId};
use tokio::sync::{Notify, oneshot};

use super::rules::{HoldToken, RelayAction, RelayRuleId, Rules, Verdict};

/// A broker: host and port.
pub(super) type Target = (String, u16);

/// What the handles and the relay's tasks share.
#[derive(Debug, Default)]
pub(super) struct Shared {
    state: Mutex<State>,
    released: Notify,
}

impl Shared {
    /// Never held across an await, and no code of others runs under it: a poisoned lock still guards whole data.
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn release(&self, token: HoldToken) {
        let mut state = self.state();
        state.rules.release(token);
        state.held.remove(&token);
        drop(state);
        self.released.notify_waiters();
    }

    /// Returns when nothing is held under `token`.
    pub(super) async fn released(&self, token: HoldToken) {
        loop {
            let mut notified = std::pin::pin!(self.released.notified());
            // Listening before looking: a release in between would otherwise be missed, and the answer held for ever.
            notified.as_mut().enable();
            if !self.state().held.contains(&token) {
                return;
            }
            notified.await;
        }
    }

    pub(super) fn count_fired(&self, id: RelayRuleId) {
        self.state().rules.count_fired(id);
    }
}

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) rules: Rules,
    routes: BTreeMap<Target, u16>,
    connections: BTreeMap<ConnectionId, Connection>,
    opened: u64,
    requests: BTreeMap<ApiKey, u64>,
    held: BTreeSet<HoldToken>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ConnectionId(u64);

#[derive(Debug)]
struct Connection {
    /// Dropped to close the connection.
    _cut: oneshot::Sender<()>,
    under_way: VecDeque<UnderWay>,
}

/// A request forwarded and not answered yet.
#[derive(Debug)]
struct UnderWay {
    api: ApiKey,
    correlation_id: CorrelationId,
    verdict: Verdict,
}

impl State {
    /// The relay's port for a target, or the same port if it is the relay's own.
    pub(super) fn route(&self, target: &Target) -> Option<u16> {
        let own = target.0 == "127.0.0.1" && self.routes.values().any(|&port| port == target.1);
        if own {
            Some(target.1)
        } else {
            self.routes.get(target).copied()
        }
    }

    pub(super) fn add_route(&mut self, target: Target, port: u16) {
        self.routes.insert(target, port);
    }

    /// Enters a connection; the receiver resolves when it is to be cut.
    pub(super) fn open(&mut self) -> (ConnectionId, oneshot::Receiver<()>) {
        self.opened += 1;
        let id = ConnectionId(self.opened);
        let (cut, to_cut) = oneshot::channel();
        self.connections.insert(
            id,
            Connection {
                _cut: cut,
                under_way: VecDeque::new(),
            },
        );
        (id, to_cut)
    }

    pub(super) fn close(&mut self, id: ConnectionId) {
        self.connections.remove(&id);
    }

    pub(super) fn cut_all(&mut self) -> usize {
        std::mem::take(&mut self.connections).len()
    }

    pub(super) fn connections(&self) -> usize {
        self.connections.len()
    }

    /// Counts a request, and enters it as under way before any byte of it is forwarded: its answer always finds it.
    pub(super) fn enter(
        &mut self,
        id: ConnectionId,
        api: ApiKey,
        correlation_id: CorrelationId,
    ) -> Verdict {
        *self.requests.entry(api).or_default() += 1;
        let verdict = self.rules.judge(api);
        for &(rule, action) in &verdict {
            self.held.extend(action.token());
            if matches!(action, RelayAction::HoldAnswers(_)) {
                self.rules.count_fired(rule);
            }
        }
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.under_way.push_back(UnderWay {
                api,
                correlation_id,
                verdict: verdict.clone(),
            });
        }
        verdict
    }

    /// What is to happen to the answer that has come.
    pub(super) fn answer(&mut self, id: ConnectionId, correlation_id: CorrelationId) -> Verdict {
        let Some(connection) = self.connections.get_mut(&id) else {
            return Verdict::new();
        };
        let Some(place) = connection
            .under_way
            .iter()
            .position(|entry| entry.correlation_id == correlation_id)
        else {
            return Verdict::new();
        };
        connection.under_way.drain(..place);
        connection.under_way[0].verdict.clone()
    }

    /// The answer has been passed on.
    pub(super) fn answered(&mut self, id: ConnectionId, correlation_id: CorrelationId) {
        if let Some(connection) = self.connections.get_mut(&id)
            && connection
                .under_way
                .front()
                .is_some_and(|entry| entry.correlation_id == correlation_id)
        {
            connection.under_way.pop_front();
        }
    }

    pub(super) fn requests(&self, api: ApiKey) -> u64 {
        self.requests.get(&api).copied().unwrap_or(0)
    }

    pub(super) fn pending(&self, api: ApiKey) -> u64 {
        let under_way = self
            .connections
            .values()
            .flat_map(|connection| &connection.under_way);
        under_way
            .filter(|entry| entry.api == api && self.is_held(&entry.verdict))
            .count() as u64
    }

    fn is_held(&self, verdict: &Verdict) -> bool {
        verdict.iter().any(|(_, action)| matches!(action, RelayAction::HoldAnswers(token) if self.held.contains(token)))
    }
}
