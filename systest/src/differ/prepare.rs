//! What a sequence finds when it begins, and what is taken away after it. None of it is compared.

use std::time::{Duration, Instant};

use milena_wire::messages::{
    CreatableTopic, CreatableTopicConfig, CreateTopicsRequest, DeleteTopicsRequest, FetchRequest,
    FindCoordinatorRequest, InitProducerIdRequest, ListOffsetsPartition, ListOffsetsRequest,
    ListOffsetsTopic, MetadataRequest, MetadataRequestTopic, OffsetFetchRequest,
};

use super::asks::admin::OWN;
use super::ids::{Ids, Kind};
use super::pair::{Pair, Side};
use super::plan::{Plan, Topic};
use super::tree::Value;
use crate::failure::{Failure, Result};

/// How long a new topic may take to be led.
const PATIENCE: Duration = Duration::from_secs(20);

impl Pair<'_> {
    /// The plan's topics are there, on both sides, and their leaders serve.
    pub(crate) fn prepare(&mut self, plan: &Plan) -> Result<()> {
        self.real.create(&plan.topics)?;
        self.ours.create(&plan.topics)?;
        self.real.await_leaders(&plan.topics)?;
        self.ours.await_leaders(&plan.topics)?;
        for topic in &plan.topics {
            let real = self.real.vars.topic_id(topic.index).to_string();
            let ours = self.ours.vars.topic_id(topic.index).to_string();
            Ids::bind(&mut self.ids, Kind::Topic, &real, &ours);
        }
        Ok(())
    }

    /// Real Kafka is there for the next ten thousand sequences too.
    pub(crate) fn clean(&mut self, plan: &Plan) -> Result<()> {
        self.real.close_sessions()?;
        let indexes = plan.topics.iter().map(|topic| topic.index).chain(OWN);
        let names: Vec<String> = indexes.map(|index| self.real.vars.topic(index)).collect();
        let request = DeleteTopicsRequest {
            topic_names: names.iter().map(String::as_str).collect(),
            timeout_ms: 5000,
            ..Default::default()
        };
        self.real.ask(request.into(), 4)?;
        Ok(())
    }
}

/// Real Kafka makes its own topics when somebody asks for a coordinator; a sequence finds them led.
pub(crate) fn await_coordinators(address: &str) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    let mut side = Side::new(address, "warm-up");
    while !side.coordinators_serve()? {
        if Instant::now() > deadline {
            return Err(Failure::new("there are no coordinators"));
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    Ok(())
}

impl Side {
    fn coordinators_serve(&mut self) -> Result<bool> {
        // Enough names to meet every partition of both topics.
        for number in 0..24 {
            let (group, id) = (self.vars.group(number), self.vars.transactional_id(number));
            for (key_type, key) in [(0, &group), (1, &id)] {
                let request = FindCoordinatorRequest {
                    key,
                    key_type,
                    ..Default::default()
                };
                if self.ask(request.into(), 2)?.has_error() {
                    return Ok(false);
                }
            }
            let fetch = OffsetFetchRequest {
                group_id: &group,
                topics: None,
                ..Default::default()
            };
            let init = InitProducerIdRequest {
                transactional_id: Some(&id),
                transaction_timeout_ms: 1000,
                ..Default::default()
            };
            if self.ask(fetch.into(), 5)?.has_error() || self.ask(init.into(), 1)?.has_error() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn create(&mut self, topics: &[Topic]) -> Result<()> {
        let names: Vec<String> = topics
            .iter()
            .map(|topic| self.vars.topic(topic.index))
            .collect();
        let topics = topics.iter().zip(&names).map(|(topic, name)| {
            let configs = topic
                .configs
                .iter()
                .map(|(name, value)| CreatableTopicConfig {
                    name,
                    value: Some(value),
                });
            CreatableTopic {
                name,
                num_partitions: topic.partitions,
                replication_factor: 1,
                configs: configs.collect(),
                ..Default::default()
            }
        });
        let request = CreateTopicsRequest {
            topics: topics.collect(),
            timeout_ms: 10_000,
            validate_only: false,
        };
        let answer = self.ask(request.into(), 5)?;
        if answer.has_error() {
            return Err(Failure::new(format!("creating topics: {answer}")));
        }
        Ok(())
    }

    fn await_leaders(&mut self, topics: &[Topic]) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while !self.learn_ids(topics)? || !self.leaders_serve(topics)? {
            if Instant::now() > deadline {
                return Err(Failure::new("new topics have no leaders"));
            }
            std::thread::sleep(Duration::from_millis(3));
        }
        Ok(())
    }

    fn learn_ids(&mut self, topics: &[Topic]) -> Result<bool> {
        for topic in topics {
            let name = self.vars.topic(topic.index);
            let request = MetadataRequest {
                topics: Some(vec![MetadataRequestTopic {
                    name: Some(&name),
                    ..Default::default()
                }]),
                allow_auto_topic_creation: false,
                ..Default::default()
            };
            let answer = self.ask(request.into(), 12)?;
            let listed = answer.get("topics").map_or(&[][..], Value::items);
            let id = listed
                .first()
                .and_then(|topic| topic.string("topic_id").parse().ok());
            match id {
                Some(id) if !answer.has_error() => self.vars.topic_ids.insert(topic.index, id),
                _ => return Ok(false),
            };
        }
        Ok(true)
    }

    fn leaders_serve(&mut self, topics: &[Topic]) -> Result<bool> {
        let names: Vec<String> = topics
            .iter()
            .map(|topic| self.vars.topic(topic.index))
            .collect();
        let topics = topics.iter().zip(&names).map(|(topic, name)| {
            let partitions = (0..topic.partitions).map(|partition| ListOffsetsPartition {
                partition_index: partition,
                timestamp: -1,
                ..Default::default()
            });
            ListOffsetsTopic {
                name,
                partitions: partitions.collect(),
            }
        });
        let request = ListOffsetsRequest {
            replica_id: -1,
            topics: topics.collect(),
            ..Default::default()
        };
        Ok(!self.ask(request.into(), 4)?.has_error())
    }

    fn close_sessions(&mut self) -> Result<()> {
        for session_id in std::mem::take(&mut self.vars.sessions) {
            let request = FetchRequest {
                session_id,
                session_epoch: -1,
                ..Default::default()
            };
            self.ask(request.into(), 11)?;
        }
        Ok(())
    }
}
