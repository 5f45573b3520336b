//! Reads the protocol's types off the front of a frame.

use bytes::Bytes;

use crate::{
    ApiKey, ApiVersion, Decode, DecodeError, DecodeErrorKind, ErrorCode, Message, Number, Numbers,
    Payload, Uuid, varint,
};

/// A frame, read from front to back. The field names given to its methods are for errors only.
#[derive(Debug)]
pub struct Reader<'a> {
    frame: &'a Bytes,
    rest: &'a [u8],
    message: Option<&'static str>,
    version: ApiVersion,
    flexible: bool,
}

/// A list may take this much memory on the word of its count, however short the frame: short lists get all their room at once.
const BELIEVED_BYTES: usize = 4 * 1024;

/// A tagged field whose number and size were read.
#[derive(Debug)]
pub struct TaggedField {
    /// Its number.
    pub tag: u32,
    size: usize,
    /// The bytes that must be left once it is read.
    left_after: usize,
}

/// The longest string that Kafka writes or reads.
const STRING_BYTES_MAX: usize = 0x7fff;

/// The tagged fields of one struct, in the order of their numbers.
#[derive(Debug)]
pub struct TaggedFields {
    left: u32,
    above: Option<u32>,
}

impl TaggedFields {
    /// The number and size of the next one; its value comes next in `reader`. A number that is not above the one before is an error, for
    /// a field that comes twice would have two values.
    pub fn next(&mut self, reader: &mut Reader<'_>) -> Result<Option<TaggedField>, DecodeError> {
        let Some(left) = self.left.checked_sub(1) else {
            return Ok(None);
        };
        self.left = left;
        let tag = reader.uvarint("tag")?;
        if self.above.is_some_and(|above| tag <= above) {
            return Err(reader.error("tag", DecodeErrorKind::TagOrder { tag }));
        }
        self.above = Some(tag);
        let size = reader.uvarint("tag size")? as usize;
        match reader.rest.len().checked_sub(size) {
            Some(left_after) => Ok(Some(TaggedField {
                tag,
                size,
                left_after,
            })),
            None => Err(reader.error("tag size", DecodeErrorKind::Truncated)),
        }
    }
}

impl<'a> Reader<'a> {
    /// Reads `frame` from its first byte, in the older form without compact lengths until a message says otherwise.
    pub fn new(frame: &'a Bytes) -> Self {
        Self {
            frame,
            rest: frame,
            message: None,
            version: ApiVersion(-1),
            flexible: false,
        }
    }

    /// How many bytes were read.
    pub fn position(&self) -> usize {
        self.frame.len() - self.rest.len()
    }

    /// How many bytes are left.
    pub const fn remaining(&self) -> usize {
        self.rest.len()
    }

    /// Says that all was read: bytes left over are an error.
    pub fn finish(self) -> Result<(), DecodeError> {
        match self.rest.len() {
            0 => Ok(()),
            left => Err(self.error("end", DecodeErrorKind::TrailingBytes(left))),
        }
    }

    /// Starts the body of `M`.
    pub fn begin<M: Message>(&mut self, version: ApiVersion) -> Result<(), DecodeError> {
        self.set_context(M::NAME, version);
        self.flexible = M::FLEXIBLE_SINCE.is_some_and(|since| version >= since);
        if M::VERSIONS.contains(version) {
            Ok(())
        } else {
            Err(self.error("version", DecodeErrorKind::UnsupportedVersion(M::VERSIONS)))
        }
    }

    /// Names the message in errors.
    pub(crate) const fn set_context(&mut self, message: &'static str, version: ApiVersion) {
        self.message = Some(message);
        self.version = version;
    }

    /// The error of a message that milena does not know.
    #[cold]
    pub(crate) fn unknown_api(&mut self, key: ApiKey, version: ApiVersion) -> DecodeError {
        self.set_context(key.name(), version);
        self.error("api_key", DecodeErrorKind::UnknownApi(key.0))
    }

    #[cold]
    pub(crate) fn error(&self, field: &'static str, kind: DecodeErrorKind) -> DecodeError {
        DecodeError {
            message: self.message,
            version: self.version,
            field,
            position: self.position(),
            kind,
        }
    }

    #[inline]
    fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], DecodeError> {
        match self.rest.split_first_chunk::<N>() {
            Some((taken, rest)) => {
                self.rest = rest;
                Ok(*taken)
            }
            None => Err(self.error(field, DecodeErrorKind::Truncated)),
        }
    }

    #[inline]
    fn slice(&mut self, len: usize, field: &'static str) -> Result<&'a [u8], DecodeError> {
        match self.rest.split_at_checked(len) {
            Some((taken, rest)) => {
                self.rest = rest;
                Ok(taken)
            }
            None => Err(self.error(field, DecodeErrorKind::Truncated)),
        }
    }

    #[inline]
    fn uvarint(&mut self, field: &'static str) -> Result<u32, DecodeError> {
        varint::take_u32(&mut self.rest).map_err(|kind| self.error(field, kind))
    }

    /// One byte, true unless zero.
    #[inline]
    pub fn bool(&mut self, field: &'static str) -> Result<bool, DecodeError> {
        Ok(self.array::<1>(field)? != [0])
    }

    /// Eight bits.
    #[inline]
    pub fn i8(&mut self, field: &'static str) -> Result<i8, DecodeError> {
        self.array(field).map(i8::from_be_bytes)
    }

    /// Sixteen bits.
    #[inline]
    pub fn i16(&mut self, field: &'static str) -> Result<i16, DecodeError> {
        self.array(field).map(i16::from_be_bytes)
    }

    /// Sixteen bits without a sign.
    #[inline]
    pub fn u16(&mut self, field: &'static str) -> Result<u16, DecodeError> {
        self.array(field).map(u16::from_be_bytes)
    }

    /// Thirty-two bits.
    #[inline]
    pub fn i32(&mut self, field: &'static str) -> Result<i32, DecodeError> {
        self.array(field).map(i32::from_be_bytes)
    }

    /// Sixty-four bits.
    #[inline]
    pub fn i64(&mut self, field: &'static str) -> Result<i64, DecodeError> {
        self.array(field).map(i64::from_be_bytes)
    }

    /// A double.
    #[inline]
    pub fn f64(&mut self, field: &'static str) -> Result<f64, DecodeError> {
        self.array(field).map(f64::from_be_bytes)
    }

    /// An error code.
    #[inline]
    pub fn error_code(&mut self, field: &'static str) -> Result<ErrorCode, DecodeError> {
        self.i16(field).map(ErrorCode)
    }

    /// A topic id.
    #[inline]
    pub fn uuid(&mut self, field: &'static str) -> Result<Uuid, DecodeError> {
        self.array(field).map(Uuid)
    }

    /// A string.
    #[inline]
    pub fn string(&mut self, field: &'static str) -> Result<&'a str, DecodeError> {
        self.nullable_string(field)?
            .ok_or_else(|| self.error(field, DecodeErrorKind::UnexpectedNull))
    }

    /// A string or null.
    #[inline]
    pub fn nullable_string(&mut self, field: &'static str) -> Result<Option<&'a str>, DecodeError> {
        let len = if self.flexible {
            self.compact_len(field)?
        } else {
            let len = self.i16(field)?;
            self.plain_len(i32::from(len), field)?
        };
        let Some(len) = len else { return Ok(None) };
        // As Kafka's readers do, which believe no more of the longer form than the older one could say.
        if len > STRING_BYTES_MAX {
            return Err(self.error(field, DecodeErrorKind::StringTooLong(len)));
        }
        let bytes = self.slice(len, field)?;
        match str::from_utf8(bytes) {
            Ok(text) => Ok(Some(text)),
            Err(_) => Err(self.error(field, DecodeErrorKind::InvalidUtf8)),
        }
    }

    /// Bytes.
    pub fn bytes(&mut self, field: &'static str) -> Result<&'a [u8], DecodeError> {
        self.nullable_bytes(field)?
            .ok_or_else(|| self.error(field, DecodeErrorKind::UnexpectedNull))
    }

    /// Bytes or null.
    pub fn nullable_bytes(&mut self, field: &'static str) -> Result<Option<&'a [u8]>, DecodeError> {
        match self.nullable_len(field)? {
            Some(len) => self.slice(len, field).map(Some),
            None => Ok(None),
        }
    }

    /// Records, as a slice that keeps the frame alive.
    pub fn records(&mut self, field: &'static str) -> Result<Payload, DecodeError> {
        self.nullable_records(field)?
            .ok_or_else(|| self.error(field, DecodeErrorKind::UnexpectedNull))
    }

    /// Records or null, as a slice that keeps the frame alive.
    pub fn nullable_records(
        &mut self,
        field: &'static str,
    ) -> Result<Option<Payload>, DecodeError> {
        let Some(bytes) = self.nullable_bytes(field)? else {
            return Ok(None);
        };
        let end = self.position();
        Ok(Some(Payload::from(
            self.frame.slice(end - bytes.len()..end),
        )))
    }

    /// A list of numbers, which stay in the frame.
    #[inline]
    pub fn numbers<T: Number>(
        &mut self,
        field: &'static str,
    ) -> Result<Numbers<'a, T>, DecodeError> {
        self.nullable_numbers(field)?
            .ok_or_else(|| self.error(field, DecodeErrorKind::UnexpectedNull))
    }

    /// A list of numbers, or null.
    #[inline]
    pub fn nullable_numbers<T: Number>(
        &mut self,
        field: &'static str,
    ) -> Result<Option<Numbers<'a, T>>, DecodeError> {
        let Some(count) = self.count(T::BYTES, field)? else {
            return Ok(None);
        };
        let bytes = self.slice(count * T::BYTES, field)?;
        Ok(Some(Numbers::from_wire(bytes)))
    }

    /// A list of strings.
    pub fn strings(&mut self, field: &'static str) -> Result<Vec<&'a str>, DecodeError> {
        self.nullable_strings(field)?
            .ok_or_else(|| self.error(field, DecodeErrorKind::UnexpectedNull))
    }

    /// A list of strings, or null.
    pub fn nullable_strings(
        &mut self,
        field: &'static str,
    ) -> Result<Option<Vec<&'a str>>, DecodeError> {
        // The length of each takes one byte or two.
        let Some(count) = self.count(if self.flexible { 1 } else { 2 }, field)? else {
            return Ok(None);
        };
        self.items(count, |reader| reader.string(field)).map(Some)
    }

    /// A struct or null: a byte in front says which.
    pub fn nullable_struct<T: Decode<'a>>(
        &mut self,
        field: &'static str,
        version: ApiVersion,
    ) -> Result<Option<T>, DecodeError> {
        if self.i8(field)? < 0 {
            return Ok(None);
        }
        T::decode(self, version).map(Some)
    }

    /// A list of structs.
    pub fn structs<T: Decode<'a>>(
        &mut self,
        field: &'static str,
        version: ApiVersion,
    ) -> Result<Vec<T>, DecodeError> {
        self.nullable_structs(field, version)?
            .ok_or_else(|| self.error(field, DecodeErrorKind::UnexpectedNull))
    }

    /// A list of structs, or null.
    pub fn nullable_structs<T: Decode<'a>>(
        &mut self,
        field: &'static str,
        version: ApiVersion,
    ) -> Result<Option<Vec<T>>, DecodeError> {
        // In the flexible form, the count of its tagged fields ends each.
        let bytes_min = T::bytes_min(version) + usize::from(self.flexible);
        let Some(count) = self.count(bytes_min, field)? else {
            return Ok(None);
        };
        self.items(count, |reader| T::decode(reader, version))
            .map(Some)
    }

    /// A list of `count` items. What its count claims is believed for as much memory as there are bytes left, or a few KiB; beyond that, room
    /// is made for half as many items again as were read. A count that the bytes left could just hold may be a lie all the same, and the lies
    /// of lists inside lists would add up, each to as much as the whole frame can be made to take.
    #[inline]
    fn items<T>(
        &mut self,
        count: usize,
        mut read: impl FnMut(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<Vec<T>, DecodeError> {
        let mut items = Vec::new();
        while items.len() < count {
            let believed = self.rest.len().max(BELIEVED_BYTES) / size_of::<T>().max(1);
            let room = believed
                .max(items.len() / 2)
                .max(1)
                .min(count - items.len());
            items.reserve_exact(room);
            for _ in 0..room {
                items.push(read(self)?);
            }
        }
        Ok(items)
    }

    /// The tagged fields that follow; none in the older form.
    #[inline]
    pub fn tagged_fields(&mut self) -> Result<TaggedFields, DecodeError> {
        let left = if self.flexible {
            self.uvarint("tagged fields")?
        } else {
            0
        };
        // Each takes a byte for its number and one for its size.
        self.check_count(left, 2, "tagged fields")?;
        Ok(TaggedFields { left, above: None })
    }

    /// Passes over a field of a later version.
    pub fn skip_tagged_field(&mut self, field: &TaggedField) -> Result<(), DecodeError> {
        self.slice(field.size, "tagged field").map(|_| ())
    }

    /// Checks that a tagged field was as long as it said.
    pub fn end_tagged_field(&self, field: &TaggedField) -> Result<(), DecodeError> {
        if self.rest.len() == field.left_after {
            Ok(())
        } else {
            Err(self.error(
                "tagged field",
                DecodeErrorKind::TaggedFieldSize { tag: field.tag },
            ))
        }
    }

    /// Passes over the tagged fields of a struct that has none we know.
    #[inline]
    pub fn skip_tagged_fields(&mut self) -> Result<(), DecodeError> {
        let mut tags = self.tagged_fields()?;
        while let Some(field) = tags.next(self)? {
            self.skip_tagged_field(&field)?;
        }
        Ok(())
    }

    /// Switches between the two forms, for headers.
    pub(crate) const fn set_flexible(&mut self, flexible: bool) {
        self.flexible = flexible;
    }

    /// The count of a list, checked against the bytes left so that a lie cannot make anybody allocate.
    #[inline]
    fn count(
        &mut self,
        bytes_min: usize,
        field: &'static str,
    ) -> Result<Option<usize>, DecodeError> {
        let Some(count) = self.nullable_len(field)? else {
            return Ok(None);
        };
        self.check_count(u32::try_from(count).unwrap_or(u32::MAX), bytes_min, field)?;
        Ok(Some(count))
    }

    #[inline]
    fn check_count(
        &self,
        count: u32,
        bytes_min: usize,
        field: &'static str,
    ) -> Result<(), DecodeError> {
        let room = self.rest.len();
        if count as usize > room / bytes_min.max(1) {
            return Err(self.error(field, DecodeErrorKind::CountTooLarge { count, room }));
        }
        Ok(())
    }

    /// The length of bytes or a list, `None` for null.
    #[inline]
    fn nullable_len(&mut self, field: &'static str) -> Result<Option<usize>, DecodeError> {
        if self.flexible {
            return self.compact_len(field);
        }
        let len = self.i32(field)?;
        self.plain_len(len, field)
    }

    /// Compact lengths are one higher, zero being null.
    #[inline]
    fn compact_len(&mut self, field: &'static str) -> Result<Option<usize>, DecodeError> {
        Ok(self.uvarint(field)?.checked_sub(1).map(|len| len as usize))
    }

    #[inline]
    fn plain_len(&self, len: i32, field: &'static str) -> Result<Option<usize>, DecodeError> {
        match len {
            -1 => Ok(None),
            len => match usize::try_from(len) {
                Ok(len) => Ok(Some(len)),
                Err(_) => Err(self.error(field, DecodeErrorKind::NegativeLength(len))),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind<T: std::fmt::Debug>(result: Result<T, DecodeError>) -> DecodeErrorKind {
        result.expect_err("must fail").kind
    }

    #[test]
    fn a_count_larger_than_the_bytes_left_is_refused() {
        let frame = Bytes::from_static(&[0x7f, 0xff, 0xff, 0xff, 0, 0]);
        let mut reader = Reader::new(&frame);
        let count = i32::MAX.cast_unsigned();
        assert_eq!(
            kind(reader.numbers::<i32>("replicas")),
            DecodeErrorKind::CountTooLarge { count, room: 2 }
        );
    }

    #[test]
    fn errors_say_field_and_position() {
        let frame = Bytes::from_static(&[0, 1, 0, 2, 0xff, 0xff]);
        let mut reader = Reader::new(&frame);
        reader.set_context("MetadataResponse", ApiVersion(1));
        assert_eq!(reader.i16("a"), Ok(1));
        let error = reader.string("host").expect_err("not UTF-8");
        assert_eq!(
            error.to_string(),
            "MetadataResponse v1: host at byte 6: not UTF-8"
        );
    }

    #[test]
    fn lengths_below_null_are_refused() {
        let frame = Bytes::from_static(&[0xff, 0xfe]);
        assert_eq!(
            kind(Reader::new(&frame).nullable_string("a")),
            DecodeErrorKind::NegativeLength(-2)
        );
        let frame = Bytes::from_static(&[0xff, 0xff]);
        assert_eq!(Reader::new(&frame).nullable_string("a"), Ok(None));
        assert_eq!(
            kind(Reader::new(&frame).string("a")),
            DecodeErrorKind::UnexpectedNull
        );
    }

    #[test]
    fn a_string_longer_than_kafka_takes_is_refused() {
        for (len, outcome) in [(32_767_u32, true), (32_768, false)] {
            let mut bytes = vec![0; 3];
            let at = varint::put(u64::from(len + 1), &mut bytes);
            assert_eq!(at, 3);
            bytes.resize(at + len as usize, b'x');
            let frame = Bytes::from(bytes);
            let mut reader = Reader::new(&frame);
            reader.set_flexible(true);
            assert_eq!(reader.string("key").is_ok(), outcome, "{len}");
        }
    }

    #[test]
    fn tags_that_repeat_or_fall_are_refused() {
        for (first, second) in [(3, 3), (3, 2), (1, 0)] {
            let frame = Bytes::from(vec![2, first, 0, second, 0]);
            let mut reader = Reader::new(&frame);
            reader.set_flexible(true);
            assert_eq!(
                kind(reader.skip_tagged_fields()),
                DecodeErrorKind::TagOrder {
                    tag: u32::from(second)
                }
            );
        }
    }

    #[test]
    fn a_tagged_field_must_fill_its_size() {
        let frame = Bytes::from_static(&[1, 0, 3, 0, 1, 9]);
        let mut reader = Reader::new(&frame);
        reader.set_flexible(true);
        let mut tags = reader.tagged_fields().expect("complete");
        let field = tags.next(&mut reader).expect("complete").expect("one");
        assert_eq!(reader.i16("two of three bytes"), Ok(1));
        assert_eq!(
            kind(reader.end_tagged_field(&field)),
            DecodeErrorKind::TaggedFieldSize { tag: 0 }
        );
    }
}
