//! Writes the protocol's types into a frame, leaving holes where records go.

use crate::{
    ApiVersion, Encode, EncodeError, EncodeErrorKind, ErrorCode, Frame, Message, Number, Numbers,
    Payload, Uuid, varint,
};

/// A frame being written. The field names given to its methods are for errors only.
#[derive(Debug)]
pub struct Writer {
    buffer: Vec<u8>,
    /// Records, each with the place in `buffer` that they go in front of.
    holes: Vec<(usize, Payload)>,
    message: &'static str,
    version: ApiVersion,
    flexible: bool,
}

/// Where a tagged field began.
#[derive(Debug)]
pub struct TaggedFieldStart(usize);

/// The frame's length prefix.
const PREFIX_LEN: usize = 4;

impl Writer {
    /// An empty frame for a message called `message`, in the older form without compact lengths until a message says otherwise.
    pub fn new(message: &'static str, version: ApiVersion) -> Self {
        let mut buffer = Vec::with_capacity(256);
        buffer.extend_from_slice(&[0; PREFIX_LEN]);
        Self {
            buffer,
            holes: Vec::new(),
            message,
            version,
            flexible: false,
        }
    }

    /// Starts the body of `M`.
    pub fn begin<M: Message>(&mut self, version: ApiVersion) -> Result<(), EncodeError> {
        (self.message, self.version) = (M::NAME, version);
        self.flexible = M::FLEXIBLE_SINCE.is_some_and(|since| version >= since);
        if M::VERSIONS.contains(version) {
            Ok(())
        } else {
            Err(self.error("version", EncodeErrorKind::UnsupportedVersion(M::VERSIONS)))
        }
    }

    /// The finished frame, its prefix filled in.
    pub fn finish(mut self) -> Result<Frame, EncodeError> {
        let records: usize = self.holes.iter().map(|(_, payload)| payload.len()).sum();
        let len = self.buffer.len() - PREFIX_LEN + records;
        let prefix =
            i32::try_from(len).map_err(|_| self.error("frame", EncodeErrorKind::TooLong(len)))?;
        self.buffer[..PREFIX_LEN].copy_from_slice(&prefix.to_be_bytes());
        Ok(Frame::new(self.buffer, self.holes))
    }

    /// The error of a field that is set but does not exist in the version.
    #[cold]
    pub fn not_in_version(&self, field: &'static str) -> EncodeError {
        self.error(field, EncodeErrorKind::NotInVersion)
    }

    /// The error of a field that is null but must not be in the version.
    #[cold]
    pub fn null_not_allowed(&self, field: &'static str) -> EncodeError {
        self.error(field, EncodeErrorKind::NullNotAllowed)
    }

    #[cold]
    const fn error(&self, field: &'static str, kind: EncodeErrorKind) -> EncodeError {
        EncodeError {
            message: self.message,
            version: self.version,
            field,
            kind,
        }
    }

    fn uvarint(&mut self, value: u32) {
        let mut bytes = [0; varint::BYTES_MAX_64];
        let len = varint::put(u64::from(value), &mut bytes);
        self.buffer.extend_from_slice(&bytes[..len]);
    }

    /// One byte.
    pub fn bool(&mut self, value: bool) {
        self.buffer.extend_from_slice(&[u8::from(value)]);
    }

    /// Eight bits.
    pub fn i8(&mut self, value: i8) {
        self.buffer.extend_from_slice(&value.to_be_bytes());
    }

    /// Sixteen bits.
    pub fn i16(&mut self, value: i16) {
        self.buffer.extend_from_slice(&value.to_be_bytes());
    }

    /// Sixteen bits without a sign.
    pub fn u16(&mut self, value: u16) {
        self.buffer.extend_from_slice(&value.to_be_bytes());
    }

    /// Thirty-two bits.
    pub fn i32(&mut self, value: i32) {
        self.buffer.extend_from_slice(&value.to_be_bytes());
    }

    /// Sixty-four bits.
    pub fn i64(&mut self, value: i64) {
        self.buffer.extend_from_slice(&value.to_be_bytes());
    }

    /// A double.
    pub fn f64(&mut self, value: f64) {
        self.buffer.extend_from_slice(&value.to_be_bytes());
    }

    /// An error code.
    pub fn error_code(&mut self, value: ErrorCode) {
        self.i16(value.0);
    }

    /// A topic id.
    pub fn uuid(&mut self, value: Uuid) {
        self.buffer.extend_from_slice(&value.0);
    }

    /// A string. Kafka takes at most 32,767 bytes, also in the form whose length could say more.
    pub fn string(&mut self, value: &str, field: &'static str) -> Result<(), EncodeError> {
        let len = i16::try_from(value.len())
            .map_err(|_| self.error(field, EncodeErrorKind::TooLong(value.len())))?;
        if self.flexible {
            self.compact_len(value.len(), field)?;
        } else {
            self.i16(len);
        }
        self.buffer.extend_from_slice(value.as_bytes());
        Ok(())
    }

    /// Null in place of a string.
    pub fn null_string(&mut self) {
        if self.flexible {
            self.uvarint(0)
        } else {
            self.i16(-1)
        }
    }

    /// Bytes.
    pub fn bytes(&mut self, value: &[u8], field: &'static str) -> Result<(), EncodeError> {
        self.len(value.len(), field)?;
        self.buffer.extend_from_slice(value);
        Ok(())
    }

    /// Null in place of bytes or records.
    pub fn null_bytes(&mut self) {
        self.null_array();
    }

    /// Records: only their length is written here.
    pub fn records(&mut self, value: &Payload, field: &'static str) -> Result<(), EncodeError> {
        self.len(value.len(), field)?;
        self.holes.push((self.buffer.len(), value.clone()));
        Ok(())
    }

    /// What stands in front of a struct that may be null, and is not.
    pub fn struct_present(&mut self) {
        self.i8(1);
    }

    /// Null in place of a struct.
    pub fn null_struct(&mut self) {
        self.i8(-1);
    }

    /// Null in place of a list.
    pub fn null_array(&mut self) {
        if self.flexible {
            self.uvarint(0)
        } else {
            self.i32(-1)
        }
    }

    /// A list of numbers.
    pub fn numbers<T: Number>(
        &mut self,
        values: &Numbers<'_, T>,
        field: &'static str,
    ) -> Result<(), EncodeError> {
        self.len(values.len(), field)?;
        values.iter().for_each(|value| value.put(&mut self.buffer));
        Ok(())
    }

    /// A list of strings.
    pub fn strings(&mut self, values: &[&str], field: &'static str) -> Result<(), EncodeError> {
        self.len(values.len(), field)?;
        values
            .iter()
            .try_for_each(|value| self.string(value, field))
    }

    /// A list of structs.
    pub fn structs<T: Encode>(
        &mut self,
        values: &[T],
        field: &'static str,
        version: ApiVersion,
    ) -> Result<(), EncodeError> {
        self.len(values.len(), field)?;
        values
            .iter()
            .try_for_each(|value| value.encode(self, version))
    }

    /// How many tagged fields follow; nothing in the older form, which has none.
    pub fn tagged_field_count(&mut self, count: u32) {
        if self.flexible {
            self.uvarint(count);
        }
    }

    /// Starts a tagged field.
    pub fn begin_tagged_field(&mut self, tag: u32) -> TaggedFieldStart {
        self.uvarint(tag);
        TaggedFieldStart(self.buffer.len())
    }

    /// Ends a tagged field: puts its size in front of it. The field moves for that, but tagged fields are small.
    pub fn end_tagged_field(&mut self, start: TaggedFieldStart) {
        let size = self.buffer.len() - start.0;
        // A field over 4 GiB cannot be: the frame would be refused as too long by `finish`.
        self.uvarint(u32::try_from(size).unwrap_or(u32::MAX));
        let size_len = self.buffer.len() - start.0 - size;
        self.buffer[start.0..].rotate_right(size_len);
    }

    /// Switches between the two forms, for headers.
    pub(crate) const fn set_flexible(&mut self, flexible: bool) {
        self.flexible = flexible;
    }

    fn len(&mut self, len: usize, field: &'static str) -> Result<(), EncodeError> {
        if self.flexible {
            return self.compact_len(len, field);
        }
        self.i32(i32::try_from(len).map_err(|_| self.error(field, EncodeErrorKind::TooLong(len)))?);
        Ok(())
    }

    /// Compact lengths are one higher, zero being null. Kafka reads them into 31 bits.
    fn compact_len(&mut self, len: usize, field: &'static str) -> Result<(), EncodeError> {
        let checked =
            i32::try_from(len).map_err(|_| self.error(field, EncodeErrorKind::TooLong(len)))?;
        self.uvarint(checked.cast_unsigned() + 1);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn records_ride_along_uncopied() {
        let records = Bytes::from(vec![7_u8; 100]);
        let mut writer = Writer::new("ProduceRequest", ApiVersion(3));
        writer.i8(1);
        writer
            .records(&Payload::from(records.clone()), "records")
            .expect("fits");
        writer.i8(2);
        let frame = writer.finish().expect("fits");
        let parts: Vec<_> = frame.parts().collect();
        assert_eq!(parts.len(), 3);
        assert_eq!(parts[1].as_ptr(), records.as_ptr());
        assert_eq!(frame.to_bytes()[..9], [0, 0, 0, 106, 1, 0, 0, 0, 100]);
        assert_eq!(frame.len(), 110);
    }

    #[test]
    fn a_tagged_field_gets_its_size_in_front() {
        let mut writer = Writer::new("ProduceRequest", ApiVersion(9));
        writer.set_flexible(true);
        writer.tagged_field_count(1);
        let start = writer.begin_tagged_field(3);
        writer.string(&"x".repeat(200), "long").expect("fits");
        writer.end_tagged_field(start);
        let bytes = writer.finish().expect("fits").to_bytes();
        assert_eq!(bytes[4..10], [1, 3, 0xca, 0x01, 0xc9, 0x01]);
        assert_eq!(bytes.len(), 10 + 200);
    }

    #[test]
    fn a_string_too_long_for_its_length_is_refused() {
        let mut writer = Writer::new("MetadataRequest", ApiVersion(1));
        for flexible in [false, true] {
            writer.set_flexible(flexible);
            let error = writer
                .string(&"x".repeat(32768), "name")
                .expect_err("a byte more than Kafka takes");
            assert_eq!(error.kind, EncodeErrorKind::TooLong(32768));
            assert!(writer.string(&"x".repeat(32767), "name").is_ok());
        }
    }
}
