//! Producer ids and transactions.

use milena_wire::messages::{
    AddOffsetsToTxnRequest, AddPartitionsToTxnRequest, AddPartitionsToTxnTopic,
    AddPartitionsToTxnTransaction, DescribeProducersRequest, DescribeProducersTopicRequest,
    DescribeTransactionsRequest, EndTxnRequest, InitProducerIdRequest, ListTransactionsRequest,
    TxnOffsetCommitRequest, TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic,
};
use milena_wire::{ApiKey, EncodeError, Numbers};

use super::produce::Identity;
use super::{by_topic, pick, weighted};
use crate::differ::ask::{Ask, Pen, Sent};
use crate::differ::plan::Plan;
use crate::differ::tree::Value;
use crate::differ::vars::{Producer, Vars};

#[derive(Clone, Debug)]
pub(crate) struct Init {
    pub(crate) producer: usize,
    pub(crate) transactional: bool,
    pub(crate) timeout_ms: i32,
    /// What it says it has been.
    pub(crate) was: Identity,
    pub(crate) empty_id: bool,
}

impl Init {
    pub(crate) fn new(plan: &Plan, producer: usize) -> Self {
        Self {
            producer,
            transactional: plan.is_transactional(producer),
            timeout_ms: 60_000,
            was: Identity::None,
            empty_id: false,
        }
    }

    pub(crate) fn random(random: &mut fastrand::Rng, plan: &Plan) -> Self {
        let mut init = Self::new(plan, random.usize(..plan.producers));
        init.timeout_ms = weighted(random, &[(20, 60_000), (1, 0), (1, -1), (1, 900_001)]);
        if random.bool() {
            init.was = Identity::random(random, init.producer);
        }
        init.empty_id = random.u32(..60) == 0;
        init
    }
}

impl Ask for Init {
    fn key(&self) -> ApiKey {
        ApiKey::INIT_PRODUCER_ID
    }

    fn write(&self, vars: &Vars, pen: &Pen) -> Result<Sent, EncodeError> {
        let id = vars.transactional_id(self.producer);
        let id = if self.empty_id { "" } else { &id };
        let (producer_id, producer_epoch) = if pen.version >= 3 {
            self.was.of(vars)
        } else {
            (-1, -1)
        };
        pen.write(InitProducerIdRequest {
            transactional_id: (self.transactional || self.empty_id).then_some(id),
            transaction_timeout_ms: self.timeout_ms,
            producer_id,
            producer_epoch,
        })
    }

    fn absorb(&self, answer: &Value, vars: &mut Vars) {
        if answer.error() == 0 {
            become_producer(self.producer, answer, vars);
        }
    }

    fn ends_transaction(&self) -> Option<usize> {
        self.transactional.then_some(self.producer)
    }
}

/// Sequences begin anew where id or epoch do.
fn become_producer(index: usize, answer: &Value, vars: &mut Vars) {
    let id = answer.number("producer_id").unwrap_or(-1);
    let epoch = answer.number("producer_epoch").unwrap_or(-1);
    let epoch = i16::try_from(epoch).unwrap_or(-1);
    let is_same = vars
        .producers
        .get(&index)
        .is_some_and(|known| (known.id, known.epoch) == (id, epoch));
    if !is_same {
        let next = std::collections::BTreeMap::new();
        vars.producers.insert(index, Producer { id, epoch, next });
    }
}

#[derive(Clone, Debug)]
pub(crate) struct AddPartitions {
    pub(crate) who: Identity,
    pub(crate) transaction: usize,
    pub(crate) parts: Vec<(usize, i32)>,
    pub(crate) verify_only: bool,
}

impl AddPartitions {
    pub(crate) fn random(random: &mut fastrand::Rng, plan: &Plan) -> Self {
        let transaction = plan.transactional(random);
        let parts = (0..random.u32(1..4)).map(|_| plan.partition(random));
        let mut parts: Vec<_> = parts.collect();
        parts.sort_unstable();
        parts.dedup();
        Self {
            who: Identity::random(random, transaction),
            transaction: other(random, transaction),
            parts,
            verify_only: random.u32(..6) == 0,
        }
    }
}

/// Seldom another transactional id than the producer's.
fn other(random: &mut fastrand::Rng, transaction: usize) -> usize {
    if random.u32(..40) == 0 {
        8
    } else {
        transaction
    }
}

impl Ask for AddPartitions {
    fn key(&self) -> ApiKey {
        ApiKey::ADD_PARTITIONS_TO_TXN
    }

    fn write(&self, vars: &Vars, pen: &Pen) -> Result<Sent, EncodeError> {
        let id = vars.transactional_id(self.transaction);
        let (producer_id, producer_epoch) = self.who.of(vars);
        let topics = by_topic(&self.parts);
        let names: Vec<String> = topics.iter().map(|(topic, _)| vars.topic(*topic)).collect();
        let topics = topics
            .iter()
            .zip(&names)
            .map(|((_, parts), name)| AddPartitionsToTxnTopic {
                name,
                partitions: Numbers::from(parts.clone()),
            });
        if pen.version <= 3 {
            return pen.write(AddPartitionsToTxnRequest {
                v3_and_below_transactional_id: &id,
                v3_and_below_producer_id: producer_id,
                v3_and_below_producer_epoch: producer_epoch,
                v3_and_below_topics: topics.collect(),
                ..Default::default()
            });
        }
        pen.write(AddPartitionsToTxnRequest {
            transactions: vec![AddPartitionsToTxnTransaction {
                transactional_id: &id,
                producer_id,
                producer_epoch,
                verify_only: self.verify_only,
                topics: topics.collect(),
            }],
            ..Default::default()
        })
    }
}

#[derive(Clone, Debug)]
pub(crate) struct AddOffsets {
    pub(crate) who: Identity,
    pub(crate) transaction: usize,
    pub(crate) group: usize,
}

impl AddOffsets {
    pub(crate) fn random(random: &mut fastrand::Rng, plan: &Plan) -> Self {
        let transaction = plan.transactional(random);
        Self {
            who: Identity::random(random, transaction),
            transaction: other(random, transaction),
            group: plan.group(random),
        }
    }
}

impl Ask for AddOffsets {
    fn key(&self) -> ApiKey {
        ApiKey::ADD_OFFSETS_TO_TXN
    }

    fn write(&self, vars: &Vars, pen: &Pen) -> Result<Sent, EncodeError> {
        let (producer_id, producer_epoch) = self.who.of(vars);
        pen.write(AddOffsetsToTxnRequest {
            transactional_id: &vars.transactional_id(self.transaction),
            producer_id,
            producer_epoch,
            group_id: &vars.group(self.group),
        })
    }
}

/// Who commits offsets in a transaction, besides the producer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Committer {
    Nobody,
    Member(usize),
    OtherGeneration(usize, i32),
    UnknownMember,
}

impl Committer {
    /// Member id and generation, or epoch.
    pub(crate) fn of(self, vars: &Vars) -> (String, i32) {
        match self {
            Self::Nobody => (String::new(), -1),
            Self::Member(index) => {
                let member = vars.member(index);
                (member.id, member.generation)
            }
            Self::OtherGeneration(index, more) => {
                let member = vars.member(index);
                (member.id, member.generation.saturating_add(more))
            }
            Self::UnknownMember => ("nobody-known".to_owned(), 1),
        }
    }

    pub(crate) fn random(random: &mut fastrand::Rng, plan: &Plan) -> Self {
        if !plan.has_members {
            let odd = Self::UnknownMember;
            return weighted(random, &[(10, Self::Nobody), (1, odd)]);
        }
        let member = plan.first_member + random.usize(..3);
        weighted(
            random,
            &[
                (3, Self::Nobody),
                (10, Self::Member(member)),
                (2, Self::OtherGeneration(member, 1)),
                (2, Self::OtherGeneration(member, -1)),
                (1, Self::UnknownMember),
            ],
        )
    }
}

#[derive(Clone, Debug)]
pub(crate) struct TxnOffsetCommit {
    pub(crate) who: Identity,
    pub(crate) transaction: usize,
    pub(crate) group: usize,
    pub(crate) committer: Committer,
    pub(crate) offsets: Vec<(usize, (i32, i64))>,
}

impl TxnOffsetCommit {
    pub(crate) fn random(random: &mut fastrand::Rng, plan: &Plan) -> Self {
        let transaction = plan.transactional(random);
        Self {
            who: Identity::random(random, transaction),
            transaction: other(random, transaction),
            group: plan.group(random),
            committer: Committer::random(random, plan),
            offsets: offsets(random, plan),
        }
    }
}

/// Offsets to commit, each partition once.
pub(crate) fn offsets(random: &mut fastrand::Rng, plan: &Plan) -> Vec<(usize, (i32, i64))> {
    let mut offsets: Vec<(usize, (i32, i64))> = Vec::new();
    for _ in 0..random.u32(1..3) {
        let (topic, partition) = plan.partition(random);
        let is_new = |known: &(usize, (i32, i64))| known.0 != topic || known.1.0 != partition;
        if offsets.iter().all(is_new) {
            offsets.push((topic, (partition, random.i64(0..50))));
        }
    }
    offsets
}

impl Ask for TxnOffsetCommit {
    fn key(&self) -> ApiKey {
        ApiKey::TXN_OFFSET_COMMIT
    }

    fn write(&self, vars: &Vars, pen: &Pen) -> Result<Sent, EncodeError> {
        let (producer_id, producer_epoch) = self.who.of(vars);
        let (member, generation) = self.committer.of(vars);
        let with_member = pen.version >= 3;
        let topics = by_topic(&self.offsets);
        let names: Vec<String> = topics.iter().map(|(topic, _)| vars.topic(*topic)).collect();
        let topics = topics.iter().zip(&names).map(|((_, parts), name)| {
            let partitions =
                parts
                    .iter()
                    .map(|(partition, offset)| TxnOffsetCommitRequestPartition {
                        partition_index: *partition,
                        committed_offset: *offset,
                        committed_leader_epoch: i32::from(offset % 3 == 0) - 1,
                        committed_metadata: (offset % 5 != 0).then_some("note"),
                    });
            TxnOffsetCommitRequestTopic {
                name,
                partitions: partitions.collect(),
            }
        });
        pen.write(TxnOffsetCommitRequest {
            transactional_id: &vars.transactional_id(self.transaction),
            group_id: &vars.group(self.group),
            producer_id,
            producer_epoch,
            generation_id: if with_member { generation } else { -1 },
            member_id: if with_member { &member } else { "" },
            group_instance_id: None,
            topics: topics.collect(),
        })
    }
}

#[derive(Clone, Debug)]
pub(crate) struct End {
    pub(crate) who: Identity,
    pub(crate) transaction: usize,
    pub(crate) commit: bool,
}

impl End {
    pub(crate) fn random(random: &mut fastrand::Rng, plan: &Plan) -> Self {
        let transaction = plan.transactional(random);
        Self {
            who: Identity::random(random, transaction),
            transaction: other(random, transaction),
            commit: random.u32(..3) > 0,
        }
    }
}

impl Ask for End {
    fn key(&self) -> ApiKey {
        ApiKey::END_TXN
    }

    fn write(&self, vars: &Vars, pen: &Pen) -> Result<Sent, EncodeError> {
        let (producer_id, producer_epoch) = self.who.of(vars);
        pen.write(EndTxnRequest {
            transactional_id: &vars.transactional_id(self.transaction),
            producer_id,
            producer_epoch,
            committed: self.commit,
        })
    }

    fn absorb(&self, answer: &Value, vars: &mut Vars) {
        if answer.error() == 0 && answer.number("producer_id").is_some_and(|id| id >= 0) {
            become_producer(self.transaction, answer, vars);
        }
    }

    fn ends_transaction(&self) -> Option<usize> {
        Some(self.transaction)
    }
}

#[derive(Clone, Debug)]
pub(crate) struct DescribeTransactions {
    pub(crate) ids: Vec<usize>,
}

impl DescribeTransactions {
    pub(crate) fn random(random: &mut fastrand::Rng) -> Self {
        let ids = pick(random, &[vec![0], vec![1], vec![0, 1], vec![8], vec![0, 8]]);
        Self { ids }
    }
}

impl Ask for DescribeTransactions {
    fn key(&self) -> ApiKey {
        ApiKey::DESCRIBE_TRANSACTIONS
    }

    fn write(&self, vars: &Vars, pen: &Pen) -> Result<Sent, EncodeError> {
        let ids: Vec<String> = self
            .ids
            .iter()
            .map(|id| vars.transactional_id(*id))
            .collect();
        pen.write(DescribeTransactionsRequest {
            transactional_ids: ids.iter().map(String::as_str).collect(),
        })
    }

    /// One has five partitions for the offsets of groups and one has fifty, so that the fifth part of a number says the same.
    fn narrow(&self, answer: &mut Value, _: &Vars) {
        let Some(Value::List(states)) = answer.get_mut("transaction_states") else {
            return;
        };
        let topics = states
            .iter_mut()
            .filter_map(|state| match state.get_mut("topics") {
                Some(Value::List(topics)) => Some(topics),
                _ => None,
            });
        for topic in topics.flatten() {
            if topic.string("topic") != "__consumer_offsets" {
                continue;
            }
            if let Some(Value::List(partitions)) = topic.get_mut("partitions") {
                for partition in partitions {
                    let number: i32 = partition.text().parse().unwrap_or(-1);
                    *partition = Value::leaf(number % 5);
                }
            }
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct ListTransactions {
    pub(crate) states: Vec<&'static str>,
    pub(crate) by_producer: Option<usize>,
    pub(crate) pattern: bool,
}

impl ListTransactions {
    pub(crate) fn random(random: &mut fastrand::Rng, plan: &Plan) -> Self {
        let states = [
            vec![],
            vec!["Ongoing"],
            vec!["CompleteCommit", "CompleteAbort"],
            vec!["Empty"],
            vec!["NoSuchState", "Ongoing"],
        ];
        Self {
            states: pick(random, &states),
            by_producer: random.bool().then(|| random.usize(..plan.producers)),
            pattern: random.bool(),
        }
    }
}

impl Ask for ListTransactions {
    fn key(&self) -> ApiKey {
        ApiKey::LIST_TRANSACTIONS
    }

    fn write(&self, vars: &Vars, pen: &Pen) -> Result<Sent, EncodeError> {
        let ids = self
            .by_producer
            .map(|producer| Identity::Right(producer).of(vars).0);
        let pattern = format!("{}.*", vars.prefix);
        let duration = if pen.version >= 1 && self.pattern {
            0
        } else {
            -1
        };
        pen.write(ListTransactionsRequest {
            state_filters: self.states.clone(),
            producer_id_filters: ids.into_iter().collect(),
            duration_filter: duration,
            transactional_id_pattern: (pen.version >= 2 && self.pattern).then_some(&*pattern),
        })
    }

    fn narrow(&self, answer: &mut Value, vars: &Vars) {
        if let Some(Value::List(states)) = answer.get_mut("transaction_states") {
            states.retain(|state| state.string("transactional_id").starts_with(&vars.prefix));
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct DescribeProducers {
    pub(crate) parts: Vec<(usize, i32)>,
}

impl DescribeProducers {
    pub(crate) fn random(random: &mut fastrand::Rng, plan: &Plan) -> Self {
        let parts = vec![plan.partition(random)];
        Self { parts }
    }
}

impl Ask for DescribeProducers {
    fn key(&self) -> ApiKey {
        ApiKey::DESCRIBE_PRODUCERS
    }

    fn write(&self, vars: &Vars, pen: &Pen) -> Result<Sent, EncodeError> {
        let topics = by_topic(&self.parts);
        let names: Vec<String> = topics.iter().map(|(topic, _)| vars.topic(*topic)).collect();
        let topics =
            topics
                .iter()
                .zip(&names)
                .map(|((_, parts), name)| DescribeProducersTopicRequest {
                    name,
                    partition_indexes: Numbers::from(parts.clone()),
                });
        pen.write(DescribeProducersRequest {
            topics: topics.collect(),
        })
    }
}
