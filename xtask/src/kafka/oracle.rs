//! Java's own tools, asked for a second opinion.

use super::jars;
use crate::failure::{Failure, Result};
use crate::flags::Flags;
use crate::process;
use std::process::Stdio;

const CONSOLE_CONSUMER: &str = "org.apache.kafka.tools.consumer.ConsoleConsumer";
const IDLE_TIMEOUT_SECONDS: u32 = 10;

/// Runs any Java tool of a version with this terminal's input and output.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let flags = Flags::parse(arguments, &["version"], &[])?;
    let jars = jars::fetch(flags.required("version")?)?;
    let Some((class, rest)) = flags.rest.split_first() else {
        return Err(Failure::new("kafka run needs the name of a Java class"));
    };
    let status = jars.java().arg("-Xmx512m").arg(class).args(rest).status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(Failure::new(format!("{class} failed ({status})"))),
        Err(error) => Err(Failure::new(format!(
            "{class} could not be started: {error}"
        ))),
    }
}

/// Counts what Java's console consumer reads from the beginning of a topic under read_committed.
pub(crate) fn java_count(arguments: &[String]) -> Result<()> {
    let flags = Flags::parse(
        arguments,
        &["version", "bootstrap", "topic", "idle-timeout"],
        &[],
    )?
    .without_rest()?;
    let jars = jars::fetch(flags.required("version")?)?;
    let idle: u32 = flags
        .parsed("idle-timeout")?
        .unwrap_or(IDLE_TIMEOUT_SECONDS);
    let mut consumer = jars.java();
    consumer
        .args([
            "-Xmx512m",
            "-XX:+UseSerialGC",
            CONSOLE_CONSUMER,
            "--from-beginning",
        ])
        .args(["--isolation-level", "read_committed"])
        .args(["--bootstrap-server", flags.required("bootstrap")?])
        .args(["--topic", flags.required("topic")?])
        // It reads until nothing came for so long; there is no other end.
        .args(["--timeout-ms", &(idle * 1000).to_string()])
        .stdin(Stdio::null());
    let output = consumer
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .output()
        .map_err(|error| Failure::new(format!("java could not be started: {error}")))?;
    let errors = String::from_utf8_lossy(&output.stderr);
    match processed(&errors) {
        Some(count) if output.status.success() => {
            println!("{count}");
            Ok(())
        }
        _ => Err(Failure::new(format!(
            "the console consumer failed ({}):\n{}",
            output.status,
            process::tail(&errors, 12)
        ))),
    }
}

/// Its last word: "Processed a total of N messages". Lines of output would not do: a value may hold line breaks.
fn processed(errors: &str) -> Option<u64> {
    let mut lines = errors.lines().rev();
    lines.find_map(|line| {
        let (_, after) = line.split_once("Processed a total of ")?;
        after.split_whitespace().next()?.parse().ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_count_is_read_from_the_consumers_last_word() {
        let errors = "[x] ERROR Error processing message, terminating consumer process:\nTimeoutException\nProcessed a total of 40 messages\n";
        assert_eq!(processed(errors), Some(40));
        assert_eq!(processed("no such topic"), None);
    }
}
