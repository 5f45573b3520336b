//! A member of a group of the consumer protocol, and how it converges on its target assignment
//! (Kafka's `ConsumerGroupMember` and `CurrentAssignmentBuilder`).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use milena_wire::Uuid;
use milena_wire::messages::{
    ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatRequestTopicPartitions,
};

/// Epoch of a member that wants in.
pub(crate) const JOINING: i32 = 0;
/// Epoch of a member that goes for good.
pub(crate) const LEAVING: i32 = -1;
/// Epoch of a static member that goes and will be back.
pub(crate) const LEAVING_FOR_NOW: i32 = -2;

/// Partitions by topic that a member holds, each with the epoch in which it was given to it.
pub(crate) type Held = BTreeMap<Uuid, BTreeMap<i32, i32>>;

/// Partitions by topic that a member is meant to hold in the end.
pub(crate) type Wanted = BTreeMap<Uuid, BTreeSet<i32>>;

/// What a request says that the member holds; `None`: nothing said.
pub(crate) type Owned<'r, 'a> = Option<&'r [ConsumerGroupHeartbeatRequestTopicPartitions<'a>]>;

/// How far a member is on its way to the target assignment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MemberState {
    /// It holds all it was told, in its epoch.
    Stable,
    /// It has to give partitions back before it may go on to the next epoch.
    UnrevokedPartitions,
    /// It is in the new epoch and waits for partitions that others still hold.
    UnreleasedPartitions,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) id: Arc<str>,
    pub(crate) epoch: i32,
    /// The epoch before, which the member may still speak of: the answer that raised it can be
    /// lost.
    pub(crate) previous_epoch: i32,
    pub(crate) instance_id: Option<Arc<str>>,
    pub(crate) rack_id: Option<String>,
    pub(crate) rebalance_timeout_ms: i32,
    pub(crate) client_id: String,
    pub(crate) client_host: String,
    pub(crate) names: BTreeSet<Arc<str>>,
    /// Empty: none.
    pub(crate) regex: Arc<str>,
    pub(crate) assignor: Option<Arc<str>>,
    pub(crate) state: MemberState,
    pub(crate) assigned: Held,
    /// What it was told to give back and has not yet.
    pub(crate) revoking: Held,
}

/// What decides where a member goes next.
pub(crate) struct Course<'c> {
    /// Epoch of the target assignment.
    pub(crate) epoch: i32,
    pub(crate) target: &'c Wanted,
    /// The topics it subscribes to and that exist.
    pub(crate) subscribed: &'c BTreeSet<Uuid>,
    /// Whether this very request changed the subscription.
    pub(crate) subscription_changed: bool,
    /// All partitions that any member, this one too, has not released.
    pub(crate) held: &'c BTreeSet<(Uuid, i32)>,
}

impl Member {
    pub(crate) fn new(id: Arc<str>) -> Self {
        Self {
            id,
            epoch: 0,
            previous_epoch: -1,
            instance_id: None,
            rack_id: None,
            rebalance_timeout_ms: -1,
            client_id: String::new(),
            client_host: String::new(),
            names: BTreeSet::new(),
            regex: "".into(),
            assignor: None,
            state: MemberState::Stable,
            assigned: Held::new(),
            revoking: Held::new(),
        }
    }

    /// The member with what the request says anew; what it leaves out stays.
    pub(crate) fn updated(&self, request: &ConsumerGroupHeartbeatRequest<'_>) -> Self {
        let mut member = self.clone();
        if let Some(instance) = request.instance_id {
            member.instance_id = Some(instance.into());
        }
        if let Some(rack) = request.rack_id {
            member.rack_id = Some(rack.to_owned());
        }
        if request.rebalance_timeout_ms != -1 {
            member.rebalance_timeout_ms = request.rebalance_timeout_ms;
        }
        if let Some(assignor) = request.server_assignor {
            member.assignor = Some(assignor.into());
        }
        if let Some(names) = &request.subscribed_topic_names {
            member.names = names.iter().map(|name| Arc::from(*name)).collect();
        }
        if let Some(regex) = request.subscribed_topic_regex {
            member.regex = regex.into();
        }
        member
    }

    pub(crate) fn is_reconciled_to(&self, epoch: i32) -> bool {
        self.state == MemberState::Stable && self.epoch == epoch
    }

    /// Whether all that the request says it holds was given to it. Nothing said is not enough.
    pub(crate) fn was_given(&self, owned: Owned<'_, '_>) -> bool {
        owned.is_some_and(|topics| {
            topics.iter().all(|topic| {
                let given = self.assigned.get(&topic.topic_id);
                given.is_some_and(|given| topic.partitions.iter().all(|p| given.contains_key(&p)))
            })
        })
    }

    /// The epoch in which a partition that it holds, or has to give back, was given to it.
    pub(crate) fn assignment_epoch(&self, topic: Uuid, partition: i32) -> Option<i32> {
        let epoch = |held: &Held| held.get(&topic)?.get(&partition).copied();
        epoch(&self.assigned).or_else(|| epoch(&self.revoking))
    }

    /// By when it has to have given back what it was told to at `now`, if anything.
    pub(crate) fn must_give_back_by(&self, now: Instant) -> Option<Instant> {
        let timeout = u64::try_from(self.rebalance_timeout_ms).unwrap_or(0);
        let waits = self.state == MemberState::UnrevokedPartitions;
        waits.then(|| now + Duration::from_millis(timeout))
    }

    /// All that others may not have yet.
    pub(crate) fn held(&self) -> impl Iterator<Item = (Uuid, i32)> {
        let both = self.assigned.iter().chain(&self.revoking);
        both.flat_map(|(topic, partitions)| partitions.keys().map(|index| (*topic, *index)))
    }

    /// A static member that goes for a while keeps its partitions, as if given in epoch 0: whoever
    /// comes back under its name has them from the start.
    pub(crate) fn away(&self) -> Self {
        let mut member = self.clone();
        member.epoch = LEAVING_FOR_NOW;
        member.revoking.clear();
        for epoch in member.assigned.values_mut().flat_map(BTreeMap::values_mut) {
            *epoch = 0;
        }
        member
    }

    /// The next step towards the target assignment; the member as it is if there is none.
    pub(crate) fn reconciled(&self, course: &Course<'_>, owned: Owned<'_, '_>) -> Self {
        if !course.subscription_changed && self.is_reconciled_to(course.epoch) {
            return self.clone();
        }
        match self.state {
            MemberState::Stable if self.epoch == course.epoch => self.narrowed(course, owned),
            MemberState::UnrevokedPartitions if holds_any(&self.revoking, owned) => {
                if course.subscription_changed {
                    self.narrowed(course, owned)
                } else {
                    self.clone()
                }
            }
            _ => self.advanced(course, owned),
        }
    }

    /// Takes away what it no longer subscribes to, and gives nothing.
    fn narrowed(&self, course: &Course<'_>, owned: Owned<'_, '_>) -> Self {
        let mut assigned = self.assigned.clone();
        let mut revoking = self.revoking.clone();
        assigned.retain(|topic, partitions| {
            let stays = course.subscribed.contains(topic);
            if !stays {
                revoking.entry(*topic).or_default().append(partitions);
            }
            stays
        });
        let mut member = self.clone();
        if assigned == self.assigned {
            return member;
        }
        member.previous_epoch = self.epoch;
        member.assigned = assigned;
        if holds_any(&revoking, owned) {
            member.state = MemberState::UnrevokedPartitions;
            member.revoking = revoking;
        }
        member
    }

    /// Takes away what the target does not have; once that is given back, gives what is free.
    fn advanced(&self, course: &Course<'_>, owned: Owned<'_, '_>) -> Self {
        let (mut assigned, revoking) = self.split(course);
        let mut member = self.clone();
        member.previous_epoch = self.epoch;
        if holds_any(&revoking, owned) {
            member.state = MemberState::UnrevokedPartitions;
            member.assigned = assigned;
            member.revoking = revoking;
            return member;
        }
        let mut waits = false;
        for (topic, partitions) in course.target {
            if !course.subscribed.contains(topic) {
                continue;
            }
            for partition in partitions {
                let has = |held: &Held| held.get(topic).is_some_and(|p| p.contains_key(partition));
                if has(&assigned) {
                    continue;
                }
                // What it has itself to give back is free for it: nobody else can have it.
                if course.held.contains(&(*topic, *partition)) && !has(&self.revoking) {
                    waits = true;
                } else {
                    let given = assigned.entry(*topic).or_default();
                    given.insert(*partition, course.epoch);
                }
            }
        }
        member.state = if waits {
            MemberState::UnreleasedPartitions
        } else {
            MemberState::Stable
        };
        member.epoch = course.epoch;
        member.assigned = assigned;
        member.revoking = Held::new();
        member
    }

    /// What it holds that the target has as well, and what it has not.
    fn split(&self, course: &Course<'_>) -> (Held, Held) {
        let (mut keep, mut give_back) = (Held::new(), Held::new());
        for (topic, partitions) in &self.assigned {
            let target = course.target.get(topic);
            let target = target.filter(|_| course.subscribed.contains(topic));
            for (partition, epoch) in partitions {
                let stays = target.is_some_and(|target| target.contains(partition));
                let side = if stays { &mut keep } else { &mut give_back };
                side.entry(*topic).or_default().insert(*partition, *epoch);
            }
        }
        (keep, give_back)
    }
}

/// Whether the member still has some of these partitions. Nothing said: it may have.
fn holds_any(held: &Held, owned: Owned<'_, '_>) -> bool {
    if held.is_empty() {
        return false;
    }
    owned.is_none_or(|topics| {
        topics.iter().any(|topic| {
            let held = held.get(&topic.topic_id);
            held.is_some_and(|held| topic.partitions.iter().any(|p| held.contains_key(&p)))
        })
    })
}
