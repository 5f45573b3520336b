//! Kafka's `RangeAssignor`: of each topic a stretch of partitions to each subscriber, in the order
//! of the members, static ones first.

use std::collections::{BTreeMap, BTreeSet};

use milena_wire::Uuid;

use super::{Spec, Subscriber, Targets};
use crate::group::consumer::member::Wanted;

/// What is left of a topic to give out.
struct Rest {
    partitions: i32,
    /// Partitions that each of its subscribers gets at least.
    share: i32,
    /// How many of the next subscribers get one more.
    extra: i32,
    next: i32,
}

pub(super) fn assign(spec: &Spec) -> Targets {
    let mut members: Vec<&Subscriber> = spec.members.iter().collect();
    // `false` sorts first: those with an instance id.
    members.sort_by_key(|member| {
        let name = member.instance_id.as_ref().unwrap_or(&member.id);
        (member.instance_id.is_none(), name)
    });
    // Where all are said to subscribe to the same, only the first is asked.
    let same = members.first().filter(|_| spec.homogeneous);
    let same = same.map(|first| &first.topics);
    let mut rest: BTreeMap<Uuid, Rest> = BTreeMap::new();
    for topic in spec.topics.keys() {
        let partitions = spec.partitions(*topic);
        let subscribers = members
            .iter()
            .filter(|member| topics_of(same, member).contains(topic));
        let subscribers = i32::try_from(subscribers.count())
            .unwrap_or(i32::MAX)
            .max(1);
        let of_topic = Rest {
            partitions,
            share: partitions / subscribers,
            extra: partitions % subscribers,
            next: 0,
        };
        rest.insert(*topic, of_topic);
    }
    let mut targets = Targets::new();
    for member in members {
        let mut target = Wanted::new();
        for topic in topics_of(same, member) {
            let Some(rest) = rest.get_mut(topic) else {
                continue;
            };
            let start = rest.next;
            let extra = i32::from(rest.extra > 0);
            rest.extra -= extra;
            rest.next = (start + rest.share + extra).min(rest.partitions);
            if start < rest.next {
                target.insert(*topic, (start..rest.next).collect());
            }
        }
        targets.insert(member.id.clone(), target);
    }
    targets
}

fn topics_of<'s>(same: Option<&'s BTreeSet<Uuid>>, member: &'s Subscriber) -> &'s BTreeSet<Uuid> {
    same.unwrap_or(&member.topics)
}
