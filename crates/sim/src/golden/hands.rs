//! What the golden script's tasks have: the hands of any workload, futures that may be dropped, and what is forgiven.

use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use milena_engine::handles::{Delivery, SendError};

use super::watch::Watch;
use crate::app::{App, Join};
use crate::failure::Check;
use crate::ledger::Fate;

/// Between attempts.
const PAUSE: Duration = Duration::from_millis(10);

/// Waits for a future, made anew each time it was dropped: for what can simply be asked again.
macro_rules! again {
    ($hands:expr, $label:literal, $future:expr $(,)?) => {
        loop {
            if let Some(output) = $hands.run($label, $future).await {
                break output.map_err(|error| $hands.refused($label, error));
            }
        }
    };
}
pub(super) use again;

/// How the script behaves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Manners {
    /// Errors end the task that meets them, and are not held against the client: the answers themselves were damaged.
    pub(crate) forgiving: bool,
    /// A client that has asked for its producer id twice can be ousted by its own first request, if that comes late: no broker
    /// can tell it from a newer instance. The role that hears so starts over, as its application would.
    pub(crate) may_be_ousted: bool,
    /// The negative control: a commit that was dropped is taken for aborted, whatever `resolve` says.
    pub(crate) takes_dropped_for_aborted: bool,
}

/// The task cannot go on: it was told an error. Only where errors are forgiven does that happen without a failure.
#[derive(Debug)]
pub(crate) struct GivenUp;

pub(crate) struct Hands {
    pub(crate) app: App,
    pub(crate) watch: Arc<Watch>,
    pub(crate) manners: Manners,
}

impl Hands {
    pub(crate) fn fork(&mut self) -> Self {
        Self {
            app: self.app.fork(),
            watch: Arc::clone(&self.watch),
            manners: self.manners,
        }
    }

    /// Runs `work` as a task of its own.
    pub(crate) fn spawn<F>(&mut self, name: String, work: impl FnOnce(Self) -> F) -> Join<()>
    where
        F: Future<Output = Result<(), GivenUp>> + Send + 'static,
    {
        let (watch, manners) = (Arc::clone(&self.watch), self.manners);
        self.app.spawn(name.clone(), move |app| {
            let shared = Arc::clone(&app.shared);
            let work = work(Self {
                app,
                watch,
                manners,
            });
            async move {
                if let Err(GivenUp) = work.await {
                    shared.say(|| format!("{name} gives up"));
                }
            }
        })
    }

    /// Waits for `future`; `None` if it was dropped.
    pub(crate) async fn run<F: Future>(&self, label: &'static str, future: F) -> Option<F::Output> {
        let output = self.watch.run(label, future).await;
        if output.is_none() {
            self.app.shared.say(|| format!("DROPPED {label}"));
        }
        output
    }

    /// An error that nothing of this run explains.
    pub(crate) fn refused(&self, what: &str, error: impl Display) -> GivenUp {
        self.app.shared.say(|| format!("{what}: {error}"));
        let text = format!("{what}: {error}");
        let told_so = [
            "fenced by a newer",
            "takes no more records",
            "takes no offsets",
        ];
        let ousted = self.manners.may_be_ousted && told_so.iter().any(|words| text.contains(words));
        if !self.manners.forgiving && !ousted {
            self.app.ledger().violated(Check::Refused, text);
        }
        GivenUp
    }

    /// A role that was ousted begins anew.
    pub(crate) fn starts_over(&self) -> bool {
        self.manners.may_be_ousted && self.app.ledger().violations.is_empty()
    }

    pub(crate) async fn pause(&self) {
        let until = self.app.shared.elapsed() + PAUSE;
        self.app.shared.sleep_until(until).await;
    }

    /// What came of one send. True if it was accepted; false if it was dropped, so nothing of it may ever be seen.
    pub(crate) fn sent(
        &mut self,
        line: usize,
        sent: Option<Result<Delivery, SendError>>,
    ) -> Result<bool, GivenUp> {
        match sent {
            Some(Ok(delivery)) => {
                self.app.ledger().sent[line].fate = Fate::Unheard;
                drop(self.spawn(format!("delivery {line}"), move |hands| {
                    hear(hands, delivery, line)
                }));
                Ok(true)
            }
            Some(Err(error)) => {
                self.app.ledger().sent[line].fate = Fate::NotAccepted;
                Err(self.refused("send", error))
            }
            None => {
                self.app.ledger().sent[line].fate = Fate::NotAccepted;
                Ok(false)
            }
        }
    }
}

/// Hears of a delivery. One that is dropped says nothing about its record, which stays accepted.
async fn hear(hands: Hands, delivery: Delivery, line: usize) -> Result<(), GivenUp> {
    let fate = match hands.run("delivery", delivery).await {
        None => return Ok(()),
        Some(Ok(acknowledged)) => Fate::Acknowledged(acknowledged.offset()),
        Some(Err(error)) => Fate::Failed(error.persistence()),
    };
    let mut ledger = hands.app.ledger();
    if let (Fate::Failed(_), Some(transaction)) = (&fate, ledger.sent[line].transaction) {
        let value = ledger.sent[line].value.clone();
        ledger.transactions[transaction]
            .failed_send
            .get_or_insert(value);
    }
    ledger.sent[line].fate = fate;
    Ok(())
}
