//! Kafka's property names, as milena's settings.

use std::fmt::Display;
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use milena::{
    Client, ClientBuilder, IsolationLevel, OutOfRange, ProducerBuilder,
    TransactionalProducerBuilder,
};

use super::compression::CompressionSettings;
use crate::failure::Failure;
use crate::output::complain;
use crate::properties;

/// What a file of properties asks for; `None` leaves milena's default.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Settings {
    client_id: Option<String>,
    request_timeout: Option<Duration>,
    connection_setup_timeout: Option<Duration>,
    retry_backoff: Option<Duration>,
    retry_backoff_max: Option<Duration>,
    metadata_age_max: Option<Duration>,
    linger: Option<Duration>,
    batch_bytes: Option<usize>,
    record_bytes: Option<usize>,
    buffer_bytes: Option<usize>,
    delivery_timeout: Option<Duration>,
    block_max: Option<Duration>,
    /// What a reader is shown of transactions.
    pub(crate) isolation: Option<IsolationLevel>,
    /// Where to go on if a position is not in the log.
    pub(crate) out_of_range: Option<OutOfRange>,
    fetch_wait_max: Option<Duration>,
    compression: CompressionSettings,
}

/// Kafka's batch size is a wish: a record that is larger goes alone, up to the size of a request.
const RECORD_BYTES: usize = 1 << 20;
/// What Kafka's producer waits by default, for an acknowledgement in all.
const DELIVERY_TIMEOUT: Duration = Duration::from_secs(120);
/// What it waits by default for room or metadata.
const BLOCK_MAX: Duration = Duration::from_secs(60);

impl Settings {
    /// Reads a file, and tells stderr what of it means nothing here.
    ///
    /// # Errors
    /// One sentence: the file cannot be read, a value makes no sense, or something is asked for that milena cannot do yet.
    pub(crate) fn read(path: Option<&Path>) -> Result<Self, Failure> {
        let Some(path) = path else {
            return Ok(Self::default());
        };
        let wrong = |what: &dyn Display| Failure::Input(format!("{}: {what}", path.display()));
        let bytes = std::fs::read(path).map_err(|error| wrong(&error))?;
        let entries = properties::parse(&properties::decode(bytes)).map_err(|bad| {
            wrong(&format_args!(
                "line {}: \\u must be followed by four hexadecimal digits",
                bad.line
            ))
        })?;
        let mut settings = Self::default();
        for (key, value) in &entries {
            match settings.set(key, value.trim()) {
                Ok(None) => {}
                Ok(Some(note)) => complain(&format!("{}: {note}", path.display())),
                Err(sentence) => return Err(wrong(&sentence)),
            }
        }
        Ok(settings)
    }

    /// Takes one property. `Some` is a note for the user, an error one sentence.
    fn set(&mut self, key: &str, value: &str) -> Result<Option<String>, String> {
        if let Some(verdict) = refused(key, value) {
            return verdict;
        }
        if let Some(taken) = self.compression.set(key, value) {
            return taken.map(|()| None);
        }
        if let Some(place) = self.duration(key) {
            *place = Some(Duration::from_millis(number(key, value)?));
            return Ok(None);
        }
        if let Some(shorter) = self.backoff(key) {
            let wait = Duration::from_millis(number(key, value)?);
            // Two of Kafka's settings are one of ours: whoever sets either wants it to be no slower than that.
            *shorter = Some(shorter.map_or(wait, |known| known.min(wait)));
            return Ok(None);
        }
        match key {
            "client.id" => self.client_id = Some(value.to_owned()),
            "batch.size" => self.batch_bytes = Some(number(key, value)?),
            "max.request.size" => self.record_bytes = Some(number(key, value)?),
            "buffer.memory" => self.buffer_bytes = Some(number(key, value)?),
            "isolation.level" => self.isolation = Some(isolation(value)?),
            "auto.offset.reset" => self.out_of_range = Some(out_of_range(value)?),
            "retries" | "max.in.flight.requests.per.connection" => {
                number::<i64>(key, value)?;
                return Ok(Some(format!(
                    "{key}={value} is not followed: milena repeats until delivery.timeout.ms is over, with at most five batches of a partition in flight"
                )));
            }
            "bootstrap.servers" | "transactional.id" | "transaction.timeout.ms" | "group.id" => {
                return Ok(Some(format!(
                    "{key} is not followed: the command line says it"
                )));
            }
            _ => return Ok(Some(format!("{key} is not known here and not followed"))),
        }
        Ok(None)
    }

    fn duration(&mut self, key: &str) -> Option<&mut Option<Duration>> {
        Some(match key {
            "request.timeout.ms" => &mut self.request_timeout,
            "socket.connection.setup.timeout.ms" => &mut self.connection_setup_timeout,
            "metadata.max.age.ms" => &mut self.metadata_age_max,
            "linger.ms" => &mut self.linger,
            "delivery.timeout.ms" => &mut self.delivery_timeout,
            "max.block.ms" => &mut self.block_max,
            "fetch.max.wait.ms" => &mut self.fetch_wait_max,
            _ => return None,
        })
    }

    fn backoff(&mut self, key: &str) -> Option<&mut Option<Duration>> {
        Some(match key {
            "retry.backoff.ms" | "reconnect.backoff.ms" => &mut self.retry_backoff,
            "retry.backoff.max.ms" | "reconnect.backoff.max.ms" => &mut self.retry_backoff_max,
            _ => return None,
        })
    }

    /// A client's settings.
    pub(crate) fn client(&self) -> ClientBuilder {
        let mut builder = Client::builder();
        if let Some(client_id) = &self.client_id {
            builder = builder.client_id(client_id);
        }
        if let Some(timeout) = self.request_timeout {
            builder = builder.request_timeout(timeout.max(Duration::from_millis(1)));
        }
        if let Some(timeout) = self.connection_setup_timeout {
            builder = builder.connection_setup_timeout(timeout.max(Duration::from_millis(1)));
        }
        if let Some(age) = self.metadata_age_max {
            builder = builder.metadata_age_max(age);
        }
        match (self.retry_backoff, self.retry_backoff_max) {
            (None, None) => builder,
            (initial, max) => builder.retry_backoff(
                initial.unwrap_or(Duration::from_millis(50)),
                max.unwrap_or(Duration::from_secs(1)),
            ),
        }
    }

    /// How long a record may take to be acknowledged.
    pub(crate) fn delivery_timeout(&self) -> Duration {
        self.delivery_timeout.unwrap_or(DELIVERY_TIMEOUT)
    }

    /// How long a call may wait. Unless the file says so it is no shorter than a record may take: an outage that the records
    /// under way survive should not fail the one that waits to join them.
    pub(crate) fn block_max(&self) -> Duration {
        self.block_max
            .unwrap_or_else(|| BLOCK_MAX.max(self.delivery_timeout()))
    }

    /// How long one wait for a coordinator may take. No coordinator answers in no time: at zero nothing would ever be settled.
    pub(crate) fn operation_timeout(&self) -> Duration {
        const LEAST: Duration = Duration::from_millis(100);
        self.block_max.unwrap_or(BLOCK_MAX).max(LEAST)
    }

    /// A producer's settings.
    pub(crate) fn producer(&self, mut builder: ProducerBuilder) -> ProducerBuilder {
        if let Some(linger) = self.linger {
            builder = builder.linger(linger);
        }
        if let Some(bytes) = self.batch_bytes {
            builder = builder.batch_bytes_max(bytes);
        }
        if let Some(bytes) = self.buffer_bytes {
            builder = builder.buffer_bytes_max(bytes);
        }
        if let Some(level) = self.compression.level() {
            builder = builder.compression_level(level);
        }
        builder
            .compression(self.compression.codec())
            .record_bytes_max(self.record_bytes.unwrap_or(RECORD_BYTES))
            .delivery_timeout(self.delivery_timeout())
            .send_timeout(self.block_max())
    }

    /// A transactional producer's settings; `batch_bytes` is the program's own default.
    pub(crate) fn transactional_producer(
        &self,
        builder: TransactionalProducerBuilder,
        batch_bytes: usize,
    ) -> TransactionalProducerBuilder {
        let mut builder = builder.batch_bytes_max(self.batch_bytes.unwrap_or(batch_bytes));
        if let Some(linger) = self.linger {
            builder = builder.linger(linger);
        }
        if let Some(bytes) = self.buffer_bytes {
            builder = builder.buffer_bytes_max(bytes);
        }
        if let Some(level) = self.compression.level() {
            builder = builder.compression_level(level);
        }
        builder
            .compression(self.compression.codec())
            .record_bytes_max(self.record_bytes.unwrap_or(RECORD_BYTES))
            .delivery_timeout(self.delivery_timeout())
            .send_timeout(self.block_max())
            .operation_timeout(self.operation_timeout())
    }

    /// A consumer's settings.
    pub(crate) fn consumer(&self, mut builder: milena::ConsumerBuilder) -> milena::ConsumerBuilder {
        if let Some(wait) = self.fetch_wait_max {
            builder = builder.fetch_wait_max(wait);
        }
        builder
    }
}

/// What is told or refused whatever else is set; `None` for properties that are none of these.
fn refused(key: &str, value: &str) -> Option<Result<Option<String>, String>> {
    let not_yet = || Some(Err(format!("{key}={value} is not supported yet")));
    match key {
        "security.protocol" if value.eq_ignore_ascii_case("PLAINTEXT") => Some(Ok(None)),
        "security.protocol" => not_yet(),
        // The value may hold a password.
        _ if key.starts_with("sasl.") => Some(Err(format!(
            "{key}: authentication is not supported yet"
        ))),
        _ if key.starts_with("ssl.") => Some(Ok(Some(format!(
            "{key} is not followed: connections are not encrypted yet"
        )))),
        "acks" if matches!(value, "all" | "-1") => Some(Ok(None)),
        "acks" if matches!(value, "0" | "1") => not_yet(),
        "acks" => Some(Err(format!("acks={value}: it is all, -1, 0 or 1"))),
        "enable.idempotence" => Some(match value {
            "true" => Ok(None),
            "false" => Ok(Some(
                "enable.idempotence=false is not followed: milena's producers are always idempotent"
                    .to_owned(),
            )),
            _ => Err(format!("enable.idempotence={value}: it is true or false")),
        }),
        _ => None,
    }
}

pub(super) fn number<N: FromStr>(key: &str, value: &str) -> Result<N, String> {
    value
        .parse()
        .map_err(|_| format!("{key}={value}: it must be a whole number, and not too large a one"))
}

/// Kafka's word for an isolation level.
pub(crate) fn isolation(value: &str) -> Result<IsolationLevel, String> {
    match value {
        "read_committed" => Ok(IsolationLevel::ReadCommitted),
        "read_uncommitted" => Ok(IsolationLevel::ReadUncommitted),
        _ => Err(format!(
            "isolation level {value:?}: it is read_committed or read_uncommitted"
        )),
    }
}

fn out_of_range(value: &str) -> Result<OutOfRange, String> {
    match value {
        "earliest" => Ok(OutOfRange::Earliest),
        "latest" => Ok(OutOfRange::Latest),
        "none" => Ok(OutOfRange::Fail),
        _ => Err(format!(
            "auto.offset.reset={value}: it is earliest, latest or none"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(key: &str, value: &str) -> (Settings, Result<Option<String>, String>) {
        let mut settings = Settings::default();
        let verdict = settings.set(key, value);
        (settings, verdict)
    }

    #[test]
    fn numbers_of_milliseconds_become_durations() {
        let (settings, verdict) = set("delivery.timeout.ms", "30000");
        assert_eq!(verdict, Ok(None));
        assert_eq!(settings.delivery_timeout(), Duration::from_secs(30));
        assert_eq!(settings.block_max(), Duration::from_secs(60));
        let (settings, _) = set("max.block.ms", "2000");
        assert_eq!(settings.block_max(), Duration::from_secs(2));
        assert_eq!(settings.operation_timeout(), Duration::from_secs(2));
        for bad in ["-1", "x", "", "1.5", "99999999999999999999"] {
            assert!(set("linger.ms", bad).1.is_err(), "{bad}");
        }
    }

    #[test]
    fn without_a_word_on_it_a_send_waits_as_long_as_a_record_may_take() {
        assert_eq!(Settings::default().block_max(), Duration::from_secs(120));
        assert_eq!(
            Settings::default().operation_timeout(),
            Duration::from_secs(60)
        );
    }

    #[test]
    fn of_two_backoffs_the_shorter_one_counts() {
        let mut settings = Settings::default();
        for (key, value) in [("reconnect.backoff.ms", "300"), ("retry.backoff.ms", "100")] {
            assert_eq!(settings.set(key, value), Ok(None));
        }
        assert_eq!(settings.retry_backoff, Some(Duration::from_millis(100)));
    }

    #[test]
    fn what_cannot_be_done_yet_is_refused_with_a_sentence_that_says_so() {
        for (key, value) in [
            ("acks", "0"),
            ("acks", "1"),
            ("security.protocol", "SASL_SSL"),
            ("security.protocol", "SSL"),
            ("sasl.mechanism", "PLAIN"),
        ] {
            let sentence = set(key, value).1.expect_err(key);
            assert!(sentence.contains("not supported yet"), "{sentence}");
        }
        let sentence = set("sasl.jaas.config", "x required password=\"secret\";").1;
        assert!(!sentence.expect_err("refused").contains("secret"));
    }

    #[test]
    fn what_makes_no_difference_is_told_and_what_says_the_same_is_not() {
        for (key, value) in [
            ("enable.idempotence", "false"),
            ("retries", "3"),
            ("max.in.flight.requests.per.connection", "1"),
            ("key.serializer", "x"),
            ("ssl.truststore.location", "ca.pem"),
        ] {
            let note = set(key, value).1.expect(key).expect(key);
            assert!(note.contains(key) && note.contains("not"), "{note}");
        }
        for (key, value) in [
            ("enable.idempotence", "true"),
            ("acks", "all"),
            ("acks", "-1"),
            ("security.protocol", "PLAINTEXT"),
            ("compression.type", "none"),
            ("compression.type", "lz4"),
            ("compression.zstd.level", "4"),
            ("isolation.level", "read_committed"),
            ("auto.offset.reset", "earliest"),
        ] {
            assert_eq!(set(key, value).1, Ok(None), "{key}");
        }
    }

    #[test]
    fn words_that_no_setting_has_are_refused() {
        for (key, value) in [
            ("enable.idempotence", "yes"),
            ("acks", "2"),
            ("isolation.level", "read_all"),
            ("auto.offset.reset", "beginning"),
            ("retries", "many"),
        ] {
            let sentence = set(key, value).1.expect_err(key);
            assert!(sentence.contains(value), "{sentence}");
        }
    }
}
