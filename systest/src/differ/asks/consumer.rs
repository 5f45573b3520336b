//! Consumer groups of KIP-848.

use milena_wire::messages::{
    ConsumerGroupDescribeRequest, ConsumerGroupHeartbeatRequest,
    ConsumerGroupHeartbeatRequestTopicPartitions,
};
use milena_wire::{ApiKey, EncodeError, Numbers};

use super::{pick, weighted};
use crate::differ::ask::{Ask, Pen, Sent};
use crate::differ::plan::{FIRST_CONSUMER, Plan};
use crate::differ::tree::Value;
use crate::differ::vars::Vars;

/// Members of this protocol use this group.
pub(crate) const GROUP: usize = 1;

/// What the member says of its epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Epoch {
    Join,
    Right,
    Off(i32),
    Leave,
    LeaveForAWhile,
}

#[derive(Clone, Debug)]
pub(crate) struct Heartbeat {
    pub(crate) group: usize,
    pub(crate) member: usize,
    pub(crate) epoch: Epoch,
    /// Version 0 lets the broker make the id.
    pub(crate) own_id: bool,
    pub(crate) unknown_id: bool,
    pub(crate) instance: Option<usize>,
    pub(crate) topics: Option<Vec<usize>>,
    pub(crate) assignor: Option<&'static str>,
    pub(crate) regex: Option<&'static str>,
    pub(crate) rebalance_ms: i32,
    /// What it says it owns; `None` to say nothing.
    pub(crate) owned: Option<Vec<(usize, Vec<i32>)>>,
}

impl Heartbeat {
    pub(crate) fn join(random: &mut fastrand::Rng, plan: &Plan) -> Self {
        Self {
            group: GROUP,
            member: FIRST_CONSUMER + random.usize(..3),
            epoch: Epoch::Join,
            own_id: true,
            unknown_id: false,
            instance: plan.instance(random),
            topics: Some(pick(
                random,
                &[vec![0], vec![0], vec![0, 1], vec![9], vec![]],
            )),
            assignor: weighted(
                random,
                &[
                    (6, None),
                    (3, Some("uniform")),
                    (3, Some("range")),
                    (1, Some("nosuch")),
                ],
            ),
            regex: None,
            rebalance_ms: weighted(random, &[(12, 30_000), (1, -1), (1, 0)]),
            owned: weighted(
                random,
                &[(12, Some(vec![])), (1, None), (1, Some(vec![(0, vec![0])]))],
            ),
        }
    }

    /// As it is sent while nothing changes, and wrong ones.
    pub(crate) fn random(random: &mut fastrand::Rng, plan: &Plan) -> Self {
        if random.u32(..4) == 0 {
            return Self::join(random, plan);
        }
        let mut beat = Self::join(random, plan);
        beat.epoch = weighted(
            random,
            &[
                (14, Epoch::Right),
                (2, Epoch::Off(-1)),
                (2, Epoch::Off(1)),
                (3, Epoch::Leave),
                (1, Epoch::LeaveForAWhile),
            ],
        );
        beat.unknown_id = random.u32(..25) == 0;
        beat.topics = weighted(random, &[(8, None), (2, Some(vec![0])), (1, Some(vec![1]))]);
        if random.u32(..3) > 0 {
            beat.assignor = None;
        }
        beat.rebalance_ms = -1;
        let all = plan.topics.iter().map(|topic| {
            let partitions = (0..topic.partitions).collect();
            (topic.index, partitions)
        });
        beat.owned = weighted(
            random,
            &[(6, None), (2, Some(vec![])), (2, Some(all.collect()))],
        );
        beat
    }
}

impl Ask for Heartbeat {
    fn key(&self) -> ApiKey {
        ApiKey::CONSUMER_GROUP_HEARTBEAT
    }

    fn write(&self, vars: &Vars, pen: &Pen) -> Result<Sent, EncodeError> {
        let known = vars.member(self.member);
        let own = format!("{}-m{}", vars.prefix, self.member);
        let broker_chooses = pen.version == 0 && self.epoch == Epoch::Join && !self.own_id;
        let member_id = match (self.unknown_id, broker_chooses) {
            (true, _) => "nobody-known",
            (false, true) => "",
            (false, false) if known.id.is_empty() => &own,
            (false, false) => &known.id,
        };
        let member_epoch = match self.epoch {
            Epoch::Join => 0,
            Epoch::Right => known.generation.max(0),
            Epoch::Off(by) => known.generation.saturating_add(by).max(0),
            Epoch::Leave => -1,
            Epoch::LeaveForAWhile => -2,
        };
        let instance = self.instance.map(|index| format!("i{index}"));
        let names: Option<Vec<String>> = self
            .topics
            .as_ref()
            .map(|topics| topics.iter().map(|topic| vars.topic(*topic)).collect());
        let owned = self.owned.as_ref().map(|owned| {
            let parts = owned.iter();
            let parts =
                parts.map(
                    |(topic, partitions)| ConsumerGroupHeartbeatRequestTopicPartitions {
                        topic_id: vars.topic_id(*topic),
                        partitions: Numbers::from(partitions.clone()),
                    },
                );
            parts.collect()
        });
        pen.write(ConsumerGroupHeartbeatRequest {
            group_id: &vars.group(self.group),
            member_id,
            member_epoch,
            instance_id: instance.as_deref(),
            rack_id: None,
            rebalance_timeout_ms: self.rebalance_ms,
            subscribed_topic_names: names
                .as_ref()
                .map(|names| names.iter().map(String::as_str).collect()),
            subscribed_topic_regex: self.regex.filter(|_| pen.version >= 1),
            server_assignor: self.assignor,
            topic_partitions: owned,
        })
    }

    fn absorb(&self, answer: &Value, vars: &mut Vars) {
        if answer.error() != 0 {
            return;
        }
        let mut member = vars.member(self.member);
        let epoch = answer.number("member_epoch").unwrap_or(-1);
        if answer.string("member_id") != "None" {
            answer.string("member_id").clone_into(&mut member.id);
        }
        member.generation = i32::try_from(epoch).unwrap_or(-1);
        vars.members.insert(self.member, member);
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Describe {
    pub(crate) groups: Vec<usize>,
    pub(crate) with_operations: bool,
}

impl Describe {
    pub(crate) fn random(random: &mut fastrand::Rng) -> Self {
        Self {
            groups: pick(random, &[vec![1], vec![1], vec![1, 0], vec![7]]),
            with_operations: random.bool(),
        }
    }
}

impl Ask for Describe {
    fn key(&self) -> ApiKey {
        ApiKey::CONSUMER_GROUP_DESCRIBE
    }

    fn write(&self, vars: &Vars, pen: &Pen) -> Result<Sent, EncodeError> {
        let ids: Vec<String> = self.groups.iter().map(|group| vars.group(*group)).collect();
        pen.write(ConsumerGroupDescribeRequest {
            group_ids: ids.iter().map(String::as_str).collect(),
            include_authorized_operations: self.with_operations,
        })
    }
}
