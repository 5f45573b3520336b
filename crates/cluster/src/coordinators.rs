//! Which broker looks after which transactional id or group.

use std::collections::BTreeMap;
use std::time::Instant;

use milena_wire::ErrorCode;
use milena_wire::messages::FindCoordinatorResponse;

use crate::pace::Pace;
use crate::recovery::{Operation, Recovery, recover};
use crate::{Backoff, BrokerAddress, CoordinatorKey, NodeId};

/// More keys than any client has; beyond it the one asked for longest ago is forgotten, and looked up again when needed.
const KEYS_MAX: usize = 10_000;

/// The known coordinators, and the look-ups that are due. A sans-IO core.
///
/// Commands: [`want`](Self::want), [`invalidate`](Self::invalidate). Output: [`poll_request`](Self::poll_request), to be called
/// until it gives nothing more, after each command, each input and when [`poll_timeout`](Self::poll_timeout) has come. One
/// look-up a key is outstanding; two look-ups of a key are at least a [`Backoff`] apart, even if every answer names another
/// broker which then refuses.
#[derive(Debug)]
pub struct Coordinators {
    retry: Backoff,
    rng: fastrand::Rng,
    entries: BTreeMap<CoordinatorKey, Entry>,
    /// Counts the calls of `want`, to tell which key was not wanted for longest.
    wants: u64,
}

#[derive(Debug)]
struct Entry {
    state: State,
    wanted: u64,
    /// Keeps the look-ups apart, those that succeed too: a broker that names a coordinator and a coordinator that denies it
    /// could otherwise send the client round in circles at full speed.
    pace: Pace,
}

#[derive(Debug, PartialEq, Eq)]
enum State {
    /// A look-up is due.
    Wanted,
    /// A look-up is outstanding.
    ExpectAnswer,
    /// Found.
    Known(NodeId, BrokerAddress),
    /// Refused: nothing happens until somebody wants it again.
    Refused,
}

impl Coordinators {
    /// No coordinator known yet. `seed` makes the jitter of the waits.
    pub fn new(retry: Backoff, seed: u64) -> Self {
        Self {
            retry,
            rng: fastrand::Rng::with_seed(seed),
            entries: BTreeMap::new(),
            wants: 0,
        }
    }

    /// Has the coordinator of `key` looked up, unless it is known or on its way.
    pub fn want(&mut self, key: &CoordinatorKey) {
        self.wants += 1;
        if let Some(entry) = self.entries.get_mut(key) {
            entry.wanted = self.wants;
            if entry.state == State::Refused {
                entry.state = State::Wanted;
            }
            return;
        }
        self.make_room();
        let entry = Entry {
            state: State::Wanted,
            wanted: self.wants,
            pace: Pace::default(),
        };
        self.entries.insert(key.clone(), entry);
    }

    /// `node` said, or showed by its silence, that it is not the coordinator of `key` (any more): looks it up again. Does
    /// nothing if another node is known by now, for then the complaint is about the past.
    pub fn invalidate(&mut self, key: &CoordinatorKey, node: NodeId) {
        if let Some(entry) = self.entries.get_mut(key)
            && matches!(entry.state, State::Known(known, _) if known == node)
        {
            entry.state = State::Wanted;
        }
    }

    /// The coordinator of `key` has done what it was asked to: the next time it has to be looked up, that may be at once, and
    /// the waits between look-ups start from the shortest again.
    pub fn confirm(&mut self, key: &CoordinatorKey) {
        if let Some(entry) = self.entries.get_mut(key) {
            entry.pace.confirm();
        }
    }

    /// The answer to a look-up of `key`. Gives the error if the broker refuses for good; the key then rests until it is
    /// wanted again.
    pub fn handle_response(
        &mut self,
        now: Instant,
        key: &CoordinatorKey,
        response: &FindCoordinatorResponse<'_>,
    ) -> Option<ErrorCode> {
        let entry = self.entries.get_mut(key)?;
        if entry.state != State::ExpectAnswer {
            return None;
        }
        entry.pace.end(now, &self.retry, &mut self.rng);
        let (found, refused) = match read(key, response) {
            Ok((node, address)) => (State::Known(node, address), None),
            Err(error) => match recover(Operation::FindCoordinator, error) {
                Recovery::Abort | Recovery::AbortAndBump | Recovery::Fatal(_) => {
                    (State::Refused, Some(error))
                }
                _ => (State::Wanted, None),
            },
        };
        entry.state = found;
        refused
    }

    /// The look-up of `key` got no answer.
    pub fn handle_failure(&mut self, now: Instant, key: &CoordinatorKey) {
        if let Some(entry) = self.entries.get_mut(key)
            && entry.state == State::ExpectAnswer
        {
            entry.pace.end(now, &self.retry, &mut self.rng);
            entry.state = State::Wanted;
        }
    }

    /// The next key to look up. Whatever comes of it must be told by `handle_response` or `handle_failure`.
    pub fn poll_request(&mut self, now: Instant) -> Option<CoordinatorKey> {
        let due = |entry: &Entry| entry.state == State::Wanted && entry.pace.allows(now);
        let (key, entry) = self.entries.iter_mut().find(|(_, entry)| due(entry))?;
        entry.state = State::ExpectAnswer;
        Some(key.clone())
    }

    /// When [`Coordinators::poll_request`] will next have something that it does not have now.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let wanted = self
            .entries
            .values()
            .filter(|entry| entry.state == State::Wanted);
        wanted.filter_map(|entry| entry.pace.not_before()).min()
    }

    /// The coordinator of `key`, if it is known.
    pub fn node(&self, key: &CoordinatorKey) -> Option<NodeId> {
        self.known(key).map(|(node, _)| node)
    }

    /// Where the coordinator of `key` listens. It may be a broker that metadata does not know yet.
    pub fn address(&self, key: &CoordinatorKey) -> Option<&BrokerAddress> {
        self.known(key).map(|(_, address)| address)
    }

    fn known(&self, key: &CoordinatorKey) -> Option<(NodeId, &BrokerAddress)> {
        match &self.entries.get(key)?.state {
            State::Known(node, address) => Some((*node, address)),
            _ => None,
        }
    }

    fn make_room(&mut self) {
        if self.entries.len() < KEYS_MAX {
            return;
        }
        // An outstanding look-up stays: its answer would be taken for one to a later look-up of the same key.
        let idle = self
            .entries
            .iter()
            .filter(|(_, entry)| entry.state != State::ExpectAnswer);
        if let Some(oldest) = idle
            .min_by_key(|(_, entry)| entry.wanted)
            .map(|(key, _)| key.clone())
        {
            self.entries.remove(&oldest);
        }
    }
}

/// The coordinator that the answer names. An answer about other keys, or with an address where nothing can listen, is as good
/// as none.
fn read(
    key: &CoordinatorKey,
    response: &FindCoordinatorResponse<'_>,
) -> Result<(NodeId, BrokerAddress), ErrorCode> {
    // Up to version 3 the answer stands in the message itself, from version 4 on (KIP-699) in a list.
    let (error, node, host, port) = if response.coordinators.is_empty() {
        (
            response.error_code,
            response.node_id,
            response.host,
            response.port,
        )
    } else {
        let ours = response
            .coordinators
            .iter()
            .find(|coordinator| coordinator.key == key.name());
        let ours = ours.ok_or(ErrorCode::COORDINATOR_NOT_AVAILABLE)?;
        (ours.error_code, ours.node_id, ours.host, ours.port)
    };
    if !error.is_ok() {
        return Err(error);
    }
    let address = BrokerAddress::advertised(host, port).filter(|_| node >= 0);
    address
        .map(|address| (NodeId(node), address))
        .ok_or(ErrorCode::COORDINATOR_NOT_AVAILABLE)
}

#[cfg(test)]
mod tests;
