//! What a manager is made with.

use std::sync::Arc;
use std::time::Duration;

use milena_cluster::Backoff;

/// The settings of one transactional id.
#[derive(Clone, Debug)]
pub struct TransactionConfig {
    /// The name that fences: one live producer a name.
    pub transactional_id: Arc<str>,
    /// After this long without an end the coordinator aborts a transaction by itself. Default 60 s.
    pub transaction_timeout: Duration,
    /// Waits between repetitions of a request. Default 100 ms to 1 s.
    pub retry: Backoff,
    /// Waits while the coordinator still completes the transaction before (CONCURRENT_TRANSACTIONS):
    /// its markers take milliseconds, so the usual wait would cost every second transaction 100 ms.
    /// Default 1, 2, 4 .. 20 ms.
    pub retry_soon: Backoff,
}

impl TransactionConfig {
    /// The defaults for one transactional id.
    pub fn new(transactional_id: impl Into<Arc<str>>) -> Self {
        Self {
            transactional_id: transactional_id.into(),
            transaction_timeout: TRANSACTION_TIMEOUT,
            retry: Backoff::default(),
            retry_soon: Backoff {
                initial: RETRY_SOON,
                max: RETRY_SOON_MAX,
                ..Backoff::default()
            },
        }
    }
}

/// Kafka's own default of `transaction.timeout.ms`.
const TRANSACTION_TIMEOUT: Duration = Duration::from_secs(60);

const RETRY_SOON: Duration = Duration::from_millis(1);

/// Kafka's Java client waits 20 ms for the first partition of a transaction (KAFKA-5482).
const RETRY_SOON_MAX: Duration = Duration::from_millis(20);
