//! Answers at random, in any order: nothing panics, grows without bound, goes back, or is asked for too often.

use super::*;

const SEEDS: u64 = 60;
const STEPS: usize = 300;

fn number(rng: &mut fastrand::Rng) -> i32 {
    let usual = rng.i32(-1..6);
    *rng.choice(&[usual, usual, usual, -2, i32::MIN, i32::MAX, 99_999, 100_000])
        .expect("not empty")
}

fn partition(rng: &mut fastrand::Rng) -> MetadataResponsePartition<'static> {
    MetadataResponsePartition {
        error_code: ErrorCode(rng.i16(-1..12)),
        // Gaps up to the highest index allowed would only make the test slow.
        partition_index: number(rng) % 90_000,
        leader_id: number(rng),
        leader_epoch: number(rng),
        ..Default::default()
    }
}

fn response(rng: &mut fastrand::Rng) -> MetadataResponse<'static> {
    let brokers = (0..rng.usize(0..5))
        .map(|_| broker(number(rng), ["", "a", "b"][rng.usize(0..3)], number(rng)))
        .collect();
    let topics = (0..rng.usize(0..5)).map(|_| MetadataResponseTopic {
        error_code: ErrorCode(
            *rng.choice(&[0, 0, 0, 0, 3, 5, 17, 29, -1, 3_000])
                .expect("not empty"),
        ),
        name: [None, Some("t"), Some("t"), Some("u"), Some("stranger")][rng.usize(0..5)],
        topic_id: Uuid([rng.u8(0..3); 16]),
        partitions: (0..rng.usize(0..6)).map(|_| partition(rng)).collect(),
        ..Default::default()
    });
    let topics = topics.collect();
    MetadataResponse {
        brokers,
        controller_id: number(rng),
        topics,
        ..Default::default()
    }
}

/// Epochs go back only with another topic id, or, where nobody tells ids, after the topic was gone.
fn assert_no_step_back(before: &TopicMetadata, after: &TopicMetadata, seed: u64) {
    if before.topic_id != after.topic_id || before.topic_id.is_zero() {
        return;
    }
    assert!(
        before.partitions.len() <= after.partitions.len(),
        "seed {seed}"
    );
    for (old, new) in before.partitions.iter().zip(&after.partitions) {
        assert!(
            new.leader_epoch >= old.leader_epoch || !new.leader_epoch.is_known(),
            "seed {seed}"
        );
    }
}

#[test]
fn no_answer_does_harm() {
    for seed in 0..SEEDS {
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut h = Harness::new();
        h.metadata.want_topic(&"t".into());
        h.metadata.want_topic(&"u".into());
        let (begin, mut asked) = (h.now, 0_u128);
        for _ in 0..STEPS {
            h.wait(rng.u64(0..150));
            match rng.u8(0..8) {
                0 => h.metadata.handle_failure(h.now),
                1 => {
                    let (node, epoch) = (NodeId(number(&mut rng)), LeaderEpoch(number(&mut rng)));
                    let endpoint = rng.bool().then(|| BrokerAddress::new("hint", 1));
                    h.metadata
                        .handle_leader_hint(&tp(number(&mut rng)), node, epoch, endpoint);
                }
                2 => h.metadata.request_refresh(),
                3 | 4 => {
                    // Now and then an answer that nobody asked for.
                    let before = h.metadata.topic("t").cloned();
                    h.answer(&response(&mut rng));
                    if let (Some(before), Some(after)) = (before, h.metadata.topic("t")) {
                        assert_no_step_back(&before, after, seed);
                    }
                }
                _ => asked += u128::from(h.ask().is_some()),
            }
            assert!(h.metadata.topic("stranger").is_none(), "seed {seed}");
            assert!(
                h.metadata.names.len() <= 2 && h.metadata.topics.len() <= 2,
                "seed {seed}"
            );
            if let Some((node, _)) = h.metadata.leader(&tp(0)) {
                assert!(
                    h.metadata
                        .address(node)
                        .is_some_and(|address| !address.host.is_empty()),
                    "seed {seed}"
                );
            }
        }
        assert!(
            asked > 0 && asked <= 1 + (h.now - begin).as_millis() / 100,
            "seed {seed}: {asked} requests"
        );
    }
}
