//! Real Kafka: one node of each version, started when the first scenario asks for it, for the whole test binary.

use std::{
    io::{self, Write},
    net::{Ipv4Addr, TcpListener},
    path::Path,
    process::{self, Command, Stdio},
    sync::OnceLock,
};

/// A version of Kafka that the scenarios run on.
#[derive(Debug)]
pub(crate) struct Kafka {
    version: &'static str,
    started: OnceLock<Option<u16>>,
}

/// Speaks TV2: `transaction.version` 2 is finalized.
pub(crate) static KAFKA_4: Kafka = Kafka { version: "4.3.1", started: OnceLock::new() };

/// Speaks TV1: it finalizes no `transaction.version`.
pub(crate) static KAFKA_3: Kafka = Kafka { version: "3.9.2", started: OnceLock::new() };

impl Kafka {
    /// The port it listens on, on loopback. `None` if this machine cannot run it, which has then been said.
    ///
    /// # Panics
    ///
    /// If it could run here but does not start, and with `MILENA_REQUIRE_KAFKA=1` if it cannot run.
    pub(crate) fn port(&self) -> Option<u16> {
        *self.started.get_or_init(|| match missing() {
            None => Some(self.start()),
            Some(missing) => {
                let required = std::env::var("MILENA_REQUIRE_KAFKA").is_ok_and(|value| value == "1");
                assert!(!required, "Kafka {} is required (MILENA_REQUIRE_KAFKA=1), but {missing}", self.version);
                say(&format!("SKIPPED: the scenarios on Kafka {}, because {missing}", self.version));
                None
            }
        })
    }

    /// Starts the node through `cargo xtask`, which stops it when this process is gone, however it ends.
    fn start(&self) -> u16 {
        let port = free_port();
        let name = format!("scenarios-{}-{}", self.version, process::id());
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let output = Command::new(cargo)
            .args(["run", "--quiet", "--package", "xtask", "--", "kafka", "start", "--nodes", "1"])
            .args(["--version", self.version, "--name", &name])
            .args(["--port", &port.to_string(), "--watch-pid", &process::id().to_string()])
            .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."))
            .stdin(Stdio::null())
            .output()
            .expect("cargo runs this test, so it can be run");
        assert!(
            output.status.success(),
            "Kafka {} does not start:\n{}{}",
            self.version,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        port
    }
}

/// Why real Kafka cannot run on this machine.
fn missing() -> Option<String> {
    let runs = |program: &str, version: &str| {
        let mut command = Command::new(program);
        command.arg(version).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    let missing = [("java", "-version"), ("mvn", "--version")].into_iter().find(|(program, version)| !runs(program, version));
    missing.map(|(program, _)| format!("`{program}` cannot be run"))
}

/// Tells the person at the terminal: the test runner keeps what tests print, but not what is written to the handle.
fn say(line: &str) {
    // Nobody to tell is no reason to fail.
    let _ = writeln!(io::stderr(), "{line}");
}

/// A port nobody listens on at the moment.
fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has a free port");
    listener.local_addr().expect("a bound listener has an address").port()
}
