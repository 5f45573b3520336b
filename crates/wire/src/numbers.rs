//! Lists of numbers.

use std::fmt;

/// A number of a fixed width, as lists hold them.
pub trait Number: Copy + PartialEq + fmt::Debug + sealed::Sealed {
    /// The bytes each takes.
    const BYTES: usize;

    /// The number of these bytes; zero if they are not [`BYTES`](Self::BYTES).
    fn from_wire(bytes: &[u8]) -> Self;
    /// Appends the number's bytes.
    fn put(self, buffer: &mut Vec<u8>);
}

mod sealed {
    pub trait Sealed {}
}

macro_rules! number {
    ($($ty:ty)*) => {$(
        impl sealed::Sealed for $ty {}
        impl Number for $ty {
            const BYTES: usize = size_of::<Self>();

            #[inline]
            fn from_wire(bytes: &[u8]) -> Self {
                bytes.try_into().map_or(0, Self::from_be_bytes)
            }

            #[inline]
            fn put(self, buffer: &mut Vec<u8>) {
                buffer.extend_from_slice(&self.to_be_bytes());
            }
        }
    )*};
}

number!(i8 i16 i32 i64);

/// A list of numbers: one that was decoded is a slice of its frame, one to be encoded any list. Numbers are read as they are asked for, so that
/// the replicas of ten thousand partitions cost no memory.
///
/// ```
/// use milena_wire::Numbers;
///
/// let replicas: Numbers<'_, i32> = vec![3, 1, 2].into();
/// assert_eq!(replicas.len(), 3);
/// assert_eq!(replicas.iter().max(), Some(3));
/// assert_eq!(replicas.to_vec(), [3, 1, 2]);
/// ```
#[derive(Clone)]
pub struct Numbers<'a, T: Number>(List<'a, T>);

#[derive(Clone)]
enum List<'a, T> {
    /// Each number in network order. The length is a multiple of its width.
    Wire(&'a [u8]),
    Borrowed(&'a [T]),
    Owned(Vec<T>),
}

impl<'a, T: Number> Numbers<'a, T> {
    pub(crate) const fn from_wire(bytes: &'a [u8]) -> Self {
        Self(List::Wire(bytes))
    }

    /// How many.
    pub fn len(&self) -> usize {
        match &self.0 {
            List::Wire(bytes) => bytes.len() / T::BYTES,
            List::Borrowed(items) => items.len(),
            List::Owned(items) => items.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The numbers in order.
    pub fn iter(&self) -> NumbersIter<'_, T> {
        NumbersIter(match &self.0 {
            List::Wire(bytes) => Walk::Wire(bytes.chunks_exact(T::BYTES)),
            List::Borrowed(items) => Walk::Host(items.iter()),
            List::Owned(items) => Walk::Host(items.iter()),
        })
    }

    /// Whether `number` is among them.
    pub fn contains(&self, number: T) -> bool {
        self.iter().any(|item| item == number)
    }

    /// A list of its own.
    pub fn to_vec(&self) -> Vec<T> {
        self.iter().collect()
    }
}

impl<T: Number> Default for Numbers<'_, T> {
    fn default() -> Self {
        Self(List::Borrowed(&[]))
    }
}

impl<T: Number> From<Vec<T>> for Numbers<'_, T> {
    fn from(items: Vec<T>) -> Self {
        Self(List::Owned(items))
    }
}

impl<'a, T: Number> From<&'a [T]> for Numbers<'a, T> {
    fn from(items: &'a [T]) -> Self {
        Self(List::Borrowed(items))
    }
}

impl<T: Number> FromIterator<T> for Numbers<'_, T> {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Self {
        Self(List::Owned(items.into_iter().collect()))
    }
}

impl<'n, T: Number> IntoIterator for &'n Numbers<'_, T> {
    type Item = T;
    type IntoIter = NumbersIter<'n, T>;

    fn into_iter(self) -> NumbersIter<'n, T> {
        self.iter()
    }
}

/// The same numbers are equal, wherever they lie.
impl<T: Number> PartialEq for Numbers<'_, T> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other)
    }
}

impl<T: Number> PartialEq<[T]> for Numbers<'_, T> {
    fn eq(&self, other: &[T]) -> bool {
        self.iter().eq(other.iter().copied())
    }
}

impl<T: Number> fmt::Debug for Numbers<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self).finish()
    }
}

/// Walks over [`Numbers`].
#[derive(Clone, Debug)]
pub struct NumbersIter<'n, T>(Walk<'n, T>);

#[derive(Clone, Debug)]
enum Walk<'n, T> {
    Wire(std::slice::ChunksExact<'n, u8>),
    Host(std::slice::Iter<'n, T>),
}

impl<T: Number> Iterator for NumbersIter<'_, T> {
    type Item = T;

    #[inline]
    fn next(&mut self) -> Option<T> {
        match &mut self.0 {
            Walk::Wire(chunks) => chunks.next().map(T::from_wire),
            Walk::Host(items) => items.next().copied(),
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        match &self.0 {
            Walk::Wire(chunks) => chunks.size_hint(),
            Walk::Host(items) => items.size_hint(),
        }
    }
}

impl<T: Number> ExactSizeIterator for NumbersIter<'_, T> {}
impl<T: Number> std::iter::FusedIterator for NumbersIter<'_, T> {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_numbers_are_equal_wherever_they_lie() {
        let wire = Numbers::<i16>::from_wire(&[0, 1, 0xff, 0xff]);
        let owned: Numbers<'_, i16> = vec![1, -1].into();
        assert_eq!(wire, owned);
        assert_eq!(wire, Numbers::from(&[1, -1][..]));
        assert_ne!(wire, Numbers::from(vec![1]));
        assert_eq!(format!("{wire:?}"), "[1, -1]");
        assert!(wire.contains(-1) && !wire.contains(0));
        assert_eq!(wire.iter().len(), 2);
    }
}
