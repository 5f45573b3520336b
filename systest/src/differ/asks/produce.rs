//! Produce: identities, sequences, transactions, and batches that are not what they should be.

use milena_wire::messages::{PartitionProduceData, ProduceRequest, TopicProduceData};
use milena_wire::record::{Compression, Stamp};
use milena_wire::{ApiKey, EncodeError, Payload};

use super::{by_topic, pick, weighted};
use crate::differ::ask::{Ask, Pen, Sent};
use crate::differ::batch::{self, Content, Fault};
use crate::differ::plan::Plan;
use crate::differ::tree::Value;
use crate::differ::vars::Vars;

/// Who says to be asking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Identity {
    /// Nobody: id and epoch -1.
    None,
    /// As the last InitProducerId or EndTxn of this producer said.
    Right(usize),
    /// With another epoch.
    OtherEpoch(usize, i16),
    /// An id that was never given out.
    UnknownId,
}

/// Which sequence number the batch begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sequence {
    /// The one after the last that was taken.
    Next,
    /// That many after (or before) it.
    Off(i32),
    At(i32),
}

#[derive(Clone, Debug)]
pub(crate) struct Write {
    pub(crate) partition: i32,
    pub(crate) sequence: Sequence,
    pub(crate) content: Content,
}

#[derive(Clone, Debug)]
pub(crate) struct Produce {
    pub(crate) who: Identity,
    pub(crate) transactional_id: Option<usize>,
    /// The bit in the batches.
    pub(crate) transactional: bool,
    pub(crate) acks: i16,
    pub(crate) writes: Vec<(usize, Write)>,
}

impl Identity {
    pub(crate) fn of(self, vars: &Vars) -> (i64, i16) {
        let known = |producer| {
            vars.producers
                .get(&producer)
                .map_or((-1, -1), |known| (known.id, known.epoch))
        };
        match self {
            Self::None => (-1, -1),
            Self::Right(producer) => known(producer),
            Self::OtherEpoch(producer, more) => {
                let (id, epoch) = known(producer);
                (id, epoch.saturating_add(more))
            }
            Self::UnknownId => (987_654_321, 0),
        }
    }

    const fn producer(self) -> Option<usize> {
        match self {
            Self::Right(producer) | Self::OtherEpoch(producer, _) => Some(producer),
            Self::None | Self::UnknownId => None,
        }
    }

    /// Mostly right.
    pub(crate) fn random(random: &mut fastrand::Rng, producer: usize) -> Self {
        weighted(
            random,
            &[
                (30, Self::Right(producer)),
                (2, Self::OtherEpoch(producer, -1)),
                (2, Self::OtherEpoch(producer, 1)),
                (1, Self::OtherEpoch(producer, 3)),
                (1, Self::UnknownId),
            ],
        )
    }
}

impl Produce {
    /// Ordinary records by nobody.
    pub(crate) fn plain(random: &mut fastrand::Rng, plan: &Plan) -> Self {
        let mut produce = Self {
            who: Identity::None,
            transactional_id: None,
            transactional: false,
            acks: pick(random, &[-1, -1, 1]),
            writes: Vec::new(),
        };
        for _ in 0..random.u32(1..3) {
            let (topic, partition) = plan.partition(random);
            let write = Write {
                partition,
                sequence: Sequence::At(-1),
                content: content(random),
            };
            produce.add(topic, write);
        }
        produce
    }

    pub(crate) fn random(random: &mut fastrand::Rng, plan: &Plan) -> Self {
        if random.u32(..4) == 0 {
            return Self::plain(random, plan);
        }
        let producer = random.usize(..plan.producers);
        let who = Identity::random(random, producer);
        let in_transaction = plan.is_transactional(producer);
        let transactional = if in_transaction {
            random.u32(..20) > 0
        } else {
            random.u32(..30) == 0
        };
        let named = if transactional {
            random.u32(..25) > 0
        } else {
            random.u32(..30) == 0
        };
        let mut produce = Self {
            who,
            transactional_id: named.then_some(producer),
            transactional,
            acks: if random.u32(..20) == 0 { 1 } else { -1 },
            writes: Vec::new(),
        };
        for _ in 0..weighted(random, &[(5, 1), (2, 2)]) {
            let (topic, partition) = plan.partition(random);
            let write = Write {
                partition,
                sequence: sequence(random),
                content: content(random),
            };
            produce.add(topic, write);
        }
        produce
    }

    /// Batches that are wrong in themselves.
    pub(crate) fn broken(random: &mut fastrand::Rng, plan: &Plan) -> Self {
        let mut produce = if random.bool() {
            Self::plain(random, plan)
        } else {
            Self::random(random, plan)
        };
        if let Some((_, write)) = produce.writes.first_mut() {
            write.content.fault = Some(fault(random));
        }
        if random.u32(..10) == 0 {
            produce.acks = pick(random, &[2, -2]);
        }
        produce
    }

    /// A partition is asked for once in a request: Kafka keeps the last of several, in an order of its own.
    fn add(&mut self, topic: usize, write: Write) {
        let is_new = self
            .writes
            .iter()
            .all(|(known, other)| *known != topic || other.partition != write.partition);
        if is_new {
            self.writes.push((topic, write));
        }
    }

    fn payload(&self, topic: usize, write: &Write, vars: &Vars) -> Payload {
        let (producer_id, producer_epoch) = self.who.of(vars);
        let mut content = write.content.clone();
        content.first += vars.written;
        let stamp = Stamp {
            producer_id,
            producer_epoch,
            base_sequence: self.sequence(topic, write, vars),
            transactional: self.transactional,
        };
        batch::bytes(&content, &stamp).into()
    }

    fn sequence(&self, topic: usize, write: &Write, vars: &Vars) -> i32 {
        let Some(producer) = self.who.producer() else {
            return match write.sequence {
                Sequence::At(sequence) => sequence,
                _ if self.who == Identity::None => -1,
                _ => 0,
            };
        };
        let next = vars
            .producers
            .get(&producer)
            .and_then(|known| known.next.get(&(topic, write.partition)))
            .copied()
            .unwrap_or(0);
        match write.sequence {
            Sequence::Next => next,
            Sequence::Off(by) => next.wrapping_add(by) & i32::MAX,
            Sequence::At(sequence) => sequence,
        }
    }
}

impl Ask for Produce {
    fn key(&self) -> ApiKey {
        ApiKey::PRODUCE
    }

    fn write(&self, vars: &Vars, pen: &Pen) -> Result<Sent, EncodeError> {
        let id = self
            .transactional_id
            .map(|index| vars.transactional_id(index));
        let topics = by_topic(&self.writes);
        let names: Vec<String> = topics.iter().map(|(topic, _)| vars.topic(*topic)).collect();
        let topic_data = topics.iter().zip(&names).map(|((topic, writes), name)| {
            let partitions = writes.iter().map(|write| PartitionProduceData {
                index: write.partition,
                records: Some(self.payload(*topic, write, vars)),
            });
            TopicProduceData {
                name,
                topic_id: vars.topic_id(*topic),
                partition_data: partitions.collect(),
            }
        });
        pen.write(ProduceRequest {
            transactional_id: id.as_deref(),
            acks: self.acks,
            timeout_ms: 5000,
            topic_data: topic_data.collect(),
        })
    }

    fn absorb(&self, answer: &Value, vars: &mut Vars) {
        let topics = answer.get("responses").map_or(&[][..], Value::items);
        for topic in topics {
            let by_name = vars.topic_index(topic.string("name"));
            let index = by_name.or_else(|| vars.topic_of_id(topic.string("topic_id")));
            let Some(index) = index else { continue };
            let partitions = topic.get("partition_responses");
            for partition in partitions.map_or(&[][..], Value::items) {
                if partition.error() == 0 {
                    self.taken(index, partition.number("index").unwrap_or(-1), vars);
                }
            }
        }
        vars.written += 100;
    }
}

impl Produce {
    fn taken(&self, topic: usize, partition: i64, vars: &mut Vars) {
        let write = self
            .writes
            .iter()
            .find(|(known, write)| *known == topic && i64::from(write.partition) == partition);
        let (Some((_, write)), Some(producer)) = (write, self.who.producer()) else {
            return;
        };
        let count = i32::try_from(write.content.count).unwrap_or(0);
        let next = self.sequence(topic, write, vars).wrapping_add(count) & i32::MAX;
        if let Some(known) = vars.producers.get_mut(&producer) {
            // A duplicate was taken before.
            let before = write.sequence != Sequence::Next
                && matches!(write.sequence, Sequence::Off(by) if by < 0);
            if !before {
                known.next.insert((topic, write.partition), next);
            }
        }
    }
}

fn sequence(random: &mut fastrand::Rng) -> Sequence {
    let back = -random.i32(1..4);
    let gap = random.i32(1..3);
    weighted(
        random,
        &[
            (30, Sequence::Next),
            (3, Sequence::Off(back)),
            (2, Sequence::Off(gap)),
            (1, Sequence::At(0)),
            (1, Sequence::At(i32::MAX - 1)),
            (1, Sequence::At(-1)),
        ],
    )
}

fn content(random: &mut fastrand::Rng) -> Content {
    Content {
        first: 0,
        count: random.u32(1..4),
        value_len: weighted(random, &[(6, 8), (2, 200), (1, 1500)]),
        keys: random.u32(..4) > 0,
        compression: weighted(
            random,
            &[
                (8, Compression::None),
                (1, Compression::Gzip),
                (1, Compression::Lz4),
                (1, Compression::Snappy),
                (1, Compression::Zstd),
            ],
        ),
        fault: None,
    }
}

fn fault(random: &mut fastrand::Rng) -> Fault {
    pick(
        random,
        &[
            Fault::Crc,
            Fault::Magic(0),
            Fault::Magic(1),
            Fault::Magic(3),
            Fault::Count(1),
            Fault::Count(-1),
            Fault::LastDelta(1),
            Fault::LastDelta(-1),
            Fault::ControlBit,
            Fault::LogAppendTimeBit,
            Fault::Codec(1),
            Fault::Codec(4),
            Fault::Codec(7),
            Fault::LengthTooLong,
            Fault::CutShort,
            Fault::Twice,
            Fault::Empty,
            Fault::Garbage,
            Fault::BaseOffset(5),
            Fault::EpochWithoutId,
        ],
    )
}
