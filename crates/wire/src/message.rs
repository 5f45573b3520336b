//! What all messages have in common. The derives write these impls.

use crate::{ApiKey, ApiVersion, DecodeError, EncodeError, Reader, VersionRange, Writer};

/// A declared schema: a request, a response, or what is found inside a field or a record.
pub trait Message {
    /// Its name in Kafka's schema, such as `ProduceRequest`.
    const NAME: &'static str;
    /// The versions that can be written and read.
    const VERSIONS: VersionRange;
    /// The first version with compact lengths and tagged fields.
    const FLEXIBLE_SINCE: Option<ApiVersion>;
}

/// A request or response.
pub trait ApiMessage: Message {
    /// The API it belongs to.
    const KEY: ApiKey;
}

/// A request, tied to what answers it.
pub trait Request: ApiMessage + Encode {
    /// The answer; `'a` is the life of the frame it borrows from.
    type Response<'a>: ApiMessage + Decode<'a>;
}

/// Can be written.
pub trait Encode {
    /// Appends the fields that exist in `version`. A value that the version cannot carry is an error unless the protocol calls it ignorable.
    fn encode(&self, writer: &mut Writer, version: ApiVersion) -> Result<(), EncodeError>;
}

/// Can be read from a frame that lives for `'a`.
pub trait Decode<'a>: Sized {
    /// Reads the fields that exist in `version`; the others get their defaults.
    fn decode(reader: &mut Reader<'a>, version: ApiVersion) -> Result<Self, DecodeError>;

    /// The fewest bytes one value takes, so that a count can be checked against the bytes left before room for the values is made.
    fn bytes_min(version: ApiVersion) -> usize {
        let _ = version;
        1
    }
}
