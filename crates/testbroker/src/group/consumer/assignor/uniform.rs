//! Kafka's `UniformHomogeneousAssignmentBuilder`: all members subscribe to the same topics. Nobody
//! has two partitions more than another, and as many as can stay where they are.

use std::collections::BTreeSet;
use std::sync::Arc;

use milena_wire::Uuid;

use super::order::{JavaHash, as_copied_in_java, as_in_java};
use super::{Spec, Subscriber, Targets};
use crate::group::consumer::member::Wanted;

struct Assignment<'s> {
    spec: &'s Spec,
    topics: &'s BTreeSet<Uuid>,
    /// What each member gets at least.
    share: usize,
    /// How many of the members still to come get one more.
    extra: usize,
    free: Vec<(Uuid, i32)>,
    /// Members with room, and how much.
    unfilled: Vec<(Arc<str>, usize)>,
    targets: Targets,
}

pub(super) fn assign(spec: &Spec) -> Targets {
    let Some(first) = spec.members.first() else {
        return Targets::new();
    };
    if first.topics.is_empty() {
        return Targets::new();
    }
    let mut assignment = Assignment::new(spec, &first.topics);
    assignment.keep_what_fits();
    assignment.fill_up();
    assignment.targets
}

impl<'s> Assignment<'s> {
    fn new(spec: &'s Spec, topics: &'s BTreeSet<Uuid>) -> Self {
        let taken: BTreeSet<(Uuid, i32)> = spec
            .members
            .iter()
            .flat_map(|member| &member.target)
            .flat_map(|(topic, partitions)| partitions.iter().map(|p| (*topic, *p)))
            .collect();
        let mut free = Vec::new();
        let mut total = 0;
        let mut in_order = spec.by_rank(topics.iter());
        as_copied_in_java(&mut in_order, Uuid::java_hash);
        for topic in in_order {
            for partition in 0..spec.partitions(topic) {
                total += 1;
                if !taken.contains(&(topic, partition)) {
                    free.push((topic, partition));
                }
            }
        }
        Self {
            spec,
            topics,
            share: total / spec.members.len(),
            extra: total % spec.members.len(),
            free,
            unfilled: Vec::new(),
            targets: Targets::new(),
        }
    }

    fn keep_what_fits(&mut self) {
        let mut members_left = self.spec.members.len();
        for member in &self.spec.members {
            let mut may_have_extra = self.extra > 0;
            let mut room = self.share + usize::from(may_have_extra);
            let target = self.kept(member, &mut room);
            // Leaves the odd partition to somebody else, while there are more members to come
            // than odd partitions.
            if room > 0 && may_have_extra && members_left > self.extra {
                room -= 1;
                may_have_extra = false;
            }
            if room > 0 {
                self.unfilled.push((member.id.clone(), room));
            }
            if may_have_extra {
                self.extra -= 1;
            }
            self.targets.insert(member.id.clone(), target);
            members_left -= 1;
        }
    }

    /// What of its target a member keeps; the rest is free.
    fn kept(&mut self, member: &Subscriber, room: &mut usize) -> Wanted {
        let mut kept = Wanted::new();
        let mut in_order = self.spec.by_rank(member.target.keys());
        as_in_java(&mut in_order, Uuid::java_hash);
        for topic in in_order {
            if !self.topics.contains(&topic) {
                continue;
            }
            let mut partitions: Vec<i32> = member.target[&topic].iter().copied().collect();
            as_copied_in_java(&mut partitions, i32::java_hash);
            for partition in partitions {
                if *room > 0 {
                    *room -= 1;
                    kept.entry(topic).or_default().insert(partition);
                } else {
                    self.free.push((topic, partition));
                }
            }
        }
        kept
    }

    fn fill_up(&mut self) {
        let mut free = self.free.iter();
        for (member, room) in &self.unfilled {
            let target = self.targets.entry(member.clone()).or_default();
            for (topic, partition) in free.by_ref().take(*room) {
                target.entry(*topic).or_default().insert(*partition);
            }
        }
    }
}
