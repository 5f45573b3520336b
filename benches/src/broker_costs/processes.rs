//! `milena broker` as a process of its own.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use crate::Failure;
use crate::meter::{memory_of, now};

pub(super) struct Process {
    pub(super) start_ms: f64,
    pub(super) resident_mb: f64,
    /// Without the pages of the program's file, which any number of processes share.
    pub(super) own_mb: f64,
}

/// `None` where the program was not built beside this one.
pub(super) fn measured() -> Result<Option<Process>, Failure> {
    let program = std::env::current_exe()?.with_file_name("milena");
    if !program.exists() {
        eprintln!("milena broker is left out: build milena-cli with the same profile");
        return Ok(None);
    }
    let begun = now();
    let mut child = Command::new(program)
        .args(["broker", "--port", "0", "--until-stdin-ends"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut line = String::new();
    if let Some(output) = child.stdout.take() {
        BufReader::new(output).read_line(&mut line)?;
    }
    let start_ms = begun.elapsed().as_secs_f64() * 1e3;
    let id = child.id().to_string();
    let megabytes = |name| memory_of(&id, name).map(|bytes| bytes as f64 / 1e6);
    let process = Process {
        start_ms,
        resident_mb: megabytes("VmRSS:")?,
        own_mb: megabytes("RssAnon:")?,
    };
    let begun = fs::read_to_string(format!("/proc/{id}/comm"))?;
    drop(child.stdin.take());
    child.wait()?;
    match begun.trim() {
        "milena" if !line.trim().is_empty() => Ok(Some(process)),
        _ => Err("milena broker did not start".into()),
    }
}
