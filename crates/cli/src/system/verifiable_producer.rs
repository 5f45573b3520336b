//! `milena verifiable-producer`: numbers in order, and a line about each.

use std::future::poll_fn;
use std::pin::pin;
use std::task::{Context, Poll};
use std::time::Duration;

use milena::{Advice, Delivery, Producer, Record, SendError};
use tokio::time::{Instant, sleep, sleep_until};

use super::settings::Settings;
use super::{PATIENCE, Stop, connect, wall_clock_ms};
use crate::args::VerifiableProducerArgs;
use crate::failure::{Failure, SUCCEEDED};
use crate::json_lines::Lines;
use pending::Pending;
use report::Report;
use schedule::Schedule;

mod pending;
mod report;
mod schedule;

/// After so many records that were taken at once, what was acknowledged meanwhile is looked at.
const RECORDS_BETWEEN_LOOKS: u64 = 256;

/// Records that may be without a line. In an outage more of them would be hundreds of megabytes, and minutes of writing when
/// their time is over.
const PENDING_MAX: usize = 200_000;

/// Once asked to end, what is under way has so long to be acknowledged. Drivers wait 40 s in all.
const GRACE: Duration = Duration::from_secs(25);

/// Runs the program until it has sent everything, or `stop` is heard.
///
/// # Errors
/// It could not start, or nobody reads what it says. Records that fail are lines, not errors.
pub(crate) async fn run(args: VerifiableProducerArgs, mut stop: Stop) -> Result<u8, Failure> {
    not_yet(&args)?;
    let settings = Settings::read(args.config())?;
    let mut report = Report::new(Lines::stdout(), &args);
    report.started()?;
    let connected = tokio::select! {
        biased;
        () = stop.wait() => None,
        client = connect(&args.bootstrap_server, &settings, PATIENCE) => Some(client?),
    };
    if let Some(client) = connected {
        let producer = settings
            .producer(client.producer())
            .build()
            .await
            .map_err(|error| match error.advice() {
                Advice::Configure => Failure::Input(error.to_string()),
                _ => Failure::Broken(error.to_string()),
            })?;
        let mut run = Run {
            args: &args,
            producer,
            pending: Pending::default(),
            report: &mut report,
            stop,
            closed: None,
        };
        run.send_all().await?;
        run.close().await?;
        if let Some(reason) = run.closed {
            return Err(Failure::Broken(reason));
        }
    }
    report.ended()?;
    Ok(SUCCEEDED)
}

fn not_yet(args: &VerifiableProducerArgs) -> Result<(), Failure> {
    match args.acks {
        -1 => Ok(()),
        acks => Err(Failure::Input(format!(
            "--acks {acks} is not supported yet"
        ))),
    }
}

struct Run<'a> {
    args: &'a VerifiableProducerArgs,
    producer: Producer,
    pending: Pending<Delivery>,
    report: &'a mut Report,
    stop: Stop,
    /// Why nothing more can be sent.
    closed: Option<String>,
}

impl Run<'_> {
    /// Hands the records over, in order, without waiting for their acknowledgements.
    async fn send_all(&mut self) -> Result<(), Failure> {
        let producer = self.producer.clone();
        let mut schedule = Schedule::new(Instant::now(), self.args.throughput);
        let started = wall_clock_ms();
        let last = u64::try_from(self.args.max_messages).unwrap_or(u64::MAX);
        for n in 0..last {
            match schedule.due(n, Instant::now) {
                schedule::Due::Now => {}
                schedule::Due::At(due) => {
                    if self.while_settling(sleep_until(due)).await?.is_none() {
                        return Ok(());
                    }
                }
                schedule::Due::Never => {
                    self.while_settling(std::future::pending::<()>()).await?;
                    return Ok(());
                }
            }
            if n % RECORDS_BETWEEN_LOOKS == 0 && self.look().await? {
                return Ok(());
            }
            if self.pending.len() >= PENDING_MAX && !self.room().await? {
                return Ok(());
            }
            let (key, value) = (self.report.key_of(n), self.report.value_of(n));
            let mut record = Record::to(&self.args.topic)
                .key(key.as_deref())
                .value(&value);
            if self.args.message_create_time >= 0 {
                let since = wall_clock_ms() - started;
                record = record.timestamp(self.args.message_create_time.saturating_add(since));
            }
            let Some(sent) = self.while_settling(producer.send(record)).await? else {
                // Dropped before it was accepted: this number was never sent.
                return Ok(());
            };
            self.report.sent += 1;
            match sent {
                Ok(delivery) => self.pending.push(delivery.partition(), n, delivery),
                Err(error) => {
                    self.report.refused(n, &error)?;
                    if matches!(error, SendError::Closed) {
                        self.closed = Some(error.to_string());
                        return Ok(());
                    }
                }
            }
        }
        Ok(())
    }

    /// Waits until fewer records are without a line; false if the program is asked to end first.
    async fn room(&mut self) -> Result<bool, Failure> {
        poll_fn(|cx| {
            if let Err(failure) = self.settle(cx) {
                return Poll::Ready(Err(failure));
            }
            if self.stop.poll(cx) {
                return Poll::Ready(Ok(false));
            }
            match self.pending.len() < PENDING_MAX {
                true => Poll::Ready(Ok(true)),
                false => Poll::Pending,
            }
        })
        .await
    }

    /// Waits for `future`, and meanwhile tells of every record that settles. `None` if the program is asked to end first.
    async fn while_settling<F: Future>(&mut self, future: F) -> Result<Option<F::Output>, Failure> {
        let mut future = pin!(future);
        poll_fn(|cx| {
            if let Poll::Ready(output) = future.as_mut().poll(cx) {
                return Poll::Ready(Ok(Some(output)));
            }
            if let Err(failure) = self.settle(cx) {
                return Poll::Ready(Err(failure));
            }
            match self.stop.poll(cx) {
                true => Poll::Ready(Ok(None)),
                false => Poll::Pending,
            }
        })
        .await
    }

    /// Tells of what has settled, without waiting; whether the program is asked to end.
    async fn look(&mut self) -> Result<bool, Failure> {
        poll_fn(|cx| Poll::Ready(self.settle(cx).map(|()| self.stop.poll(cx)))).await
    }

    fn settle(&mut self, cx: &mut Context<'_>) -> Result<(), Failure> {
        let Self {
            pending, report, ..
        } = self;
        pending.poll_settled(cx, |n, outcome| report.settled(n, outcome))?;
        report.flush()
    }

    /// Waits until every record has its line; once the program is asked to end, no longer than the grace.
    async fn close(&mut self) -> Result<(), Failure> {
        let producer = self.producer.clone();
        let mut flush = pin!(producer.flush());
        let mut flushed = false;
        let mut grace = pin!(sleep(GRACE));
        let mut counting = false;
        let given_up = poll_fn(|cx| {
            // What it says does not matter: each record tells of itself. It makes open batches leave.
            flushed = flushed || flush.as_mut().poll(cx).is_ready();
            if let Err(failure) = self.settle(cx) {
                return Poll::Ready(Err(failure));
            }
            if self.pending.len() == 0 {
                return Poll::Ready(Ok(false));
            }
            if self.stop.poll(cx) {
                if !std::mem::replace(&mut counting, true) {
                    grace.as_mut().reset(Instant::now() + GRACE);
                }
                if grace.as_mut().poll(cx).is_ready() {
                    return Poll::Ready(Ok(true));
                }
            }
            Poll::Pending
        })
        .await?;
        if given_up {
            for n in self.pending.give_up() {
                self.report.given_up(n)?;
            }
        }
        Ok(())
    }
}
