//! `milena demo`: a bank in small, with everything that can break breaking around it.

mod audit;
mod bank;
mod chaos;
mod ledger;
mod names;
mod payment;
mod plan;
mod reading;
mod report;
mod site;

use std::io::{self, IsTerminal};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use milena::{Client, IsolationLevel, Record};
use tokio::time::{Instant, timeout};

use self::audit::{Auditor, Findings};
use self::bank::Bank;
use self::chaos::Chaos;
use self::names::{Names, partitions_of, random};
use self::payment::Payment;
use self::report::{Latency, Report};
use self::site::{Site, create_topics, prepare_deadline, remove_topics};
use crate::args::DemoArgs;
use crate::failure::{FAILED, Failure, INTERRUPTED};
use crate::output::{complain, say};

/// How long an interrupted run waits for the abort of its transaction.
const ABORT_WITHIN: Duration = Duration::from_secs(10);

/// Runs the demo until its end or until `interrupted`; returns the exit status.
pub(crate) async fn run(args: DemoArgs, interrupted: impl Future<Output = ()>) -> u8 {
    let names = if args.bootstrap.is_empty() {
        Names::plain()
    } else {
        Names::unique()
    };
    let demo = Demo {
        seed: args.seed.unwrap_or_else(random),
        args,
        names,
        transaction_open: Arc::default(),
    };
    let opened = Site::open(&demo.args.bootstrap);
    let site = match opened {
        Ok(site) => Arc::new(site),
        Err(failure) => return demo.fail(&failure),
    };
    let mut interrupted = std::pin::pin!(interrupted);
    let deadline = prepare_deadline();
    let client = tokio::select! {
        greeted = site.greet() => match greeted {
            Ok(client) => client,
            Err(failure) => return demo.fail(&failure),
        },
        () = &mut interrupted => return demo.abort(None).await,
    };
    let bar = demo.progress_bar();
    let work = async {
        create_topics(&client, &demo.names, deadline).await?;
        demo.perform(&site, &client, &bar).await
    };
    let status = tokio::select! {
        result = work => {
            bar.finish_and_clear();
            match result {
                Ok(report) => demo.show(&report),
                Err(failure) => demo.fail(&failure),
            }
        }
        () = &mut interrupted => {
            bar.finish_and_clear();
            demo.abort(Some(&client)).await
        }
    };
    demo.clean_up(&client).await;
    status
}

/// One run.
struct Demo {
    args: DemoArgs,
    seed: u64,
    names: Names,
    /// For the sentence after Ctrl-C.
    transaction_open: Arc<AtomicBool>,
}

impl Demo {
    async fn perform(
        &self,
        site: &Arc<Site>,
        client: &Client,
        bar: &ProgressBar,
    ) -> Result<Report, Failure> {
        bar.set_message("writing the orders");
        self.write_orders(client, bar).await?;

        bar.set_message("moving the payments");
        let exposed = site.connect_through_faults().await?;
        let chaos = Chaos::new(Arc::clone(site), self.names.clone(), self.args.payments);
        let bank = Bank::new(
            &exposed,
            &self.names,
            self.seed,
            (self.args.payments, self.args.compression),
            chaos,
            Arc::clone(&self.transaction_open),
        );
        let started = Instant::now();
        let books = bank.run(|committed| bar.set_position(committed)).await?;
        let seconds = started.elapsed().as_secs_f64();

        bar.set_message("auditing");
        let (findings, hidden) = self.audit(client).await?;
        Ok(Report {
            seed: self.seed,
            payments: self.args.payments,
            transactions: books.transactions,
            recoveries: books.recoveries,
            fired: books.fired,
            moves: site.moves(),
            findings,
            hidden,
            commit: Latency::of(&books.commits),
            seconds,
            topics: self.names.topics().map(|(topic, _)| topic.to_owned()),
        })
    }

    async fn write_orders(&self, client: &Client, bar: &ProgressBar) -> Result<(), Failure> {
        let broken =
            |error: String| Failure::Broken(format!("the orders cannot be written: {error}"));
        let producer = client
            .producer()
            .compression(self.args.compression)
            .build()
            .await
            .map_err(|error| broken(error.to_string()))?;
        let mut deliveries = Vec::new();
        for id in 0..self.args.payments {
            let order = Payment::of(self.seed, id);
            let record = Record::to(&self.names.payments);
            let sent = producer
                .send(record.key(&order.key()).value(&order.value()))
                .await;
            deliveries.push(sent.map_err(|error| broken(error.to_string()))?);
            bar.set_position(id);
        }
        for delivery in deliveries {
            delivery.await.map_err(|error| broken(error.to_string()))?;
        }
        Ok(())
    }

    async fn audit(&self, client: &Client) -> Result<(Findings, u64), Failure> {
        let [_, (ledger, ledgers), (refused, refuseds)] = self.names.topics();
        let outputs: Vec<_> = partitions_of(ledger, ledgers)
            .chain(partitions_of(refused, refuseds))
            .collect();
        reading::settled(client, &outputs).await?;
        let mut auditor = Auditor::new(self.seed, self.args.payments);
        let see = |topic: &str, value: Option<&[u8]>| {
            if topic == ledger {
                auditor.see_ledger(value);
            } else {
                auditor.see_refused(value);
            }
        };
        let visible =
            reading::read_to_end(client, &outputs, IsolationLevel::ReadCommitted, see).await?;
        let written =
            reading::read_to_end(client, &outputs, IsolationLevel::ReadUncommitted, |_, _| {})
                .await?;
        Ok((auditor.finish(), written.saturating_sub(visible)))
    }

    /// Makes sure that the dropped pipeline's transaction is over, whatever became of its own abort: whoever takes the
    /// transactional id over ends what its predecessor left open, and has to wait for that.
    async fn abort(&self, client: Option<&Client>) -> u8 {
        let open = self.transaction_open.load(Ordering::Relaxed);
        let Some(client) = client.filter(|_| open) else {
            complain("interrupted; no transaction was open");
            return INTERRUPTED;
        };
        let takeover = client
            .transactional_producer(&self.names.transactional_id)
            .build();
        match timeout(ABORT_WITHIN, takeover).await {
            Ok(Ok(_)) => {
                complain("interrupted; the open transaction is aborted, nothing of it is visible")
            }
            Ok(Err(error)) => complain(&format!(
                "interrupted; the abort of the open transaction is not confirmed ({error}), the broker's time-out will end it"
            )),
            Err(_) => complain(
                "interrupted; the abort of the open transaction is not confirmed, the broker's time-out will end it",
            ),
        }
        INTERRUPTED
    }

    async fn clean_up(&self, client: &Client) {
        if !self.args.keep_topics {
            let stayed = remove_topics(client, &self.names).await;
            for (topic, error) in stayed {
                complain(&format!("topic '{topic}' could not be removed: {error}"));
            }
        } else if !self.args.json {
            let [payments, ledger, refused] = self.names.topics().map(|(topic, _)| topic);
            let kept = format!("kept the topics {payments}, {ledger} and {refused}");
            // Whether stdout takes text was found out with the table.
            let _ = say(&kept);
        }
    }

    fn show(&self, report: &Report) -> u8 {
        let printed = say(&if self.args.json {
            report.to_json()
        } else {
            report.to_table()
        });
        let mut complaints = report.complaints();
        if let Err(error) = printed {
            complaints.push(format!("the result cannot be printed: {error}"));
        }
        for complaint in &complaints {
            complain(complaint);
        }
        if complaints.is_empty() { 0 } else { FAILED }
    }

    fn fail(&self, failure: &Failure) -> u8 {
        complain(failure.sentence());
        failure.exit_status()
    }

    /// A bar for people who watch; nothing where the output goes to a file or a program.
    fn progress_bar(&self) -> ProgressBar {
        if self.args.json || !io::stdout().is_terminal() || !io::stderr().is_terminal() {
            return ProgressBar::hidden();
        }
        let style =
            ProgressStyle::with_template("{msg:20} {bar:40} {human_pos} of {human_len}  {elapsed}")
                .expect("the template is a constant");
        ProgressBar::new(self.args.payments).with_style(style)
    }
}
