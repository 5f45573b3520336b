//! CPU work that is done beside the engine: sealing batches, decoding fetched ones.

use milena_consumer::{DecodeJob, DecodedFetch};
use milena_producer::{SealJob, SealedJob};

/// Work without I/O, to be run anywhere.
#[derive(Debug)]
pub struct Job(Work);

/// A finished [`Job`], for [`crate::Engine::handle_job`].
#[derive(Debug)]
pub struct JobDone(pub(crate) Done);

#[derive(Debug)]
enum Work {
    Seal {
        producer: usize,
        slot: usize,
        job: SealJob,
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
    pub(crate) fn seal(producer: usize, slot: usize, job: SealJob) -> Self {
        Self(Work::Seal {
            producer,
            slot,
            job,
        })
    }

    pub(crate) fn decode(consumer: usize, job: DecodeJob) -> Self {
        Self(Work::Decode { consumer, job })
    }

    /// Does the work.
    #[must_use]
    pub fn run(self) -> JobDone {
        JobDone(match self.0 {
            Work::Seal {
                producer,
                slot,
                job,
            } => Done::Sealed {
                producer,
                slot,
                job: job.run(),
            },
            Work::Decode { consumer, job } => Done::Decoded {
                consumer,
                fetch: job.run(),
            },
        })
    }

    /// How many bytes it goes through: a driver may run a small one where it stands.
    #[must_use]
    pub fn bytes(&self) -> usize {
        match &self.0 {
            Work::Seal { job, .. } => job.bytes(),
            Work::Decode { job, .. } => job.bytes(),
        }
    }
}
