//! Bytes in several slices: records inside a message, and a whole frame ready to write.

use std::fmt;

use bytes::{Bytes, BytesMut};

/// The `records` field: on encode any number of slices, none of them copied; on decode one slice of the frame.
#[derive(Clone, Default)]
pub struct Payload {
    parts: Vec<Bytes>,
    len: usize,
}

impl Payload {
    /// The slices one after the other.
    pub fn new(parts: Vec<Bytes>) -> Self {
        let len = parts.iter().map(Bytes::len).sum();
        Self { parts, len }
    }

    /// The bytes in all slices together.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no bytes.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The slices.
    pub fn parts(&self) -> &[Bytes] {
        &self.parts
    }

    /// One slice of it all; copies only if there are several.
    pub fn to_bytes(&self) -> Bytes {
        join(&self.parts, self.len)
    }
}

impl From<Bytes> for Payload {
    fn from(bytes: Bytes) -> Self {
        Self::new(vec![bytes])
    }
}

/// The same bytes are equal, however they are sliced.
impl PartialEq for Payload {
    fn eq(&self, other: &Self) -> bool {
        self.len == other.len && self.parts.iter().flatten().eq(other.parts.iter().flatten())
    }
}

impl Eq for Payload {}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Payload({} bytes)", self.len)
    }
}

/// A message as it goes over the connection, with its length prefix: write the parts in order.
#[derive(Clone)]
pub struct Frame {
    parts: Vec<Bytes>,
    len: usize,
}

impl Frame {
    pub(crate) fn new(parts: Vec<Bytes>) -> Self {
        let len = parts.iter().map(Bytes::len).sum();
        Self { parts, len }
    }

    /// The bytes in all parts together, prefix included.
    #[expect(
        clippy::len_without_is_empty,
        reason = "a frame has its prefix at least"
    )]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// The slices to write.
    pub fn parts(&self) -> &[Bytes] {
        &self.parts
    }

    /// The slices to write, given away.
    pub fn into_parts(self) -> Vec<Bytes> {
        self.parts
    }

    /// One slice of it all; copies only if there are several.
    pub fn to_bytes(&self) -> Bytes {
        join(&self.parts, self.len)
    }
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Frame({} bytes in {} parts)", self.len, self.parts.len())
    }
}

fn join(parts: &[Bytes], len: usize) -> Bytes {
    match parts {
        [] => Bytes::new(),
        [only] => only.clone(),
        parts => {
            let mut joined = BytesMut::with_capacity(len);
            parts.iter().for_each(|part| joined.extend_from_slice(part));
            joined.freeze()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_bytes_are_equal_however_sliced() {
        let whole = Payload::from(Bytes::from_static(b"abc"));
        let sliced = Payload::new(vec![
            Bytes::from_static(b"a"),
            Bytes::new(),
            Bytes::from_static(b"bc"),
        ]);
        assert_eq!(whole, sliced);
        assert_eq!(whole.to_bytes(), sliced.to_bytes());
        assert_ne!(whole, Payload::from(Bytes::from_static(b"abd")));
    }
}
