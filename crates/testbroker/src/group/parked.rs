//! JoinGroups and SyncGroups that wait for their group.

use std::time::Duration;

use super::classic::Answer;
use super::{ClassicGroup, Groups, Members, Surroundings};
use crate::cluster::Cluster;
use crate::request::{Context, Reply};

/// How often a request that waits is looked at though nothing happened: one whose member has asked
/// again meanwhile is never answered, and is forgotten once its connection is gone.
const LOOK_EVERY: Duration = Duration::from_secs(5 * 60);

/// Where a request stands that may have been looked at before.
#[derive(Debug)]
pub(crate) enum Parked {
    /// It is new.
    No,
    Answered(Answer),
    /// It goes on waiting, or is given up.
    Still(Reply),
}

impl Groups {
    /// Forgets a request that will not be looked at again.
    pub(crate) fn forget_request(&mut self, request: u64) {
        self.parked.remove(&request);
    }
}

impl Cluster {
    /// What became of a request that waits.
    pub(crate) fn parked(&mut self, context: &Context<'_>, group: &str) -> Parked {
        let Some(parked) = self.groups.parked.get_mut(&context.request) else {
            return Parked::No;
        };
        if let Some(answer) = parked.take() {
            self.groups.forget_request(context.request);
            return Parked::Answered(answer);
        }
        let members = self.groups.get(group).map(|group| &group.members);
        let awaited = match members {
            Some(Members::Classic(members)) => members.awaits(context.request),
            Some(Members::None | Members::Consumer(_)) | None => false,
        };
        if !awaited && context.connection.is_none() {
            self.groups.forget_request(context.request);
            return Parked::Still(Reply::Nothing);
        }
        Parked::Still(wait(context))
    }

    /// Applies a JoinGroup or SyncGroup. `None`: its answer comes later, or has come already.
    pub(crate) fn apply_or_park<T>(
        &mut self,
        context: &Context<'_>,
        group: &str,
        apply: impl FnOnce(&mut ClassicGroup, &Surroundings) -> Option<T>,
    ) -> Result<T, Parked> {
        // Before it is applied: its answer may be there at once.
        self.groups.parked.insert(context.request, None);
        let applied = self.with_classic(group, apply).flatten();
        // It is looked at now, it need not be woken.
        self.woken.remove(&context.request);
        match applied {
            Some(answer) => {
                self.groups.forget_request(context.request);
                Ok(answer)
            }
            None => Err(self.parked(context, group)),
        }
    }

    /// Wakes those whose answers are known.
    pub(super) fn hand_out_answers(&mut self, group: &str) {
        let Some(group) = self.groups.get_mut(group) else {
            return;
        };
        let Members::Classic(members) = &mut group.members else {
            return;
        };
        for (request, answer) in members.take_answers() {
            if let Some(parked) = self.groups.parked.get_mut(&request) {
                *parked = Some(answer);
                self.woken.insert(request);
            }
        }
    }
}

fn wait(context: &Context<'_>) -> Reply {
    Reply::Wait {
        until: context.now + LOOK_EVERY,
        on: Vec::new(),
    }
}
