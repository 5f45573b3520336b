//! Messages with their headers, in and out of frames.

use bytes::{Buf, Bytes, BytesMut};

use crate::messages::{AnyRequest, AnyResponse, ApiVersionsResponse};
use crate::{
    ApiKey, ApiMessage, ApiVersion, CorrelationId, Decode, DecodeError, DecodeErrorKind, Encode,
    EncodeError, ErrorCode, Frame, Message, Reader, Writer,
};

/// What stands in front of every request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestHeader<'a> {
    /// Which API.
    pub api_key: ApiKey,
    /// In which version.
    pub api_version: ApiVersion,
    /// Comes back in the response.
    pub correlation_id: CorrelationId,
    /// Who asks, for the broker's logs and quotas.
    pub client_id: Option<&'a str>,
}

/// A request ready to be written to a connection.
pub fn encode_request<R: ApiMessage + Encode>(
    request: &R,
    version: ApiVersion,
    correlation_id: CorrelationId,
    client_id: Option<&str>,
) -> Result<Frame, EncodeError> {
    let mut writer = Writer::new(R::NAME, version);
    writer.i16(R::KEY.0);
    writer.i16(version.0);
    writer.i32(correlation_id.0);
    // The client id kept its old form in the flexible header.
    match client_id {
        Some(client_id) => writer.string(client_id, "client_id")?,
        None => writer.null_string(),
    }
    writer.set_flexible(is_flexible::<R>(version));
    writer.tagged_field_count(0);
    request.encode(&mut writer, version)?;
    writer.finish()
}

/// A response ready to be written to a connection.
pub fn encode_response<R: ApiMessage + Encode>(
    response: &R,
    version: ApiVersion,
    correlation_id: CorrelationId,
) -> Result<Frame, EncodeError> {
    let mut writer = Writer::new(R::NAME, version);
    writer.i32(correlation_id.0);
    writer.set_flexible(has_flexible_response_header::<R>(version));
    writer.tagged_field_count(0);
    response.encode(&mut writer, version)?;
    writer.finish()
}

/// Reads a response from a whole frame without its length prefix. Bytes left over are an error.
pub fn decode_response<'a, R: ApiMessage + Decode<'a>>(
    frame: &'a Bytes,
    version: ApiVersion,
) -> Result<R, DecodeError> {
    let flexible = has_flexible_response_header::<R>(version);
    let (_, mut reader) = response_body(frame, R::NAME, version, flexible)?;
    let response = R::decode(&mut reader, version)?;
    reader.finish()?;
    Ok(response)
}

/// Reads a request of any API from a whole frame without its length prefix. Bytes left over are an error.
pub fn decode_any_request(
    frame: &Bytes,
) -> Result<(RequestHeader<'_>, AnyRequest<'_>), DecodeError> {
    let mut reader = Reader::new(frame);
    let header = decode_request_header(&mut reader)?;
    let request = AnyRequest::decode(header.api_key, &mut reader, header.api_version)?;
    reader.finish()?;
    Ok((header, request))
}

/// Reads the response to a request of `key` in `version` from a whole frame without its length prefix. Bytes left over are an error.
pub fn decode_any_response(
    frame: &Bytes,
    key: ApiKey,
    version: ApiVersion,
) -> Result<(CorrelationId, AnyResponse<'_>), DecodeError> {
    if key == ApiKey::API_VERSIONS {
        let correlation_id = peek_correlation_id(frame)?;
        let response = decode_api_versions_response(frame, version)?;
        return Ok((correlation_id, response.into()));
    }
    let flexible = key.flexible_since().is_some_and(|since| version >= since);
    let (correlation_id, mut reader) = response_body(frame, key.name(), version, flexible)?;
    let response = AnyResponse::decode(key, &mut reader, version)?;
    reader.finish()?;
    Ok((correlation_id, response))
}

/// Reads the answer to the first request of a connection. A broker that does not know `version` of it answers in version 0 with
/// [`ErrorCode::UNSUPPORTED_VERSION`], and from Kafka 2.4 on with the versions it does know (KIP-511).
pub fn decode_api_versions_response(
    frame: &Bytes,
    version: ApiVersion,
) -> Result<ApiVersionsResponse<'_>, DecodeError> {
    let mut reader = Reader::new(frame);
    reader.set_context(ApiVersionsResponse::NAME, version);
    reader.i32("correlation_id")?;
    // The code comes first in every version, so it can be looked at before the version is known.
    let error_code = reader.error_code("error_code")?;
    let version = if error_code == ErrorCode::UNSUPPORTED_VERSION {
        ApiVersion(0)
    } else {
        version
    };
    decode_response(frame, version)
}

/// The correlation id of a response in a frame without its length prefix.
pub fn peek_correlation_id(frame: &[u8]) -> Result<CorrelationId, DecodeError> {
    match frame.first_chunk() {
        Some(bytes) => Ok(CorrelationId(i32::from_be_bytes(*bytes))),
        None => Err(DecodeError::plain(
            "correlation_id",
            0,
            DecodeErrorKind::Truncated,
        )),
    }
}

/// Reads a request's header; the reader then stands at the body. Of an API that milena does not speak, the header's tagged fields stay unread.
pub fn decode_request_header<'a>(
    reader: &mut Reader<'a>,
) -> Result<RequestHeader<'a>, DecodeError> {
    let api_key = ApiKey(reader.i16("api_key")?);
    let api_version = ApiVersion(reader.i16("api_version")?);
    reader.set_context(api_key.name(), api_version);
    let correlation_id = CorrelationId(reader.i32("correlation_id")?);
    reader.set_flexible(false);
    let client_id = reader.nullable_string("client_id")?;
    reader.set_flexible(
        api_key
            .flexible_since()
            .is_some_and(|since| api_version >= since),
    );
    reader.skip_tagged_fields()?;
    Ok(RequestHeader {
        api_key,
        api_version,
        correlation_id,
        client_id,
    })
}

/// Takes the first whole frame off the front of `buffer`, without its length prefix; `None` if it is not all there yet.
///
/// After an error the connection is of no more use: where the next frame begins is not known.
pub fn take_frame(
    buffer: &mut BytesMut,
    frame_bytes_max: usize,
) -> Result<Option<Bytes>, DecodeError> {
    let Some(prefix) = buffer.first_chunk() else {
        return Ok(None);
    };
    let prefix = i32::from_be_bytes(*prefix);
    let error = |kind| DecodeError::plain("frame length", 0, kind);
    let len =
        usize::try_from(prefix).map_err(|_| error(DecodeErrorKind::NegativeLength(prefix)))?;
    if len > frame_bytes_max {
        return Err(error(DecodeErrorKind::FrameTooLong {
            len,
            max: frame_bytes_max,
        }));
    }
    if buffer.len() < 4 + len {
        return Ok(None);
    }
    buffer.advance(4);
    Ok(Some(buffer.split_to(len).freeze()))
}

/// Reads a response's header; the reader then stands at the body.
fn response_body<'a>(
    frame: &'a Bytes,
    name: &'static str,
    version: ApiVersion,
    flexible: bool,
) -> Result<(CorrelationId, Reader<'a>), DecodeError> {
    let mut reader = Reader::new(frame);
    reader.set_context(name, version);
    let correlation_id = CorrelationId(reader.i32("correlation_id")?);
    reader.set_flexible(flexible);
    reader.skip_tagged_fields()?;
    Ok((correlation_id, reader))
}

fn is_flexible<M: ApiMessage>(version: ApiVersion) -> bool {
    M::FLEXIBLE_SINCE.is_some_and(|since| version >= since)
}

/// The header of an `ApiVersions` response never grew: a client must be able to read it before it knows what the broker speaks.
fn has_flexible_response_header<M: ApiMessage>(version: ApiVersion) -> bool {
    M::KEY != ApiKey::API_VERSIONS && is_flexible::<M>(version)
}
