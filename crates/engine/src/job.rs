//! CPU work that is done beside the engine: sealing batches, decoding fetched ones.

use std::sync::Arc;

use milena_consumer::{DecodeJob, DecodedFetch};
use milena_producer::sync::Mutex;
use milena_producer::{SealJob, SealedJob};
use milena_wire::compress::{Codec, Compressor, Decompressor};
use milena_wire::record::Compression;

/// As many contexts of each kind are kept for the next jobs as jobs can run at once: a driver has a handful of threads for them.
const CONTEXTS_MAX: usize = 8;

/// Work without I/O, to be run anywhere.
#[derive(Debug)]
pub struct Job {
    work: Work,
    contexts: Arc<Contexts>,
}

/// A finished [`Job`], for [`crate::Engine::handle_job`].
#[derive(Debug)]
pub struct JobDone(pub(crate) Done);

#[derive(Debug)]
enum Work {
    Seal {
        producer: usize,
        slot: usize,
        job: SealJob,
        codec: Codec,
    },
    Decode {
        consumer: usize,
        job: DecodeJob,
    },
}

#[derive(Debug)]
pub(crate) enum Done {
    Sealed {
        producer: usize,
        slot: usize,
        job: SealedJob,
    },
    Decoded {
        consumer: usize,
        fetch: DecodedFetch,
    },
}

impl Job {
    pub(crate) fn seal(
        producer: usize,
        slot: usize,
        job: SealJob,
        codec: Codec,
        contexts: &Arc<Contexts>,
    ) -> Self {
        let work = Work::Seal {
            producer,
            slot,
            job,
            codec,
        };
        Self {
            work,
            contexts: Arc::clone(contexts),
        }
    }

    pub(crate) fn decode(consumer: usize, job: DecodeJob, contexts: &Arc<Contexts>) -> Self {
        Self {
            work: Work::Decode { consumer, job },
            contexts: Arc::clone(contexts),
        }
    }

    /// Does the work.
    #[must_use]
    pub fn run(self) -> JobDone {
        let contexts = &self.contexts;
        JobDone(match self.work {
            Work::Seal {
                producer,
                slot,
                job,
                codec,
            } => Done::Sealed {
                producer,
                slot,
                job: contexts
                    .compressors
                    .lend(|compressor| job.run(codec, compressor)),
            },
            Work::Decode { consumer, job } => Done::Decoded {
                consumer,
                fetch: contexts
                    .decompressors
                    .lend(|decompressor| job.run(decompressor)),
            },
        })
    }

    /// About how long it takes on one core, in ns: a driver may run a short one where it stands.
    #[must_use]
    pub fn nanos(&self) -> usize {
        let (bytes, picos_a_byte) = match &self.work {
            Work::Seal { job, codec, .. } => (job.bytes(), picos_to_seal(codec.compression())),
            Work::Decode { job, .. } => (job.bytes(), picos_to_decode(job.compression())),
        };
        bytes.saturating_mul(picos_a_byte) / 1_000
    }
}

/// What a byte of records costs, in thousandths of a ns, as measured on JSON: a checksum alone, or compression before it.
const fn picos_to_seal(compression: Compression) -> usize {
    match compression {
        Compression::None => 50,
        Compression::Lz4 | Compression::Snappy => 2_000,
        Compression::Zstd => 7_000,
        _ => 24_000,
    }
}

/// The same for a byte that was fetched, which becomes two to four when it is decompressed.
const fn picos_to_decode(compression: Compression) -> usize {
    match compression {
        Compression::None => 50,
        Compression::Lz4 | Compression::Snappy => 1_000,
        _ => 3_000,
    }
}

/// What jobs that compress or decompress use again, shared by all of a client. A context takes up to some megabytes and some
/// microseconds to make; one that is idle is kept until the client closes.
#[derive(Debug, Default)]
pub(crate) struct Contexts {
    compressors: Pool<Compressor>,
    decompressors: Pool<Decompressor>,
}

#[derive(Debug, Default)]
struct Pool<T>(Mutex<Vec<T>>);

impl<T: Default> Pool<T> {
    /// The one that was given back last, whose memory is the likeliest to be in a cache, or a new one. A panic loses it.
    fn lend<R>(&self, work: impl FnOnce(&mut T) -> R) -> R {
        let idle = self.0.lock().pop();
        let mut context = idle.unwrap_or_default();
        let result = work(&mut context);
        let mut idle = self.0.lock();
        if idle.len() < CONTEXTS_MAX {
            idle.push(context);
        }
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contexts_are_used_again_and_no_more_are_kept_than_can_be_needed() {
        let pool = Pool::<Vec<u8>>::default();
        pool.lend(|context| context.push(1));
        pool.lend(|context| assert_eq!(*context, [1]));
        fn nested(pool: &Pool<Vec<u8>>, depth: usize) {
            if depth > 0 {
                pool.lend(|_| nested(pool, depth - 1));
            }
        }
        nested(&pool, CONTEXTS_MAX + 5);
        assert_eq!(pool.0.lock().len(), CONTEXTS_MAX);
    }
}
