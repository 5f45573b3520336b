//! Decompressed bytes, and never more of them than allowed.

use bytes::Bytes;

use super::Fault;

/// A size that a batch claims is believed up to this many times its compressed bytes; beyond that memory grows as bytes come. Records rarely
/// compress better, so that nearly all batches are decompressed without moving what is there already.
const BELIEVED_RATIO: usize = 32;
/// The least that is set aside at a time.
const GROWTH_BYTES_MIN: usize = 4 * 1024;

/// What a batch becomes.
pub(super) struct Output {
    bytes: Vec<u8>,
    bytes_max: usize,
}

impl Output {
    pub(super) const fn new(bytes_max: usize) -> Self {
        Self {
            bytes: Vec::new(),
            bytes_max,
        }
    }

    /// Sets memory aside for `expected` bytes, as far as `compressed_len` bytes make that plausible.
    pub(super) fn expect(&mut self, expected: usize, compressed_len: usize) {
        let believed = compressed_len.saturating_mul(BELIEVED_RATIO);
        self.bytes
            .reserve_exact(expected.min(believed).min(self.left()));
    }

    /// How many more bytes are allowed.
    pub(super) const fn left(&self) -> usize {
        self.bytes_max.saturating_sub(self.bytes.len())
    }

    /// Appends bytes.
    pub(super) fn extend(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        self.reserve(bytes.len())?;
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    /// Lets `write` fill room for `len_max` bytes, or what is left of them if that is less, and keeps as many as it says.
    pub(super) fn append_block(
        &mut self,
        len_max: usize,
        write: impl FnOnce(&mut [u8]) -> Result<usize, Fault>,
    ) -> Result<(), Fault> {
        let start = self.bytes.len();
        let allowed = len_max.min(self.left());
        self.reserve(allowed)?;
        self.bytes.resize(start + allowed, 0);
        let written = write(&mut self.bytes[start..]);
        self.bytes.truncate(start + *written.as_ref().unwrap_or(&0));
        match written {
            Ok(_) => Ok(()),
            // With more room it may have been right; that much is not allowed.
            Err(_) if allowed < len_max => Err(Fault::TooLong),
            Err(fault) => Err(fault),
        }
    }

    /// Makes room for `additional` bytes, and grows by more than that so that appending stays cheap; never beyond what is allowed.
    fn reserve(&mut self, additional: usize) -> Result<(), Fault> {
        let left = self.left();
        if additional > left {
            return Err(Fault::TooLong);
        }
        if additional > self.bytes.capacity() - self.bytes.len() {
            let growth = self.bytes.capacity().max(GROWTH_BYTES_MIN);
            self.bytes.reserve_exact(growth.max(additional).min(left));
        }
        Ok(())
    }

    /// Lets `append` fill what room there is; at least one byte, by which it can be seen that there are too many.
    pub(super) fn append_with<T>(
        &mut self,
        append: impl FnOnce(&mut Vec<u8>) -> T,
    ) -> Result<T, Fault> {
        if self.bytes.len() == self.bytes.capacity() {
            self.reserve(self.left().min(1))?;
        }
        self.append_within(1, append)
    }

    /// Lets `append` fill room for `room` bytes. They may be more than are allowed, so that it can be seen that there are too many.
    pub(super) fn append_within<T>(
        &mut self,
        room: usize,
        append: impl FnOnce(&mut Vec<u8>) -> T,
    ) -> Result<T, Fault> {
        // Without a limit worth the name, what a peer says could be more than there is: an error, where else the process would end.
        let reserved = self.bytes.try_reserve_exact(room);
        reserved.map_err(|_| Fault::TooLong)?;
        let appended = append(&mut self.bytes);
        if self.bytes.len() > self.bytes_max {
            return Err(Fault::TooLong);
        }
        Ok(appended)
    }

    /// How many bytes there are.
    pub(super) const fn len(&self) -> usize {
        self.bytes.len()
    }

    /// The bytes from `start` on.
    pub(super) fn since(&self, start: usize) -> &[u8] {
        self.bytes.get(start..).unwrap_or_default()
    }

    /// All of it. Gives back memory that a wrong expectation has set aside, as the records may be kept for long.
    pub(super) fn into_bytes(mut self) -> Bytes {
        if self.bytes.capacity() - self.bytes.len() > self.bytes.len() / 4 {
            self.bytes.shrink_to_fit();
        }
        Bytes::from(self.bytes)
    }
}
