//! Processes by number, without taking a recycled number for the process it once was.

use crate::failure::{Context, Failure, Result};
use std::fmt;
use std::fs;
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};
use std::str::FromStr;

/// A process: its number and when it was started, since numbers are used again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ProcessId {
    pub(crate) pid: u32,
    started: String,
}

impl ProcessId {
    /// The running process of that number, if there is one.
    pub(crate) fn of(pid: u32) -> Option<Self> {
        started(pid).map(|started| Self { pid, started })
    }

    pub(crate) fn is_alive(&self) -> bool {
        started(self.pid).as_deref() == Some(&self.started)
    }

    /// Sends a signal (`TERM`, `KILL`) to this process, if it is still the same one.
    pub(crate) fn signal(&self, signal: &str) {
        if self.is_alive() {
            kill(signal, &self.pid.to_string());
        }
    }

    /// Sends a signal to the process group that this process leads.
    pub(crate) fn signal_group(&self, signal: &str) {
        if self.is_alive() {
            kill(signal, &format!("-{}", self.pid));
        }
    }
}

impl fmt::Display for ProcessId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.pid, self.started)
    }
}

impl FromStr for ProcessId {
    type Err = Failure;

    fn from_str(text: &str) -> Result<Self> {
        let (pid, started) = text
            .trim()
            .split_once(' ')
            .ok_or_else(|| Failure::new("a process is written as its number and its start"))?;
        let pid = pid.parse().context(|| format!("process number {pid}"))?;
        Ok(Self {
            pid,
            started: started.to_owned(),
        })
    }
}

/// Runs a command to its end; its standard output, or a sentence with the last lines it wrote.
pub(crate) fn output(command: &mut Command, what: &str) -> Result<String> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .context(|| format!("{what} could not be started"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(text);
    }
    let errors = String::from_utf8_lossy(&output.stderr);
    let lines = tail(&format!("{text}\n{errors}"), 12);
    Err(Failure::new(format!(
        "{what} failed ({}):\n{lines}",
        output.status
    )))
}

/// Whether a program of that name answers at all.
pub(crate) fn is_installed(program: &Path, argument: &str) -> bool {
    let status = Command::new(program)
        .arg(argument)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    !matches!(status, Err(error) if error.kind() == io::ErrorKind::NotFound)
}

/// The last non-empty lines of a text.
pub(crate) fn tail(text: &str, lines: usize) -> String {
    let all: Vec<&str> = text
        .lines()
        .filter(|line| !line.trim().is_empty())
        .collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}

/// Through `sh`, whose `kill` is built in: std can only send SIGKILL, only to its own children, and `unsafe` is forbidden here.
fn kill(signal: &str, target: &str) {
    let _ = Command::new("sh")
        .arg("-c")
        .arg(format!("kill -s {signal} -- {target}"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
}

/// When the process was started, or None if it is gone. A zombie is gone: nobody may be there to reap it.
fn started(pid: u32) -> Option<String> {
    if Path::new("/proc/self/stat").exists() {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name in the second field may hold spaces and parentheses; after the last one come state and 18 numbers, then the start.
        let (_, fields) = stat.rsplit_once(')')?;
        let mut fields = fields.split_whitespace();
        let state = fields.next()?;
        let started = fields.nth(18)?;
        return (state != "Z" && state != "X").then(|| started.to_owned());
    }
    let output = Command::new("ps")
        .args(["-o", "stat=,lstart=", "-p", &pid.to_string()])
        .output()
        .ok()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let (state, started) = text.trim().split_once(char::is_whitespace)?;
    (!state.starts_with('Z')).then(|| started.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_live_process_is_known_by_number_and_start() {
        let own = ProcessId::of(std::process::id()).expect("this process runs");
        assert!(own.is_alive());
        let read: ProcessId = own.to_string().parse().expect("its own form");
        assert_eq!(read, own);
        let recycled = ProcessId {
            started: "0".to_owned(),
            ..own
        };
        assert!(!recycled.is_alive());
    }

    #[test]
    fn an_ended_child_is_gone_even_before_it_is_reaped() {
        let mut child = Command::new("sh")
            .args(["-c", "sleep 60"])
            .spawn()
            .expect("sh");
        let id = ProcessId::of(child.id()).expect("it runs");
        id.signal("KILL");
        while id.is_alive() {
            std::thread::yield_now();
        }
        child.wait().expect("reaped");
        assert!(!id.is_alive());
    }
}
