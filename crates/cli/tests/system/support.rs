//! Clusters, programs that run, and what they have said.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use milena_testbroker::{StoredRecord, TestBroker};
use serde_json::Value;
use tokio::time::Instant;

/// Nothing that is waited for here takes as long.
pub(crate) const LONG: Duration = Duration::from_secs(90);

pub(crate) fn cluster(transaction_version: i16) -> TestBroker {
    TestBroker::builder()
        .nodes(3)
        .transaction_version(transaction_version)
        .start()
        .expect("there are ports")
}

pub(crate) fn create(cluster: &TestBroker, topic: &str, partitions: i32) {
    assert!(cluster.with(|broker| broker.create_topic(topic, partitions)));
}

/// Stops or starts every node.
pub(crate) fn outage(cluster: &TestBroker, gone: bool) {
    for node in 1..=3 {
        cluster.with(|broker| match gone {
            true => broker.stop_node(node),
            false => broker.start_node(node),
        });
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "nothing of ours runs in this process; the program is waited for"
)]
pub(crate) fn pause(ms: u64) {
    thread::sleep(Duration::from_millis(ms));
}

/// Asks until there is an answer.
pub(crate) fn eventually<R>(what: &str, mut look: impl FnMut() -> Option<R>) -> R {
    let started = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(started.elapsed() < LONG, "{what} did not happen");
        pause(5);
    }
}

/// A file of settings that is removed at the end.
pub(crate) struct Config(std::path::PathBuf);

impl Config {
    pub(crate) fn new(name: &str, text: &str) -> Self {
        let path = scratch(name);
        std::fs::write(&path, text).expect("a place for files");
        Self(path)
    }

    pub(crate) fn path(&self) -> &str {
        self.0.to_str().expect("UTF-8")
    }
}

impl Drop for Config {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// A path for a file of this test run.
pub(crate) fn scratch(name: &str) -> std::path::PathBuf {
    std::env::temp_dir().join(format!("milena-system-{}-{name}", std::process::id()))
}

pub(crate) struct Program {
    child: Child,
    lines: Arc<Mutex<Vec<(Instant, Value)>>>,
    stdout: Option<JoinHandle<()>>,
    stderr: Option<JoinHandle<String>>,
}

/// A program that has ended.
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) lines: Vec<Value>,
    pub(crate) times: Vec<Instant>,
    pub(crate) stderr: String,
}

pub(crate) fn milena(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_milena"));
    command.args(arguments);
    command
}

impl Program {
    pub(crate) fn start(arguments: &[&str]) -> Self {
        let mut child = milena(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let lines = Arc::new(Mutex::new(Vec::new()));
        let (out, kept) = (child.stdout.take().expect("piped"), Arc::clone(&lines));
        let stdout = thread::spawn(move || {
            for line in BufReader::new(out).lines() {
                let line = line.expect("it prints UTF-8");
                // Killed, it may leave half a line.
                if let Ok(json) = serde_json::from_str(&line) {
                    kept.lock().expect("no panic").push((Instant::now(), json));
                }
            }
        });
        let mut err = child.stderr.take().expect("piped");
        let stderr = thread::spawn(move || {
            let mut text = String::new();
            err.read_to_string(&mut text).expect("it prints UTF-8");
            text
        });
        Self {
            child,
            lines,
            stdout: Some(stdout),
            stderr: Some(stderr),
        }
    }

    /// How many lines so far pass.
    pub(crate) fn count(&self, pass: impl Fn(&Value) -> bool) -> usize {
        let lines = self.lines.lock().expect("no panic");
        lines.iter().filter(|(_, line)| pass(line)).count()
    }

    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill")
            .args([format!("-{name}"), self.child.id().to_string()])
            .status();
        assert!(sent.expect("kill is there").success());
    }

    pub(crate) fn wait(mut self) -> Ended {
        let status = eventually("the end of the program", || {
            self.child.try_wait().expect("it is ours")
        });
        self.stdout
            .take()
            .expect("once")
            .join()
            .expect("lines were read");
        let stderr = self
            .stderr
            .take()
            .expect("once")
            .join()
            .expect("it was read");
        let (times, lines) = std::mem::take(&mut *self.lines.lock().expect("no panic"))
            .into_iter()
            .unzip();
        Ended {
            status,
            lines,
            times,
            stderr,
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn text(json: &Value, key: &str) -> String {
    json[key]
        .as_str()
        .unwrap_or_else(|| panic!("{key} is text in {json}"))
        .to_owned()
}

pub(crate) fn number(json: &Value, key: &str) -> i64 {
    json[key]
        .as_i64()
        .unwrap_or_else(|| panic!("{key} is a number in {json}"))
}

/// Writes `count` numbers to `topic` and expects every one of them acknowledged.
pub(crate) fn fill(cluster: &TestBroker, topic: &str, count: u64) {
    let count = count.to_string();
    let ended = Program::start(&[
        "verifiable-producer",
        "--bootstrap-server",
        &cluster.bootstrap(),
        "--topic",
        topic,
        "--max-messages",
        &count,
    ])
    .wait();
    assert_eq!(ended.status.code(), Some(0), "{}", ended.stderr);
}

/// What a reader sees of a partition: values as text, in order.
pub(crate) fn values(records: Vec<StoredRecord>) -> Vec<String> {
    let value = |record: StoredRecord| {
        String::from_utf8(record.value.expect("a value").to_vec()).expect("text")
    };
    records.into_iter().map(value).collect()
}

pub(crate) fn committed(cluster: &TestBroker, topic: &str, partition: i32) -> Vec<StoredRecord> {
    cluster.with(|broker| {
        let log = broker.log(topic, partition).expect("it is there");
        log.committed_records().expect("every codec is built in")
    })
}

/// What the producer said, held against the logs.
pub(crate) struct Told {
    /// Value to partition and offset.
    pub(crate) succeeded: BTreeMap<String, (i64, i64)>,
    pub(crate) failed: Vec<String>,
}

impl Told {
    /// Each value once; every offset that was told is true; nothing acknowledged is missing, nothing is there twice, and in
    /// each partition values rise.
    pub(crate) fn check(ended: &Ended, cluster: &TestBroker, topic: &str, partitions: i32) -> Self {
        let mut told = Self {
            succeeded: BTreeMap::new(),
            failed: Vec::new(),
        };
        for line in &ended.lines {
            match line["name"].as_str() {
                Some("producer_send_success") => {
                    let place = (number(line, "partition"), number(line, "offset"));
                    assert_eq!(told.succeeded.insert(text(line, "value"), place), None);
                    assert_eq!(text(line, "topic"), topic);
                }
                Some("producer_send_error") => {
                    assert!(text(line, "exception").starts_with("org.apache.kafka."));
                    told.failed.push(text(line, "value"));
                }
                _ => {}
            }
        }
        let failed = |value: &String| told.failed.contains(value);
        assert!(!told.succeeded.keys().any(failed), "one line each");
        let mut places: BTreeMap<String, (i64, i64)> = BTreeMap::new();
        for partition in 0..partitions {
            let mut last = -1;
            for record in committed(cluster, topic, partition) {
                let offset = record.offset;
                let [value] = values(vec![record]).try_into().expect("one");
                let n: i64 = value
                    .rsplit('.')
                    .next()
                    .expect("a part")
                    .parse()
                    .expect("n");
                assert!(n > last, "{n} behind {last} in partition {partition}");
                last = n;
                assert_eq!(places.insert(value, (partition.into(), offset)), None);
            }
        }
        for (value, (partition, offset)) in &told.succeeded {
            let (true_partition, true_offset) = places[value];
            assert_eq!(*partition, true_partition, "{value}");
            assert!(*offset == true_offset || *offset == -1, "{value}");
        }
        let data = ended.lines.last().expect("closing lines");
        assert_eq!(data["name"], "tool_data");
        let before = ended.lines.iter().rev().nth(1).expect("closing lines");
        assert_eq!(before["name"], "shutdown_complete");
        let all = told.succeeded.len() + told.failed.len();
        assert_eq!(number(data, "sent"), i64::try_from(all).expect("few"));
        assert_eq!(
            number(data, "acked"),
            i64::try_from(told.succeeded.len()).expect("few")
        );
        told
    }
}

/// Every fault has happened, or the test has tested nothing.
pub(crate) fn all_fired(cluster: &TestBroker) {
    let unfired = cluster.with(|broker| broker.faults().unfired());
    assert!(unfired.is_empty(), "{unfired:?}");
}
