//! Committed offsets, with and without membership, and the coordinators that keep them.

use milena_wire::messages::{
    DeleteGroupsRequest, FindCoordinatorRequest, OffsetCommitRequest, OffsetCommitRequestPartition,
    OffsetCommitRequestTopic, OffsetDeleteRequest, OffsetDeleteRequestPartition,
    OffsetDeleteRequestTopic, OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchRequestTopic,
    OffsetFetchRequestTopics,
};
use milena_wire::{ApiKey, EncodeError, Numbers};

use super::transactions::{Committer, offsets};
use super::{by_topic, pick, weighted};
use crate::differ::ask::{Ask, Pen, Sent};
use crate::differ::plan::Plan;
use crate::differ::vars::Vars;

#[derive(Clone, Debug)]
pub(crate) struct OffsetCommit {
    pub(crate) group: usize,
    pub(crate) committer: Committer,
    pub(crate) instance: Option<usize>,
    pub(crate) note_len: usize,
    pub(crate) offsets: Vec<(usize, (i32, i64))>,
}

impl OffsetCommit {
    pub(crate) fn random(random: &mut fastrand::Rng, plan: &Plan) -> Self {
        let mut commit = Self {
            group: plan.group(random),
            committer: Committer::random(random, plan),
            instance: plan.instance(random),
            note_len: weighted(random, &[(20, 4), (4, 0), (1, 4096), (1, 4097)]),
            offsets: offsets(random, plan),
        };
        // A group that is made by a commit of which nothing is written is seen by some requests of real Kafka and not by others.
        if commit.committer == Committer::Nobody {
            commit.note_len = commit.note_len.min(4096);
        }
        commit
    }
}

impl Ask for OffsetCommit {
    fn key(&self) -> ApiKey {
        ApiKey::OFFSET_COMMIT
    }

    fn write(&self, vars: &Vars, pen: &Pen) -> Result<Sent, EncodeError> {
        let (member, generation) = self.committer.of(vars);
        let instance = self.instance.map(|index| format!("i{index}"));
        let note = "n".repeat(self.note_len);
        let topics = by_topic(&self.offsets);
        let names: Vec<String> = topics.iter().map(|(topic, _)| vars.topic(*topic)).collect();
        let topics = topics.iter().zip(&names).map(|((topic, parts), name)| {
            let partitions = parts
                .iter()
                .map(|(partition, offset)| OffsetCommitRequestPartition {
                    partition_index: *partition,
                    committed_offset: *offset,
                    committed_leader_epoch: i32::from(offset % 3 == 0) - 1,
                    committed_metadata: (offset % 5 != 0).then_some(&*note),
                });
            OffsetCommitRequestTopic {
                name,
                topic_id: vars.topic_id(*topic),
                partitions: partitions.collect(),
            }
        });
        pen.write(OffsetCommitRequest {
            group_id: &vars.group(self.group),
            generation_id_or_member_epoch: generation,
            member_id: &member,
            group_instance_id: instance.as_deref().filter(|_| pen.version >= 7),
            retention_time_ms: -1,
            topics: topics.collect(),
        })
    }
}

#[derive(Clone, Debug)]
pub(crate) struct OffsetFetch {
    pub(crate) groups: Vec<usize>,
    /// `None`: all that the group has.
    pub(crate) parts: Option<Vec<(usize, i32)>>,
    pub(crate) stable: bool,
    pub(crate) member: Committer,
}

impl OffsetFetch {
    /// All that a group has.
    pub(crate) fn all(group: usize) -> Self {
        Self {
            groups: vec![group],
            parts: None,
            stable: false,
            member: Committer::Nobody,
        }
    }

    pub(crate) fn random(random: &mut fastrand::Rng, plan: &Plan) -> Self {
        let mut groups: Vec<usize> = (0..random.u32(1..3)).map(|_| plan.group(random)).collect();
        groups.dedup();
        let parts = (random.u32(..3) > 0).then(|| {
            let mut parts: Vec<(usize, i32)> = (0..random.u32(1..4))
                .map(|_| plan.partition(random))
                .collect();
            parts.sort_unstable();
            parts.dedup();
            parts
        });
        let member = if random.u32(..3) == 0 {
            Committer::random(random, plan)
        } else {
            Committer::Nobody
        };
        Self {
            groups,
            parts,
            stable: random.bool(),
            member,
        }
    }

    fn write_old(&self, vars: &Vars, pen: &Pen) -> Result<Sent, EncodeError> {
        let topics = by_topic(self.parts.as_deref().unwrap_or_default());
        let names: Vec<String> = topics.iter().map(|(topic, _)| vars.topic(*topic)).collect();
        let topics = topics
            .iter()
            .zip(&names)
            .map(|((_, parts), name)| OffsetFetchRequestTopic {
                name,
                partition_indexes: Numbers::from(parts.clone()),
            });
        pen.write(OffsetFetchRequest {
            group_id: &vars.group(self.groups[0]),
            topics: self.parts.is_some().then(|| topics.collect()),
            require_stable: self.stable && pen.version >= 7,
            ..Default::default()
        })
    }
}

impl Ask for OffsetFetch {
    fn key(&self) -> ApiKey {
        ApiKey::OFFSET_FETCH
    }

    fn write(&self, vars: &Vars, pen: &Pen) -> Result<Sent, EncodeError> {
        if pen.version <= 7 {
            return self.write_old(vars, pen);
        }
        let topics = by_topic(self.parts.as_deref().unwrap_or_default());
        let names: Vec<String> = topics.iter().map(|(topic, _)| vars.topic(*topic)).collect();
        let topics = topics.iter().zip(&names);
        let topics = topics.map(|((topic, parts), name)| OffsetFetchRequestTopics {
            name,
            topic_id: vars.topic_id(*topic),
            partition_indexes: Numbers::from(parts.clone()),
        });
        let topics: Vec<_> = topics.collect();
        let ids: Vec<String> = self.groups.iter().map(|group| vars.group(*group)).collect();
        let (member, epoch) = self.member.of(vars);
        // Without an id, but with an epoch, 4.3.1 stumbles over a null pointer of its own.
        let epoch = if member.is_empty() { -1 } else { epoch };
        let groups = ids.iter().map(|id| OffsetFetchRequestGroup {
            group_id: id,
            member_id: (!member.is_empty()).then_some(&*member),
            member_epoch: epoch,
            topics: self.parts.is_some().then(|| topics.clone()),
        });
        pen.write(OffsetFetchRequest {
            groups: groups.collect(),
            require_stable: self.stable,
            ..Default::default()
        })
    }
}

#[derive(Clone, Debug)]
pub(crate) struct OffsetDelete {
    pub(crate) group: usize,
    pub(crate) parts: Vec<(usize, i32)>,
}

impl OffsetDelete {
    pub(crate) fn random(random: &mut fastrand::Rng, plan: &Plan) -> Self {
        Self {
            group: plan.group(random),
            parts: vec![plan.partition(random)],
        }
    }
}

impl Ask for OffsetDelete {
    fn key(&self) -> ApiKey {
        ApiKey::OFFSET_DELETE
    }

    fn write(&self, vars: &Vars, pen: &Pen) -> Result<Sent, EncodeError> {
        let topics = by_topic(&self.parts);
        let names: Vec<String> = topics.iter().map(|(topic, _)| vars.topic(*topic)).collect();
        let topics = topics.iter().zip(&names).map(|((_, parts), name)| {
            let partitions = parts.iter().map(|partition| OffsetDeleteRequestPartition {
                partition_index: *partition,
            });
            OffsetDeleteRequestTopic {
                name,
                partitions: partitions.collect(),
            }
        });
        pen.write(OffsetDeleteRequest {
            group_id: &vars.group(self.group),
            topics: topics.collect(),
        })
    }
}

#[derive(Clone, Debug)]
pub(crate) struct DeleteGroups {
    pub(crate) groups: Vec<usize>,
}

impl DeleteGroups {
    pub(crate) fn random(random: &mut fastrand::Rng) -> Self {
        Self {
            groups: pick(random, &[vec![0], vec![1], vec![0, 7], vec![7]]),
        }
    }
}

impl Ask for DeleteGroups {
    fn key(&self) -> ApiKey {
        ApiKey::DELETE_GROUPS
    }

    fn write(&self, vars: &Vars, pen: &Pen) -> Result<Sent, EncodeError> {
        let ids: Vec<String> = self.groups.iter().map(|group| vars.group(*group)).collect();
        pen.write(DeleteGroupsRequest {
            groups_names: ids.iter().map(String::as_str).collect(),
        })
    }
}

#[derive(Clone, Debug)]
pub(crate) struct FindCoordinator {
    pub(crate) key_type: i8,
    pub(crate) names: Vec<usize>,
}

impl FindCoordinator {
    pub(crate) fn random(random: &mut fastrand::Rng) -> Self {
        Self {
            key_type: weighted(random, &[(4, 0), (4, 1), (1, 5)]),
            names: pick(random, &[vec![0], vec![0, 1], vec![]]),
        }
    }
}

impl Ask for FindCoordinator {
    fn key(&self) -> ApiKey {
        ApiKey::FIND_COORDINATOR
    }

    fn write(&self, vars: &Vars, pen: &Pen) -> Result<Sent, EncodeError> {
        let names: Vec<String> = self.names.iter().map(|group| vars.group(*group)).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let key_type = if pen.version == 0 { 0 } else { self.key_type };
        if pen.version <= 3 {
            return pen.write(FindCoordinatorRequest {
                key: names.first().copied().unwrap_or_default(),
                key_type,
                ..Default::default()
            });
        }
        pen.write(FindCoordinatorRequest {
            key_type,
            coordinator_keys: names,
            ..Default::default()
        })
    }
}
