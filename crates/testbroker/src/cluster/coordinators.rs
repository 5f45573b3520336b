//! Which node coordinates which transactional id or group, and since when.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use milena_wire::ErrorCode;

use super::Cluster;
use crate::timers::Timer;

/// What a coordinator coordinates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CoordinatorKind {
    /// A transactional id.
    Transaction,
    /// A consumer group.
    Group,
}

impl fmt::Display for CoordinatorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Transaction => "transaction",
            Self::Group => "group",
        })
    }
}

/// Ids are spread over slots, one a node, as Kafka spreads them over the partitions of its internal
/// topics. A moved id is kept apart from its slot.
#[derive(Clone, Debug)]
pub(crate) struct Coordinators {
    slots: Vec<Seat>,
    moved: BTreeMap<(CoordinatorKind, String), Seat>,
}

#[derive(Clone, Copy, Debug)]
struct Seat {
    node: i32,
    /// Grows with every move; goes into the markers.
    epoch: i32,
    loaded: Option<Instant>,
}

impl Coordinators {
    pub(crate) fn new(nodes: i32) -> Self {
        let slots = (1..=nodes.max(1))
            .map(|node| Seat {
                node,
                epoch: 0,
                loaded: None,
            })
            .collect();
        Self {
            slots,
            moved: BTreeMap::new(),
        }
    }

    /// The node that coordinates `id`, -1 while there is none.
    pub(crate) fn node(&self, kind: CoordinatorKind, id: &str) -> i32 {
        self.seat(kind, id).node
    }

    pub(crate) fn epoch(&self, kind: CoordinatorKind, id: &str) -> i32 {
        self.seat(kind, id).epoch
    }

    /// `loaded`: until when the new coordinator answers COORDINATOR_LOAD_IN_PROGRESS.
    pub(crate) fn move_to(
        &mut self,
        kind: CoordinatorKind,
        id: &str,
        node: i32,
        loaded: Option<Instant>,
    ) {
        let epoch = self.epoch(kind, id) + 1;
        self.moved.insert(
            (kind, id.to_owned()),
            Seat {
                node,
                epoch,
                loaded,
            },
        );
    }

    /// Gives all that `from` coordinates to `to`.
    pub(crate) fn replace(&mut self, from: i32, to: i32, loaded: Option<Instant>) {
        for seat in self.slots.iter_mut().chain(self.moved.values_mut()) {
            if seat.node == from {
                *seat = Seat {
                    node: to,
                    epoch: seat.epoch + 1,
                    loaded,
                };
            }
        }
    }

    fn seat(&self, kind: CoordinatorKind, id: &str) -> Seat {
        let moved = self.moved.get(&(kind, id.to_owned()));
        moved
            .copied()
            .unwrap_or_else(|| self.slots[spread(id, self.slots.len())])
    }
}

impl Cluster {
    /// Whether `node` may act as coordinator of `id` now.
    pub(crate) fn check_coordinator(
        &self,
        node: i32,
        kind: CoordinatorKind,
        id: &str,
    ) -> Result<(), ErrorCode> {
        let seat = self.coordinators.seat(kind, id);
        if seat.node != node {
            return Err(ErrorCode::NOT_COORDINATOR);
        }
        let loading = match (self.now(), seat.loaded) {
            (Some(now), Some(loaded)) => now < loaded,
            _ => false,
        };
        if loading {
            Err(ErrorCode::COORDINATOR_LOAD_IN_PROGRESS)
        } else {
            Ok(())
        }
    }

    /// The same, asked by another node (verification of a Produce).
    pub(crate) fn check_coordinator_reachable(
        &self,
        kind: CoordinatorKind,
        id: &str,
    ) -> Result<(), ErrorCode> {
        let node = self.coordinators.node(kind, id);
        if !self.is_up(node) {
            return Err(ErrorCode::COORDINATOR_NOT_AVAILABLE);
        }
        self.check_coordinator(node, kind, id)
    }

    pub(crate) fn move_coordinator(
        &mut self,
        kind: CoordinatorKind,
        id: &str,
        node: i32,
        load: Duration,
    ) {
        let loaded = self.loaded_after(load);
        self.coordinators.move_to(kind, id, node, loaded);
        match kind {
            CoordinatorKind::Group => self.reload_groups(&[id.into()], loaded),
            CoordinatorKind::Transaction => self.load_transactions(&[id.into()]),
        }
        self.write_due_markers();
    }

    /// What `from` coordinates goes to `to`, which has to load it; -1 is nobody.
    pub(crate) fn move_coordinators(&mut self, from: i32, to: i32) {
        let kind = CoordinatorKind::Transaction;
        let here = |id: &&Arc<str>| self.coordinators.node(kind, id) == from;
        let ids = self.transactions.by_id.keys();
        let moved: Vec<Arc<str>> = ids.filter(here).cloned().collect();
        let loaded = self.loaded_after(self.config.coordinator_load);
        self.coordinators.replace(from, to, loaded);
        self.load_transactions(&moved);
    }

    /// When loading is over; prepared transactions are completed then.
    fn loaded_after(&mut self, load: Duration) -> Option<Instant> {
        let loaded = self.now()? + load;
        if !load.is_zero() {
            self.timers.set(loaded, Timer::Loaded);
        }
        Some(loaded)
    }

    /// Whether `node` is loading something it coordinates.
    pub(crate) fn is_loading(&self, node: i32) -> bool {
        let seats = &self.coordinators;
        let transactions = seats
            .moved
            .iter()
            .filter(|((kind, _), _)| *kind == CoordinatorKind::Transaction);
        let mut all = seats.slots.iter().chain(transactions.map(|(_, seat)| seat));
        all.any(|seat| {
            let loading = self.now().zip(seat.loaded);
            seat.node == node && loading.is_some_and(|(now, loaded)| now < loaded)
        })
    }
}

/// Java's `String.hashCode` without its sign over `slots`, as Kafka finds the partition of an id
/// (`Utils.abs`, which makes the lowest number 0).
pub(crate) fn spread(id: &str, slots: usize) -> usize {
    let hash = id.encode_utf16().fold(0_i32, |hash, unit| {
        hash.wrapping_mul(31).wrapping_add(i32::from(unit))
    });
    let positive = usize::try_from(hash.checked_abs().unwrap_or(0)).expect("no sign is left");
    positive % slots.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_spread_as_java_hashes_them() {
        // "hello".hashCode() == 99162322
        assert_eq!(spread("hello", 50), 22);
        assert_eq!(spread("", 50), 0);
        // "tumbler".hashCode() == -970454397
        assert_eq!(spread("tumbler", 50), 47);
    }

    #[test]
    fn a_moved_id_leaves_its_slot_and_every_move_raises_the_epoch() {
        let mut coordinators = Coordinators::new(3);
        let home = coordinators.node(CoordinatorKind::Group, "g");
        let target = home % 3 + 1;
        coordinators.move_to(CoordinatorKind::Group, "g", target, None);
        assert_eq!(coordinators.node(CoordinatorKind::Group, "g"), target);
        assert_eq!(coordinators.node(CoordinatorKind::Transaction, "g"), home);
        assert_eq!(coordinators.epoch(CoordinatorKind::Group, "g"), 1);
        coordinators.replace(target, home, None);
        assert_eq!(coordinators.node(CoordinatorKind::Group, "g"), home);
        assert_eq!(coordinators.epoch(CoordinatorKind::Group, "g"), 2);
    }
}
