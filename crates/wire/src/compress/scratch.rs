//! Memory that is used again.

/// What is kept between batches. A batch seldom has more than a mebibyte; what one huge batch needed is given back after it.
const KEPT_BYTES_MAX: usize = 2 << 20;

/// Bytes that stay initialised, so that they are not filled again for every batch.
#[derive(Default)]
pub(super) struct Scratch(Vec<u8>);

impl Scratch {
    pub(super) const fn new() -> Self {
        Self(Vec::new())
    }

    /// Room for `len` bytes, of any content.
    pub(super) fn room(&mut self, len: usize) -> &mut [u8] {
        if self.0.len() < len {
            // Nothing of the old content is needed, so nothing is copied.
            self.0 = Vec::new();
            self.0 = vec![0; len];
        }
        &mut self.0[..len]
    }

    /// The first `len` bytes, if there were ever so many.
    pub(super) fn filled(&self, len: usize) -> Option<&[u8]> {
        self.0.get(..len)
    }

    /// Gives back what is more than a batch usually needs.
    pub(super) fn trim(&mut self) {
        if self.0.len() > KEPT_BYTES_MAX {
            self.0 = Vec::new();
        }
    }
}
