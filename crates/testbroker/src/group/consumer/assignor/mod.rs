//! The coordinator's own assignors: `uniform`, which is the default, and `range`.

#[cfg(test)]
mod cases;
mod mixed;
mod order;
mod range;
mod uniform;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use milena_wire::Uuid;

use super::member::Wanted;
use order::{JavaHash, as_in_java};

/// The assignors by name, the default first.
pub(crate) const ASSIGNORS: [&str; 2] = ["uniform", "range"];

/// What an assignor looks at.
pub(crate) struct Spec {
    pub(crate) members: Vec<Subscriber>,
    /// Whether all members subscribe to the same topics.
    pub(crate) homogeneous: bool,
    /// The topics that somebody subscribes to.
    pub(crate) topics: BTreeMap<Uuid, TopicSize>,
}

/// A topic.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TopicSize {
    pub(crate) partitions: i32,
    /// Its place among all, as they were put into Java's tables.
    pub(crate) rank: usize,
}

/// One member.
pub(crate) struct Subscriber {
    pub(crate) id: Arc<str>,
    pub(crate) instance_id: Option<Arc<str>>,
    /// The topics it subscribes to and that exist.
    pub(crate) topics: BTreeSet<Uuid>,
    /// Its target so far.
    pub(crate) target: Wanted,
}

/// Partitions by member.
pub(crate) type Targets = BTreeMap<Arc<str>, Wanted>;

/// The new target of each member.
pub(crate) fn assign(assignor: &str, mut spec: Spec) -> Targets {
    as_in_java(&mut spec.members, |member| member.id.java_hash());
    match assignor {
        "range" => range::assign(&spec),
        _ if spec.homogeneous => uniform::assign(&spec),
        _ => mixed::assign(&spec),
    }
}

impl Spec {
    fn partitions(&self, topic: Uuid) -> i32 {
        self.topics.get(&topic).map_or(0, |topic| topic.partitions)
    }

    /// Topics as they were put into a table.
    fn by_rank<'t>(&self, topics: impl Iterator<Item = &'t Uuid>) -> Vec<Uuid> {
        let mut topics: Vec<Uuid> = topics.copied().collect();
        topics.sort_by_key(|topic| self.topics.get(topic).map(|topic| topic.rank));
        topics
    }
}

/// Texts in the order of a Java hash set.
pub(crate) fn texts_as_in_java<'t>(texts: impl Iterator<Item = &'t str>) -> Vec<&'t str> {
    let mut texts: Vec<&str> = texts.collect();
    as_in_java(&mut texts, |text| text.java_hash());
    texts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topic(number: u8) -> Uuid {
        let mut id = [0; 16];
        id[15] = number;
        Uuid(id)
    }

    /// Members `m1`, `m2`, ...: topics by number, and the target so far.
    fn spec(sizes: &[i32], members: &[(&[u8], Wanted)]) -> Spec {
        let same = members.windows(2).all(|pair| pair[0].0 == pair[1].0);
        Spec {
            homogeneous: same,
            topics: (1..).map(topic).zip(ranked(sizes)).collect(),
            members: (1..)
                .zip(members)
                .map(|(number, (topics, target))| Subscriber {
                    id: format!("m{number}").into(),
                    instance_id: None,
                    topics: topics.iter().map(|number| topic(*number)).collect(),
                    target: target.clone(),
                })
                .collect(),
        }
    }

    fn ranked(sizes: &[i32]) -> impl Iterator<Item = TopicSize> {
        let ranked = sizes.iter().enumerate();
        ranked.map(|(rank, partitions)| TopicSize {
            partitions: *partitions,
            rank,
        })
    }

    fn wanted(partitions: &[(u8, i32)]) -> Wanted {
        let mut wanted = Wanted::new();
        for (number, partition) in partitions {
            wanted.entry(topic(*number)).or_default().insert(*partition);
        }
        wanted
    }

    /// Each member's partitions as `topic-partition`.
    fn shown(targets: &Targets) -> Vec<String> {
        let show = |wanted: &Wanted| {
            let each = wanted
                .iter()
                .flat_map(|(topic, partitions)| partitions.iter().map(|p| (topic.0[15], *p)));
            let each: Vec<String> = each.map(|(topic, p)| format!("{topic}-{p}")).collect();
            each.join(" ")
        };
        targets
            .iter()
            .map(|(member, wanted)| format!("{member}: {}", show(wanted)))
            .collect()
    }

    #[test]
    fn range_gives_each_member_a_stretch_of_every_topic() {
        let spec = spec(
            &[3, 4],
            &[(&[1, 2], Wanted::new()), (&[1, 2], Wanted::new())],
        );
        assert_eq!(
            shown(&assign("range", spec)),
            ["m1: 1-0 1-1 2-0 2-1", "m2: 1-2 2-2 2-3"]
        );
    }

    #[test]
    fn range_counts_only_the_subscribers_of_a_topic() {
        let members: [(&[u8], Wanted); 3] = [
            (&[1], Wanted::new()),
            (&[1, 2], Wanted::new()),
            (&[2], Wanted::new()),
        ];
        assert_eq!(
            shown(&assign("range", spec(&[3, 2], &members))),
            ["m1: 1-0 1-1", "m2: 1-2 2-0", "m3: 2-1"]
        );
    }

    #[test]
    fn range_puts_static_members_first_by_their_names() {
        let mut spec = spec(&[3], &[(&[1], Wanted::new()), (&[1], Wanted::new())]);
        spec.members[1].instance_id = Some("a".into());
        assert_eq!(shown(&assign("range", spec)), ["m1: 1-2", "m2: 1-0 1-1"]);
    }

    #[test]
    fn uniform_balances_and_keeps_what_members_have() {
        let has = wanted(&[(1, 0), (1, 1), (1, 2), (1, 3)]);
        let spec = spec(&[4], &[(&[1], has), (&[1], Wanted::new())]);
        assert_eq!(
            shown(&assign("uniform", spec)),
            ["m1: 1-0 1-1", "m2: 1-2 1-3"]
        );
    }

    #[test]
    fn uniform_gives_the_odd_partition_to_who_has_it() {
        let members: [(&[u8], Wanted); 2] =
            [(&[1], wanted(&[(1, 0)])), (&[1], wanted(&[(1, 1), (1, 2)]))];
        assert_eq!(
            shown(&assign("uniform", spec(&[3], &members))),
            ["m1: 1-0", "m2: 1-1 1-2"]
        );
    }

    #[test]
    fn uniform_gives_out_what_members_that_left_had() {
        let members: [(&[u8], Wanted); 2] = [(&[1], wanted(&[(1, 1)])), (&[1], wanted(&[(1, 4)]))];
        assert_eq!(
            shown(&assign("uniform", spec(&[6], &members))),
            ["m1: 1-0 1-1 1-2", "m2: 1-3 1-4 1-5"]
        );
    }

    #[test]
    fn uniform_balances_over_topics_that_only_some_subscribe_to() {
        let members: [(&[u8], Wanted); 2] = [(&[1], Wanted::new()), (&[1, 2], Wanted::new())];
        assert_eq!(
            shown(&assign("uniform", spec(&[4, 2], &members))),
            ["m1: 1-0 1-1 1-2", "m2: 1-3 2-0 2-1"]
        );
    }

    #[test]
    fn uniform_takes_from_the_loaded_when_a_new_subscriber_comes() {
        let members: [(&[u8], Wanted); 3] = [
            (&[1], wanted(&[(1, 0), (1, 1), (1, 2), (1, 3)])),
            (&[1, 2], wanted(&[(2, 0)])),
            (&[2], Wanted::new()),
        ];
        let targets = assign("uniform", spec(&[4, 2], &members));
        assert_eq!(
            shown(&targets),
            ["m1: 1-0 1-1 1-2", "m2: 1-3 2-0", "m3: 2-1"]
        );
    }
}
