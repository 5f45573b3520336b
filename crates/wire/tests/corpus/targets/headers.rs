//! What stands in front of messages, and the messages inside of fields.

use bytes::Bytes;
use milena_wire::messages::{
    ConsumerProtocolAssignment, ConsumerProtocolSubscription, EndTxnMarker, KRaftVersionRecord,
    LeaderChangeMessage, SnapshotFooterRecord, SnapshotHeaderRecord, VotersRecord,
};
use milena_wire::{
    ApiVersion, Message, Reader, decode_api_versions_response, decode_request_header,
    decode_versioned, encode_versioned, peek_correlation_id,
};

use super::check_error;
use super::input::Input;

/// What can be read can be written, and is then read as the same.
macro_rules! versioned {
    ($message:ty, $bytes:expr) => {
        match decode_versioned::<$message>($bytes) {
            Err(error) => check_error(&error, $bytes.len()),
            Ok((version, message)) => {
                let version = version.min(<$message>::VERSIONS.max);
                let written = encode_versioned(&message, version).expect("it was read");
                assert_eq!(decode_versioned(&written), Ok((version, message)));
            }
        }
    };
}

/// Which of them, then its bytes.
pub(crate) fn headers(data: &[u8]) {
    let mut input = Input(data);
    let choice = input.u8();
    let rest = Bytes::copy_from_slice(input.0);
    match choice % 11 {
        0 | 1 => request_header(&rest),
        2 => api_versions(&rest),
        3 => versioned!(ConsumerProtocolSubscription<'_>, &rest),
        4 => versioned!(ConsumerProtocolAssignment<'_>, &rest),
        5 => versioned!(EndTxnMarker, &rest),
        6 => versioned!(LeaderChangeMessage, &rest),
        7 => versioned!(SnapshotHeaderRecord, &rest),
        8 => versioned!(SnapshotFooterRecord, &rest),
        9 => versioned!(KRaftVersionRecord, &rest),
        _ => versioned!(VotersRecord<'_>, &rest),
    }
}

fn request_header(frame: &Bytes) {
    let mut reader = Reader::new(frame);
    let header = match decode_request_header(&mut reader) {
        Ok(header) => header,
        Err(error) => return check_error(&error, frame.len()),
    };
    assert_eq!(reader.position() + reader.remaining(), frame.len());
    assert_eq!(frame[..2], header.api_key.0.to_be_bytes());
    assert_eq!(frame[2..4], header.api_version.0.to_be_bytes());
    assert_eq!(
        peek_correlation_id(&frame[4..]),
        Ok(header.correlation_id),
        "a response begins with the id of its request"
    );
    // The client id keeps its old form in every version.
    match header.client_id {
        None => assert_eq!(frame[8..10], (-1_i16).to_be_bytes()),
        Some(client_id) => {
            assert_eq!(frame[8..10], (client_id.len() as u16).to_be_bytes());
            assert_eq!(frame[10..10 + client_id.len()], *client_id.as_bytes());
        }
    }
}

fn api_versions(frame: &Bytes) {
    for version in 0..=4 {
        if let Err(error) = decode_api_versions_response(frame, ApiVersion(version)) {
            check_error(&error, frame.len());
        }
    }
}
