//! One run of the pipeline's program: started, listened to, and ended.

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::timeout;

use crate::failure::{Context, Failure, Result};
use crate::pipeline_process::Line;

/// A pipeline that says nothing for so long hangs: every wait of the client has a shorter deadline.
const SILENCE_MAX: Duration = Duration::from_secs(150);
/// For an orderly end, with whatever is left to commit.
const END_MAX: Duration = Duration::from_secs(60);

/// A running program. Dropped, it is killed.
#[derive(Debug)]
pub(super) struct Incarnation {
    pub(super) number: u32,
    child: Child,
    /// Its end asks the program to stop in order.
    input: Option<ChildStdin>,
    lines: UnboundedReceiver<(Instant, Line)>,
    started: Instant,
    /// Transactions committed, as far as they were listened to.
    pub(super) commits: u64,
    /// The last step that it said to be in the logs.
    pub(super) last_open: u64,
    /// From the start to the first commit.
    pub(super) first_commit: Option<Duration>,
    last_commit: Instant,
    /// The longest time between two commits.
    pub(super) gap_max: Duration,
}

impl Incarnation {
    /// Starts the program with these arguments.
    pub(super) fn start(number: u32, arguments: &[String]) -> Result<Self> {
        let program = std::env::current_exe()?;
        let mut child = Command::new(program)
            .arg("pipeline-process")
            .args(arguments)
            .args(["--incarnation", &number.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context(|| format!("start incarnation {number}"))?;
        let (said, lines) = unbounded_channel();
        let output = child.stdout.take();
        let output = output.ok_or_else(|| Failure::new("the program has no standard output"))?;
        // A thread and not a task: what is said is stamped with the time at which it was said, whatever the runtime does.
        std::thread::spawn(move || listen(BufReader::new(output), &said));
        Ok(Self {
            number,
            input: child.stdin.take(),
            child,
            lines,
            started: Instant::now(),
            commits: 0,
            last_open: 0,
            first_commit: None,
            last_commit: Instant::now(),
            gap_max: Duration::ZERO,
        })
    }

    /// The next thing it says. An end that nobody asked for is a failure.
    pub(super) async fn next(&mut self) -> Result<Line> {
        match timeout(SILENCE_MAX, self.lines.recv()).await {
            Ok(Some((at, line))) => {
                self.note(at, line);
                Ok(line)
            }
            Ok(None) => {
                let status = self.child.wait()?;
                Err(Failure::new(format!(
                    "incarnation {} ended by itself ({status})",
                    self.number
                )))
            }
            Err(_) => Err(Failure::new(format!(
                "incarnation {} has said nothing for {} s",
                self.number,
                SILENCE_MAX.as_secs()
            ))),
        }
    }

    /// Waits until it has committed `more` transactions from now on: what it has said before does not count.
    pub(super) async fn commits(&mut self, more: u64) -> Result<()> {
        self.catch_up();
        let wanted = self.commits + more;
        while self.commits < wanted {
            self.next().await?;
        }
        Ok(())
    }

    /// Waits until it says that a transaction is open.
    pub(super) async fn open(&mut self) -> Result<()> {
        self.catch_up();
        while !matches!(self.next().await?, Line::Open(_)) {}
        Ok(())
    }

    /// SIGKILL.
    pub(super) fn kill(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        self.catch_up();
        Ok(())
    }

    /// Asks it to stop in order, and waits until it has.
    pub(super) async fn stop(&mut self) -> Result<()> {
        self.input = None;
        self.end().await
    }

    /// Waits for an orderly end.
    pub(super) async fn end(&mut self) -> Result<()> {
        while self.next().await? != Line::Stopped {}
        let status = self.exit().await?;
        if status.success() {
            return Ok(());
        }
        Err(Failure::new(format!(
            "incarnation {} failed at its end ({status})",
            self.number
        )))
    }

    /// Waits until the process is gone, whatever it says until then.
    pub(super) async fn exit(&mut self) -> Result<ExitStatus> {
        let deadline = Instant::now() + END_MAX;
        loop {
            if let Some(status) = self.child.try_wait()? {
                self.catch_up();
                return Ok(status);
            }
            if Instant::now() >= deadline {
                return Err(Failure::new(format!(
                    "incarnation {} does not end",
                    self.number
                )));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// The number of the process.
    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Takes note of everything that was said so far.
    pub(super) fn catch_up(&mut self) {
        while let Ok((at, line)) = self.lines.try_recv() {
            self.note(at, line);
        }
    }

    fn note(&mut self, at: Instant, line: Line) {
        let commits = match line {
            Line::Committed(commits) => commits,
            Line::Open(step) => {
                self.last_open = step;
                return;
            }
            Line::Ready | Line::Stopped => return,
        };
        self.commits = commits;
        match self.first_commit {
            None => self.first_commit = Some(at.duration_since(self.started)),
            Some(_) => self.gap_max = self.gap_max.max(at.duration_since(self.last_commit)),
        }
        self.last_commit = at;
    }
}

impl Drop for Incarnation {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn listen(output: impl BufRead, said: &UnboundedSender<(Instant, Line)>) {
    for line in output.lines() {
        // Of a killed program the last line may be half there.
        let Some(line) = line.ok().and_then(|line| Line::parse(&line)) else {
            continue;
        };
        if said.send((Instant::now(), line)).is_err() {
            return;
        }
    }
}
