//! `milena broker`: the test broker for programs in any language.

use std::io;
use std::time::Duration;

use milena_testbroker::{Emulate, TestBroker, TestBrokerBuilder};
use tokio::sync::oneshot;

use crate::args::{AsVersion, BrokerArgs};
use crate::failure::{self, Failure};
use crate::output;
use crate::system::Stop;

/// Serves until it is told to end.
///
/// # Errors
/// The cluster cannot start as it was asked to, or nobody reads what is printed.
pub(crate) async fn run(args: BrokerArgs, mut stop: Stop) -> Result<u8, Failure> {
    check(&args)?;
    // Before the line that a driver waits for: from then on it may send the signal.
    let mut dump_asked = DumpAsked::new();
    let builder = with_tls(builder(&args), &args)?;
    let cluster = builder
        .start()
        .map_err(|error| cannot_start(&args, &error))?;
    say(&cluster.addresses().join(","))?;
    let mut ends = match args.until_stdin_ends {
        true => Some(stdin_ends()?),
        false => None,
    };
    loop {
        tokio::select! {
            () = stop.wait() => break,
            () = ended(&mut ends) => break,
            () = dump_asked.next() => say(&dump(&cluster))?,
        }
    }
    if args.dump {
        say(&dump(&cluster))?;
    }
    Ok(failure::SUCCEEDED)
}

/// What clap cannot see: options that do not go together.
fn check(args: &BrokerArgs) -> Result<(), Failure> {
    let wrong = |sentence: String| Err(Failure::Input(sentence));
    if args.as_version == AsVersion::V3_9 && args.transaction_version == Some(2) {
        return wrong(
            "Kafka 3.9 has no transaction.version 2: leave out --transaction-version, or use --as-version 4.3"
                .to_owned(),
        );
    }
    let last = i32::from(args.port) + args.nodes - 1;
    if args.port != 0 && last > i32::from(u16::MAX) {
        return wrong(format!(
            "{} nodes from port {} on would need port {last}, and 65535 is the last one",
            args.nodes, args.port
        ));
    }
    for topic in &args.topic {
        if topic
            .replicas
            .is_some_and(|count| i32::from(count) > args.nodes)
        {
            return wrong(format!(
                "topic {} cannot have more replicas than there are nodes ({})",
                topic.name, args.nodes
            ));
        }
    }
    Ok(())
}

fn builder(args: &BrokerArgs) -> TestBrokerBuilder {
    let (emulate, level) = match args.as_version {
        AsVersion::V3_9 => (Emulate::V3_9, 0),
        AsVersion::V4_3 => (Emulate::V4_3, 2),
    };
    let mut builder = TestBroker::builder()
        .nodes(args.nodes)
        .host(&args.host)
        .emulate(emulate)
        .transaction_version(args.transaction_version.unwrap_or(level))
        .auto_create_topics(args.auto_create_topics)
        .default_partitions(args.partitions)
        .seed(args.seed);
    for (name, password) in &args.sasl_user {
        builder = builder.sasl_user(name, password);
    }
    if !args.sasl_mechanism.is_empty() {
        builder = builder.sasl(&args.sasl_mechanism);
    }
    for (name, value) in &args.config {
        builder = builder.broker_config(name, value);
    }
    if args.port != 0 {
        builder = builder.port(args.port);
    }
    if let Some(host) = &args.advertised_host {
        builder = builder.advertised_host(host);
    }
    let session = args.sasl_session.map(Duration::from_millis);
    builder = builder.config(|config| config.sasl_session = session);
    for topic in &args.topic {
        builder = builder.topic(&topic.name, topic.partitions, topic.replicas);
    }
    builder
}

#[cfg(feature = "tls")]
fn with_tls(builder: TestBrokerBuilder, args: &BrokerArgs) -> Result<TestBrokerBuilder, Failure> {
    let read = |path: &std::path::Path| {
        let wrong = |error| Failure::Input(format!("cannot read {}: {error}", path.display()));
        std::fs::read(path).map_err(wrong)
    };
    let (Some(certificate), Some(key)) = (&args.tls_cert, &args.tls_key) else {
        return Ok(builder);
    };
    let builder = builder.tls(&read(certificate)?, &read(key)?);
    Ok(match &args.tls_client_ca {
        Some(authority) => builder.tls_clients(&read(authority)?),
        None => builder,
    })
}

#[cfg(not(feature = "tls"))]
fn with_tls(builder: TestBrokerBuilder, _: &BrokerArgs) -> Result<TestBrokerBuilder, Failure> {
    Ok(builder)
}

fn cannot_start(args: &BrokerArgs, error: &io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::InvalidInput => Failure::Input(error.to_string()),
        _ => Failure::Input(format!(
            "cannot listen at {} from port {} on: {error}",
            args.host, args.port
        )),
    }
}

fn say(text: &str) -> Result<(), Failure> {
    output::say(text).map_err(|error| Failure::Broken(format!("cannot print: {error}")))
}

fn dump(cluster: &TestBroker) -> String {
    cluster.with(|broker| broker.dump())
}

/// Reads standard input away, on a thread of its own: what it blocks must not be what ends it.
fn stdin_ends() -> Result<oneshot::Receiver<()>, Failure> {
    let (ended, ends) = oneshot::channel();
    std::thread::Builder::new()
        .name("stdin".to_owned())
        .spawn(move || {
            // That it cannot be read any more is an end, too.
            let _ = io::copy(&mut io::stdin().lock(), &mut io::sink());
            let _ = ended.send(());
        })
        .map_err(|error| Failure::Broken(format!("cannot start: {error}")))?;
    Ok(ends)
}

async fn ended(ends: &mut Option<oneshot::Receiver<()>>) {
    match ends {
        Some(ends) => drop(ends.await),
        None => std::future::pending().await,
    }
}

/// SIGUSR1, where there are signals.
struct DumpAsked {
    #[cfg(unix)]
    signal: Option<tokio::signal::unix::Signal>,
}

impl DumpAsked {
    fn new() -> Self {
        Self {
            #[cfg(unix)]
            signal: tokio::signal::unix::signal(tokio::signal::unix::SignalKind::user_defined1())
                .ok(),
        }
    }

    async fn next(&mut self) {
        #[cfg(unix)]
        if let Some(signal) = &mut self.signal
            && signal.recv().await.is_some()
        {
            return;
        }
        std::future::pending().await
    }
}
