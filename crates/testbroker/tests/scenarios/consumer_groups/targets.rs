//! What a group is described as while its members converge.

use milena_testbroker::BrokerConfig;
use milena_wire::messages::{ConsumerGroupDescribeAssignment, ConsumerGroupDescribeRequest};

use super::member::{GROUP, Member, eager};
use crate::harness::{Cluster, ms};

/// The group, then a line for each member: epoch, what it holds, what it is meant to hold.
fn described(cluster: &mut Cluster) -> Vec<String> {
    let request = ConsumerGroupDescribeRequest {
        group_ids: vec![GROUP],
        include_authorized_operations: true,
    };
    let show = |assignment: &ConsumerGroupDescribeAssignment<'_>| {
        let topics = assignment.topic_partitions.iter();
        let each: Vec<String> = topics
            .flat_map(|topic| {
                let partitions = topic.partitions.iter();
                partitions.map(|index| format!("{}-{index}", topic.topic_name))
            })
            .collect();
        each.join(" ")
    };
    cluster.ask(1, 1, &request, |response| {
        let group = &response.groups[0];
        assert_eq!(group.authorized_operations, 3_400);
        let (state, assignor) = (group.group_state, group.assignor_name);
        let epochs = format!("{} {}", group.group_epoch, group.assignment_epoch);
        let members = group.members.iter().map(|member| {
            assert_eq!(member.member_type, 1);
            assert_eq!(member.client_id, "harness");
            let (held, target) = (show(&member.assignment), show(&member.target_assignment));
            let (id, epoch) = (member.member_id, member.member_epoch);
            format!("{id} {epoch}: {held} -> {target}")
        });
        let first = format!("{state} {epochs} {assignor}");
        [first].into_iter().chain(members).collect()
    })
}

#[test]
fn a_member_holds_what_it_has_to_give_back_until_it_has() {
    let mut cluster = eager(3);
    let mut m1 = Member::new("m1", &["t"]);
    let mut m2 = Member::new("m2", &["t"]);
    m1.beat(&mut cluster);
    assert_eq!(
        described(&mut cluster),
        ["Stable 2 2 uniform", "m1 2: t-0 t-1 t-2 -> t-0 t-1 t-2"]
    );
    m2.beat(&mut cluster);
    m1.beat(&mut cluster);
    assert_eq!(
        described(&mut cluster),
        [
            "Reconciling 3 3 uniform",
            "m1 2: t-0 t-1 t-2 -> t-0 t-1",
            "m2 3:  -> t-2"
        ]
    );
    m1.beat(&mut cluster);
    assert_eq!(
        described(&mut cluster),
        [
            "Reconciling 3 3 uniform",
            "m1 3: t-0 t-1 -> t-0 t-1",
            "m2 3:  -> t-2"
        ]
    );
    m2.beat(&mut cluster);
    assert_eq!(
        described(&mut cluster),
        [
            "Stable 3 3 uniform",
            "m1 3: t-0 t-1 -> t-0 t-1",
            "m2 3: t-2 -> t-2"
        ]
    );
}

#[test]
fn the_assignor_that_most_members_ask_for_is_used() {
    let mut cluster = eager(3);
    let mut m1 = Member::new("m1", &["t"]);
    let mut m2 = Member::new("m2", &["t"]);
    m2.beat(&mut cluster);
    m1.assignor = Some("range".to_owned());
    for _ in 0..2 {
        m1.beat(&mut cluster);
        m2.beat(&mut cluster);
    }
    m1.beat(&mut cluster);
    assert_eq!(
        described(&mut cluster),
        [
            "Stable 3 3 range",
            "m1 3: t-0 t-1 -> t-0 t-1",
            "m2 3: t-2 -> t-2"
        ]
    );
}

#[test]
fn members_share_only_the_topics_they_subscribe_to() {
    let mut cluster = eager(2);
    assert!(cluster.broker.create_topic("u", 2));
    let mut m1 = Member::new("m1", &["t"]);
    let mut m2 = Member::new("m2", &["t", "u"]);
    for _ in 0..3 {
        m1.beat(&mut cluster);
        m2.beat(&mut cluster);
    }
    assert_eq!(
        described(&mut cluster),
        [
            "Stable 3 3 uniform",
            "m1 3: t-0 t-1 -> t-0 t-1",
            "m2 3: u-0 u-1 -> u-0 u-1"
        ]
    );
}

#[test]
fn a_newcomer_that_subscribes_to_nothing_is_counted_in_until_the_epoch_is_raised() {
    let mut cluster = Cluster::new(BrokerConfig::default());
    assert!(cluster.broker.create_topic("t", 4));
    let mut m1 = Member::new("m1", &["t"]);
    let mut m2 = Member::new("m2", &["t"]);
    let mut m3 = Member::new("m3", &[]);
    m1.beat(&mut cluster);
    // The group is in epoch 3 now, and its target a second away.
    m2.beat(&mut cluster);
    cluster.advance(ms(1_000));
    m3.beat(&mut cluster);
    let shown = described(&mut cluster);
    assert_eq!(shown[0], "Reconciling 3 3 uniform");
    assert!(!shown[3].ends_with("-> "), "as by Kafka: {}", shown[3]);
    assert_eq!(m3.beat(&mut cluster).load(), 0, "it is not given any");
}
