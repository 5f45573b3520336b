//! Record batches written by hand, byte by byte: another witness than the builder that ships, and able to write what no
//! producer would.

use bytes::{BufMut, Bytes, BytesMut};

/// A batch to be written.
#[derive(Clone, Debug)]
pub(crate) struct Spec {
    pub(crate) base: i64,
    pub(crate) epoch: i32,
    pub(crate) producer: i64,
    pub(crate) attributes: i16,
    /// Offset delta and value of each record.
    pub(crate) records: Vec<(i32, Vec<u8>)>,
    pub(crate) last_delta: i32,
    /// What the header says; `None`: the truth.
    pub(crate) count: Option<i32>,
}

pub(crate) const TRANSACTIONAL: i16 = 0x10;
pub(crate) const CONTROL: i16 = 0x20;
pub(crate) const ABORT: [u8; 4] = [0, 0, 0, 0];
pub(crate) const COMMIT: [u8; 4] = [0, 0, 0, 1];

impl Spec {
    pub(crate) fn data(base: i64, values: &[&str]) -> Self {
        let records: Vec<(i32, Vec<u8>)> = (0..)
            .zip(values.iter().map(|value| value.as_bytes().to_vec()))
            .collect();
        let last_delta = records.len().max(1) as i32 - 1;
        Self {
            base,
            epoch: 0,
            producer: -1,
            attributes: 0,
            records,
            last_delta,
            count: None,
        }
    }

    /// Values at these offsets of a batch from `base` to `last`: the rest was compacted away.
    pub(crate) fn compacted(base: i64, last: i64, kept: &[(i64, &str)]) -> Self {
        let records = kept
            .iter()
            .map(|(offset, value)| ((offset - base) as i32, value.as_bytes().to_vec()));
        Self {
            records: records.collect(),
            last_delta: (last - base) as i32,
            ..Self::data(base, &[])
        }
    }

    pub(crate) fn by(self, producer: i64) -> Self {
        Self { producer, ..self }
    }

    pub(crate) fn transactional(self, producer: i64) -> Self {
        Self {
            attributes: self.attributes | TRANSACTIONAL,
            producer,
            ..self
        }
    }

    pub(crate) fn epoch(self, epoch: i32) -> Self {
        Self { epoch, ..self }
    }

    pub(crate) fn compressed(self, codec: i16) -> Self {
        Self {
            attributes: self.attributes | codec,
            ..self
        }
    }

    pub(crate) fn bytes(&self) -> Bytes {
        let mut payload = BytesMut::new();
        for (delta, value) in &self.records {
            put_record(&mut payload, *delta, None, value);
        }
        self.around(&payload)
    }

    pub(crate) fn around(&self, payload: &[u8]) -> Bytes {
        let mut out = BytesMut::new();
        out.put_i64(self.base);
        out.put_i32(49 + payload.len() as i32);
        out.put_i32(self.epoch);
        out.put_i8(2);
        out.put_u32(0);
        out.put_i16(self.attributes);
        out.put_i32(self.last_delta);
        out.put_i64(1_000);
        out.put_i64(1_000);
        out.put_i64(self.producer);
        out.put_i16(if self.producer < 0 { -1 } else { 0 });
        out.put_i32(if self.producer < 0 { -1 } else { 0 });
        out.put_i32(self.count.unwrap_or(self.records.len() as i32));
        out.extend_from_slice(payload);
        seal(out)
    }
}

/// A marker as a transaction coordinator writes it.
pub(crate) fn marker(base: i64, producer: i64, key: &[u8]) -> Bytes {
    markers(base, producer, &[key])
}

/// A control batch with these keys.
pub(crate) fn markers(base: i64, producer: i64, keys: &[&[u8]]) -> Bytes {
    let mut payload = BytesMut::new();
    for (delta, key) in (0..).zip(keys) {
        put_record(&mut payload, delta, Some(key), &[0, 0, 0, 0, 0, 0]);
    }
    let spec = Spec {
        attributes: CONTROL | TRANSACTIONAL,
        producer,
        count: Some(keys.len() as i32),
        ..Spec::data(base, &[])
    };
    Spec {
        last_delta: keys.len().max(1) as i32 - 1,
        ..spec
    }
    .around(&payload)
}

/// Sets the checksum.
pub(crate) fn seal(mut batch: BytesMut) -> Bytes {
    let crc = crc32c::crc32c(&batch[21..]);
    batch[17..21].copy_from_slice(&crc.to_be_bytes());
    batch.freeze()
}

/// `batch` with some bytes at `position` replaced, and a right checksum.
pub(crate) fn patched(batch: &Bytes, position: usize, bytes: &[u8]) -> Bytes {
    let mut copy = BytesMut::from(&batch[..]);
    copy[position..position + bytes.len()].copy_from_slice(bytes);
    seal(copy)
}

pub(crate) fn concat(batches: &[Bytes]) -> Bytes {
    batches.concat().into()
}

pub(crate) fn put_record(out: &mut BytesMut, delta: i32, key: Option<&[u8]>, value: &[u8]) {
    let mut body = BytesMut::new();
    body.put_u8(0);
    put_varint(&mut body, 0);
    put_varint(&mut body, delta.into());
    match key {
        None => put_varint(&mut body, -1),
        Some(key) => {
            put_varint(&mut body, key.len() as i64);
            body.extend_from_slice(key);
        }
    }
    put_varint(&mut body, value.len() as i64);
    body.extend_from_slice(value);
    put_varint(&mut body, 0);
    put_varint(out, body.len() as i64);
    out.extend_from_slice(&body);
}

pub(crate) fn put_varint(out: &mut BytesMut, value: i64) {
    let mut rest = ((value << 1) ^ (value >> 63)) as u64;
    while rest > 0x7f {
        out.put_u8(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.put_u8(rest as u8);
}
