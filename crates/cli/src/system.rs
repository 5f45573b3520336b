//! The programs that Kafka's system tests know, on milena: what they have in common.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use milena::{Client, ConnectError};

use crate::args::Address;
use crate::failure::Failure;
use settings::Settings;

pub(crate) mod compression;
pub(crate) mod consume;
pub(crate) mod settings;
pub(crate) mod transactional_copier;
pub(crate) mod verifiable_producer;

/// How long a program that has just started waits for the cluster. Whoever tests with outages starts programs in them too.
pub(crate) const PATIENCE: Duration = Duration::from_secs(300);

/// The wish, from outside, that the program end.
pub(crate) struct Stop {
    asked: Pin<Box<dyn Future<Output = ()>>>,
    heard: bool,
}

impl Stop {
    /// Heard when `asked` resolves.
    pub(crate) fn new(asked: impl Future<Output = ()> + 'static) -> Self {
        Self {
            asked: Box::pin(asked),
            heard: false,
        }
    }

    /// Whether it was heard; wakes the caller when it is.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> bool {
        self.heard = self.heard || self.asked.as_mut().poll(cx).is_ready();
        self.heard
    }

    /// Waits for it.
    pub(crate) async fn wait(&mut self) {
        std::future::poll_fn(|cx| match self.poll(cx) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        })
        .await;
    }
}

/// A client of the cluster, as soon as one of its brokers answers.
///
/// # Errors
/// None did in `patience`, or an address is none.
pub(crate) async fn connect(
    addresses: &[Address],
    settings: &Settings,
    patience: Duration,
) -> Result<Client, Failure> {
    settings
        .client()
        .bootstrap(addresses.iter().map(Address::to_string))
        .connect_timeout(patience)
        .build()
        .await
        .map_err(|error| match error {
            ConnectError::BadAddress { .. }
            | ConnectError::NoAddress
            | ConnectError::NotYet { .. } => Failure::Input(error.to_string()),
            _ => Failure::Broken(error.to_string()),
        })
}

/// Milliseconds since 1970.
pub(crate) fn wall_clock_ms() -> i64 {
    #[allow(
        clippy::disallowed_methods,
        reason = "the lines of these programs carry the time of day"
    )]
    let now = SystemTime::now();
    now.duration_since(UNIX_EPOCH).map_or(0, |since| {
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    })
}
