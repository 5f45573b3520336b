//! Real Kafka: one node of each version, started when the first scenario asks for it, for the whole test binary.

use std::{
    io::{self, Write},
    path::Path,
    process::{self, Command, Output, Stdio},
    sync::OnceLock,
};

/// A version of Kafka that the scenarios run on.
#[derive(Debug)]
pub(crate) struct Kafka {
    version: &'static str,
    started: OnceLock<Option<String>>,
}

/// Speaks TV2: `transaction.version` 2 is finalized.
pub(crate) static KAFKA_4: Kafka = Kafka::new("4.3.1");

/// Speaks TV1: it finalizes no `transaction.version`.
pub(crate) static KAFKA_3: Kafka = Kafka::new("3.9.2");

impl Kafka {
    const fn new(version: &'static str) -> Self {
        Self {
            version,
            started: OnceLock::new(),
        }
    }

    /// Its `host:port`. `None` if this machine cannot run it, which has then been said.
    ///
    /// # Panics
    ///
    /// If it could run here but does not start, and with `MILENA_REQUIRE_KAFKA=1` if it cannot run.
    pub(crate) fn bootstrap(&self) -> Option<&str> {
        self.started.get_or_init(|| self.start()).as_deref()
    }

    fn start(&self) -> Option<String> {
        let output = self.xtask_kafka_start();
        if output.status.success() {
            return Some(String::from_utf8_lossy(&output.stdout).trim().to_owned());
        }
        let errors = String::from_utf8_lossy(&output.stderr);
        let missing = missing(&errors);
        let Some(missing) = missing.filter(|_| !is_required()) else {
            panic!("Kafka {} does not start:\n{errors}", self.version);
        };
        say(&format!(
            "SKIPPED: the scenarios on Kafka {}: {missing}",
            self.version
        ));
        None
    }

    /// `cargo xtask` ends the node when this process is gone, however that happens, and no other test binary has taken
    /// it over.
    fn xtask_kafka_start(&self) -> Output {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        Command::new(cargo)
            .args([
                "run",
                "--quiet",
                "--package",
                "xtask",
                "--",
                "kafka",
                "start",
                "--nodes",
                "1",
            ])
            .args([
                "--version",
                self.version,
                "--name",
                &format!("tests-{}", self.version),
            ])
            .args([
                "--port",
                "0",
                "--reuse",
                "--watch-pid",
                &process::id().to_string(),
            ])
            .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."))
            .stdin(Stdio::null())
            .output()
            .expect("cargo runs this test, so it can be run")
    }
}

/// What xtask says is not installed here, if that is why it failed.
fn missing(errors: &str) -> Option<&str> {
    let sentence = |program| format!("error: {program} is missing");
    let of_this = |line: &&str| {
        ["java", "mvn"]
            .iter()
            .any(|program| line.starts_with(&sentence(program)))
    };
    errors
        .lines()
        .find(of_this)
        .map(|line| line.trim_start_matches("error: "))
}

fn is_required() -> bool {
    std::env::var("MILENA_REQUIRE_KAFKA").is_ok_and(|value| value == "1")
}

/// Tells the person at the terminal: the test runner keeps what tests print, but not what is written to the handle.
fn say(line: &str) {
    // Nobody to tell is no reason to fail.
    let _ = writeln!(io::stderr(), "{line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_missing_program_is_a_reason_to_skip() {
        let missing_java = "warning: unused\nerror: java is missing: real Kafka needs it\n";
        assert_eq!(
            missing(missing_java),
            Some("java is missing: real Kafka needs it")
        );
        assert_eq!(
            missing("error: mvn is missing: fetch"),
            Some("mvn is missing: fetch")
        );
        assert_eq!(missing("error: node 1 ended: exit status 1"), None);
    }
}
