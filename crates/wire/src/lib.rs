//! Kafka's bytes: frames, messages, record batches and error codes. No I/O, no clock, no state between calls.
//!
//! - [`messages`]: every request and response of Kafka's clients, declared field by field;
//! - [`encode_request`], [`decode_response`], [`take_frame`]: messages to frames and back;
//! - [`AnyRequest`](messages::AnyRequest), [`decode_any_request`]: the same for those who do not know what comes;
//! - [`record`]: record batches, built and read without an allocation a record; [`compress`]: their codecs;
//! - [`ErrorCode`], [`ApiKey`], [`Uuid`]: the protocol's small values.
//!
//! Decoding borrows strings from the frame and never panics. It never allocates more than 37 times the frame plus 17 KiB, whatever the frame
//! says, and at most 22 times for one that holds what it says (three bytes of an empty group in OffsetFetch become 64 bytes of memory): every
//! count is checked against the bytes left first. Encoding does not copy records: they ride in the [`Frame`] as slices of their own.
//!
//! ```
//! use bytes::{Bytes, BytesMut};
//! use milena_wire::messages::{FindCoordinatorRequest, FindCoordinatorResponse};
//! use milena_wire::{ApiVersion, CorrelationId, ErrorCode};
//!
//! let request = FindCoordinatorRequest { key: "payments", key_type: 1, ..Default::default() };
//! let frame = milena_wire::encode_request(&request, ApiVersion(3), CorrelationId(7), Some("app"))?;
//! assert_eq!(frame.len(), frame.to_bytes().len());
//!
//! // What a broker answers, and how its bytes become a message.
//! let response = FindCoordinatorResponse { node_id: 2, host: "broker-2", port: 9092, ..Default::default() };
//! let sent = milena_wire::encode_response(&response, ApiVersion(3), CorrelationId(7))?;
//! let mut received = BytesMut::from(&sent.to_bytes()[..]);
//! let frame: Bytes = milena_wire::take_frame(&mut received, 1 << 20)?.ok_or("not all there yet")?;
//! assert_eq!(milena_wire::peek_correlation_id(&frame)?, CorrelationId(7));
//! let response: FindCoordinatorResponse<'_> = milena_wire::decode_response(&frame, ApiVersion(3))?;
//! assert_eq!((response.error_code, response.node_id), (ErrorCode::NONE, 2));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod compress;
mod error;
mod error_code;
mod frame;
mod message;
pub mod messages;
mod numbers;
mod payload;
mod primitives;
mod reader;
pub mod record;
mod uuid;
mod varint;
mod versioned;
mod writer;

pub use error::{DecodeError, DecodeErrorKind, EncodeError, EncodeErrorKind};
pub use error_code::ErrorCode;
pub use frame::{
    RequestHeader, decode_any_request, decode_any_response, decode_api_versions_response,
    decode_request_header, decode_response, encode_request, encode_response, peek_correlation_id,
    take_frame,
};
pub use message::{ApiMessage, Decode, Encode, Message, Request};
pub use numbers::{Number, Numbers};
pub use payload::{Frame, Parts, Payload};
pub use primitives::{ApiKey, ApiVersion, CorrelationId, VersionRange};
pub use reader::{Reader, TaggedField, TaggedFields};
pub use uuid::{ParseUuidError, Uuid};
pub use versioned::{decode_versioned, encode_versioned};
pub use writer::{TaggedFieldStart, Writer};

/// The examples of the crate's page are tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
