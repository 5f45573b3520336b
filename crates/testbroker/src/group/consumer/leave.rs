//! How members go: by themselves, for a while, or because nothing is heard of them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use milena_wire::ErrorCode;
use milena_wire::messages::ConsumerGroupHeartbeatRequest;

use super::{Beat, ConsumerGroup, Deadlines, LEAVING_FOR_NOW, Member, Refusal};
use crate::cluster::Topics;

impl ConsumerGroup {
    /// A heartbeat of epoch -1 or -2.
    pub(super) fn leave(
        &mut self,
        request: &ConsumerGroupHeartbeatRequest<'_>,
        topics: &Topics,
    ) -> Result<Beat, Refusal> {
        let member = match request.instance_id {
            None => self.member(request.member_id, request.group_id)?,
            Some(instance) => self.static_member(instance, request.member_id)?,
        };
        let id = member.id.clone();
        if request.instance_id.is_some() && request.member_epoch == LEAVING_FOR_NOW {
            let away = member.away();
            self.members.insert(id.clone(), away);
        } else {
            self.remove(&id, topics);
        }
        Ok(Beat {
            member_id: id,
            epoch: request.member_epoch,
            interval_ms: 0,
            assignment: None,
        })
    }

    pub(super) fn member(&self, id: &str, group: &str) -> Result<&Member, Refusal> {
        self.members.get(id).ok_or_else(|| {
            let message = format!("Member {id} is not a member of group {group}.");
            Refusal::new(ErrorCode::UNKNOWN_MEMBER_ID, message)
        })
    }

    /// The member of this name, if it is the one that asks.
    pub(super) fn static_member(&self, instance: &str, id: &str) -> Result<&Member, Refusal> {
        let owner = self.instances.get(instance);
        let Some(owner) = owner.and_then(|owner| self.members.get(owner)) else {
            let message = format!("Instance id {instance} is unknown.");
            return Err(Refusal::new(ErrorCode::UNKNOWN_MEMBER_ID, message));
        };
        if *owner.id != *id {
            let by = &owner.id;
            let message = format!(
                "Static member {id} with instance id {instance} was fenced by member {by}."
            );
            return Err(Refusal::new(ErrorCode::FENCED_INSTANCE_ID, message));
        }
        Ok(owner)
    }

    /// Takes a member out for good; the next heartbeat of another makes a new target.
    fn remove(&mut self, id: &str, topics: &Topics) {
        let Some(member) = self.members.remove(id) else {
            return;
        };
        self.targets.remove(id);
        self.deadlines.remove(id);
        if let Some(instance) = &member.instance_id {
            self.instances.remove(instance);
        }
        if self.subscribers_of(&member.regex) == 0 {
            self.expressions.forget(&member.regex);
        }
        let metadata = self.metadata_now(topics);
        self.raise_epoch(metadata);
    }

    /// A new coordinator has loaded the group: it hears of nobody yet, so everybody has all the
    /// time again.
    pub(crate) fn reload(&mut self, now: Instant, session_timeout: Duration) {
        for member in self.members.values() {
            let deadlines = self.deadlines.entry(member.id.clone()).or_default();
            deadlines.session = Some(now + session_timeout);
            deadlines.rebalance = member.must_give_back_by(now).map(|by| (by, member.epoch));
        }
    }

    /// Time has passed: members whose session is over go, and those that kept partitions too long
    /// that they had to give back.
    pub(crate) fn handle_timeout(&mut self, now: Instant, topics: &Topics) {
        let overdue = |(id, deadlines): (&Arc<str>, &Deadlines)| {
            let session = deadlines.session.is_some_and(|at| at <= now);
            let epoch = self.members.get(id).map(|member| member.epoch);
            let kept = deadlines
                .rebalance
                .is_some_and(|(at, of)| at <= now && epoch == Some(of));
            (session || kept).then(|| id.clone())
        };
        let gone: Vec<Arc<str>> = self.deadlines.iter().filter_map(overdue).collect();
        for id in gone {
            self.remove(&id, topics);
        }
        for deadlines in self.deadlines.values_mut() {
            // In another epoch than it was set for: the member went on in time.
            deadlines.rebalance = deadlines.rebalance.filter(|(at, _)| *at > now);
        }
    }
}
