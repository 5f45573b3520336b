//! Kafka's properties for compression, from the producer through the copier to the reader.

use std::collections::BTreeSet;

use milena_testbroker::TestBroker;

use crate::support::*;

/// How the batches of the topic's only partition are compressed. Some are too small to get smaller.
fn codecs(cluster: &TestBroker, topic: &str) -> BTreeSet<String> {
    cluster.with(|broker| {
        let log = broker.log(topic, 0).expect("it is there");
        let data = log.batches().filter(|batch| !batch.is_control());
        data.map(|batch| batch.compression().to_string()).collect()
    })
}

#[test]
fn what_each_codec_compresses_is_copied_by_another_and_read() {
    for (number, (codec, level, next)) in [
        ("gzip", "compression.gzip.level=9", "zstd"),
        ("snappy", "compression.gzip.level=9", "gzip"),
        ("lz4", "compression.lz4.level=9", "snappy"),
        ("zstd", "compression.zstd.level=1", "lz4"),
    ]
    .into_iter()
    .enumerate()
    {
        let cluster = cluster(1);
        create(&cluster, "in", 1);
        create(&cluster, "out", 1);
        // Enough in a batch that every codec makes it smaller.
        let written = format!("compression.type={codec}\n{level}\nlinger.ms=500\n");
        let written = Config::new(&format!("written-{number}"), &written);
        let copied = Config::new(
            &format!("copied-{number}"),
            &format!("compression.type={next}\nlinger.ms=500\n"),
        );
        let bootstrap = cluster.bootstrap();
        let on = ["--bootstrap-server", &bootstrap];
        let producer = [
            "verifiable-producer",
            "--topic",
            "in",
            "--max-messages",
            "600",
        ];
        let ended =
            Program::start(&[&producer[..], &on, &["--command-config", written.path()]].concat())
                .wait();
        assert_eq!(ended.status.code(), Some(0), "{}", ended.stderr);
        assert!(codecs(&cluster, "in").contains(codec));
        let copier = [
            "transactional-copier",
            "--broker-list",
            &bootstrap,
            "--input-topic",
            "in",
            "--input-partition",
            "0",
            "--output-topic",
            "out",
            "--transactional-id",
            "copier",
            "--consumer-group",
            "copier",
            "--transaction-size",
            "200",
            "--command-config",
            copied.path(),
        ];
        let ended = Program::start(&copier).wait();
        assert_eq!(ended.status.code(), Some(0), "{}", ended.stderr);
        assert!(codecs(&cluster, "out").contains(next));
        let out = scratch(&format!("compressed-{number}"));
        let path = out.to_str().expect("UTF-8");
        let ended =
            Program::start(&[&["consume", "--topic", "out", "--output", path][..], &on].concat())
                .wait();
        assert_eq!(ended.status.code(), Some(0), "{}", ended.stderr);
        let lines = std::fs::read_to_string(&out).expect("it is there");
        let _ = std::fs::remove_file(&out);
        assert_eq!(lines.lines().count(), 600);
        let both = ["in", "out"].map(|topic| values(committed(&cluster, topic, 0)));
        assert_eq!(both[0], both[1]);
    }
}

#[test]
fn codecs_and_levels_that_there_are_not_are_refused_with_a_sentence() {
    let cluster = cluster(1);
    create(&cluster, "in", 1);
    for (number, (properties, said)) in [
        ("compression.type=brotli", "brotli"),
        (
            "compression.type=gzip\ncompression.gzip.level=10",
            "level 10",
        ),
        ("compression.type=zstd\ncompression.zstd.level=high", "high"),
    ]
    .into_iter()
    .enumerate()
    {
        let config = Config::new(&format!("bad-{number}"), properties);
        let ended = Program::start(&[
            "verifiable-producer",
            "--topic",
            "in",
            "--bootstrap-server",
            &cluster.bootstrap(),
            "--command-config",
            config.path(),
        ])
        .wait();
        assert_eq!(ended.status.code(), Some(2), "{}", ended.stderr);
        assert!(ended.stderr.contains(said), "{}", ended.stderr);
    }
}
