//! LeaveGroup, by the members themselves or, with an instance id, by an administrator.

use std::sync::Arc;

use milena_wire::ErrorCode;

use super::{ClassicGroup, JoinAnswer, State, Surroundings};

/// A member that leaves.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Leaving<'a> {
    /// Empty: whoever has the instance id.
    pub(crate) member_id: &'a str,
    pub(crate) instance_id: Option<&'a str>,
}

impl ClassicGroup {
    /// LeaveGroup: the result of each.
    pub(crate) fn leave(
        &mut self,
        around: &Surroundings,
        leaving: &[Leaving<'_>],
    ) -> Vec<Result<(), ErrorCode>> {
        let results: Vec<_> = leaving
            .iter()
            .map(|leaving| self.leave_one(leaving))
            .collect();
        // Once for all of them, so that a batch makes one rebalance.
        if results.iter().any(Result::is_ok) {
            match self.state {
                State::Stable | State::CompletingRebalance => self.prepare_rebalance(around),
                State::PreparingRebalance => self.complete_if_all_joined(around),
                State::Empty => {}
            }
        }
        results
    }

    /// Removes a member as if its session had ended; `false` if there is none of this id.
    pub(crate) fn expire_member(&mut self, around: &Surroundings, member_id: &str) -> bool {
        let found = self.members.contains_key(member_id);
        if found {
            self.expel(around, member_id);
        }
        found
    }

    fn leave_one(&mut self, leaving: &Leaving<'_>) -> Result<(), ErrorCode> {
        let member_id: Arc<str> = if leaving.member_id.is_empty() {
            let found = leaving.instance_id.and_then(|id| self.statics.get(id));
            found.cloned().ok_or(ErrorCode::UNKNOWN_MEMBER_ID)?
        } else {
            if !self.pending_joins.contains(leaving.member_id) {
                self.check_member(leaving.member_id, leaving.instance_id)?;
            }
            leaving.member_id.into()
        };
        let answer = JoinAnswer::failed("", ErrorCode::UNKNOWN_MEMBER_ID);
        self.answer_join(&member_id, answer);
        self.remove(&member_id);
        Ok(())
    }
}
