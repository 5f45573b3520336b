use milena_wire::messages::{MetadataResponsePartition, MetadataResponseTopic};

use super::*;

mod hostile;
mod topics;

struct Harness {
    metadata: Metadata,
    now: Instant,
}

#[expect(
    clippy::disallowed_methods,
    reason = "an Instant has no other beginning; the tests move it by hand"
)]
fn start() -> Instant {
    Instant::now()
}

impl Harness {
    fn new() -> Self {
        let config = MetadataConfig {
            retry: Backoff {
                jitter: 0.0,
                ..Backoff::default()
            },
            ..Default::default()
        };
        Self {
            metadata: Metadata::new(config, 1),
            now: start(),
        }
    }

    /// The topic `t` is wanted, and has been answered with `partitions`.
    fn knowing(id: u8, partitions: &[(i32, i32, i32)]) -> Self {
        let mut h = Self::new();
        h.metadata.want_topic(&"t".into());
        h.refresh(&cluster(vec![topic("t", id, partitions)]));
        h
    }

    fn wait(&mut self, ms: u64) {
        self.now += Duration::from_millis(ms);
    }

    fn ask(&mut self) -> Option<Vec<TopicName>> {
        self.metadata.poll_request(self.now)
    }

    fn answer(&mut self, response: &MetadataResponse<'_>) {
        self.metadata.handle_response(self.now, response);
    }

    /// Has the next request go out, waiting for it if need be, and answers it.
    fn refresh(&mut self, response: &MetadataResponse<'_>) {
        self.metadata.request_refresh();
        if let Some(at) = self.metadata.poll_timeout() {
            self.now = self.now.max(at);
        }
        assert!(self.ask().is_some(), "a request is due");
        self.answer(response);
    }

    fn leader(&self, partition: i32) -> Option<(i32, i32)> {
        self.metadata
            .leader(&tp(partition))
            .map(|(node, epoch)| (node.0, epoch.0))
    }

    fn due_in(&self) -> Option<Duration> {
        self.metadata
            .poll_timeout()
            .map(|at| at.saturating_duration_since(self.now))
    }
}

fn tp(partition: i32) -> TopicPartition {
    TopicPartition::new("t", partition)
}

fn broker(node_id: i32, host: &str, port: i32) -> MetadataResponseBroker<'_> {
    MetadataResponseBroker {
        node_id,
        host,
        port,
        rack: None,
    }
}

/// An answer of a cluster of the nodes 1, 2 and 3.
fn cluster<'a>(topics: Vec<MetadataResponseTopic<'a>>) -> MetadataResponse<'a> {
    let brokers = (1..=3).map(|node| broker(node, "b", 9092 + node)).collect();
    MetadataResponse {
        brokers,
        cluster_id: Some("c"),
        controller_id: 1,
        topics,
        ..Default::default()
    }
}

/// (index, leader, leader epoch) of each partition.
fn topic<'a>(name: &'a str, id: u8, partitions: &[(i32, i32, i32)]) -> MetadataResponseTopic<'a> {
    let partition =
        |&(partition_index, leader_id, leader_epoch): &(i32, i32, i32)| MetadataResponsePartition {
            partition_index,
            leader_id,
            leader_epoch,
            error_code: if leader_id < 0 {
                ErrorCode::LEADER_NOT_AVAILABLE
            } else {
                ErrorCode::NONE
            },
            ..Default::default()
        };
    MetadataResponseTopic {
        name: Some(name),
        topic_id: Uuid([id; 16]),
        partitions: partitions.iter().map(partition).collect(),
        ..Default::default()
    }
}

fn failing(name: &str, error_code: ErrorCode) -> MetadataResponseTopic<'_> {
    MetadataResponseTopic {
        name: Some(name),
        error_code,
        ..Default::default()
    }
}

mod pace {
    use super::*;

    #[test]
    fn the_brokers_are_asked_for_at_once_and_one_request_is_outstanding() {
        let mut h = Harness::new();
        assert_eq!(h.ask(), Some(vec![]));
        h.metadata.request_refresh();
        h.wait(60_000);
        assert_eq!((h.ask(), h.metadata.poll_timeout()), (None, None));
        h.answer(&cluster(vec![]));
        let nodes: Vec<_> = h
            .metadata
            .nodes()
            .map(|(node, address)| (node.0, address.to_string()))
            .collect();
        assert_eq!(
            nodes,
            [
                (1, "b:9093".into()),
                (2, "b:9094".into()),
                (3, "b:9095".into())
            ]
        );
        assert_eq!(
            (h.metadata.controller(), h.metadata.cluster_id()),
            (Some(NodeId(1)), Some("c"))
        );
    }

    #[test]
    fn a_new_topic_is_asked_for_without_a_wait_and_together_with_the_others() {
        let mut h = Harness::knowing(1, &[(0, 1, 0)]);
        h.metadata.want_topic(&"u".into());
        h.metadata.want_topic(&"t".into());
        assert_eq!(h.ask(), Some(vec!["t".into(), "u".into()]));
        h.answer(&cluster(vec![
            topic("t", 1, &[(0, 1, 0)]),
            topic("u", 2, &[(0, 2, 0)]),
        ]));
        assert_eq!(h.ask(), None);
    }

    #[test]
    fn a_topic_wanted_during_a_request_is_asked_for_right_after_it() {
        let mut h = Harness::new();
        assert_eq!(h.ask(), Some(vec![]));
        h.metadata.want_topic(&"t".into());
        h.answer(&cluster(vec![]));
        assert!(
            h.metadata.topic("t").is_none(),
            "an answer to a question that did not name it says nothing of it"
        );
        assert_eq!(h.ask(), Some(vec!["t".into()]));
    }

    #[test]
    fn what_is_known_is_asked_again_when_it_is_old() {
        let mut h = Harness::knowing(1, &[(0, 1, 0)]);
        assert_eq!(h.due_in(), Some(Duration::from_secs(300)));
        h.wait(299_999);
        assert_eq!(h.ask(), None);
        h.wait(1);
        assert_eq!(h.ask(), Some(vec!["t".into()]));
    }

    #[test]
    fn many_complaints_end_in_one_request_and_useless_ones_come_ever_more_slowly() {
        let mut h = Harness::knowing(1, &[(0, 1, 0)]);
        h.wait(60_000);
        for wait in [100, 200, 400, 800, 1000, 1000] {
            (0..1000).for_each(|_| h.metadata.request_refresh());
            assert!(h.ask().is_some() && h.ask().is_none());
            h.answer(&cluster(vec![topic("t", 1, &[(0, 1, 0)])]));
            h.metadata.request_refresh();
            assert_eq!(h.due_in(), Some(Duration::from_millis(wait)));
            h.wait(wait - 1);
            assert_eq!(h.ask(), None);
            h.wait(1);
        }
    }

    #[test]
    fn a_request_that_helped_makes_the_next_wait_short_again() {
        let mut h = Harness::knowing(1, &[(0, 1, 0)]);
        (0..4).for_each(|_| h.refresh(&cluster(vec![topic("t", 1, &[(0, 1, 0)])])));
        h.refresh(&cluster(vec![topic("t", 1, &[(0, 2, 1)])]));
        h.metadata.request_refresh();
        assert_eq!(h.due_in(), Some(Duration::from_millis(100)));
    }

    #[test]
    fn a_failed_request_is_repeated_with_growing_waits_which_new_topics_do_not_cut_short() {
        let mut h = Harness::new();
        for wait in [100, 200, 400, 800, 1000] {
            assert!(h.ask().is_some());
            h.metadata.handle_failure(h.now);
            h.metadata.want_topic(&format!("t{wait}").into());
            assert_eq!(
                (h.ask(), h.due_in()),
                (None, Some(Duration::from_millis(wait)))
            );
            h.wait(wait);
        }
    }

    #[test]
    fn a_complaint_during_a_request_is_not_answered_by_it() {
        let mut h = Harness::knowing(1, &[(0, 1, 0)]);
        h.wait(60_000);
        h.metadata.request_refresh();
        h.ask();
        h.metadata.request_refresh();
        h.answer(&cluster(vec![topic("t", 1, &[(0, 1, 0)])]));
        h.wait(100);
        assert!(
            h.ask().is_some(),
            "the answer may have been written before the leader moved"
        );
    }

    #[test]
    fn a_forgotten_topic_is_neither_known_nor_asked_for() {
        let mut h = Harness::knowing(1, &[(0, 1, 0)]);
        h.metadata.forget_topic("t");
        assert!(h.metadata.topic("t").is_none() && h.metadata.topic_name(Uuid([1; 16])).is_none());
        h.wait(300_000);
        assert_eq!(h.ask(), Some(vec![]));
        h.answer(&cluster(vec![topic("t", 1, &[(0, 1, 0)])]));
        assert!(h.metadata.topic("t").is_none());
    }

    /// A minute later, after an answer.
    fn idle_for_a_minute(h: &mut Harness, used: bool) {
        h.refresh(&cluster(vec![]));
        h.wait(60_000);
        h.metadata.forget_idle_topics(h.now, |_| used);
    }

    #[test]
    fn a_topic_that_nobody_knows_and_nobody_uses_is_forgotten_when_it_is_old() {
        let mut h = Harness::new();
        h.metadata.want_topic(&"t".into());
        for _ in 0..5 {
            idle_for_a_minute(&mut h, false);
            assert_eq!(h.metadata.poll_request(h.now), Some(vec!["t".into()]));
            h.metadata.handle_failure(h.now);
        }
        idle_for_a_minute(&mut h, false);
        assert!(h.metadata.topic("t").is_none());
        h.wait(300_000);
        assert_eq!(h.ask(), Some(vec![]));
    }

    #[test]
    fn a_use_in_between_lets_an_unknown_topic_be_asked_for_as_long_again() {
        for wanted_again in [false, true] {
            let mut h = Harness::new();
            h.metadata.want_topic(&"t".into());
            for minute in 0..10 {
                idle_for_a_minute(&mut h, !wanted_again && minute == 4);
                if wanted_again && minute == 4 {
                    h.metadata.want_topic(&"t".into());
                }
            }
            assert!(h.metadata.topic("t").is_some());
            idle_for_a_minute(&mut h, false);
            assert!(h.metadata.topic("t").is_none());
        }
    }

    #[test]
    fn a_topic_that_is_known_is_not_forgotten_however_long_nobody_uses_it() {
        let mut h = Harness::knowing(1, &[(0, 1, 0)]);
        for _ in 0..20 {
            h.refresh(&cluster(vec![topic("t", 1, &[(0, 1, 0)])]));
            h.wait(60_000);
            h.metadata.forget_idle_topics(h.now, |_| false);
        }
        assert_eq!(h.leader(0), Some((1, 0)));
    }
}

mod brokers {
    use super::*;

    #[test]
    fn brokers_where_nothing_can_listen_are_ignored_and_the_first_of_two_counts() {
        let long = "h".repeat(65_536);
        let mut h = Harness::new();
        h.ask();
        let brokers = vec![
            broker(1, "", 9092),
            broker(2, &long, 9092),
            broker(3, "b", 0),
            broker(4, "b", 65_536),
            broker(-5, "b", 9092),
            broker(6, "first", 9092),
            broker(6, "second", 9092),
        ];
        h.answer(&MetadataResponse {
            brokers,
            controller_id: 3,
            ..Default::default()
        });
        let nodes: Vec<_> = h
            .metadata
            .nodes()
            .map(|(node, address)| (node.0, address.to_string()))
            .collect();
        assert_eq!(nodes, [(6, "first:9092".into())]);
        assert_eq!(
            h.metadata.controller(),
            None,
            "a controller that cannot be reached"
        );
    }

    #[test]
    fn an_answer_without_brokers_or_with_an_error_is_a_failure_and_changes_nothing() {
        let mut h = Harness::knowing(1, &[(0, 1, 4)]);
        let revision = h.metadata.revision();
        h.refresh(&MetadataResponse {
            topics: vec![failing("t", ErrorCode::NONE)],
            ..Default::default()
        });
        h.refresh(&MetadataResponse {
            error_code: ErrorCode::REBOOTSTRAP_REQUIRED,
            ..cluster(vec![])
        });
        assert_eq!(
            (h.leader(0), h.metadata.revision()),
            (Some((1, 4)), revision)
        );
        assert_eq!(h.metadata.nodes().count(), 3);
        let at = h.metadata.poll_timeout().unwrap();
        h.now = at;
        assert!(h.ask().is_some(), "asked again without anybody complaining");
    }

    #[test]
    fn a_hundred_thousand_brokers_are_not_all_remembered() {
        let mut h = Harness::new();
        h.ask();
        let brokers = (0..100_000).map(|node| broker(node, "b", 9092)).collect();
        h.answer(&MetadataResponse {
            brokers,
            ..Default::default()
        });
        assert_eq!(h.metadata.nodes().count(), BROKERS_MAX);
    }
}

mod hints {
    use super::*;

    fn hint(h: &mut Harness, node: i32, epoch: i32, host: Option<&str>) {
        let endpoint = host.map(|host| BrokerAddress::new(host, 1));
        h.metadata
            .handle_leader_hint(&tp(0), NodeId(node), LeaderEpoch(epoch), endpoint);
    }

    #[test]
    fn hints_name_no_more_brokers_than_an_answer_can() {
        let mut h = Harness::knowing(1, &[(0, 1, 0)]);
        let hints = i32::try_from(BROKERS_MAX).expect("a small number") + 10;
        for number in 0..hints {
            hint(&mut h, 10 + number, 1 + number, Some("new"));
        }
        assert_eq!(h.metadata.nodes().count(), BROKERS_MAX);
    }

    #[test]
    fn a_newer_leader_is_taken_over_with_its_address() {
        let mut h = Harness::knowing(1, &[(0, 1, 5)]);
        let revision = h.metadata.revision();
        hint(&mut h, 2, 6, None);
        assert_eq!(
            (h.leader(0), h.metadata.revision()),
            (Some((2, 6)), revision + 1)
        );
        hint(&mut h, 9, 7, Some("new"));
        assert_eq!(h.leader(0), Some((9, 7)));
        assert_eq!(
            h.metadata.address(NodeId(9)),
            Some(&BrokerAddress::new("new", 1))
        );
    }

    #[test]
    fn hints_that_are_old_or_lead_nowhere_change_nothing() {
        let mut h = Harness::knowing(1, &[(0, 1, 5)]);
        let revision = h.metadata.revision();
        hint(&mut h, 2, 5, None);
        hint(&mut h, 2, 4, Some("x"));
        hint(&mut h, 2, -1, Some("x"));
        hint(&mut h, 9, 6, None);
        hint(&mut h, -1, 6, Some("x"));
        for stranger in [TopicPartition::new("u", 0), tp(1), tp(-1), tp(i32::MAX)] {
            h.metadata
                .handle_leader_hint(&stranger, NodeId(2), LeaderEpoch(9), None);
        }
        assert_eq!(
            (h.leader(0), h.metadata.revision()),
            (Some((1, 5)), revision)
        );
    }

    #[test]
    fn an_answer_that_is_older_than_a_hint_does_not_undo_it() {
        let mut h = Harness::knowing(1, &[(0, 1, 5)]);
        hint(&mut h, 2, 6, None);
        h.refresh(&cluster(vec![topic("t", 1, &[(0, 1, 5)])]));
        assert_eq!(h.leader(0), Some((2, 6)));
    }
}
