//! Bytes in several slices: records inside a message, and a whole frame ready to write.

use std::fmt;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use crate::record::{Chunks, HEADER_LEN};

/// The `records` field: on encode any number of slices, none of them copied; on decode one slice of the frame. A clone shares the bytes.
#[derive(Clone, Default)]
pub struct Payload {
    slices: Slices,
    len: usize,
}

#[derive(Clone, Default)]
enum Slices {
    #[default]
    None,
    One(Bytes),
    Many(Arc<[Bytes]>),
    /// One thing for all chunks: a request around a batch counts one holder more, and not one a chunk.
    Batch(Arc<Stamped>),
}

/// A batch's records and the header of one attempt.
struct Stamped {
    header: [u8; HEADER_LEN],
    records: Arc<Chunks>,
}

impl Payload {
    /// The slices one after the other.
    pub fn new(parts: Vec<Bytes>) -> Self {
        let len = parts.iter().map(Bytes::len).sum();
        let slices = Slices::Many(parts.into());
        Self { slices, len }
    }

    /// A batch of `records_len` bytes behind its header.
    pub(crate) fn of_batch(
        header: [u8; HEADER_LEN],
        records: Arc<Chunks>,
        records_len: usize,
    ) -> Self {
        Self {
            slices: Slices::Batch(Arc::new(Stamped { header, records })),
            len: HEADER_LEN + records_len,
        }
    }

    /// The bytes in all slices together.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no bytes.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The slices in order, none of them empty.
    pub fn parts(&self) -> Parts<'_> {
        Parts {
            run: self.run(),
            buffer: &[],
            buffer_from: 0,
            holes: [].iter(),
        }
    }

    /// One slice of it all; copies only if there are several.
    pub fn to_bytes(&self) -> Bytes {
        match &self.slices {
            Slices::None => Bytes::new(),
            Slices::One(only) => only.clone(),
            Slices::Many(parts) if parts.len() == 1 => parts[0].clone(),
            _ => join(self.parts(), self.len),
        }
    }

    fn run(&self) -> Run<'_> {
        let (front, rest): (&[u8], &[Bytes]) = match &self.slices {
            Slices::None => (&[], &[]),
            Slices::One(only) => (&[], std::slice::from_ref(only)),
            Slices::Many(parts) => (&[], parts),
            Slices::Batch(batch) => (&batch.header, &batch.records),
        };
        Run {
            front,
            rest: rest.iter(),
        }
    }

    fn append_to(&self, parts: &mut Vec<Bytes>) {
        let Run { front, rest } = self.run();
        if !front.is_empty() {
            parts.push(Bytes::copy_from_slice(front));
        }
        parts.extend(rest.filter(|part| !part.is_empty()).cloned());
    }
}

impl From<Bytes> for Payload {
    fn from(bytes: Bytes) -> Self {
        Self {
            len: bytes.len(),
            slices: Slices::One(bytes),
        }
    }
}

/// The same bytes are equal, however they are sliced.
impl PartialEq for Payload {
    fn eq(&self, other: &Self) -> bool {
        self.len == other.len && self.parts().flatten().eq(other.parts().flatten())
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
    /// All but the records.
    buffer: Vec<u8>,
    /// Records, each with the place in `buffer` that they go in front of, in order.
    holes: Vec<(usize, Payload)>,
    len: usize,
}

impl Frame {
    pub(crate) fn new(buffer: Vec<u8>, holes: Vec<(usize, Payload)>) -> Self {
        let len = buffer.len() + holes.iter().map(|(_, records)| records.len).sum::<usize>();
        Self { buffer, holes, len }
    }

    /// The bytes in all parts together, prefix included.
    #[expect(
        clippy::len_without_is_empty,
        reason = "a frame has its prefix at least"
    )]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// The slices to write, in order, none of them empty.
    pub fn parts(&self) -> Parts<'_> {
        Parts {
            run: Run::default(),
            buffer: &self.buffer,
            buffer_from: 0,
            holes: self.holes.iter(),
        }
    }

    /// The slices to write, given away.
    pub fn into_parts(self) -> Vec<Bytes> {
        let mut parts = Vec::with_capacity(self.parts().count());
        let buffer = Bytes::from(self.buffer);
        let mut written = 0;
        for (place, records) in &self.holes {
            if *place > written {
                parts.push(buffer.slice(written..*place));
            }
            records.append_to(&mut parts);
            written = *place;
        }
        if written < buffer.len() {
            parts.push(buffer.slice(written..));
        }
        parts
    }

    /// One slice of it all, copied.
    pub fn to_bytes(&self) -> Bytes {
        join(self.parts(), self.len)
    }
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Frame({} bytes in {} parts)",
            self.len,
            self.parts().count()
        )
    }
}

/// The slices of a [`Payload`] or a [`Frame`].
#[derive(Clone, Debug)]
pub struct Parts<'a> {
    run: Run<'a>,
    buffer: &'a [u8],
    buffer_from: usize,
    holes: std::slice::Iter<'a, (usize, Payload)>,
}

/// The slices of one payload.
#[derive(Clone, Debug, Default)]
struct Run<'a> {
    front: &'a [u8],
    rest: std::slice::Iter<'a, Bytes>,
}

impl<'a> Iterator for Run<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        if !self.front.is_empty() {
            return Some(std::mem::take(&mut self.front));
        }
        self.rest
            .by_ref()
            .map(|part| &part[..])
            .find(|part| !part.is_empty())
    }
}

impl<'a> Iterator for Parts<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        loop {
            if let Some(part) = self.run.next() {
                return Some(part);
            }
            let (until, run) = match self.holes.next() {
                Some((place, records)) => (*place, records.run()),
                None if self.buffer_from < self.buffer.len() => (self.buffer.len(), Run::default()),
                None => return None,
            };
            let between = &self.buffer[self.buffer_from..until];
            (self.buffer_from, self.run) = (until, run);
            if !between.is_empty() {
                return Some(between);
            }
        }
    }
}

impl std::iter::FusedIterator for Parts<'_> {}

fn join<'a>(parts: impl Iterator<Item = &'a [u8]>, len: usize) -> Bytes {
    let mut joined = BytesMut::with_capacity(len);
    parts.for_each(|part| joined.extend_from_slice(part));
    joined.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(places: &[(usize, &'static str)]) -> Frame {
        let holes = places.iter().map(|(place, records)| {
            (
                *place,
                Payload::from(Bytes::from_static(records.as_bytes())),
            )
        });
        Frame::new(b"0123".to_vec(), holes.collect())
    }

    #[test]
    fn records_stand_where_they_were_put() {
        for (places, whole) in [
            (&[][..], "0123"),
            (&[(0, "a")], "a0123"),
            (&[(4, "a")], "0123a"),
            (&[(2, "ab"), (2, ""), (3, "c")], "01ab2c3"),
        ] {
            let frame = frame(places);
            assert_eq!(frame.len(), whole.len());
            assert_eq!(frame.to_bytes(), whole.as_bytes());
            assert!(frame.parts().all(|part| !part.is_empty()));
            let parts: Vec<_> = frame.parts().map(<[u8]>::to_vec).collect();
            assert_eq!(frame.into_parts(), parts);
        }
    }

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
