//! A program under test: what it says and when, its signals, its end.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use tokio::time::Instant;

use crate::check::{Exit, Line};
use crate::failure::{Context, Result};

/// A running or ended program. Dropped, it is killed.
#[derive(Debug)]
pub(crate) struct Process {
    pid: u32,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    lines: Mutex<Vec<Line>>,
    /// The last of what it said on standard error.
    errors: Mutex<Vec<String>>,
    exit: Mutex<Option<(Exit, Duration)>>,
    progress: AtomicU64,
}

/// So many lines of standard error are kept.
const ERRORS_MAX: usize = 40;

impl Process {
    /// Starts `program`. `progress` looks at each line and says, if the line tells, how far the program is.
    pub(crate) fn start(
        program: &Path,
        arguments: &[String],
        progress: fn(u64, &str) -> u64,
    ) -> Result<Self> {
        let mut child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context(|| format!("start {}", program.display()))?;
        let started = Instant::now();
        let shared = Arc::new(Shared::default());
        let pid = child.id();
        let output = child.stdout.take();
        let errors = child.stderr.take();
        let mine = Arc::clone(&shared);
        thread::spawn(move || {
            thread::scope(|scope| {
                scope.spawn(|| mine.hear_errors(errors));
                mine.hear(output, started, progress);
            });
            mine.bury(&mut child, started);
        });
        Ok(Self { pid, shared })
    }

    /// How far it is.
    pub(crate) fn progress(&self) -> u64 {
        self.shared.progress.load(Ordering::Relaxed)
    }

    /// How it ended, and when; its lines are complete then.
    pub(crate) fn exit(&self) -> Option<(Exit, Duration)> {
        *lock(&self.shared.exit)
    }

    pub(crate) fn lines(&self) -> Vec<Line> {
        lock(&self.shared.lines).clone()
    }

    /// The last words on standard error.
    pub(crate) fn errors(&self) -> String {
        lock(&self.shared.errors).join("\n")
    }

    /// Sends a signal: `STOP`, `CONT`, `TERM`, `KILL`. False if it has ended already.
    pub(crate) fn signal(&self, name: &str) -> bool {
        if self.exit().is_some() {
            return false;
        }
        let sent = Command::new("kill")
            .args([format!("-{name}"), self.pid.to_string()])
            .stderr(Stdio::null())
            .status();
        sent.is_ok_and(|status| status.success())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.signal("KILL");
    }
}

impl Shared {
    fn hear(&self, output: Option<impl Read>, started: Instant, progress: fn(u64, &str) -> u64) {
        let Some(output) = output else { return };
        for text in BufReader::new(output).lines().map_while(|line| line.ok()) {
            let at = started.elapsed();
            let before = self.progress.load(Ordering::Relaxed);
            self.progress
                .store(progress(before, &text), Ordering::Relaxed);
            lock(&self.lines).push(Line { at, text });
        }
    }

    fn hear_errors(&self, errors: Option<impl Read>) {
        let Some(errors) = errors else { return };
        for text in BufReader::new(errors).lines().map_while(|line| line.ok()) {
            let mut kept = lock(&self.errors);
            if kept.len() == ERRORS_MAX {
                kept.remove(0);
            }
            kept.push(text);
        }
    }

    fn bury(&self, child: &mut Child, started: Instant) {
        let exit = match child.wait() {
            Ok(status) => status
                .code()
                .map_or_else(|| Exit::Signal(status.signal().unwrap_or(0)), Exit::Code),
            Err(_) => Exit::Code(-1),
        };
        *lock(&self.exit) = Some((exit, started.elapsed()));
    }
}

/// No code of others runs under these locks: a poisoned one still guards whole data.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
