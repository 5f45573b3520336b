//! The records that batches are made of.

use fastrand::Rng;

/// The records of a batch.
pub const RECORDS: usize = 1_000;
/// The bytes of each key.
pub const KEY_BYTES: usize = 10;
/// The headers of a record that has any.
pub const HEADERS: [(&str, &[u8]); 2] = [
    ("trace-id", b"4bf92f3577b34da6"),
    ("content-type", b"application/json"),
];

/// When the first record happened.
const FIRST_TIMESTAMP: i64 = 1_700_000_000_000;

/// What the records of a batch look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// The bytes of each value.
    pub value_bytes: usize,
    /// Whether each record has [`HEADERS`].
    pub headers: bool,
}

/// 1,000 records of one shape, as an application holds them: bytes of its own.
#[derive(Clone, Debug)]
pub struct Records {
    shape: Shape,
    bytes: Vec<u8>,
}

/// One of them.
#[derive(Clone, Copy, Debug)]
pub struct RecordBytes<'a> {
    /// When it happened.
    pub timestamp: i64,
    /// Its key.
    pub key: &'a [u8],
    /// Its value.
    pub value: &'a [u8],
}

impl Shape {
    /// Values of 100 bytes.
    pub const SMALL: Self = Self {
        value_bytes: 100,
        headers: false,
    };
    /// Values of 1 KiB.
    pub const LARGE: Self = Self {
        value_bytes: 1024,
        headers: false,
    };
    /// Values of 100 bytes, and two headers.
    pub const HEADERS: Self = Self {
        value_bytes: 100,
        headers: true,
    };
}

impl Records {
    /// The same records at every call.
    pub fn new(shape: Shape) -> Self {
        let mut random = Rng::with_seed(5);
        let mut bytes = Vec::with_capacity(RECORDS * (KEY_BYTES + shape.value_bytes));
        for number in 0..RECORDS {
            let start = bytes.len();
            bytes.extend_from_slice(format!("key-{:06}", random.u32(..1_000_000)).as_bytes());
            event(number, shape.value_bytes, &mut random, &mut bytes);
            assert_eq!(bytes.len() - start, KEY_BYTES + shape.value_bytes);
        }
        Self { shape, bytes }
    }

    /// What they look like.
    pub const fn shape(&self) -> Shape {
        self.shape
    }

    /// All of them, in order.
    #[inline]
    pub fn iter(&self) -> impl Iterator<Item = RecordBytes<'_>> {
        let each = self.bytes.chunks_exact(KEY_BYTES + self.shape.value_bytes);
        each.zip(FIRST_TIMESTAMP..).map(|(bytes, timestamp)| {
            let (key, value) = bytes.split_at(KEY_BYTES);
            RecordBytes {
                timestamp,
                key,
                value,
            }
        })
    }
}

/// An event in JSON of exactly `len` bytes: names that repeat, values that do not.
fn event(number: usize, len: usize, random: &mut Rng, out: &mut Vec<u8>) {
    const KINDS: [&str; 4] = ["created", "paid", "shipped", "returned"];
    let end = out.len() + len;
    out.extend_from_slice(
        format!(
            "{{\"id\":{number},\"kind\":\"{}\",\"amount\":{}",
            KINDS[random.usize(..KINDS.len())],
            random.u32(..1_000_000)
        )
        .as_bytes(),
    );
    let mut field = 0;
    while out.len() < end {
        let text = format!(",\"field_{field}\":\"{:x}\"", random.u64(..));
        out.extend_from_slice(text.as_bytes());
        field += 1;
    }
    out.truncate(end - 1);
    out.push(b'}');
}
