//! What the relay knows, under one lock: routes, connections, requests under way, rules.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use milena_wire::{ApiKey, CorrelationId};
use tokio::sync::{Notify, oneshot};

use super::{
    route::{PathState, RelayPath, Route},
    rules::{HoldToken, RelayAction, RelayRuleId, Rules, Verdict},
};

/// A broker: host and port.
pub(super) type Target = (String, u16);

/// What the handles and the relay's tasks share.
#[derive(Debug, Default)]
pub(super) struct Shared {
    state: Mutex<State>,
    released: Notify,
    entered: Notify,
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

    /// Tells those who count requests that there is one more.
    pub(super) fn entered(&self) {
        self.entered.notify_waiters();
    }

    /// Returns when so many requests of the API have come.
    pub(super) async fn requested(&self, api: ApiKey, count: u64) {
        loop {
            let mut notified = std::pin::pin!(self.entered.notified());
            notified.as_mut().enable();
            if self.state().requests(api) >= count {
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
    routes: BTreeMap<Target, Arc<Route>>,
    connections: BTreeMap<ConnectionId, Connection>,
    opened: u64,
    requests: BTreeMap<ApiKey, u64>,
    held: BTreeSet<HoldToken>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ConnectionId(u64);

#[derive(Debug)]
struct Connection {
    route: Arc<Route>,
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
    /// The rule that sent this request a second time: the client waits for one answer only.
    second: Option<RelayRuleId>,
}

impl State {
    /// The relay's port for a target, or the same port if it is the relay's own.
    pub(super) fn route(&self, target: &Target) -> Option<u16> {
        let mut routes = self.routes.values();
        if target.0 == "127.0.0.1" && routes.any(|route| route.port == target.1) {
            Some(target.1)
        } else {
            self.routes.get(target).map(|route| route.port)
        }
    }

    pub(super) fn add_route(&mut self, route: Arc<Route>) {
        self.routes.insert(route.target.clone(), route);
    }

    /// Makes the path to a target so; returns how many connections stood on it, or `None` if there is no such route.
    pub(super) fn set_path(&self, target: &Target, path: RelayPath) -> Option<usize> {
        let route = self.routes.get(target)?;
        route.set_path(path);
        let connections = self.connections.values();
        Some(
            connections
                .filter(|connection| Arc::ptr_eq(&connection.route, route))
                .count(),
        )
    }

    /// Enters a connection; the receiver resolves when it is to be cut. With it, the path as it is for this connection:
    /// what is made of it from now on, under this lock, happens to the connection too.
    pub(super) fn open(
        &mut self,
        route: Arc<Route>,
    ) -> (ConnectionId, oneshot::Receiver<()>, PathState) {
        self.opened += 1;
        let id = ConnectionId(self.opened);
        let (cut, to_cut) = oneshot::channel();
        let born = route.state();
        self.connections.insert(
            id,
            Connection {
                route,
                _cut: cut,
                under_way: VecDeque::new(),
            },
        );
        (id, to_cut, born)
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
    /// Returns what is to happen to it, and its number among the requests of its API.
    pub(super) fn enter(
        &mut self,
        id: ConnectionId,
        api: ApiKey,
        correlation_id: CorrelationId,
    ) -> (Verdict, u64) {
        let number = self.requests.entry(api).or_default();
        *number += 1;
        let number = *number;
        let Some(connection) = self.connections.get_mut(&id) else {
            return (Verdict::new(), number);
        };
        let verdict = self.rules.judge(api, connection.route.target.1);
        let mut twice = None;
        for &(rule, action) in &verdict {
            self.held.extend(action.token());
            if matches!(action, RelayAction::HoldAnswers(_)) {
                self.rules.count_fired(rule);
            }
            if action == RelayAction::Duplicate {
                twice = Some(rule);
            }
        }
        let under_way = |verdict, second| UnderWay {
            api,
            correlation_id,
            verdict,
            second,
        };
        let first = under_way(verdict.clone(), None);
        connection.under_way.push_back(first);
        if twice.is_some() {
            let second = under_way(Verdict::new(), twice);
            connection.under_way.push_back(second);
        }
        (verdict, number)
    }

    /// What is to happen to the answer that has come, and the rule whose second copy it answers.
    pub(super) fn answer(
        &mut self,
        id: ConnectionId,
        correlation_id: CorrelationId,
    ) -> (Verdict, Option<RelayRuleId>) {
        let Some(connection) = self.connections.get_mut(&id) else {
            return (Verdict::new(), None);
        };
        let Some(place) = connection
            .under_way
            .iter()
            .position(|entry| entry.correlation_id == correlation_id)
        else {
            return (Verdict::new(), None);
        };
        connection.under_way.drain(..place);
        let entry = &connection.under_way[0];
        (entry.verdict.clone(), entry.second)
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
