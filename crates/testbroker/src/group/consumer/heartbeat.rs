//! One heartbeat: the member is made or changed, the target follows, the member takes its next step.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use milena_wire::messages::ConsumerGroupHeartbeatRequest;
use milena_wire::{ErrorCode, Uuid};

use super::assignor::{self, Spec, Subscriber, TopicSize, texts_as_in_java};
use super::member::{Course, Member};
use super::subscription::RegexChange;
use super::{ConsumerGroup, Held, JOINING, LEAVING, LEAVING_FOR_NOW, Refusal, Settings, Wanted};
use crate::cluster::Topics;

/// What a heartbeat meets.
#[derive(Clone, Copy)]
pub(crate) struct Beating<'a> {
    pub(crate) now: Instant,
    pub(crate) topics: &'a Topics,
    pub(crate) settings: Settings,
    pub(crate) client_id: &'a str,
    pub(crate) client_host: &'a str,
    /// The id for a member that brings none.
    pub(crate) fresh_id: &'a str,
}

/// The answer to a heartbeat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Beat {
    pub(crate) member_id: Arc<str>,
    pub(crate) epoch: i32,
    pub(crate) interval_ms: i32,
    /// `None`: as the member knows it.
    pub(crate) assignment: Option<Held>,
}

impl ConsumerGroup {
    /// Applies a heartbeat, all of it or, if it is refused, nothing.
    pub(crate) fn heartbeat(
        &mut self,
        beating: &Beating<'_>,
        request: &ConsumerGroupHeartbeatRequest<'_>,
    ) -> Result<Beat, Refusal> {
        if matches!(request.member_epoch, LEAVING | LEAVING_FOR_NOW) {
            return self.leave(request, beating.topics);
        }
        self.check_room(request, beating.settings.members_max)?;
        let (before, replaced) = self.find_or_make(request, beating.fresh_id)?;
        let mut member = before.updated(request);
        beating.client_id.clone_into(&mut member.client_id);
        beating.client_host.clone_into(&mut member.client_host);
        let regex = self.regex_change(&before, &member)?;
        // From here on nothing can fail.
        let names_changed = before.names != member.names;
        let mut homogeneous = self.is_homogeneous();
        let newly_named = |name: &Arc<str>| !self.instances.contains_key(name);
        let newly_named = member.instance_id.as_ref().is_some_and(newly_named);
        self.put(&before, member.clone(), replaced.as_deref());
        if self.maybe_raise_epoch(beating.topics, names_changed, regex) {
            homogeneous = self.is_homogeneous();
        }
        let made = self.maybe_make_targets(beating, homogeneous);

        let changed = names_changed || regex != RegexChange::None;
        let owned = request.topic_partitions.as_deref();
        let subscribed = self.topics_of_member(&member, beating.topics);
        let held: BTreeSet<(Uuid, i32)> = self.members.values().flat_map(Member::held).collect();
        let nothing = Wanted::new();
        let target = self.targets.get(&member.id);
        // The last target is looked up by the name, which leads nowhere until this heartbeat is over
        // (`ConsumerGroup.targetAssignment`).
        let target = target.filter(|_| made || !newly_named);
        let course = Course {
            epoch: self.target_epoch,
            target: target.unwrap_or(&nothing),
            subscribed: &subscribed,
            subscription_changed: changed,
            held: &held,
        };
        let after = member.reconciled(&course, owned);
        self.set_deadlines(&member, &after, beating);
        let beat = Beat {
            member_id: after.id.clone(),
            epoch: after.epoch,
            interval_ms: millis(beating.settings.heartbeat_interval),
            assignment: (is_full(request) || before.assigned != after.assigned)
                .then(|| after.assigned.clone()),
        };
        self.members.insert(after.id.clone(), after);
        self.look_up(beating.now, beating.topics, regex);
        Ok(beat)
    }

    fn check_room(
        &self,
        request: &ConsumerGroupHeartbeatRequest<'_>,
        members_max: usize,
    ) -> Result<(), Refusal> {
        let known_name = request
            .instance_id
            .is_some_and(|instance| self.instances.contains_key(instance));
        let known = known_name || self.members.contains_key(request.member_id);
        if known || self.members.len() < members_max {
            return Ok(());
        }
        let message = format!(
            "The consumer group has reached its maximum capacity of {members_max} members."
        );
        Err(Refusal::new(ErrorCode::GROUP_MAX_SIZE_REACHED, message))
    }

    /// The member that the request is about, and the id of the static member it replaces.
    fn find_or_make(
        &self,
        request: &ConsumerGroupHeartbeatRequest<'_>,
        fresh_id: &str,
    ) -> Result<(Member, Option<Arc<str>>), Refusal> {
        let id = match request.member_id {
            "" => fresh_id,
            id => id,
        };
        let joining = request.member_epoch == JOINING;
        let Some(instance) = request.instance_id else {
            let member = match self.members.get(id) {
                None if joining => Member::new(id.into()),
                _ => self.member(id, request.group_id)?.clone(),
            };
            check_epoch(&member, request)?;
            return Ok((member, None));
        };
        if !joining {
            let member = self.static_member(instance, id)?;
            check_epoch(member, request)?;
            return Ok((member.clone(), None));
        }
        let owner = self.instances.get(instance);
        let Some(owner) = owner.and_then(|owner| self.members.get(owner)) else {
            let known = self.members.get(id).cloned();
            return Ok((known.unwrap_or_else(|| Member::new(id.into())), None));
        };
        if owner.epoch != LEAVING_FOR_NOW {
            let owner = &owner.id;
            let message = format!(
                "Static member {id} with instance id {instance} cannot join the group because the \
                 instance id is owned by {owner} member."
            );
            return Err(Refusal::new(ErrorCode::UNRELEASED_INSTANCE_ID, message));
        }
        let mut member = owner.clone();
        member.id = id.into();
        member.epoch = 0;
        member.previous_epoch = 0;
        Ok((member, Some(owner.id.clone())))
    }

    /// Takes the changed member in, in place of the static member it replaces.
    fn put(&mut self, before: &Member, member: Member, replaced: Option<&str>) {
        if let Some(replaced) = replaced.filter(|replaced| **replaced != *member.id) {
            self.members.remove(replaced);
            self.deadlines.remove(replaced);
            if let Some(target) = self.targets.remove(replaced) {
                self.targets.insert(member.id.clone(), target);
            }
        }
        if let Some(instance) = &member.instance_id {
            self.instances.insert(instance.clone(), member.id.clone());
        }
        self.members.insert(member.id.clone(), member);
        if self.subscribers_of(&before.regex) == 0 {
            self.expressions.forget(&before.regex);
        }
    }

    fn maybe_raise_epoch(
        &mut self,
        topics: &Topics,
        names_changed: bool,
        regex: RegexChange,
    ) -> bool {
        let raise = names_changed || regex == RegexChange::Resolved;
        // An expression that is not looked up yet raises the epoch when it is.
        if !raise && regex == RegexChange::Unresolved {
            return false;
        }
        let metadata = self.metadata_now(topics);
        let raise = raise || metadata != self.metadata;
        if raise {
            self.raise_epoch(metadata);
        }
        raise
    }

    /// Makes a new target assignment if the group has moved on and the last one is old enough;
    /// whether it did.
    ///
    /// `homogeneous`: whether all members subscribe to the same. Kafka only looks again when the
    /// epoch is raised, so a member that comes and subscribes to nothing is overlooked: the uniform
    /// assignor then counts it in.
    fn maybe_make_targets(&mut self, beating: &Beating<'_>, homogeneous: bool) -> bool {
        let interval = beating.settings.assignment_interval;
        let too_early = self
            .targets_made
            .is_some_and(|made| beating.now < made + interval);
        if self.target_epoch >= self.epoch || too_early {
            return false;
        }
        let subscriber = |member: &Member| Subscriber {
            id: member.id.clone(),
            instance_id: member.instance_id.clone(),
            topics: self.topics_of_member(member, beating.topics),
            target: self.targets.get(&member.id).cloned().unwrap_or_default(),
        };
        let members: Vec<Subscriber> = self.members.values().map(subscriber).collect();
        let spec = Spec {
            topics: self.sizes(&members, beating.topics),
            homogeneous,
            members,
        };
        self.targets = assignor::assign(self.assignor(), spec);
        self.targets_made = Some(beating.now);
        self.target_epoch = self.epoch;
        true
    }

    fn sizes(&self, members: &[Subscriber], topics: &Topics) -> BTreeMap<Uuid, TopicSize> {
        let ids: BTreeSet<Uuid> = members.iter().flat_map(|m| &m.topics).copied().collect();
        let names = ids.iter().filter_map(|id| topics.name_of(*id));
        let names = texts_as_in_java(names.map(|name| &**name));
        let ranked = names.into_iter().filter_map(|name| topics.get(name));
        ranked
            .enumerate()
            .map(|(rank, topic)| {
                let partitions = i32::try_from(topic.partitions.len()).unwrap_or(i32::MAX);
                (topic.id, TopicSize { partitions, rank })
            })
            .collect()
    }

    fn set_deadlines(&mut self, before: &Member, after: &Member, beating: &Beating<'_>) {
        let deadlines = self.deadlines.entry(after.id.clone()).or_default();
        deadlines.session = Some(beating.now + beating.settings.session_timeout);
        if before == after {
            return;
        }
        let by = after.must_give_back_by(beating.now);
        deadlines.rebalance = by.map(|by| (by, after.epoch));
    }
}

/// Whether the request says all there is to say, as a member does that does not know what the
/// coordinator knows.
fn is_full(request: &ConsumerGroupHeartbeatRequest<'_>) -> bool {
    let subscribes =
        request.subscribed_topic_names.is_some() || request.subscribed_topic_regex.is_some();
    request.member_epoch == JOINING
        || request.rebalance_timeout_ms != -1 && subscribes && request.topic_partitions.is_some()
}

fn check_epoch(
    member: &Member,
    request: &ConsumerGroupHeartbeatRequest<'_>,
) -> Result<(), Refusal> {
    let (epoch, known) = (request.member_epoch, member.epoch);
    let answer_was_lost =
        epoch == member.previous_epoch && member.was_given(request.topic_partitions.as_deref());
    let which = match epoch.cmp(&known) {
        _ if epoch == JOINING => return Ok(()),
        std::cmp::Ordering::Equal => return Ok(()),
        std::cmp::Ordering::Less if answer_was_lost => return Ok(()),
        std::cmp::Ordering::Less => "smaller",
        std::cmp::Ordering::Greater => "greater",
    };
    let message = format!(
        "The consumer group member has a {which} member epoch ({epoch}) than the one known by the \
         group coordinator ({known}). The member must abandon all its partitions and rejoin."
    );
    Err(Refusal::new(ErrorCode::FENCED_MEMBER_EPOCH, message))
}

fn millis(duration: Duration) -> i32 {
    i32::try_from(duration.as_millis()).unwrap_or(i32::MAX)
}
