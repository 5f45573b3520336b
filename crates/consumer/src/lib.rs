//! Reading assigned partitions, without I/O: positions, which Fetch and ListOffsets requests to send and when, and the
//! read_committed filter.
//!
//! [`Fetcher`] is the core. It is told what is assigned, says what to ask of which node, is handed the answers, and gives out
//! [`DecodeJob`]s (pure CPU work that checks and filters what was fetched) and [`FetchEvent`]s. It never sees a socket or a clock.
//!
//! ```text
//!   assign, seek ──> Fetcher ──poll_request──> (Fetch | ListOffsets) ──> a node
//!                      ^  ^                                               │
//!                      │  └──────────── handle_fetch, handle_list_offsets ┘
//!      handle_decoded  │  poll_decode
//!   DecodedFetch <── DecodeJob::run        poll_event ──> batches, positions, failures
//! ```

mod aborted;
mod cursor;
mod decode;
mod error;
mod fetcher;
mod isolation;

pub use aborted::{AbortedTransactions, Visibility};
pub use cursor::{Cursor, OutOfRange, StartPosition};
pub use decode::{DecodeJob, DecodedFetch, FetchedBatch};
pub use error::FetchError;
pub use fetcher::{FetchConfig, FetchEvent, FetchId, FetchPartition, Fetcher, FetcherRequest};
pub use isolation::IsolationLevel;
