//! What a sequence is made of: its topics, its producers, and its steps, all drawn from one seed.

use std::sync::Arc;

use super::area::Area;
use super::ask::{Ask, Step};
use super::asks::fetch::{Fetch, ListOffsets};
use super::asks::offsets::OffsetFetch;
use super::asks::transactions::Init;
use super::asks::{pick, weighted};
use super::vars::MISSING;

/// A topic that is there when the sequence begins.
#[derive(Clone, Debug)]
pub(crate) struct Topic {
    pub(crate) index: usize,
    pub(crate) partitions: i32,
    pub(crate) configs: Vec<(&'static str, &'static str)>,
}

/// A sequence.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) topics: Vec<Topic>,
    pub(crate) producers: usize,
    pub(crate) groups: usize,
    pub(crate) has_members: bool,
    /// The number of its first member: those of the two protocols have numbers of their own.
    pub(crate) first_member: usize,
    pub(crate) steps: Vec<Step>,
}

/// Connections of a sequence, the first ones being the members'.
pub(crate) const LINKS: usize = 5;
pub(crate) const MEMBER_LINKS: usize = 3;
/// The number of the first member of a consumer group.
pub(crate) const FIRST_CONSUMER: usize = 10;

/// The settings a topic may begin with.
const CONFIGS: &[&[(&str, &str)]] = &[
    &[],
    &[],
    &[],
    &[],
    &[("cleanup.policy", "compact")],
    &[("message.timestamp.type", "LogAppendTime")],
    &[("max.message.bytes", "1000")],
    &[("compression.type", "uncompressed")],
    &[("message.timestamp.before.max.ms", "1000")],
];

impl Plan {
    /// The sequence of a seed.
    pub(crate) fn new(seed: u64, areas: &[Area]) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let random = &mut random;
        let area = pick(random, areas);
        let mut plan = Self {
            seed,
            topics: topics(random),
            producers: random.usize(1..4),
            groups: if area.has_members() {
                2
            } else {
                random.usize(1..3)
            },
            has_members: area.has_members(),
            first_member: if area == Area::ConsumerGroups {
                FIRST_CONSUMER
            } else {
                0
            },
            steps: Vec::new(),
        };
        for producer in 0..plan.producers {
            if area.has_producers() {
                let init = Init::new(&plan, producer);
                plan.ask(random, init);
            }
        }
        for _ in 0..random.u32(8..28) {
            // Mostly of the area, and something else now and then: areas meet in real clusters.
            let of = if random.u32(..8) == 0 {
                pick(random, areas)
            } else {
                area
            };
            let steps = of.steps(random, &plan);
            plan.steps.extend(steps);
        }
        plan.look_back(random);
        plan
    }

    /// The steps up to `last` that were not left out, and the topics they are about.
    pub(crate) fn story(&self, dropped: &[usize], last: usize) -> Vec<String> {
        let mut story = vec![format!("topics {:?}", self.topics)];
        for (index, step) in self.steps.iter().enumerate().take(last + 1) {
            if !dropped.contains(&index) {
                let told = match step {
                    Step::Ask { ask, link, .. } => format!("over {link}: {ask:?}"),
                    other => format!("{other:?}"),
                };
                story.push(format!("{index} {told}"));
            }
        }
        story
    }

    fn ask(&mut self, random: &mut fastrand::Rng, ask: impl Ask + 'static) {
        self.steps.push(step(random, ask));
    }

    /// All that is there in the end, as both kinds of reader see it.
    fn look_back(&mut self, random: &mut fastrand::Rng) {
        let parts: Vec<(usize, i32)> = self.partitions().collect();
        for group in 0..self.groups {
            self.ask(random, OffsetFetch::all(group));
        }
        for committed in [false, true] {
            self.ask(random, Fetch::all(parts.clone(), committed));
            for timestamp in [-2, -1] {
                self.ask(random, ListOffsets::ends(&parts, committed, timestamp));
            }
        }
    }

    /// The partitions that are there.
    pub(crate) fn partitions(&self) -> impl Iterator<Item = (usize, i32)> {
        let of = |topic: &Topic| {
            let index = topic.index;
            (0..topic.partitions).map(move |partition| (index, partition))
        };
        self.topics.iter().flat_map(of)
    }

    /// Mostly one that is there.
    pub(crate) fn partition(&self, random: &mut fastrand::Rng) -> (usize, i32) {
        let topic = &self.topics[random.usize(..self.topics.len())];
        let there = random.i32(0..topic.partitions);
        weighted(
            random,
            &[
                (60, (topic.index, there)),
                (1, (topic.index, topic.partitions)),
                (1, (MISSING, 0)),
                (1, (topic.index, 77)),
            ],
        )
    }

    /// Every second producer has a transactional id; it bears the producer's number.
    pub(crate) const fn is_transactional(&self, producer: usize) -> bool {
        producer.is_multiple_of(2)
    }

    /// A producer with a transactional id.
    pub(crate) fn transactional(&self, random: &mut fastrand::Rng) -> usize {
        random.usize(..self.producers.div_ceil(2)) * 2
    }

    /// Seldom a static member's.
    pub(crate) fn instance(&self, random: &mut fastrand::Rng) -> Option<usize> {
        if !self.has_members {
            return None;
        }
        weighted(random, &[(12, None), (1, Some(0)), (1, Some(1))])
    }

    pub(crate) fn group(&self, random: &mut fastrand::Rng) -> usize {
        random.usize(..self.groups)
    }
}

/// A step over a connection of its own choice, none of which anybody waits on.
pub(crate) fn step(random: &mut fastrand::Rng, ask: impl Ask + 'static) -> Step {
    let link = random.usize(MEMBER_LINKS..LINKS);
    step_on(link, random, ask)
}

/// A step over the connection of a member: its answer may take a while.
pub(crate) fn step_on(link: usize, random: &mut fastrand::Rng, ask: impl Ask + 'static) -> Step {
    Step::Ask {
        ask: Arc::new(ask),
        link,
        version: random.u32(..),
    }
}

fn topics(random: &mut fastrand::Rng) -> Vec<Topic> {
    let count = random.usize(1..3);
    let topic = |index| Topic {
        index,
        partitions: random.i32(1..3),
        configs: pick(random, CONFIGS).to_vec(),
    };
    (0..count).map(topic).collect()
}
