//! The embedded broker, in a process of its own: what it burns and allocates must not be counted as the client's.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::process::{Child, Command, Stdio};

use milena_testbroker::TestBroker;

use crate::Failure;

/// Serves until standard input ends, which is when whoever started it is gone, however that happens.
pub(crate) fn serve() -> Result<(), Failure> {
    let broker = TestBroker::builder().start()?;
    println!("{}", broker.bootstrap());
    io::stdout().flush()?;
    io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}

/// The broker that a run is taken against.
pub(crate) enum Broker {
    Given(String),
    Embedded { bootstrap: String, process: Child },
}

impl Broker {
    /// The given one, or the embedded one, started now.
    pub(crate) fn new(given: Option<&str>) -> Result<Self, Failure> {
        if let Some(bootstrap) = given {
            return Ok(Self::Given(bootstrap.to_owned()));
        }
        let mut process = Command::new(std::env::current_exe()?)
            .arg("serve")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut bootstrap = String::new();
        if let Some(output) = process.stdout.take() {
            BufReader::new(output).read_line(&mut bootstrap)?;
        }
        let bootstrap = bootstrap.trim().to_owned();
        Ok(Self::Embedded { bootstrap, process })
    }

    pub(crate) fn bootstrap(&self) -> &str {
        match self {
            Self::Given(bootstrap) | Self::Embedded { bootstrap, .. } => bootstrap,
        }
    }

    /// What a report says it is.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Given(_) => "given",
            Self::Embedded { .. } => "embedded",
        }
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        if let Self::Embedded { process, .. } = self {
            drop(process.stdin.take());
            // Its input has ended, so it ends.
            let _ = process.wait();
        }
    }
}
