//! `milena-systest foreign`: clients that nobody here wrote use `milena broker` as they use Kafka: Java's client and tools, librdkafka, franz-go.
//!
//! The same checks run on real Kafka with `--on 4.3.1`: a check that asks for what Kafka does not do is found there.

mod commands;
mod groups;
mod java;
mod site;
mod transactions;

use std::fmt::Write as _;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::failure::{Failure, Result};
use crate::options::Options;
use crate::toolchains::{beside, blocking, go, python};
use java::Java;
use site::Site;

/// One check of one client may take so long.
const CHECK_MAX: Duration = Duration::from_secs(90);

/// One thing that a client does, and what was seen of it.
type Check<'a> = (&'a str, Pin<Box<dyn Future<Output = Result<String>> + 'a>>);

pub(crate) async fn main(arguments: &[String]) -> Result<()> {
    let options = Options::parse(arguments, &["on", "as-version", "only", "milena"], &[])?;
    let only: String = options.value("only", String::new())?;
    let wanted = |client: &str| only.is_empty() || only == client;
    if ![JAVA, LIBRDKAFKA, FRANZ_GO].into_iter().any(wanted) {
        return Err(Failure::new(format!("--only {only} is not a client")));
    }
    let site = Site::start(&options).await?;
    let mut report = Report::default();
    if wanted(LIBRDKAFKA) {
        report.script(LIBRDKAFKA, librdkafka(&site).await);
        if site.is_broker() {
            report.script(LIBRDKAFKA, librdkafka_secure(&options, false).await);
            report.script(LIBRDKAFKA, librdkafka_secure(&options, true).await);
        }
    }
    if wanted(FRANZ_GO) {
        report.script(FRANZ_GO, franz_go(&site).await);
    }
    if wanted(JAVA) {
        let java = Java::prepare(&site).await?;
        // Two at a time: most of a check is the starting of programs.
        let checks = Mutex::new(java_checks(&java).into_iter());
        let (one, other) = tokio::join!(lane(&checks), lane(&checks));
        report.append(one);
        report.append(other);
    }
    print!("{report}");
    let ended = site.stop().await;
    report.verdict().and(ended)
}

/// Runs what is left of `checks`, one after the other.
async fn lane(checks: &Mutex<std::vec::IntoIter<Check<'_>>>) -> Report {
    let next = || checks.lock().unwrap_or_else(PoisonError::into_inner).next();
    let mut mine = Report::default();
    while let Some((name, check)) = next() {
        mine.run(JAVA, name, check).await;
    }
    mine
}

const JAVA: &str = "java";
const LIBRDKAFKA: &str = "librdkafka";
const FRANZ_GO: &str = "franz-go";

fn java_checks(java: &Java) -> Vec<Check<'_>> {
    let mut checks: Vec<Check<'_>> = vec![
        ("topics", Box::pin(commands::topics(java))),
        ("configs", Box::pin(commands::configs(java))),
        (
            "produce and consume",
            Box::pin(commands::produce_and_consume(java)),
        ),
        ("cluster tools", Box::pin(commands::cluster(java))),
        (
            "records and leaders",
            Box::pin(commands::records_and_leaders(java)),
        ),
        (
            "group, classic",
            Box::pin(groups::rebalance(java, "classic")),
        ),
        ("group tools", Box::pin(groups::tools(java))),
        ("random aborts", Box::pin(transactions::copier(java))),
        ("transaction tools", Box::pin(transactions::tools(java))),
    ];
    if java.is_modern() {
        checks.push((
            "group, KIP-848",
            Box::pin(groups::rebalance(java, "consumer")),
        ));
    }
    checks
}

async fn librdkafka(site: &Site) -> Result<String> {
    let python = blocking(python).await?;
    let script = beside("foreign/librdkafka.py").display().to_string();
    let mode = if site.is_modern() {
        "all"
    } else {
        "classic-only"
    };
    site::output(&python, &[&script, site.bootstrap(), mode], CHECK_MAX * 2).await
}

/// With SASL, on a cluster of its own; over TLS with the certificates of the test broker's own tests.
async fn librdkafka_secure(options: &Options, tls: bool) -> Result<String> {
    let python = blocking(python).await?;
    let script = beside("foreign/librdkafka_security.py")
        .display()
        .to_string();
    let file = |name: &str| {
        let path = beside("../crates/testbroker/tests/certificates").join(name);
        path.display().to_string()
    };
    let (certificate, key) = (file("broker.pem"), file("broker.key"));
    let tls_arguments = ["--tls-cert", &certificate, "--tls-key", &key];
    let site = Site::start_secure(options, if tls { &tls_arguments } else { &[] }).await?;
    let mut arguments = vec![script, site.bootstrap().to_owned()];
    arguments.extend([site::USER.to_owned(), site::PASSWORD.to_owned()]);
    if tls {
        arguments.push(file("authority.pem"));
    }
    let said = site::output(&python, &arguments, CHECK_MAX).await;
    let ended = site.stop().await;
    said.and_then(|said| ended.map(|()| said))
}

async fn franz_go(site: &Site) -> Result<String> {
    let program = blocking(|| go("foreign")).await?;
    let mode = if site.is_modern() {
        "all"
    } else {
        "classic-only"
    };
    site::output(&program, &[site.bootstrap(), mode], CHECK_MAX * 2).await
}

/// What held and what did not.
#[derive(Debug, Default)]
struct Report {
    lines: Vec<[String; 4]>,
    failures: usize,
}

impl Report {
    async fn run(&mut self, client: &str, name: &str, check: impl Future<Output = Result<String>>) {
        let begun = Instant::now();
        let late = |_| Failure::new(format!("not done after {CHECK_MAX:?}"));
        let said = tokio::time::timeout(CHECK_MAX, check).await;
        let seconds = format!("{:.1}", begun.elapsed().as_secs_f64());
        self.add(client, name, &seconds, said.map_err(late).flatten());
    }

    fn append(&mut self, other: Self) {
        self.lines.extend(other.lines);
        self.failures += other.failures;
    }

    /// What a script printed: a line a check, of its name, its seconds and what was seen.
    fn script(&mut self, client: &str, printed: Result<String>) {
        let text = match printed {
            Ok(text) => text,
            Err(failure) => return self.add(client, "all", "-", Err(failure)),
        };
        for line in text.lines() {
            match line.split('\t').collect::<Vec<_>>()[..] {
                [name, seconds, said] => self.add(client, name, seconds, Ok(said.to_owned())),
                _ => self.add(
                    client,
                    line,
                    "-",
                    Err(Failure::new("not a line of a check")),
                ),
            }
        }
    }

    fn add(&mut self, client: &str, name: &str, seconds: &str, said: Result<String>) {
        let said = said.unwrap_or_else(|failure| {
            self.failures += 1;
            format!("FAILED: {failure}")
        });
        eprintln!("{client}: {name}: {said}");
        self.lines
            .push([client, name, seconds, &said].map(str::to_owned));
    }

    fn verdict(&self) -> Result<()> {
        match (self.failures, self.lines.len()) {
            (_, 0) => Err(Failure::new("nothing was checked")),
            (0, _) => Ok(()),
            (failures, all) => Err(Failure::new(format!("{failures} of {all} checks failed"))),
        }
    }
}

impl std::fmt::Display for Report {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut text = String::new();
        for [client, name, seconds, said] in &self.lines {
            writeln!(text, "{client:<11} {name:<28} {seconds:>5} s  {said}")?;
        }
        formatter.write_str(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_check_fails_the_run_and_so_does_none() {
        let mut report = Report::default();
        assert!(report.verdict().is_err());
        report.script(FRANZ_GO, Ok("produce\t0.1\t100 records\n".to_owned()));
        assert!(report.verdict().is_ok());
        report.script(FRANZ_GO, Ok("panic: what\n".to_owned()));
        report.script(LIBRDKAFKA, Err(Failure::new("no Python")));
        let verdict = report.verdict().expect_err("two failed").to_string();
        assert_eq!(verdict, "2 of 3 checks failed");
    }
}
