//! What the programs refuse: one sentence on stderr, exit status 2, nothing on stdout.

use crate::support::*;

const PRODUCER: &[&str] = &[
    "verifiable-producer",
    "--bootstrap-server",
    "127.0.0.1:1",
    "--topic",
    "t",
];
const COPIER: &[&str] = &[
    "transactional-copier",
    "--broker-list",
    "127.0.0.1:1",
    "--transactional-id",
    "x",
    "--consumer-group",
    "g",
    "--input-topic",
    "in",
    "--input-partition",
    "0",
    "--output-topic",
    "out",
];
const CONSUME: &[&str] = &[
    "consume",
    "--bootstrap-server",
    "127.0.0.1:1",
    "--topic",
    "t",
    "--output",
    "/dev/null",
];

fn refused(program: &[&str], more: &[&str]) -> String {
    let output = milena(&[program, more].concat())
        .output()
        .expect("it starts");
    let stderr = String::from_utf8(output.stderr).expect("UTF-8");
    assert_eq!(output.status.code(), Some(2), "{more:?}: {stderr}");
    assert!(output.stdout.is_empty());
    assert_eq!(stderr.lines().count(), 1, "one sentence: {stderr}");
    stderr
}

#[test]
fn what_is_not_there_yet_is_refused_with_a_sentence() {
    for acks in ["0", "1"] {
        let sentence = refused(PRODUCER, &["--acks", acks]);
        assert!(sentence.contains("not supported yet"), "{sentence}");
    }
    let sentence = refused(COPIER, &["--group-mode"]);
    assert!(
        sentence.contains("--group-mode is not supported yet"),
        "{sentence}"
    );
    for (name, line) in [
        ("tls", "security.protocol=SSL"),
        ("sasl", "security.protocol = SASL_SSL"),
        ("mechanism", "sasl.mechanism: PLAIN"),
        ("acks", "acks=1"),
    ] {
        let config = Config::new(name, &format!("# settings\n{line}\n"));
        for program in [PRODUCER, COPIER, CONSUME] {
            let sentence = refused(program, &["--command-config", config.path()]);
            assert!(sentence.contains("not supported yet"), "{sentence}");
            assert!(sentence.contains(config.path()), "{sentence}");
        }
    }
}

#[test]
fn wrong_values_are_refused_with_a_sentence() {
    for (program, more) in [
        (PRODUCER, &["--acks", "2"][..]),
        (PRODUCER, &["--max-messages", "many"]),
        (PRODUCER, &["--repeating-keys", "0"]),
        (PRODUCER, &["--value-prefix", "a"]),
        (
            PRODUCER,
            &["--command-config", "a", "--producer.config", "b"],
        ),
        (PRODUCER, &["--command-config", "/nowhere/at/all"]),
        (COPIER, &["--transaction-size", "0"]),
        (COPIER, &["--transaction-timeout", "-1"]),
        (CONSUME, &["--isolation-level", "read_all"]),
        (&["consume"], &["--topic", "t"]),
    ] {
        refused(program, more);
    }
    let config = Config::new("bad", "linger.ms=soon");
    let sentence = refused(PRODUCER, &["--producer.config", config.path()]);
    assert!(sentence.contains("linger.ms=soon"), "{sentence}");
}

#[test]
fn every_program_says_how_it_is_used_and_how_it_ends() {
    for (program, words) in [
        (
            "verifiable-producer",
            &[
                "--repeating-keys",
                "--producer.config",
                "--message-create-time",
            ][..],
        ),
        (
            "transactional-copier",
            &[
                "--broker-list",
                "--bootstrap-server",
                "--enable-random-aborts",
            ],
        ),
        ("consume", &["--isolation-level", "--output"]),
    ] {
        let output = milena(&[program, "--help"]).output().expect("it starts");
        assert_eq!(output.status.code(), Some(0));
        let help = String::from_utf8(output.stdout).expect("UTF-8");
        for word in words.iter().chain(&["--command-config", "Exit status"]) {
            assert!(help.contains(word), "{word} is missing in\n{help}");
        }
    }
}
