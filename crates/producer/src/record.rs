//! A record as the user gives it: borrowed, and encoded once, straight into its batch.

use milena_wire::record::HeaderFields;

/// A record to send. It borrows everything; nothing is copied before the one copy into the batch.
///
/// ```
/// use milena_producer::Record;
/// let amount = 5.to_string();
/// let record = Record::to("ledger").key("alice").value(&amount).header("trace", "7f3a");
/// assert_eq!(record.topic(), "ledger");
/// ```
#[derive(Clone, Debug)]
#[must_use = "a record does nothing until it is sent"]
pub struct Record<'a> {
    pub(crate) topic: &'a str,
    pub(crate) partition: Option<i32>,
    pub(crate) timestamp: Option<i64>,
    pub(crate) key: Option<&'a [u8]>,
    pub(crate) value: Option<&'a [u8]>,
    pub(crate) headers: Vec<Header<'a>>,
}

/// One header of a record; keys may repeat and their order is kept (KIP-82).
pub type Header<'a> = HeaderFields<'a>;

impl<'a> Record<'a> {
    /// A record for `topic` without key, value (a tombstone, if sent like this) and headers.
    pub fn to(topic: &'a str) -> Self {
        Self {
            topic,
            partition: None,
            timestamp: None,
            key: None,
            value: None,
            headers: Vec::new(),
        }
    }

    /// Sends to this partition, instead of the one that the key (or, without a key, the client) chooses.
    pub fn partition(mut self, partition: i32) -> Self {
        self.partition = Some(partition);
        self
    }

    /// The key. Records of one key go to one partition, the same that Kafka's Java client chooses (murmur2).
    pub fn key(mut self, key: impl IntoPayload<'a>) -> Self {
        self.key = key.into_payload();
        self
    }

    /// The value.
    pub fn value(mut self, value: impl IntoPayload<'a>) -> Self {
        self.value = value.into_payload();
        self
    }

    /// Adds a header. This is the one part of a record that allocates.
    pub fn header(mut self, key: &'a str, value: impl IntoPayload<'a>) -> Self {
        self.headers.push(Header {
            key: key.as_bytes(),
            value: value.into_payload(),
        });
        self
    }

    /// The record's time in ms since 1970; by default the wall clock when its batch was opened. A negative one is refused when the record is
    /// sent.
    pub fn timestamp(mut self, timestamp_ms: i64) -> Self {
        self.timestamp = Some(timestamp_ms);
        self
    }

    /// The topic this record is for.
    #[must_use]
    pub fn topic(&self) -> &'a str {
        self.topic
    }

    /// The partition this record was addressed to, if it was.
    #[must_use]
    pub fn wanted_partition(&self) -> Option<i32> {
        self.partition
    }
}

/// What can be a record's key or value: text, bytes, or an `Option` of bytes.
pub trait IntoPayload<'a> {
    /// The bytes; `None` is Kafka's null, which is not the same as empty.
    fn into_payload(self) -> Option<&'a [u8]>;
}

macro_rules! payload {
    ($($type:ty => |$it:ident| $bytes:expr;)*) => {
        $(impl<'a> IntoPayload<'a> for $type {
            #[inline]
            fn into_payload(self) -> Option<&'a [u8]> {
                let $it = self;
                $bytes
            }
        })*
    };
}

payload! {
    &'a str => |it| Some(it.as_bytes());
    &'a String => |it| Some(it.as_bytes());
    &'a [u8] => |it| Some(it);
    &'a Vec<u8> => |it| Some(it);
    &'a bytes::Bytes => |it| Some(it);
    Option<&'a [u8]> => |it| it;
    Option<&'a str> => |it| it.map(str::as_bytes);
}

impl<'a, const N: usize> IntoPayload<'a> for &'a [u8; N] {
    #[inline]
    fn into_payload(self) -> Option<&'a [u8]> {
        Some(self)
    }
}
