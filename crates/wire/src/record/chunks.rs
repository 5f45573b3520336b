//! The memory of batches: chunks that are used again.

use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::{Bytes, BytesMut};

use super::builder::CHUNK_BYTES;

/// Chunks of [`CHUNK_BYTES`] that batches are built in, kept when a batch is over and used for the next one.
///
/// A batch gives its chunks back by itself, when the last of what shares them is dropped: the batch, its clones, the payloads it was
/// stamped into and the frames they were written into. A chunk that somebody has a slice of even then is left to him and not used again.
pub struct ChunkPool {
    free: Mutex<Vec<BytesMut>>,
    chunks_max: usize,
}

/// The records of a batch in slices. Whoever holds them last gives them back.
#[derive(Debug, Default)]
pub(crate) struct Chunks {
    parts: Vec<Bytes>,
    pool: Option<Arc<ChunkPool>>,
}

impl ChunkPool {
    /// A pool that keeps at most `chunks_max` chunks for later; it has none at first. What is given back to a full pool is freed.
    pub fn new(chunks_max: usize) -> Arc<Self> {
        Arc::new(Self {
            free: Mutex::default(),
            chunks_max,
        })
    }

    /// How many chunks wait to be used.
    pub fn idle(&self) -> usize {
        self.lock().len()
    }

    /// A chunk to be written from its start; what it held before is of no meaning.
    pub(super) fn take(&self) -> BytesMut {
        let kept = self.lock().pop();
        let mut chunk = kept.unwrap_or_else(new_chunk);
        // Part of the last chunk of a batch was cut off, and counts as not written since.
        chunk.resize(CHUNK_BYTES, 0);
        chunk
    }

    /// Keeps those of `parts` that are chunks, and that nobody else sees.
    fn give(&self, parts: &mut Vec<Bytes>) {
        let mut free = self.lock();
        let room = self.chunks_max.saturating_sub(free.len());
        for part in parts.drain(..).take(room) {
            // Fails if there is another holder of the same memory, and nothing is copied.
            let Ok(chunk) = part.try_into_mut() else {
                continue;
            };
            if chunk.capacity() >= CHUNK_BYTES {
                free.push(chunk);
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<BytesMut>> {
        // A list of memory is whole at every moment, whatever thread has panicked.
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for ChunkPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChunkPool")
            .field("idle", &self.idle())
            .field("chunks_max", &self.chunks_max)
            .finish()
    }
}

/// A chunk that counts its holders from the start. Split and joined again, it has the counter that its [`Bytes`] will need: without that,
/// each use of the chunk would allocate one.
fn new_chunk() -> BytesMut {
    let mut chunk = BytesMut::zeroed(CHUNK_BYTES);
    let tail = chunk.split_off(CHUNK_BYTES - 1);
    chunk.unsplit(tail);
    chunk
}

impl Chunks {
    /// None yet, of a pool.
    pub(super) fn of(pool: &Arc<ChunkPool>) -> Self {
        Self {
            parts: Vec::new(),
            pool: Some(Arc::clone(pool)),
        }
    }

    /// How many slices.
    pub(super) const fn len(&self) -> usize {
        self.parts.len()
    }

    /// A chunk to be written from its start and pushed when it is full.
    pub(super) fn open(&self) -> BytesMut {
        self.pool.as_deref().map_or_else(new_chunk, ChunkPool::take)
    }

    /// Keeps what was written into a chunk, if that is anything.
    pub(super) fn push(&mut self, chunk: BytesMut) {
        if !chunk.is_empty() {
            self.parts.push(chunk.freeze());
        }
    }

    /// The slices, which are nobody's to give back any more.
    pub(super) fn into_parts(mut self) -> Vec<Bytes> {
        std::mem::take(&mut self.parts)
    }
}

impl From<Vec<Bytes>> for Chunks {
    fn from(parts: Vec<Bytes>) -> Self {
        Self { parts, pool: None }
    }
}

impl Deref for Chunks {
    type Target = [Bytes];

    fn deref(&self) -> &[Bytes] {
        &self.parts
    }
}

impl Drop for Chunks {
    fn drop(&mut self) {
        if let Some(pool) = &self.pool {
            pool.give(&mut self.parts);
        }
    }
}
