//! Requests and responses of any API, in any version.

use bytes::{BufMut, Bytes, BytesMut};
use milena_wire::{ApiKey, ApiVersion, DecodeErrorKind, decode_any_request, decode_any_response};

use super::check_error;
use super::input::Input;

/// An API and a version, then a body; or a whole frame, if there are fewer APIs than that.
pub(crate) fn request(data: &[u8]) {
    let frame = request_frame(data);
    match decode_any_request(&frame) {
        Err(error) => check_error(&error, frame.len()),
        Ok((header, request)) => {
            assert_eq!(header.api_key, request.key());
            assert!(versions(header.api_key).contains(&header.api_version));
            exactly_so_long(&frame, |frame| decode_any_request(frame).map(|_| ()));
        }
    }
}

/// An API and a version, then a whole frame.
pub(crate) fn response(data: &[u8]) {
    let (key, version, frame) = response_frame(data);
    match decode_any_response(&frame, key, version) {
        Err(error) => {
            check_error(&error, frame.len());
            if frame.len() >= 4 {
                assert!(error.message.is_some() && error.version.0 >= 0, "{error}");
            }
        }
        Ok((correlation_id, response)) => {
            assert_eq!(response.key(), key);
            assert!(frame.starts_with(&correlation_id.0.to_be_bytes()));
            exactly_so_long(&frame, |frame| {
                decode_any_response(frame, key, version).map(|_| ())
            });
        }
    }
}

/// The frame that `request` means.
pub(super) fn request_frame(data: &[u8]) -> Bytes {
    let mut input = Input(data);
    let Some(key) = ApiKey::ALL.get(usize::from(input.u8())) else {
        return Bytes::copy_from_slice(input.0);
    };
    let version = input.choose(&versions(*key));
    let mut frame = BytesMut::new();
    frame.put_i16(key.0);
    frame.put_i16(version.0);
    // The correlation id, and no client id.
    frame.put_i32(1);
    frame.put_i16(-1);
    if key.flexible_since().is_some_and(|since| version >= since) {
        frame.put_u8(0);
    }
    frame.put_slice(input.0);
    frame.freeze()
}

/// The frame that `response` means, and what it answers.
pub(super) fn response_frame(data: &[u8]) -> (ApiKey, ApiVersion, Bytes) {
    let mut input = Input(data);
    let key = input.choose(ApiKey::ALL);
    let version = input.choose(&versions(key));
    (key, version, Bytes::copy_from_slice(input.0))
}

fn versions(key: ApiKey) -> Vec<ApiVersion> {
    let versions = key.versions().expect("milena speaks it");
    versions.iter().collect()
}

/// What can be read cannot be read with a byte less or more: no field is guessed, none is passed over.
fn exactly_so_long(frame: &Bytes, decode: impl Fn(&Bytes) -> Result<(), milena_wire::DecodeError>) {
    let shorter = decode(&frame.slice(..frame.len() - 1)).expect_err("the last byte is missing");
    check_error(&shorter, frame.len() - 1);
    let longer = Bytes::from([&frame[..], &[0]].concat());
    let longer = decode(&longer).expect_err("there is a byte too many");
    assert_eq!(longer.kind, DecodeErrorKind::TrailingBytes(1));
}
