//! Record batches (Kafka's message format 2), as they lie in requests, responses and logs.
//!
//! Writing: [`BatchBuilder`] encodes each record once, into chunks; [`BatchPayload::seal`] adds up the checksum; [`SealedBatch::stamp`] puts
//! the 61-byte header in front, which is all that changes from one attempt to the next.
//!
//! Reading: [`batches`] walks over the headers without touching records; [`BatchView::into_records`] checks the framing of all records
//! once, so that walking over them by [`RecordBatch::records`] cannot fail.
//!
//! ```
//! use milena_wire::record::{BatchBuilder, HeaderFields, RecordFields, Stamp, batches};
//!
//! let headers = [HeaderFields { key: b"trace", value: Some(b"1") }, HeaderFields { key: b"trace", value: None }];
//! let mut builder = BatchBuilder::new();
//! builder.append(&RecordFields { timestamp: 1_700_000_000_000, key: Some(b"k"), value: Some(b"v"), headers: &headers });
//! let payload = builder.finish().seal().stamp(&Stamp::NONE);
//!
//! for batch in batches(payload.to_bytes()) {
//!     let batch = batch?;
//!     batch.verify_crc()?;
//!     for record in batch.into_records()?.records() {
//!         assert_eq!(record.value(), Some(&b"v"[..]));
//!         assert_eq!(record.headers().count(), 2);
//!     }
//! }
//! # Ok::<(), milena_wire::DecodeError>(())
//! ```

mod builder;
mod checksum;
mod chunks;
mod control;
mod header;
mod records;
mod sealed;
mod view;

pub use builder::{BatchBuilder, CHUNK_BYTES, HeaderFields, RecordFields};
pub use chunks::ChunkPool;
pub(crate) use chunks::Chunks;
pub use control::{ControlKind, ControlRecord, control_batch};
pub use header::{BatchHeader, Compression, HEADER_LEN, TimestampType};
pub use records::{HeaderIter, HeaderRef, RecordBatch, RecordIter, RecordRef};
pub use sealed::{BatchPayload, SealedBatch, Stamp};
pub use view::{BatchView, Batches, batches, rewrite_base_offset};
