//! Where random values come from: a string of bytes, so that what a failing test is shown can be shortened byte by byte.

use fastrand::Rng;

/// Choices, made one after the other. Zero is always the plainest one.
pub(crate) struct Choices<'c> {
    bytes: &'c [u8],
    /// Goes on where the bytes end; without it, all further choices are the plainest.
    then: Option<Rng>,
}

impl<'c> Choices<'c> {
    /// As these bytes say.
    pub(crate) fn from_bytes(bytes: &'c [u8]) -> Self {
        Self { bytes, then: None }
    }

    /// As many as are needed, always the same for the same seed.
    pub(crate) fn seeded(seed: u64) -> Self {
        Self {
            bytes: &[],
            then: Some(Rng::with_seed(seed)),
        }
    }

    pub(crate) fn byte(&mut self) -> u8 {
        if let [first, rest @ ..] = self.bytes {
            self.bytes = rest;
            return *first;
        }
        self.then.as_mut().map_or(0, |random| random.u8(..))
    }

    /// One of `count` things, of which there are at most 256.
    pub(crate) fn below(&mut self, count: usize) -> usize {
        debug_assert!((1..=256).contains(&count));
        usize::from(self.byte()) % count
    }

    /// Sixty-four bits.
    pub(crate) fn word(&mut self) -> u64 {
        (0..8).fold(0, |word, _| word << 8 | u64::from(self.byte()))
    }
}
