//! Members that come, go, die, are fenced and lose answers, and topics that come: no partition has
//! two owners, and in the end each has one.

use std::collections::BTreeMap;

use milena_testbroker::{BrokerConfig, ErrorCode};

use super::member::{Member, standing};
use crate::harness::{Cluster, ms};

const TOPICS: [&str; 4] = ["t", "u", "v", "w"];
const STEPS: usize = 400;

struct World {
    cluster: Cluster,
    random: fastrand::Rng,
    members: Vec<Member>,
    /// Static members that said they would be back.
    away: Vec<Member>,
    made: usize,
    topics: usize,
}

#[test]
fn no_partition_has_two_owners_and_in_the_end_all_have_one() {
    for seed in 0..40 {
        let mut world = World::new(seed);
        for _ in 0..STEPS {
            world.step();
            world.check();
        }
        world.settle();
    }
}

impl World {
    fn new(seed: u64) -> Self {
        let mut cluster = Cluster::new(BrokerConfig {
            seed,
            ..BrokerConfig::default()
        });
        assert!(cluster.broker.create_topic(TOPICS[0], 5));
        Self {
            cluster,
            random: fastrand::Rng::with_seed(seed),
            members: Vec::new(),
            away: Vec::new(),
            made: 0,
            topics: 1,
        }
    }

    fn step(&mut self) {
        match self.random.u32(..100) {
            0..6 => self.join(),
            6..9 => self.go(),
            // It dies: nobody hears of it again, and what it holds is held until its session ends.
            9..10 => self.die(),
            10..13 => self.come_back(),
            13..15 => self.grow(),
            15..20 => self.resubscribe(),
            20..35 => self.cluster.advance(ms(700)),
            _ => self.beat(),
        }
    }

    fn pick(&mut self) -> Option<usize> {
        let count = self.members.len();
        (count > 0).then(|| self.random.usize(..count))
    }

    fn names(&mut self) -> Vec<String> {
        let all = self.random.bool();
        let random = &mut self.random;
        let names = TOPICS.iter().filter(|_| all || random.bool());
        names.map(|name| (*name).to_owned()).collect()
    }

    fn join(&mut self) {
        if self.members.len() >= 6 {
            return;
        }
        self.made += 1;
        let mut member = Member::new(&format!("m{}", self.made), &[]);
        if self.random.u32(..3) == 0 {
            member = member.named(&format!("i{}", self.made));
        }
        if self.random.u32(..4) == 0 {
            member.regex = Some("[tuvw]".to_owned());
        } else {
            member.names = self.names();
        }
        self.members.push(member);
        let last = self.members.len() - 1;
        self.beat_of(last);
    }

    fn go(&mut self) {
        let Some(place) = self.pick() else {
            return;
        };
        let mut member = self.members.swap_remove(place);
        if member.epoch == 0 {
            return;
        }
        let back = member.instance.is_some() && self.random.bool();
        member.leave(&mut self.cluster, if back { -2 } else { -1 });
        if back {
            self.away.push(member);
        }
    }

    fn die(&mut self) {
        if let Some(place) = self.pick() {
            self.members.swap_remove(place);
        }
    }

    fn come_back(&mut self) {
        if let Some(mut member) = self.away.pop() {
            self.made += 1;
            member.id = format!("m{}", self.made);
            self.members.push(member);
        }
    }

    fn grow(&mut self) {
        if let Some(name) = TOPICS.get(self.topics) {
            self.topics += 1;
            let partitions = self.random.i32(1..8);
            assert!(self.cluster.broker.create_topic(name, partitions));
        }
    }

    fn resubscribe(&mut self) {
        if let Some(place) = self.pick()
            && self.members[place].regex.is_none()
        {
            self.members[place].names = self.names();
        }
    }

    fn beat(&mut self) {
        if let Some(place) = self.pick() {
            self.beat_of(place);
        }
    }

    fn beat_of(&mut self, place: usize) {
        let member = &mut self.members[place];
        let answer = member.ask(&mut self.cluster);
        match answer.error {
            // Lost on its way: the member goes on as if it had not asked.
            ErrorCode::NONE if self.random.u32(..10) == 0 => {}
            ErrorCode::NONE => {
                member.follow(&answer);
            }
            ErrorCode::FENCED_MEMBER_EPOCH | ErrorCode::UNKNOWN_MEMBER_ID => {
                member.epoch = 0;
                member.owned.clear();
            }
            ErrorCode::UNRELEASED_INSTANCE_ID => {
                member.instance = None;
            }
            other => panic!("{other}: {answer:?}"),
        }
    }

    /// What members believe they hold. One of an old session may be wrong; those that the
    /// coordinator hears of must not be.
    fn check(&mut self) {
        let mut owners = BTreeMap::new();
        for member in &self.members {
            for (topic, partitions) in &member.owned {
                for partition in partitions {
                    let other = owners.insert((*topic, *partition), &member.id);
                    assert!(
                        other.is_none(),
                        "{partition} is held by {} and {}\n{}",
                        member.id,
                        other.unwrap(),
                        self.cluster.broker
                    );
                }
            }
        }
    }

    /// Everybody behaves from now on: all that is subscribed to is held by somebody.
    fn settle(&mut self) {
        if self.members.is_empty() {
            self.join();
        }
        self.members[0].regex = None;
        self.members[0].names = TOPICS.map(str::to_owned).to_vec();
        for _ in 0..20 {
            for member in &mut self.members {
                let answer = member.ask(&mut self.cluster);
                if answer.error == ErrorCode::NONE {
                    member.follow(&answer);
                } else {
                    member.epoch = 0;
                    member.owned.clear();
                    if answer.error == ErrorCode::UNRELEASED_INSTANCE_ID {
                        member.instance = None;
                    }
                }
            }
            self.check();
            self.cluster.advance(ms(5_000));
        }
        let held: usize = self.members.iter().map(Member::load).sum();
        let all: i32 = self.cluster.broker.topics().map(|(_, count)| count).sum();
        assert_eq!(i32::try_from(held), Ok(all), "{}", self.cluster.broker);
        let (state, epoch, target) = standing(&mut self.cluster);
        assert_eq!((state.as_str(), epoch), ("Stable", target));
    }
}
