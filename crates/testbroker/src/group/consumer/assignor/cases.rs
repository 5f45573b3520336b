//! The assignors beside Kafka's own: `cases.txt` has what the classes of 4.3.1 made of specs at
//! random.
//!
//! A line is an assignor, the topics as `id:partitions,`, then the members as
//! `id|instance id|topics|target so far|new target`, topics by their place in the line.

use milena_wire::Uuid;

use super::{Spec, Subscriber, TopicSize, assign};
use crate::group::consumer::member::Wanted;

#[test]
fn targets_are_those_of_kafkas_assignors() {
    let cases = include_str!("cases.txt");
    assert_eq!(cases.lines().count(), 140);
    for line in cases.lines() {
        check(line);
    }
}

#[track_caller]
fn check(line: &str) {
    let mut words = line.split(' ');
    let (assignor, topics) = (words.next().unwrap(), words.next().unwrap());
    let topics: Vec<(Uuid, i32)> = topics.split_terminator(',').map(topic).collect();
    let mut members = Vec::new();
    let mut expected = Vec::new();
    for word in words {
        let fields: Vec<&str> = word.split('|').collect();
        let [id, instance, subscribed, old, new] = fields[..] else {
            panic!("{word} is no member");
        };
        let place = |digit: char| usize::try_from(digit.to_digit(10).unwrap()).unwrap();
        let subscribed = subscribed.chars().map(|digit| topics[place(digit)].0);
        members.push(Subscriber {
            id: id.into(),
            instance_id: Some(instance)
                .filter(|name| !name.is_empty())
                .map(Into::into),
            topics: subscribed.collect(),
            target: wanted(&topics, old),
        });
        expected.push((id, wanted(&topics, new)));
    }
    let spec = Spec {
        homogeneous: members
            .windows(2)
            .all(|pair| pair[0].topics == pair[1].topics),
        topics: topics.iter().enumerate().map(ranked).collect(),
        members,
    };
    let targets = assign(assignor, spec);
    for (id, expected) in expected {
        let target = targets.get(id).cloned().unwrap_or_default();
        assert_eq!(target, expected, "{id} in {line}");
    }
}

fn ranked((rank, (id, partitions)): (usize, &(Uuid, i32))) -> (Uuid, TopicSize) {
    let partitions = *partitions;
    (*id, TopicSize { partitions, rank })
}

fn topic(text: &str) -> (Uuid, i32) {
    let (id, partitions) = text.split_once(':').unwrap();
    let id = u128::from_str_radix(id, 16).unwrap();
    (Uuid(id.to_be_bytes()), partitions.parse().unwrap())
}

fn wanted(topics: &[(Uuid, i32)], text: &str) -> Wanted {
    let mut wanted = Wanted::new();
    for partition in text.split_terminator(',') {
        let (place, index) = partition.split_once('-').unwrap();
        let topic = topics[place.parse::<usize>().unwrap()].0;
        let partitions = wanted.entry(topic).or_default();
        partitions.insert(index.parse().unwrap());
    }
    wanted
}
