//! Messages that live inside a field or a record, with their version in front.

use bytes::{Buf, Bytes};

use crate::{
    ApiVersion, Decode, DecodeError, DecodeErrorKind, Encode, EncodeError, Message, Reader, Writer,
};

/// A message's bytes behind its version, such as a member's subscription in JoinGroup.
///
/// ```
/// use milena_wire::messages::ConsumerProtocolSubscription;
/// use milena_wire::{ApiVersion, decode_versioned, encode_versioned};
///
/// let subscription = ConsumerProtocolSubscription { topics: vec!["payments"], ..Default::default() };
/// let bytes = encode_versioned(&subscription, ApiVersion(3))?;
/// let (version, read) = decode_versioned::<ConsumerProtocolSubscription<'_>>(&bytes)?;
/// assert_eq!((version, read), (ApiVersion(3), subscription));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn encode_versioned<M: Message + Encode>(
    message: &M,
    version: ApiVersion,
) -> Result<Bytes, EncodeError> {
    let mut writer = Writer::new(M::NAME, version);
    writer.i16(version.0);
    message.encode(&mut writer, version)?;
    let mut bytes = writer.finish()?.to_bytes();
    // No frame: what holds the bytes has a length of its own.
    bytes.advance(4);
    Ok(bytes)
}

/// Reads a version and the message behind it.
///
/// A version above those known here is read as the highest that is, and bytes left over are passed by: later versions of such a message only
/// append to it, and the members of a group are not all of one age.
pub fn decode_versioned<'a, M: Message + Decode<'a>>(
    bytes: &'a Bytes,
) -> Result<(ApiVersion, M), DecodeError> {
    let mut reader = Reader::new(bytes);
    reader.set_context(M::NAME, ApiVersion(-1));
    let version = ApiVersion(reader.i16("version")?);
    if version < M::VERSIONS.min {
        return Err(reader.error("version", DecodeErrorKind::UnsupportedVersion(M::VERSIONS)));
    }
    let message = M::decode(&mut reader, version.min(M::VERSIONS.max))?;
    Ok((version, message))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::messages::{ConsumerProtocolAssignment, ConsumerProtocolSubscription};

    #[test]
    fn a_later_version_is_read_as_far_as_it_is_known() {
        let subscription = ConsumerProtocolSubscription {
            topics: vec!["a", "b"],
            rack_id: Some("r"),
            ..Default::default()
        };
        let mut bytes = encode_versioned(&subscription, ApiVersion(3))
            .expect("fits")
            .to_vec();
        bytes[1] = 9;
        bytes.extend_from_slice(b"what version 9 appends");
        let bytes = Bytes::from(bytes);
        assert_eq!(decode_versioned(&bytes), Ok((ApiVersion(9), subscription)));
    }

    #[test]
    fn a_negative_version_is_refused() {
        let bytes = Bytes::from_static(&[0xff, 0xff, 0, 0, 0, 0]);
        let error = decode_versioned::<ConsumerProtocolAssignment<'_>>(&bytes).expect_err("-1");
        assert!(matches!(error.kind, DecodeErrorKind::UnsupportedVersion(_)));
    }
}
