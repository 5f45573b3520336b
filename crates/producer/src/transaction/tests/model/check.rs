//! What must hold of the world.

use super::coordinator::Stage;
use super::world::{Claim, Intruder, TRANSACTIONS, World};
use crate::transaction::{AbortCause, Ending, State};

impl World {
    /// What must hold in every state.
    pub(super) fn check(&self) -> Result<(), String> {
        let quiet = !matches!(self.cluster.stage, Stage::Prepare { .. });
        for tag in 0..TRANSACTIONS {
            let claim = &self.claims[usize::from(tag)];
            let logs = &self.cluster.logs;
            let committed = logs.iter().any(|log| log.committed.contains(&tag));
            let aborted = logs.iter().any(|log| log.aborted.contains(&tag));
            if committed && aborted {
                return Err(format!("transaction {tag} is torn"));
            }
            if committed && matches!(claim, Claim::Said(Ending::Aborted(_))) {
                return Err(format!(
                    "transaction {tag} was said to be aborted, and is committed"
                ));
            }
            if *claim == Claim::Said(Ending::Committed) {
                if aborted {
                    return Err(format!(
                        "transaction {tag} was said to be committed, and is aborted"
                    ));
                }
                if self.failed[usize::from(tag)] {
                    return Err(format!(
                        "transaction {tag} is committed in spite of a failed send"
                    ));
                }
                for (index, log) in logs.iter().enumerate() {
                    let there = log.committed.contains(&tag);
                    if quiet && self.acknowledged[usize::from(tag)][index] && !there {
                        return Err(format!(
                            "partition {index} lacks a record of committed transaction {tag}"
                        ));
                    }
                }
            }
        }
        if self.cluster.logs.iter().any(|log| log.joined) {
            return Err("a transaction committed what another had left".to_owned());
        }
        match self.intruder {
            Intruder::Owns(epoch) if self.cluster.epoch != epoch => {
                Err("an older instance fenced a newer one".to_owned())
            }
            _ => Ok(()),
        }
    }

    /// What must hold where the client is done, besides.
    pub(super) fn check_over(&self) -> Result<(), String> {
        for tag in 0..self.current {
            if self.claims[usize::from(tag)] == Claim::None {
                return Err(format!("nobody was told what became of transaction {tag}"));
            }
        }
        let alive = self.manager.state() == State::Ready;
        let left = self.cluster.logs.iter().any(|log| !log.open.is_empty());
        if alive && left {
            return Err("the last transaction is over, and its records are undecided".to_owned());
        }
        Ok(())
    }

    /// With no fault at all, everything ends the way it was asked for.
    pub(super) fn all_went_well(&self) -> bool {
        matches!(self.manager.state(), State::Ready | State::Initializing)
            && self.claims.iter().all(|claim| match claim {
                Claim::Said(Ending::Committed) => true,
                Claim::Said(Ending::Aborted(cause)) => *cause == AbortCause::Requested,
                Claim::Said(Ending::Unknown) | Claim::None => false,
            })
    }
}
