//! Records of a checked batch, parsed as they are walked over.

use bytes::Bytes;

use super::header::{BatchHeader, TimestampType};
use crate::{DecodeError, DecodeErrorKind, varint};

/// The records of a batch: their framing was checked, so reading them cannot fail. Shares the bytes of the batch.
#[derive(Clone, Debug)]
pub struct RecordBatch {
    header: BatchHeader,
    /// What follows the header, decompressed.
    records: Bytes,
}

impl RecordBatch {
    /// Checks every record: lengths, variable-length integers, offsets, timestamps, and that they are as many as the header says. `visit` sees
    /// each as soon as it is checked.
    ///
    /// `position` is where `records` begin, for errors: 0 if they were compressed.
    pub(super) fn new(
        header: BatchHeader,
        records: Bytes,
        position: usize,
        mut visit: impl FnMut(RecordRef<'_>),
    ) -> Result<Self, DecodeError> {
        let mut rest = &records[..];
        let mut offset_delta_min = 0_i64;
        for _ in 0..header.record_count {
            let position = position + records.len() - rest.len();
            // Bytes that end before the last record are a wrong count, not a wrong record.
            if rest.is_empty() {
                return Err(DecodeError::plain(
                    "record_count",
                    position,
                    DecodeErrorKind::RecordCount(header.record_count),
                ));
            }
            let checked = check_record(&mut rest, &header, offset_delta_min);
            offset_delta_min = match checked {
                Ok(record) => {
                    visit(RecordRef::of(&header, &record));
                    i64::from(record.offset_delta) + 1
                }
                Err((field, kind)) => return Err(DecodeError::plain(field, position, kind)),
            };
        }
        if rest.is_empty() {
            Ok(Self { header, records })
        } else {
            let position = position + records.len() - rest.len();
            Err(DecodeError::plain(
                "record_count",
                position,
                DecodeErrorKind::RecordCount(header.record_count),
            ))
        }
    }

    /// The header of the batch.
    pub const fn header(&self) -> &BatchHeader {
        &self.header
    }

    /// The records in order.
    pub fn records(&self) -> RecordIter<'_> {
        RecordIter {
            header: &self.header,
            rest: &self.records,
            left: self.len(),
        }
    }

    /// How many records.
    pub const fn len(&self) -> usize {
        // Never negative: the header was checked.
        self.header.record_count.unsigned_abs() as usize
    }

    /// The records as they are encoded, decompressed.
    pub const fn payload(&self) -> &Bytes {
        &self.records
    }

    /// How many bytes the records take, decompressed.
    pub const fn payload_len(&self) -> usize {
        self.records.len()
    }

    /// Whether compaction has removed all records.
    pub const fn is_empty(&self) -> bool {
        self.header.record_count == 0
    }

    /// The position after this batch.
    pub const fn next_offset(&self) -> i64 {
        self.header.last_offset().saturating_add(1)
    }
}

/// Walks over the records of a [`RecordBatch`].
#[derive(Clone, Debug)]
pub struct RecordIter<'a> {
    header: &'a BatchHeader,
    rest: &'a [u8],
    left: usize,
}

impl<'a> Iterator for RecordIter<'a> {
    type Item = RecordRef<'a>;

    #[inline]
    fn next(&mut self) -> Option<RecordRef<'a>> {
        self.left = self.left.checked_sub(1)?;
        // Checked when the batch was made, so this never ends the walk early.
        let raw = RawRecord::take(&mut self.rest).ok()?;
        Some(RecordRef::of(self.header, &raw))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for RecordIter<'_> {}
impl std::iter::FusedIterator for RecordIter<'_> {}

/// A record, borrowed from its batch.
#[derive(Clone, Copy, Debug)]
pub struct RecordRef<'a> {
    offset: i64,
    timestamp: i64,
    key: Option<&'a [u8]>,
    value: Option<&'a [u8]>,
    header_count: usize,
    headers: &'a [u8],
}

impl<'a> RecordRef<'a> {
    #[inline]
    const fn of(header: &BatchHeader, raw: &RawRecord<'a>) -> Self {
        Self {
            offset: header.base_offset.wrapping_add(raw.offset_delta as i64),
            timestamp: match header.timestamp_type() {
                TimestampType::CreateTime => {
                    header.base_timestamp.wrapping_add(raw.timestamp_delta)
                }
                // The broker's clock overrides the producer's: only the header holds it.
                TimestampType::LogAppendTime => header.max_timestamp,
            },
            key: raw.key,
            value: raw.value,
            header_count: raw.header_count,
            headers: raw.headers,
        }
    }

    /// Its place in the partition.
    pub const fn offset(&self) -> i64 {
        self.offset
    }

    /// Milliseconds since 1970: the producer's time, or the broker's if the topic says so.
    pub const fn timestamp(&self) -> i64 {
        self.timestamp
    }

    /// What it is about.
    pub const fn key(&self) -> Option<&'a [u8]> {
        self.key
    }

    /// What it says.
    pub const fn value(&self) -> Option<&'a [u8]> {
        self.value
    }

    /// Its notes, in order, duplicates kept.
    pub const fn headers(&self) -> HeaderIter<'a> {
        HeaderIter {
            rest: self.headers,
            left: self.header_count,
        }
    }
}

/// One note on a record. The key is UTF-8 by custom, but nobody checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeaderRef<'a> {
    /// Its name.
    pub key: &'a [u8],
    /// Its value.
    pub value: Option<&'a [u8]>,
}

/// Walks over the headers of a record.
#[derive(Clone, Debug)]
pub struct HeaderIter<'a> {
    rest: &'a [u8],
    left: usize,
}

impl<'a> Iterator for HeaderIter<'a> {
    type Item = HeaderRef<'a>;

    fn next(&mut self) -> Option<HeaderRef<'a>> {
        self.left = self.left.checked_sub(1)?;
        take_header(&mut self.rest).ok()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for HeaderIter<'_> {}
impl std::iter::FusedIterator for HeaderIter<'_> {}

/// A record as it is in the bytes.
#[derive(Debug, PartialEq)]
struct RawRecord<'a> {
    timestamp_delta: i64,
    offset_delta: i32,
    key: Option<&'a [u8]>,
    value: Option<&'a [u8]>,
    header_count: usize,
    headers: &'a [u8],
}

/// The length that means null, as it is written.
const NULL: u32 = 1;
/// Where a usual record's length, timestamp and offset deltas and key length end at the latest, as a power of two.
const FRONT_LEN: usize = 16;

type Fault = (&'static str, DecodeErrorKind);

impl<'a> RawRecord<'a> {
    /// Takes a record off the front of `bytes`; its headers are not looked at.
    #[inline]
    fn take(bytes: &mut &'a [u8]) -> Result<Self, Fault> {
        match Self::take_usual(bytes) {
            Some(record) => Ok(record),
            None => Self::take_any(bytes),
        }
    }

    /// The quick way, for nearly all records: every integer takes a byte or two, and the batch does not end within [`FRONT_LEN`] bytes.
    /// `None` leaves the record, which may be as good as any other, to [`Self::take_any`]; so there are no errors to tell apart here.
    #[inline]
    fn take_usual(bytes: &mut &'a [u8]) -> Option<Self> {
        let front = bytes.first_chunk::<FRONT_LEN>()?;
        let (len, body) = varint::short_within(front, 0)?;
        // The attributes byte has no meaning yet.
        let (timestamp_delta, at) = varint::short_within(front, body + 1)?;
        let (offset_delta, at) = varint::short_within(front, at)?;
        let (key_len, key_at) = varint::short_within(front, at)?;
        let (record, rest) = bytes.split_at_checked(body + usual_len(len)?)?;
        let (key, at) = usual_field(record, key_len, key_at)?;
        let (value_len, at) = varint::short(record, at)?;
        let (value, at) = usual_field(record, value_len, at)?;
        let (header_count, at) = varint::short(record, at)?;
        let (header_count, headers) = (usual_len(header_count)?, record.get(at..)?);
        // Only now: who goes the other way begins where this one began.
        *bytes = rest;
        Some(Self {
            timestamp_delta: i64::from(varint::unzigzag_32(timestamp_delta)),
            offset_delta: varint::unzigzag_32(offset_delta),
            key,
            value,
            header_count,
            headers,
        })
    }

    /// The way for any record.
    #[inline(never)]
    fn take_any(bytes: &mut &'a [u8]) -> Result<Self, Fault> {
        let len = varint::take_i32(bytes).map_err(|kind| ("record length", kind))?;
        let len = usize::try_from(len)
            .map_err(|_| ("record length", DecodeErrorKind::NegativeLength(len)))?;
        let (mut body, rest) = bytes
            .split_at_checked(len)
            .ok_or(("record length", DecodeErrorKind::Truncated))?;
        *bytes = rest;
        // The attributes byte has no meaning yet.
        body = body
            .split_first()
            .ok_or(("record attributes", DecodeErrorKind::Truncated))?
            .1;
        let timestamp_delta =
            varint::take_i64(&mut body).map_err(|kind| ("timestamp delta", kind))?;
        let offset_delta = varint::take_i32(&mut body).map_err(|kind| ("offset delta", kind))?;
        let key = take_nullable(&mut body).map_err(|kind| ("key", kind))?;
        let value = take_nullable(&mut body).map_err(|kind| ("value", kind))?;
        let count = varint::take_i32(&mut body).map_err(|kind| ("header count", kind))?;
        let header_count = usize::try_from(count)
            .map_err(|_| ("header count", DecodeErrorKind::NegativeLength(count)))?;
        Ok(Self {
            timestamp_delta,
            offset_delta,
            key,
            value,
            header_count,
            headers: body,
        })
    }
}

/// Checks the record at the front of `rest`.
#[inline]
fn check_record<'a>(
    rest: &mut &'a [u8],
    header: &BatchHeader,
    offset_delta_min: i64,
) -> Result<RawRecord<'a>, Fault> {
    let record = RawRecord::take(rest)?;
    let delta = record.offset_delta;
    // Offsets rise within a batch, or positions taken from them would step back and records come twice.
    if i64::from(delta) < offset_delta_min || delta > header.last_offset_delta {
        return Err(("offset delta", DecodeErrorKind::OffsetDelta(delta)));
    }
    if header.timestamp_type() == TimestampType::CreateTime
        && header
            .base_timestamp
            .checked_add(record.timestamp_delta)
            .is_none()
    {
        return Err(("timestamp delta", DecodeErrorKind::TimestampOverflow));
    }
    let mut headers = record.headers;
    for _ in 0..record.header_count {
        take_header(&mut headers).map_err(|kind| ("headers", kind))?;
    }
    if !headers.is_empty() {
        return Err(("record length", DecodeErrorKind::RecordLength));
    }
    Ok(record)
}

/// Takes a header off the front of `bytes`: the quick way first, as with records.
#[inline]
fn take_header<'a>(bytes: &mut &'a [u8]) -> Result<HeaderRef<'a>, DecodeErrorKind> {
    match take_usual_header(bytes) {
        Some(header) => Ok(header),
        None => take_any_header(bytes),
    }
}

#[inline]
fn take_usual_header<'a>(bytes: &mut &'a [u8]) -> Option<HeaderRef<'a>> {
    let (key_len, at) = varint::short(bytes, 0)?;
    let (key, at) = usual_field(bytes, key_len, at)?;
    let (value_len, at) = varint::short(bytes, at)?;
    let (value, at) = usual_field(bytes, value_len, at)?;
    let (key, rest) = (key?, bytes.get(at..)?);
    *bytes = rest;
    Some(HeaderRef { key, value })
}

#[inline(never)]
fn take_any_header<'a>(bytes: &mut &'a [u8]) -> Result<HeaderRef<'a>, DecodeErrorKind> {
    let key = take_nullable(bytes)?.ok_or(DecodeErrorKind::UnexpectedNull)?;
    Ok(HeaderRef {
        key,
        value: take_nullable(bytes)?,
    })
}

/// A length that is not negative.
#[inline]
const fn usual_len(zigzag: u32) -> Option<usize> {
    if zigzag & 1 == 0 {
        Some((zigzag >> 1) as usize)
    } else {
        None
    }
}

/// What comes after the length of a field, and where that ends.
#[inline]
fn usual_field(record: &[u8], zigzag: u32, at: usize) -> Option<(Option<&[u8]>, usize)> {
    if zigzag == NULL {
        return Some((None, at));
    }
    let end = at + usual_len(zigzag)?;
    Some((Some(record.get(at..end)?), end))
}

/// A length and that many bytes; -1 is null.
#[inline]
fn take_nullable<'a>(bytes: &mut &'a [u8]) -> Result<Option<&'a [u8]>, DecodeErrorKind> {
    let len = varint::take_i32(bytes)?;
    if len == -1 {
        return Ok(None);
    }
    let len = usize::try_from(len).map_err(|_| DecodeErrorKind::NegativeLength(len))?;
    let (taken, rest) = bytes
        .split_at_checked(len)
        .ok_or(DecodeErrorKind::Truncated)?;
    *bytes = rest;
    Ok(Some(taken))
}

#[cfg(test)]
mod tests {
    use fastrand::Rng;

    use super::*;
    use crate::record::{BatchBuilder, HeaderFields, RecordFields};

    /// Lengths about which an integer gets longer, and those between.
    fn some_len(random: &mut Rng) -> usize {
        const LENGTHS: [usize; 8] = [0, 1, 62, 63, 64, 65, 8_191, 8_192];
        match random.u8(..4) {
            0 => LENGTHS[random.usize(..LENGTHS.len())],
            _ => random.usize(..200),
        }
    }

    fn records(random: &mut Rng) -> Vec<u8> {
        static BYTES: [u8; 8_192] = [0x81; 8_192];
        let mut builder = BatchBuilder::new();
        for _ in 0..random.usize(1..5) {
            let mut field = || (random.u8(..4) > 0).then(|| &BYTES[..some_len(random)]);
            let (key, value, header) = (field(), field(), field());
            let header = HeaderFields {
                key: b"h",
                value: header,
            };
            let timestamp = 1 << random.u32(..62);
            let count = random.usize(..3);
            builder.append(&RecordFields {
                timestamp,
                key,
                value,
                headers: &[header; 2][..count],
            });
        }
        builder.finish().into_parts().concat()
    }

    /// Walks over `bytes` by both ways and returns how many records and headers the quick one has taken. What it takes the other must
    /// take, too, and where it takes none it must not have moved.
    fn walk(bytes: &[u8]) -> usize {
        let mut quick_taken = 0;
        let mut rest = bytes;
        loop {
            let (mut quick, mut any) = (rest, rest);
            let by_any = RawRecord::take_any(&mut any);
            match RawRecord::take_usual(&mut quick) {
                Some(record) => {
                    assert_eq!(Ok(record), by_any);
                    assert!(quick == any, "another place");
                    quick_taken += 1;
                }
                None => assert!(quick == rest, "moved, and took nothing"),
            }
            let Ok(record) = by_any else {
                return quick_taken;
            };
            quick_taken += walk_headers(record.headers);
            rest = any;
        }
    }

    fn walk_headers(mut rest: &[u8]) -> usize {
        let mut quick_taken = 0;
        loop {
            let (mut quick, mut any) = (rest, rest);
            let by_any = take_any_header(&mut any);
            match take_usual_header(&mut quick) {
                Some(header) => {
                    assert_eq!(Ok(header), by_any);
                    assert!(quick == any, "another place");
                    quick_taken += 1;
                }
                None => assert!(quick == rest, "moved, and took nothing"),
            }
            if by_any.is_err() {
                return quick_taken;
            }
            rest = any;
        }
    }

    #[test]
    fn the_quick_way_takes_nothing_but_what_the_other_takes_and_takes_the_same() {
        let mut random = Rng::with_seed(21);
        let mut quick_taken = 0;
        for _ in 0..400 {
            let bytes = records(&mut random);
            quick_taken += walk(&bytes);
            for _ in 0..40 {
                let mut damaged = bytes.clone();
                for _ in 0..random.usize(1..4) {
                    // Most integers stand at the front.
                    let end = if random.bool() { 24 } else { damaged.len() };
                    let at = random.usize(..end.min(damaged.len()));
                    damaged[at] = random.u8(..);
                }
                damaged.truncate(random.usize(..=damaged.len()));
                quick_taken += walk(&damaged);
            }
        }
        assert!(quick_taken > 10_000, "{quick_taken}");
    }
}
