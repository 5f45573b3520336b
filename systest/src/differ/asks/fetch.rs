//! Reading: Fetch with and without sessions, ListOffsets, epochs; and DeleteRecords, which takes away what could be read.

use milena_wire::messages::{
    DeleteRecordsPartition, DeleteRecordsRequest, DeleteRecordsTopic, FetchPartition, FetchRequest,
    FetchTopic, ForgottenTopic, ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic,
    OffsetForLeaderEpochRequest, OffsetForLeaderPartition, OffsetForLeaderTopic,
};
use milena_wire::{ApiKey, EncodeError, Numbers};

use super::{by_topic, pick, weighted};
use crate::differ::ask::{Ask, Pen, Sent};
use crate::differ::batch::base_time;
use crate::differ::plan::Plan;
use crate::differ::tree::Value;
use crate::differ::vars::Vars;

/// Which fetch session a request goes on with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Session {
    None,
    Open,
    Next,
    OtherEpoch(i32),
    Unknown,
    Close,
}

#[derive(Clone, Debug)]
pub(crate) struct Part {
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    pub(crate) leader_epoch: i32,
    pub(crate) last_epoch: i32,
    pub(crate) bytes_max: i32,
}

#[derive(Clone, Debug)]
pub(crate) struct Fetch {
    pub(crate) session: Session,
    pub(crate) committed: bool,
    pub(crate) wait_ms: i32,
    pub(crate) bytes_min: i32,
    pub(crate) bytes_max: i32,
    pub(crate) parts: Vec<(usize, Part)>,
    pub(crate) forgotten: Vec<(usize, i32)>,
}

impl Fetch {
    /// All of some partitions, by nobody's session.
    pub(crate) fn all(parts: Vec<(usize, i32)>, committed: bool) -> Self {
        let parts = parts.into_iter().map(|(topic, partition)| {
            let part = Part {
                partition,
                offset: 0,
                leader_epoch: -1,
                last_epoch: -1,
                bytes_max: 1 << 20,
            };
            (topic, part)
        });
        Self {
            session: Session::None,
            committed,
            wait_ms: 0,
            bytes_min: 1,
            bytes_max: 1 << 24,
            parts: parts.collect(),
            forgotten: Vec::new(),
        }
    }

    pub(crate) fn random(random: &mut fastrand::Rng, plan: &Plan) -> Self {
        let count = random.u32(0..3);
        let mut parts: Vec<(usize, i32)> = (0..count).map(|_| plan.partition(random)).collect();
        parts.sort_unstable();
        parts.dedup();
        let mut fetch = Self::all(parts, random.bool());
        fetch.session = weighted(
            random,
            &[
                (5, Session::None),
                (3, Session::Open),
                (8, Session::Next),
                (1, Session::OtherEpoch(1)),
                (1, Session::OtherEpoch(-1)),
                (1, Session::Unknown),
                (1, Session::Close),
            ],
        );
        fetch.bytes_max = weighted(random, &[(6, 1 << 24), (1, 0), (2, 200), (1, 1000)]);
        fetch.wait_ms = weighted(random, &[(8, 0), (1, 20)]);
        fetch.bytes_min = weighted(random, &[(4, 1), (1, 0), (1, 100_000)]);
        for (_, part) in &mut fetch.parts {
            let bytes = [(6, 1 << 20), (1, 0), (2, 100), (2, 300), (1, -1)];
            part.bytes_max = weighted(random, &bytes);
            let somewhere = random.i64(0..12);
            part.offset = weighted(
                random,
                &[(5, 0), (5, somewhere), (1, 1000), (1, -1), (1, i64::MAX)],
            );
            part.leader_epoch = weighted(random, &[(8, -1), (4, 0), (1, 1), (1, 7)]);
            part.last_epoch = weighted(random, &[(12, -1), (2, 0), (1, 5)]);
        }
        if random.u32(..5) == 0 {
            fetch.forgotten.push(plan.partition(random));
        }
        fetch
    }

    fn session(&self, vars: &Vars) -> (i32, i32) {
        let (id, next) = vars.session;
        match self.session {
            Session::None => (0, -1),
            Session::Open => (0, 0),
            Session::Next => (id, if id == 0 { 0 } else { next }),
            Session::OtherEpoch(by) => (id, next.saturating_add(by).max(1)),
            Session::Unknown => (123_456_789, 1),
            Session::Close => (id, -1),
        }
    }
}

impl Ask for Fetch {
    fn key(&self) -> ApiKey {
        ApiKey::FETCH
    }

    fn write(&self, vars: &Vars, pen: &Pen) -> Result<Sent, EncodeError> {
        let (session_id, session_epoch) = self.session(vars);
        let topics = by_topic(&self.parts);
        let names: Vec<String> = topics.iter().map(|(topic, _)| vars.topic(*topic)).collect();
        let topics = topics.iter().zip(&names).map(|((topic, parts), name)| {
            let partitions = parts.iter().map(|part| FetchPartition {
                partition: part.partition,
                current_leader_epoch: part.leader_epoch,
                fetch_offset: part.offset,
                last_fetched_epoch: if pen.version >= 12 {
                    part.last_epoch
                } else {
                    -1
                },
                partition_max_bytes: part.bytes_max,
                ..Default::default()
            });
            FetchTopic {
                topic: name,
                topic_id: vars.topic_id(*topic),
                partitions: partitions.collect(),
            }
        });
        let forgotten = by_topic(&self.forgotten);
        let forgotten_names: Vec<String> = forgotten
            .iter()
            .map(|(topic, _)| vars.topic(*topic))
            .collect();
        let forgotten = forgotten.iter().zip(&forgotten_names);
        let forgotten = forgotten.map(|((topic, parts), name)| ForgottenTopic {
            topic: name,
            topic_id: vars.topic_id(*topic),
            partitions: Numbers::from(parts.clone()),
        });
        pen.write(FetchRequest {
            max_wait_ms: self.wait_ms,
            min_bytes: self.bytes_min,
            max_bytes: self.bytes_max,
            isolation_level: i8::from(self.committed),
            session_id,
            session_epoch,
            topics: topics.collect(),
            forgotten_topics_data: if pen.version >= 7 {
                forgotten.collect()
            } else {
                Vec::new()
            },
            ..Default::default()
        })
    }

    fn absorb(&self, answer: &Value, vars: &mut Vars) {
        let id = answer.number("session_id").unwrap_or(0);
        let id = i32::try_from(id).unwrap_or(0);
        let (_, sent_epoch) = self.session(vars);
        if answer.error() != 0 {
            return;
        }
        match (id, sent_epoch) {
            (0, -1) if self.session == Session::Close => vars.session = (0, -1),
            (0, _) => {}
            (id, epoch) => {
                if !vars.sessions.contains(&id) {
                    vars.sessions.push(id);
                }
                vars.session = (id, epoch + 1);
            }
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct ListOffsets {
    pub(crate) committed: bool,
    pub(crate) parts: Vec<(usize, (i32, i64, i32))>,
}

impl ListOffsets {
    /// Both ends of some partitions.
    pub(crate) fn ends(parts: &[(usize, i32)], committed: bool, timestamp: i64) -> Self {
        let parts = parts
            .iter()
            .map(|(topic, partition)| (*topic, (*partition, timestamp, -1)));
        Self {
            committed,
            parts: parts.collect(),
        }
    }

    pub(crate) fn random(random: &mut fastrand::Rng, plan: &Plan) -> Self {
        let mut parts: Vec<(usize, i32)> = (0..random.u32(1..3))
            .map(|_| plan.partition(random))
            .collect();
        parts.sort_unstable();
        parts.dedup();
        let parts = parts.into_iter().map(|(topic, partition)| {
            let in_log = base_time() + random.i64(0..8000);
            let times = [
                (4, -1),
                (4, -2),
                (3, -3),
                (1, -4),
                (1, -5),
                (1, -6),
                (1, -7),
                (6, in_log),
                (1, 0),
                (1, base_time() * 2),
            ];
            let epoch = weighted(random, &[(8, -1), (3, 0), (1, 1), (1, 9)]);
            (topic, (partition, weighted(random, &times), epoch))
        });
        Self {
            parts: parts.collect(),
            committed: random.bool(),
        }
    }
}

impl Ask for ListOffsets {
    fn key(&self) -> ApiKey {
        ApiKey::LIST_OFFSETS
    }

    fn write(&self, vars: &Vars, pen: &Pen) -> Result<Sent, EncodeError> {
        let topics = by_topic(&self.parts);
        let names: Vec<String> = topics.iter().map(|(topic, _)| vars.topic(*topic)).collect();
        let topics = topics.iter().zip(&names).map(|((_, parts), name)| {
            let partitions =
                parts
                    .iter()
                    .map(|(partition, timestamp, epoch)| ListOffsetsPartition {
                        partition_index: *partition,
                        current_leader_epoch: *epoch,
                        timestamp: *timestamp,
                    });
            ListOffsetsTopic {
                name,
                partitions: partitions.collect(),
            }
        });
        pen.write(ListOffsetsRequest {
            replica_id: -1,
            isolation_level: i8::from(self.committed && pen.version >= 2),
            topics: topics.collect(),
            timeout_ms: 5000,
        })
    }
}

#[derive(Clone, Debug)]
pub(crate) struct EpochEnd {
    pub(crate) parts: Vec<(usize, (i32, i32, i32))>,
}

impl EpochEnd {
    pub(crate) fn random(random: &mut fastrand::Rng, plan: &Plan) -> Self {
        let (topic, partition) = plan.partition(random);
        let current = weighted(random, &[(6, -1), (3, 0), (1, 2)]);
        let asked = pick(random, &[0, 0, 0, 1, 5, -1]);
        Self {
            parts: vec![(topic, (partition, current, asked))],
        }
    }
}

impl Ask for EpochEnd {
    fn key(&self) -> ApiKey {
        ApiKey::OFFSET_FOR_LEADER_EPOCH
    }

    fn write(&self, vars: &Vars, pen: &Pen) -> Result<Sent, EncodeError> {
        let topics = by_topic(&self.parts);
        let names: Vec<String> = topics.iter().map(|(topic, _)| vars.topic(*topic)).collect();
        let topics = topics.iter().zip(&names).map(|((_, parts), name)| {
            let partitions =
                parts
                    .iter()
                    .map(|(partition, current, asked)| OffsetForLeaderPartition {
                        partition: *partition,
                        current_leader_epoch: *current,
                        leader_epoch: *asked,
                    });
            OffsetForLeaderTopic {
                topic: name,
                partitions: partitions.collect(),
            }
        });
        pen.write(OffsetForLeaderEpochRequest {
            replica_id: -1,
            topics: topics.collect(),
        })
    }
}

#[derive(Clone, Debug)]
pub(crate) struct DeleteRecords {
    pub(crate) parts: Vec<(usize, (i32, i64))>,
}

impl DeleteRecords {
    pub(crate) fn random(random: &mut fastrand::Rng, plan: &Plan) -> Self {
        let (topic, partition) = plan.partition(random);
        let somewhere = random.i64(0..8);
        let offset = weighted(random, &[(6, somewhere), (3, -1), (1, 5000), (1, -2)]);
        Self {
            parts: vec![(topic, (partition, offset))],
        }
    }
}

impl Ask for DeleteRecords {
    fn key(&self) -> ApiKey {
        ApiKey::DELETE_RECORDS
    }

    fn write(&self, vars: &Vars, pen: &Pen) -> Result<Sent, EncodeError> {
        let topics = by_topic(&self.parts);
        let names: Vec<String> = topics.iter().map(|(topic, _)| vars.topic(*topic)).collect();
        let topics = topics.iter().zip(&names).map(|((_, parts), name)| {
            let partitions = parts
                .iter()
                .map(|(partition, offset)| DeleteRecordsPartition {
                    partition_index: *partition,
                    offset: *offset,
                });
            DeleteRecordsTopic {
                name,
                partitions: partitions.collect(),
            }
        });
        pen.write(DeleteRecordsRequest {
            topics: topics.collect(),
            timeout_ms: 5000,
        })
    }
}
