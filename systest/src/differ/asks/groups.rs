//! Classic groups: joins that wait for others, syncs, heartbeats, leaves, static members.

use milena_wire::messages::{
    DescribeGroupsRequest, HeartbeatRequest, JoinGroupRequest, JoinGroupRequestProtocol,
    LeaveGroupRequest, ListGroupsRequest, MemberIdentity, SyncGroupRequest,
    SyncGroupRequestAssignment,
};
use milena_wire::{ApiKey, EncodeError};

use super::transactions::Committer;
use super::{pick, weighted};
use crate::differ::ask::{Ask, Pen, Sent};
use crate::differ::plan::Plan;
use crate::differ::tree::Value;
use crate::differ::vars::Vars;

/// Classic members use this group.
pub(crate) const GROUP: usize = 0;

#[derive(Clone, Debug)]
pub(crate) struct Join {
    pub(crate) group: usize,
    pub(crate) member: usize,
    /// Comes as somebody new although it has an id.
    pub(crate) afresh: bool,
    pub(crate) unknown_id: bool,
    pub(crate) instance: Option<usize>,
    pub(crate) session_ms: i32,
    pub(crate) rebalance_ms: i32,
    pub(crate) kind: &'static str,
    pub(crate) protocols: Vec<(&'static str, &'static str)>,
}

impl Join {
    pub(crate) fn new(group: usize, member: usize) -> Self {
        Self {
            group,
            member,
            afresh: false,
            unknown_id: false,
            instance: None,
            session_ms: 30_000,
            rebalance_ms: 700,
            kind: "consumer",
            protocols: vec![("range", "meta")],
        }
    }

    pub(crate) fn random(random: &mut fastrand::Rng, plan: &Plan) -> Self {
        let mut join = Self::new(GROUP, random.usize(..3));
        join.instance = plan.instance(random);
        join.afresh = random.u32(..10) == 0;
        join.unknown_id = random.u32(..30) == 0;
        join.session_ms = weighted(random, &[(20, 30_000), (1, 10), (1, 1_900_000)]);
        join.kind = weighted(random, &[(30, "consumer"), (1, "connect"), (1, "")]);
        join.protocols = weighted(
            random,
            &[
                (20, vec![("range", "meta")]),
                (4, vec![("range", "more"), ("roundrobin", "meta")]),
                (3, vec![("roundrobin", "x"), ("range", "meta")]),
                (1, vec![("sticky", "only")]),
                (1, vec![]),
            ],
        );
        join
    }
}

impl Ask for Join {
    fn key(&self) -> ApiKey {
        ApiKey::JOIN_GROUP
    }

    fn write(&self, vars: &Vars, pen: &Pen) -> Result<Sent, EncodeError> {
        let instance = self.instance.map(|index| format!("i{index}"));
        let known = vars.member(self.member).id;
        let member_id = match (self.afresh, self.unknown_id) {
            (_, true) => "nobody-known",
            (true, false) => "",
            (false, false) => &known,
        };
        let protocols = self.protocols.iter();
        let protocols = protocols.map(|(name, metadata)| JoinGroupRequestProtocol {
            name,
            metadata: metadata.as_bytes(),
        });
        pen.write(JoinGroupRequest {
            group_id: &vars.group(self.group),
            // Version 0 has no other time to wait for members.
            session_timeout_ms: match pen.version {
                0 => self.session_ms.min(6000),
                _ => self.session_ms,
            },
            rebalance_timeout_ms: self.rebalance_ms,
            member_id,
            group_instance_id: instance.as_deref().filter(|_| pen.version >= 5),
            protocol_type: self.kind,
            protocols: protocols.collect(),
            reason: None,
        })
    }

    fn absorb(&self, answer: &Value, vars: &mut Vars) {
        const MEMBER_ID_REQUIRED: i64 = 79;
        let error = answer.error();
        if error != 0 && error != MEMBER_ID_REQUIRED {
            return;
        }
        let mut member = vars.member(self.member);
        answer.string("member_id").clone_into(&mut member.id);
        if error == 0 {
            let generation = answer.number("generation_id").unwrap_or(-1);
            member.generation = i32::try_from(generation).unwrap_or(-1);
            let members = answer.get("members").map_or(&[][..], Value::items);
            let ids = members.iter().map(|member| member.string("member_id"));
            member.listed = ids.map(str::to_owned).collect();
        }
        vars.members.insert(self.member, member);
    }

    fn may_wait(&self) -> bool {
        true
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Sync {
    pub(crate) group: usize,
    pub(crate) as_member: Committer,
    pub(crate) instance: Option<usize>,
    pub(crate) protocol: &'static str,
}

impl Sync {
    pub(crate) const fn new(group: usize, member: usize) -> Self {
        Self {
            group,
            as_member: Committer::Member(member),
            instance: None,
            protocol: "range",
        }
    }

    pub(crate) fn random(random: &mut fastrand::Rng, plan: &Plan) -> Self {
        Self {
            group: GROUP,
            as_member: Committer::random(random, plan),
            instance: plan.instance(random),
            protocol: weighted(random, &[(20, "range"), (1, "roundrobin")]),
        }
    }

    pub(crate) const fn member(&self) -> Option<usize> {
        match self.as_member {
            Committer::Member(member) | Committer::OtherGeneration(member, _) => Some(member),
            _ => None,
        }
    }
}

impl Ask for Sync {
    fn key(&self) -> ApiKey {
        ApiKey::SYNC_GROUP
    }

    fn write(&self, vars: &Vars, pen: &Pen) -> Result<Sent, EncodeError> {
        let (member_id, generation_id) = self.as_member.of(vars);
        let instance = self.instance.map(|index| format!("i{index}"));
        let listed = self.member().map(|member| vars.member(member).listed);
        let listed = listed.unwrap_or_default();
        // By whose it is: the order of the list is another on each side.
        let number = |id: &String| {
            let mut members = vars.members.iter();
            let known = members.find(|(_, member)| member.id == *id);
            known.map_or(99, |(number, _)| *number)
        };
        let work: Vec<String> = listed
            .iter()
            .map(|id| format!("work {}", number(id)))
            .collect();
        let assignments = listed.iter().zip(&work);
        let assignments = assignments.map(|(member_id, work)| SyncGroupRequestAssignment {
            member_id,
            assignment: work.as_bytes(),
        });
        pen.write(SyncGroupRequest {
            group_id: &vars.group(self.group),
            generation_id,
            member_id: &member_id,
            group_instance_id: instance.as_deref().filter(|_| pen.version >= 3),
            protocol_type: Some("consumer"),
            protocol_name: Some(self.protocol),
            assignments: assignments.collect(),
        })
    }

    fn may_wait(&self) -> bool {
        true
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Heartbeat {
    pub(crate) group: usize,
    pub(crate) as_member: Committer,
    pub(crate) instance: Option<usize>,
}

impl Heartbeat {
    pub(crate) fn random(random: &mut fastrand::Rng, plan: &Plan) -> Self {
        Self {
            group: weighted(random, &[(20, GROUP), (1, 7)]),
            as_member: Committer::random(random, plan),
            instance: plan.instance(random),
        }
    }
}

impl Ask for Heartbeat {
    fn key(&self) -> ApiKey {
        ApiKey::HEARTBEAT
    }

    fn write(&self, vars: &Vars, pen: &Pen) -> Result<Sent, EncodeError> {
        let (member_id, generation_id) = self.as_member.of(vars);
        let instance = self.instance.map(|index| format!("i{index}"));
        pen.write(HeartbeatRequest {
            group_id: &vars.group(self.group),
            generation_id,
            member_id: &member_id,
            group_instance_id: instance.as_deref().filter(|_| pen.version >= 3),
        })
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Leave {
    pub(crate) group: usize,
    pub(crate) members: Vec<Committer>,
    pub(crate) instance: Option<usize>,
}

impl Leave {
    pub(crate) fn random(random: &mut fastrand::Rng, plan: &Plan) -> Self {
        let members = (0..weighted(random, &[(6, 1), (1, 2), (1, 0)]))
            .map(|_| Committer::random(random, plan))
            .collect();
        Self {
            group: weighted(random, &[(20, GROUP), (1, 7)]),
            members,
            instance: plan.instance(random),
        }
    }
}

impl Ask for Leave {
    fn key(&self) -> ApiKey {
        ApiKey::LEAVE_GROUP
    }

    fn write(&self, vars: &Vars, pen: &Pen) -> Result<Sent, EncodeError> {
        let ids: Vec<String> = self
            .members
            .iter()
            .map(|member| member.of(vars).0)
            .collect();
        let instance = self.instance.map(|index| format!("i{index}"));
        let group = vars.group(self.group);
        if pen.version <= 2 {
            return pen.write(LeaveGroupRequest {
                group_id: &group,
                member_id: ids.first().map_or("", String::as_str),
                members: Vec::new(),
            });
        }
        let members = ids.iter().map(|id| MemberIdentity {
            member_id: id,
            group_instance_id: instance.as_deref(),
            reason: None,
        });
        pen.write(LeaveGroupRequest {
            group_id: &group,
            member_id: "",
            members: members.collect(),
        })
    }
}

#[derive(Clone, Debug)]
pub(crate) struct DescribeGroups {
    pub(crate) groups: Vec<usize>,
    pub(crate) with_operations: bool,
}

impl DescribeGroups {
    pub(crate) fn random(random: &mut fastrand::Rng) -> Self {
        Self {
            groups: pick(random, &[vec![0], vec![0], vec![0, 1], vec![7]]),
            with_operations: random.bool(),
        }
    }
}

impl Ask for DescribeGroups {
    fn key(&self) -> ApiKey {
        ApiKey::DESCRIBE_GROUPS
    }

    fn write(&self, vars: &Vars, pen: &Pen) -> Result<Sent, EncodeError> {
        let ids: Vec<String> = self.groups.iter().map(|group| vars.group(*group)).collect();
        pen.write(DescribeGroupsRequest {
            groups: ids.iter().map(String::as_str).collect(),
            include_authorized_operations: self.with_operations && pen.version >= 3,
        })
    }
}

#[derive(Clone, Debug)]
pub(crate) struct ListGroups {
    pub(crate) states: Vec<&'static str>,
    pub(crate) types: Vec<&'static str>,
}

impl ListGroups {
    pub(crate) fn random(random: &mut fastrand::Rng) -> Self {
        let states = [vec![], vec!["Stable"], vec!["empty"], vec!["Dead", "Empty"]];
        let types = [
            vec![],
            vec![],
            vec!["classic"],
            vec!["Consumer"],
            vec!["nosuch"],
        ];
        Self {
            states: pick(random, &states),
            types: pick(random, &types),
        }
    }
}

impl Ask for ListGroups {
    fn key(&self) -> ApiKey {
        ApiKey::LIST_GROUPS
    }

    fn write(&self, _: &Vars, pen: &Pen) -> Result<Sent, EncodeError> {
        let if_since = |version, filter: &[&'static str]| {
            if pen.version >= version {
                filter.to_vec()
            } else {
                Vec::new()
            }
        };
        pen.write(ListGroupsRequest {
            states_filter: if_since(4, &self.states),
            types_filter: if_since(5, &self.types),
        })
    }

    fn narrow(&self, answer: &mut Value, vars: &Vars) {
        if let Some(Value::List(groups)) = answer.get_mut("groups") {
            groups.retain(|group| group.string("group_id").starts_with(&vars.prefix));
        }
    }
}
