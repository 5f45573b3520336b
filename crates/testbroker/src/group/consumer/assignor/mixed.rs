//! Kafka's `UniformHeterogeneousAssignmentBuilder`: members subscribe to different topics. Each
//! topic's free partitions go to its least loaded subscribers, then partitions move from the most
//! to the least loaded until that no longer helps.

use std::collections::BTreeMap;

use milena_wire::Uuid;

use super::{Spec, Targets};
use crate::group::consumer::member::Wanted;

/// Rounds over all topics after which balancing stops.
const ROUNDS_MAX: usize = 16;

/// Members by their place in the spec.
struct Assignment<'s> {
    spec: &'s Spec,
    subscribers: BTreeMap<Uuid, Vec<usize>>,
    owners: BTreeMap<Uuid, Vec<Option<usize>>>,
    loads: Vec<usize>,
}

pub(super) fn assign(spec: &Spec) -> Targets {
    let mut assignment = Assignment::new(spec);
    if assignment.subscribers.is_empty() {
        return Targets::new();
    }
    assignment.give_out_free();
    assignment.balance();
    assignment.targets()
}

impl<'s> Assignment<'s> {
    fn new(spec: &'s Spec) -> Self {
        let mut subscribers: BTreeMap<Uuid, Vec<usize>> = BTreeMap::new();
        for (place, member) in spec.members.iter().enumerate() {
            for topic in &member.topics {
                subscribers.entry(*topic).or_default().push(place);
            }
        }
        let nobody = |topic: &Uuid| {
            let partitions = usize::try_from(spec.partitions(*topic));
            vec![None; partitions.unwrap_or(0)]
        };
        let mut assignment = Self {
            spec,
            owners: subscribers
                .keys()
                .map(|topic| (*topic, nobody(topic)))
                .collect(),
            subscribers,
            loads: vec![0; spec.members.len()],
        };
        assignment.keep();
        assignment
    }

    fn keep(&mut self) {
        for (place, member) in self.spec.members.iter().enumerate() {
            for (topic, partitions) in &member.target {
                let Some(owners) = self.owners.get_mut(topic) else {
                    continue;
                };
                if !member.topics.contains(topic) {
                    continue;
                }
                for partition in partitions {
                    let index = usize::try_from(*partition).unwrap_or(usize::MAX);
                    if let Some(owner) = owners.get_mut(index) {
                        *owner = Some(place);
                        self.loads[place] += 1;
                    }
                }
            }
        }
    }

    /// Topics with the most partitions a subscriber first.
    fn in_order(&self, topics: impl Iterator<Item = Uuid>) -> Vec<Uuid> {
        let mut topics: Vec<Uuid> = topics.collect();
        topics.sort_by(|a, b| {
            let size = |topic| (self.owners[topic].len(), self.subscribers[topic].len());
            let ((a_size, a_members), (b_size, b_members)) = (size(a), size(b));
            // Fractions compared without rounding.
            let order = (b_size * a_members).cmp(&(a_size * b_members));
            order.then(a_members.cmp(&b_members)).then_with(|| {
                let signed = |id: &Uuid| (signed_half(id, 0), signed_half(id, 8));
                signed(a).cmp(&signed(b))
            })
        });
        topics
    }

    fn give_out_free(&mut self) {
        for topic in self.in_order(self.owners.keys().copied()) {
            let mut ring = Ring::new(&self.subscribers[&topic], &self.loads);
            let free: Vec<usize> = (0..self.owners[&topic].len())
                .filter(|index| self.owners[&topic][*index].is_none())
                .collect();
            for index in free {
                let member = ring.next_least(&self.loads);
                self.give(topic, index, member);
            }
        }
    }

    fn balance(&mut self) {
        let shared = self
            .subscribers
            .iter()
            .filter(|(_, members)| members.len() > 1);
        let topics = self.in_order(
            shared
                .map(|(topic, _)| *topic)
                .collect::<Vec<_>>()
                .into_iter(),
        );
        let mut last_moved = None;
        for _ in 0..ROUNDS_MAX {
            for (place, topic) in topics.iter().enumerate() {
                if last_moved == Some(place) {
                    return;
                }
                if self.balance_topic(*topic) > 0 || last_moved.is_none() {
                    last_moved = Some(place);
                }
            }
        }
    }

    /// How many partitions moved.
    fn balance_topic(&mut self, topic: Uuid) -> usize {
        let mut ring = Ring::new(&self.subscribers[&topic], &self.loads);
        if ring.imbalance(&self.loads) <= 1 {
            return 0;
        }
        // What each owner had before anything moved, its last partition at the end.
        let mut owned: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (index, owner) in self.owners[&topic].iter().enumerate() {
            if let Some(owner) = owner {
                owned.entry(*owner).or_default().push(index);
            }
        }
        let mut moved = 0;
        while !ring.is_balanced() {
            let Some(index) = ring.take_from_most(&self.loads, &mut owned) else {
                break;
            };
            let to = ring.next_least(&self.loads);
            if ring.is_balanced() {
                break;
            }
            self.give(topic, index, to);
            moved += 1;
        }
        moved
    }

    fn give(&mut self, topic: Uuid, index: usize, member: usize) {
        let Some(owners) = self.owners.get_mut(&topic) else {
            return;
        };
        if let Some(before) = owners[index].replace(member) {
            self.loads[before] -= 1;
        }
        self.loads[member] += 1;
    }

    fn targets(&self) -> Targets {
        let mut by_place = vec![Wanted::new(); self.spec.members.len()];
        for (topic, owners) in &self.owners {
            for (partition, owner) in (0..).zip(owners) {
                if let Some(owner) = owner {
                    let partitions = by_place[*owner].entry(*topic).or_default();
                    partitions.insert(partition);
                }
            }
        }
        let ids = self.spec.members.iter().map(|member| member.id.clone());
        ids.zip(by_place).collect()
    }
}

/// Half of an id as Java's signed `long`, which is how Kafka orders ids.
fn signed_half(id: &Uuid, from: usize) -> i64 {
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&id.0[from..from + 8]);
    i64::from_be_bytes(bytes)
}

/// Subscribers by load, with the range of the least loaded that grows from the left and that of the
/// most loaded that grows from the right (Kafka's `MemberAssignmentBalancer`).
struct Ring {
    members: Vec<usize>,
    least_end: usize,
    /// Partitions that each of the least loaded range has; one below the smallest at first.
    least_load: Option<usize>,
    next_least: usize,
    most_start: usize,
    most_end: usize,
    most_load: usize,
    /// One above the place to look at next; 0: none.
    next_most: usize,
}

impl Ring {
    fn new(subscribers: &[usize], loads: &[usize]) -> Self {
        let mut members = subscribers.to_vec();
        members.sort_by_key(|member| (loads[*member], *member));
        let (first, last) = (loads[members[0]], loads[members[members.len() - 1]]);
        Self {
            least_end: 0,
            least_load: first.checked_sub(1),
            next_least: 0,
            most_start: members.len(),
            most_end: members.len(),
            most_load: last + 1,
            next_most: members.len(),
            members,
        }
    }

    fn imbalance(&self, loads: &[usize]) -> usize {
        loads[self.members[self.members.len() - 1]] - loads[self.members[0]]
    }

    fn next_least(&mut self, loads: &[usize]) -> usize {
        if self.next_least >= self.least_end {
            let load = self.least_load.map_or(0, |load| load + 1);
            self.least_load = Some(load);
            while self.least_end < self.members.len() && loads[self.members[self.least_end]] == load
            {
                self.least_end += 1;
            }
            self.next_least = 0;
        }
        let member = self.members[self.next_least];
        self.next_least += 1;
        member
    }

    fn next_most(&mut self, loads: &[usize]) -> Option<usize> {
        if self.next_most <= self.most_start {
            if self.most_end <= self.most_start && self.most_start > 0 {
                self.most_load = loads[self.members[self.most_start - 1]];
            } else {
                self.most_load = self.most_load.saturating_sub(1);
            }
            while self.most_start > 0 && loads[self.members[self.most_start - 1]] == self.most_load
            {
                self.most_start -= 1;
            }
            self.next_most = self.most_end;
        }
        let place = self.next_most.checked_sub(1)?;
        self.next_most = place;
        Some(self.members[place])
    }

    /// The last partition of the next most loaded member that still has one to give.
    fn take_from_most(
        &mut self,
        loads: &[usize],
        owned: &mut BTreeMap<usize, Vec<usize>>,
    ) -> Option<usize> {
        loop {
            let member = self.next_most(loads)?;
            if let Some(index) = owned.get_mut(&member).and_then(Vec::pop) {
                return Some(index);
            }
            // It has none: out of the range with it.
            self.most_end -= 1;
            self.members.swap(self.next_most, self.most_end);
        }
    }

    fn is_balanced(&self) -> bool {
        let least = self
            .least_load
            .map_or(-1, |load| i64::try_from(load).unwrap_or(i64::MAX));
        i64::try_from(self.most_load).unwrap_or(i64::MAX) - least <= 1
    }
}
