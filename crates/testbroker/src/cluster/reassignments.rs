//! Moving partitions to other nodes: done at once, unless a test holds it.

use std::collections::BTreeMap;
use std::sync::Arc;

use milena_wire::ErrorCode;

use super::Cluster;
use crate::refusal::Refusal;

/// The reassignments that a test holds.
#[derive(Debug, Default)]
pub(crate) struct Reassignments {
    held: bool,
    ongoing: BTreeMap<(Arc<str>, i32), Ongoing>,
}

/// A partition on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ongoing {
    /// Where it was.
    from: Vec<i32>,
    /// Where it goes.
    to: Vec<i32>,
}

impl Ongoing {
    pub(crate) fn adding(&self) -> Vec<i32> {
        without(&self.to, &self.from)
    }

    pub(crate) fn removing(&self) -> Vec<i32> {
        without(&self.from, &self.to)
    }
}

impl Reassignments {
    pub(crate) fn get(&self, topic: &str, index: i32) -> Option<&Ongoing> {
        self.ongoing.get(&(topic.into(), index))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, i32, &Ongoing)> {
        let all = self.ongoing.iter();
        all.map(|((topic, index), ongoing)| (&**topic, *index, ongoing))
    }

    pub(crate) fn forget_topic(&mut self, name: &str) {
        self.ongoing.retain(|(topic, _), _| **topic != *name);
    }
}

impl Cluster {
    /// What KRaft checks of replicas that somebody has chosen (`validateManualPartitionAssignment`).
    pub(crate) fn check_replicas(&self, replicas: &[i32]) -> Result<(), Refusal> {
        let refuse = |message: String| {
            let code = ErrorCode::INVALID_REPLICA_ASSIGNMENT;
            Err(Refusal::new(code, message))
        };
        if replicas.is_empty() {
            let message = "The manual partition assignment includes an empty replica list.";
            return refuse(message.to_owned());
        }
        let mut sorted = replicas.to_vec();
        sorted.sort_unstable();
        for (index, id) in sorted.iter().enumerate() {
            if self.node(*id).is_none() {
                return refuse(format!(
                    "The manual partition assignment includes broker {id}, but no such broker is \
                     registered."
                ));
            }
            if index > 0 && sorted[index - 1] == *id {
                return refuse(format!(
                    "The manual partition assignment includes the broker {id} more than once."
                ));
            }
        }
        Ok(())
    }

    /// Moves a partition to these nodes.
    pub(crate) fn reassign(&mut self, topic: &str, index: i32, to: Vec<i32>) {
        let Some(partition) = self.topics.partition(topic, index) else {
            return;
        };
        let ongoing = self.reassignments.get(topic, index);
        let from = ongoing.map_or_else(|| partition.replicas.clone(), |it| it.from.clone());
        let ongoing = Ongoing { from, to };
        let changes = !ongoing.adding().is_empty() || !ongoing.removing().is_empty();
        if self.reassignments.held && changes {
            let mut all = ongoing.to.clone();
            all.extend(ongoing.removing());
            self.set_replicas(topic, index, all);
            let key = (topic.into(), index);
            self.reassignments.ongoing.insert(key, ongoing);
        } else {
            self.reassignments.ongoing.remove(&(topic.into(), index));
            self.set_replicas(topic, index, ongoing.to);
        }
        self.write_due_markers();
    }

    /// Takes a reassignment back; false if there is none.
    pub(crate) fn cancel_reassignment(&mut self, topic: &str, index: i32) -> bool {
        let ongoing = self.reassignments.ongoing.remove(&(topic.into(), index));
        let Some(ongoing) = ongoing else {
            return false;
        };
        let moved = self.set_replicas(topic, index, ongoing.from);
        self.write_due_markers();
        moved
    }

    /// Whether reassignments stay under way; `false` ends those that are.
    pub(crate) fn hold_reassignments(&mut self, held: bool) {
        self.reassignments.held = held;
        if held {
            return;
        }
        for ((topic, index), ongoing) in std::mem::take(&mut self.reassignments.ongoing) {
            self.set_replicas(&topic, index, ongoing.to);
        }
        self.write_due_markers();
    }
}

fn without(these: &[i32], those: &[i32]) -> Vec<i32> {
    let kept = these.iter().filter(|id| !those.contains(id));
    kept.copied().collect()
}
