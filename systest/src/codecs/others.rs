//! Other clients, each a small program beside this one (`systest/codecs`, `systest/go`), made ready through its own package manager.

use std::ffi::OsString;
use std::io::Write as _;
use std::process::{Command, Stdio};

use super::Case;
use super::corpus::Line;
use crate::cluster::{kafka, words};
use crate::failure::{Context, Failure, Result};
use crate::toolchains::{beside, blocking, go, last_lines, python};

/// Another client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Other {
    Java,
    Librdkafka,
    FranzGo,
}

/// A client that can be run.
#[derive(Clone, Debug)]
pub(crate) struct Prepared {
    pub(crate) other: Other,
    program: OsString,
    arguments: Vec<OsString>,
}

impl Other {
    pub(crate) const ALL: [Self; 3] = [Self::Java, Self::Librdkafka, Self::FranzGo];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Java => "java",
            Self::Librdkafka => "librdkafka",
            Self::FranzGo => "franz-go",
        }
    }

    /// What it can write beyond what everybody does: levels that milena's build does not have.
    pub(crate) const fn more_cases(self) -> &'static [Case] {
        match self {
            Self::Java => &[Case("gzip:1"), Case("lz4:17"), Case("zstd:19")],
            Self::Librdkafka => &[Case("gzip:1"), Case("lz4:12"), Case("zstd:12")],
            Self::FranzGo => &[Case("gzip:1"), Case("zstd:11")],
        }
    }

    /// Fetches and builds what it needs, once.
    pub(crate) async fn prepare(self, version: &str) -> Result<Prepared> {
        let (program, arguments) = match self {
            Self::Java => {
                let path = kafka(words(&["classpath", "--version", version])).await?;
                let source = beside("codecs/Codecs.java");
                let arguments = vec!["-cp".into(), path.trim().into(), source.into()];
                ("java".into(), arguments)
            }
            Self::Librdkafka => {
                let python = blocking(python).await?;
                (python.into(), vec![beside("codecs/codecs.py").into()])
            }
            Self::FranzGo => (blocking(|| go("codecs")).await?.into(), Vec::new()),
        };
        Ok(Prepared {
            other: self,
            program,
            arguments,
        })
    }
}

impl Prepared {
    /// Writes `lines`, by case the partition of its place in the list.
    pub(crate) async fn write(
        &self,
        bootstrap: &str,
        topic: &str,
        cases: &[Case],
        lines: &[Line],
    ) -> Result<()> {
        let cases: Vec<&str> = cases.iter().map(|case| case.0).collect();
        let arguments = words(&["write", bootstrap, topic, &cases.join(",")]);
        let lines: Vec<String> = lines.iter().map(Line::to_string).collect();
        self.run(arguments, lines.join("\n") + "\n").await?;
        Ok(())
    }

    /// Reads the topic until it has seen so many records, or for half a minute.
    pub(crate) async fn read(
        &self,
        bootstrap: &str,
        topic: &str,
        cases: &[Case],
        count: usize,
    ) -> Result<Vec<Line>> {
        let (partitions, count) = (cases.len().to_string(), count.to_string());
        let arguments = words(&["read", bootstrap, topic, &partitions, &count]);
        let text = self.run(arguments, String::new()).await?;
        text.lines().map(Line::parse).collect()
    }

    async fn run(&self, arguments: Vec<String>, input: String) -> Result<String> {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).args(arguments);
        let name = self.other.name();
        blocking(move || {
            command
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped());
            let mut child = command.spawn().context(|| format!("start {name}"))?;
            let mut stdin = child.stdin.take();
            let feeder = std::thread::spawn(move || {
                let sent = stdin
                    .as_mut()
                    .map(|stdin| stdin.write_all(input.as_bytes()));
                // One that ends before it has read everything says why itself.
                drop(sent);
            });
            let output = child.wait_with_output()?;
            drop(feeder.join());
            if output.status.success() {
                return Ok(String::from_utf8(output.stdout)?);
            }
            let errors = String::from_utf8_lossy(&output.stderr);
            Err(Failure::new(format!(
                "{name} failed: {}",
                last_lines(&errors)
            )))
        })
        .await
    }
}
