//! What is said of each record, in the words of Kafka's own program.

use milena::{Acknowledged, DeliveryError, DeliveryErrorKind, ErrorCode, SendError};
use tokio::time::Instant;

use crate::args::VerifiableProducerArgs;
use crate::failure::Failure;
use crate::json_lines::{Lines, quoted};
use crate::system::wall_clock_ms;

const TIMEOUT: &str = "org.apache.kafka.common.errors.TimeoutException";
const TOO_LARGE: &str = "org.apache.kafka.common.errors.RecordTooLargeException";
const FENCED: &str = "org.apache.kafka.common.errors.ProducerFencedException";
const KAFKA: &str = "org.apache.kafka.common.KafkaException";

/// Writes the program's lines and counts what they say.
pub(super) struct Report {
    lines: Lines,
    /// As JSON, quotes included.
    topic: String,
    prefix: Option<i64>,
    repeating_keys: Option<u64>,
    target: i64,
    since: Instant,
    /// Records that were handed over.
    pub(super) sent: u64,
    acked: u64,
}

impl Report {
    pub(super) fn new(lines: Lines, args: &VerifiableProducerArgs) -> Self {
        Self {
            lines,
            topic: quoted(&args.topic),
            prefix: args.value_prefix,
            repeating_keys: args.repeating_keys,
            target: args.throughput,
            since: Instant::now(),
            sent: 0,
            acked: 0,
        }
    }

    /// The value of record `n`.
    pub(super) fn value_of(&self, n: u64) -> String {
        match self.prefix {
            Some(prefix) => format!("{prefix}.{n}"),
            None => n.to_string(),
        }
    }

    /// Its key, if there are any.
    pub(super) fn key_of(&self, n: u64) -> Option<String> {
        self.repeating_keys.map(|keys| (n % keys).to_string())
    }

    /// The program has begun.
    pub(super) fn started(&mut self) -> Result<(), Failure> {
        self.event("startup_complete")?;
        self.flush()
    }

    /// Record `n` was acknowledged, or will not be.
    pub(super) fn settled(
        &mut self,
        n: u64,
        outcome: Result<Acknowledged, DeliveryError>,
    ) -> Result<(), Failure> {
        match outcome {
            Ok(acknowledged) => self.acknowledged(n, &acknowledged),
            Err(error) => self.failed(n, delivery_class(error.kind()), &error.to_string()),
        }
    }

    /// Record `n` was not accepted.
    pub(super) fn refused(&mut self, n: u64, error: &SendError) -> Result<(), Failure> {
        let class = match error {
            SendError::TimedOut { .. } => TIMEOUT,
            SendError::TooLarge { .. } => TOO_LARGE,
            SendError::Topic { error, .. } => class(*error),
            _ => KAFKA,
        };
        self.failed(n, class, &error.to_string())?;
        self.flush()
    }

    /// Record `n` is not waited for any longer.
    pub(super) fn given_up(&mut self, n: u64) -> Result<(), Failure> {
        let why = "the program was asked to end before this was acknowledged (the record may be in the log)";
        self.failed(n, TIMEOUT, why)
    }

    /// Everything is over.
    pub(super) fn ended(&mut self) -> Result<(), Failure> {
        self.event("shutdown_complete")?;
        #[allow(
            clippy::cast_precision_loss,
            reason = "an average for people, far below 2^53"
        )]
        let average = self.acked as f64 / self.since.elapsed().as_secs_f64().max(0.001);
        let (now, sent, acked, target) = (wall_clock_ms(), self.sent, self.acked, self.target);
        self.lines.push(format_args!(
            r#"{{"timestamp":{now},"name":"tool_data","sent":{sent},"acked":{acked},"target_throughput":{target},"avg_throughput":{average:.3}}}"#
        ))?;
        self.flush()
    }

    /// Hands the lines over.
    pub(super) fn flush(&mut self) -> Result<(), Failure> {
        self.lines.flush()
    }

    fn event(&mut self, name: &str) -> Result<(), Failure> {
        let now = wall_clock_ms();
        self.lines
            .push(format_args!(r#"{{"timestamp":{now},"name":"{name}"}}"#))
    }

    fn acknowledged(&mut self, n: u64, acknowledged: &Acknowledged) -> Result<(), Failure> {
        self.acked += 1;
        let (key, value) = (self.key_json(n), self.value_of(n));
        let partition = acknowledged.partition();
        // Kafka's word for "the broker did not tell".
        let offset = acknowledged.offset().unwrap_or(-1);
        let (now, topic) = (wall_clock_ms(), &self.topic);
        self.lines.push(format_args!(
            r#"{{"timestamp":{now},"name":"producer_send_success","key":{key},"value":"{value}","topic":{topic},"partition":{partition},"offset":{offset}}}"#
        ))
    }

    fn failed(&mut self, n: u64, class: &str, message: &str) -> Result<(), Failure> {
        let (key, value) = (self.key_json(n), self.value_of(n));
        let (now, topic, message) = (wall_clock_ms(), &self.topic, quoted(message));
        self.lines.push(format_args!(
            r#"{{"timestamp":{now},"name":"producer_send_error","key":{key},"value":"{value}","topic":{topic},"exception":"{class}","message":{message}}}"#
        ))
    }

    fn key_json(&self, n: u64) -> String {
        self.key_of(n)
            .map_or_else(|| "null".to_owned(), |key| format!("\"{key}\""))
    }
}

fn delivery_class(kind: &DeliveryErrorKind) -> &'static str {
    match kind {
        DeliveryErrorKind::TimedOut => TIMEOUT,
        DeliveryErrorKind::Refused(error) => class(*error),
        DeliveryErrorKind::Fenced => FENCED,
        _ => KAFKA,
    }
}

/// The exception that Kafka's own client throws for a broker's answer.
fn class(error: ErrorCode) -> &'static str {
    match error {
        ErrorCode::REQUEST_TIMED_OUT => TIMEOUT,
        ErrorCode::MESSAGE_TOO_LARGE => TOO_LARGE,
        ErrorCode::RECORD_LIST_TOO_LARGE => {
            "org.apache.kafka.common.errors.RecordBatchTooLargeException"
        }
        ErrorCode::UNKNOWN_TOPIC_OR_PARTITION => {
            "org.apache.kafka.common.errors.UnknownTopicOrPartitionException"
        }
        ErrorCode::INVALID_TOPIC_EXCEPTION => {
            "org.apache.kafka.common.errors.InvalidTopicException"
        }
        ErrorCode::TOPIC_AUTHORIZATION_FAILED => {
            "org.apache.kafka.common.errors.TopicAuthorizationException"
        }
        ErrorCode::CLUSTER_AUTHORIZATION_FAILED => {
            "org.apache.kafka.common.errors.ClusterAuthorizationException"
        }
        ErrorCode::INVALID_RECORD => "org.apache.kafka.common.InvalidRecordException",
        ErrorCode::POLICY_VIOLATION => "org.apache.kafka.common.errors.PolicyViolationException",
        ErrorCode::INVALID_TIMESTAMP => "org.apache.kafka.common.errors.InvalidTimestampException",
        ErrorCode::NOT_ENOUGH_REPLICAS => {
            "org.apache.kafka.common.errors.NotEnoughReplicasException"
        }
        _ => KAFKA,
    }
}
