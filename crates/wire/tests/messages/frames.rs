//! Frames and headers: what stands around every message.

use bytes::{Bytes, BytesMut};
use milena_wire::messages::*;
use milena_wire::{
    ApiKey, ApiVersion, CorrelationId, DecodeErrorKind, ErrorCode, Message as _, Payload, Reader,
    Uuid, decode_any_request, decode_any_response, decode_api_versions_response,
    decode_request_header, decode_response, encode_request, encode_response, peek_correlation_id,
    take_frame,
};

use crate::hostile::check_error;
use crate::support::*;

const CORRELATION_ID: CorrelationId = CorrelationId(0x0102_0304);

/// A request's header by the book: version 1, or 2 in flexible versions, which still has the client id in its old form.
fn request_header(message: &Message, version: i16, client_id: Option<&str>) -> Vec<u8> {
    let key = message.key.expect("a request");
    let mut header = [key.to_be_bytes(), version.to_be_bytes()].concat();
    header.extend([1, 2, 3, 4]);
    match client_id {
        Some(text) => {
            header.extend(u16::try_from(text.len()).expect("short").to_be_bytes());
            header.extend(text.as_bytes());
        }
        None => header.extend([0xff, 0xff]),
    }
    header.extend(vec![0; usize::from(message.is_flexible(version))]);
    header
}

/// A response's header by the book: version 0, or 1 in flexible versions, but never of ApiVersions.
fn response_header(message: &Message, version: i16) -> Vec<u8> {
    let mut header = vec![1, 2, 3, 4];
    if message.is_flexible(version) && message.key != Some(18) {
        header.push(0);
    }
    header
}

/// A frame as it arrives: behind its length, which is checked.
fn received(sent: &Bytes) -> Bytes {
    let mut buffer = BytesMut::from(&sent[..]);
    let frame = take_frame(&mut buffer, sent.len() - 4);
    assert!(buffer.is_empty());
    frame.expect("well formed").expect("complete")
}

#[test]
fn requests_of_every_version_go_out_and_come_in_behind_their_header() {
    let long = "c".repeat(300);
    for (message, version) in every_version() {
        if message.response.is_none() {
            continue;
        }
        for client_id in [None, Some(""), Some("client"), Some(&*long)] {
            let value = generate(model(), &message.name, version, &mut Choices::seeded(1));
            let body = encode(model(), &message.name, version, &value).bytes;
            let frame = [request_header(message, version, client_id), body].concat();
            let frame = Bytes::from(frame);
            let (header, request) = decode_any_request(&frame).unwrap_or_else(|e| panic!("{e}"));
            assert_eq!(Some(header.api_key.0), message.key);
            assert_eq!(request.key(), header.api_key);
            assert_eq!(header.api_version.0, version);
            assert_eq!(header.correlation_id, CORRELATION_ID);
            assert_eq!(header.client_id, client_id);
            let sent = request.to_frame(header.api_version, CORRELATION_ID, client_id);
            let sent = sent.unwrap_or_else(|error| panic!("{error}")).to_bytes();
            assert_eq!(received(&sent), frame, "{} v{version}", message.name);
        }
    }
}

#[test]
fn responses_of_every_version_go_out_and_come_in_behind_their_header() {
    for (message, version) in every_version() {
        let Some(key) = message.key.filter(|_| message.response.is_none()) else {
            continue;
        };
        let value = generate(model(), &message.name, version, &mut Choices::seeded(2));
        let body = encode(model(), &message.name, version, &value).bytes;
        let frame = Bytes::from([response_header(message, version), body].concat());
        let read = decode_any_response(&frame, ApiKey(key), ApiVersion(version));
        let (correlation_id, response) = read.unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(correlation_id, CORRELATION_ID);
        assert_eq!(peek_correlation_id(&frame), Ok(CORRELATION_ID));
        assert_eq!(response.key(), ApiKey(key));
        let sent = response.to_frame(ApiVersion(version), CORRELATION_ID);
        let sent = sent.unwrap_or_else(|error| panic!("{error}")).to_bytes();
        assert_eq!(received(&sent), frame, "{} v{version}", message.name);
    }
}

#[test]
fn tagged_fields_of_later_headers_are_skipped() {
    let (request, response) = (
        model().message("EndTxnRequest"),
        model().message("EndTxnResponse"),
    );
    let mut frame = request_header(request, 5, Some("c"));
    assert_eq!(frame.pop(), Some(0));
    frame.extend([2, 0, 1, 0xff, 0x90, 0x4e, 2, 1, 2]);
    let value = model().default_struct("EndTxnRequest");
    frame.extend(encode(model(), "EndTxnRequest", 5, &value).bytes);
    let frame = Bytes::from(frame);
    let (header, _) = decode_any_request(&frame).expect("well formed");
    assert_eq!(header.client_id, Some("c"));

    let mut frame = response_header(response, 5);
    assert_eq!(frame.pop(), Some(0));
    frame.extend([1, 7, 1, 0xff]);
    let value = model().default_struct("EndTxnResponse");
    frame.extend(encode(model(), "EndTxnResponse", 5, &value).bytes);
    let frame = Bytes::from(frame);
    let read = decode_any_response(&frame, ApiKey::END_TXN, ApiVersion(5));
    assert_eq!(read, Ok((CORRELATION_ID, EndTxnResponse::default().into())));
}

/// Two bytes of a header make another crate panic: every prefix of a frame must be an error, of the header as of the body.
#[test]
fn a_frame_that_ends_too_early_is_an_error_at_every_byte() {
    for message in &model().messages {
        let Some(key) = message.key else { continue };
        let version = message.versions.max.expect("an end");
        let value = generate(
            model(),
            &message.name,
            version,
            &mut Choices::from_bytes(&[]),
        );
        let body = encode(model(), &message.name, version, &value).bytes;
        let request = message.response.is_some();
        let header = match request {
            true => request_header(message, version, Some("client")),
            false => response_header(message, version),
        };
        let frame = Bytes::from([header, body].concat());
        for len in 0..frame.len() {
            let part = frame.slice(..len);
            let error = match request {
                true => decode_any_request(&part).expect_err("too short"),
                false => decode_any_response(&part, ApiKey(key), ApiVersion(version))
                    .map(|_| ())
                    .expect_err("too short"),
            };
            assert!(error.position <= len && !error.field.is_empty(), "{error}");
            if len >= 14 {
                assert_eq!(error.version.0, version, "{error}");
            }
        }
    }
}

/// W5, on the way in: the frame says where the message ends.
#[test]
fn a_frame_with_bytes_left_over_is_refused_both_ways() {
    let frame = encode_response(&EndTxnResponse::default(), ApiVersion(5), CORRELATION_ID);
    let mut bytes = BytesMut::from(&frame.expect("can be sent").to_bytes()[4..]);
    assert!(decode_response::<EndTxnResponse>(&bytes.clone().freeze(), ApiVersion(5)).is_ok());
    bytes.extend_from_slice(&[0]);
    let frame = bytes.freeze();
    let one = decode_response::<EndTxnResponse>(&frame, ApiVersion(5)).expect_err("one too many");
    let any = decode_any_response(&frame, ApiKey::END_TXN, ApiVersion(5)).expect_err("the same");
    assert_eq!(one, any);
    assert_eq!(one.kind, DecodeErrorKind::TrailingBytes(1));
    check_error(&one, model().message("EndTxnResponse"), 5, frame.len());

    let request = EndTxnRequest::default();
    let frame = encode_request(&request, ApiVersion(5), CORRELATION_ID, None);
    let mut bytes = BytesMut::from(&frame.expect("can be sent").to_bytes()[4..]);
    bytes.extend_from_slice(&[0; 3]);
    let error = decode_any_request(&bytes.freeze()).expect_err("three too many");
    assert_eq!(error.kind, DecodeErrorKind::TrailingBytes(3));
    assert_eq!(error.message, Some("EndTxnRequest"));
}

/// KIP-511: what a broker does not know it answers in version 0, with a header that has never grown.
#[test]
fn an_old_brokers_refusal_of_api_versions_is_read_in_version_0() {
    let refusal = ApiVersionsResponse {
        error_code: ErrorCode::UNSUPPORTED_VERSION,
        api_keys: vec![ApiVersionsApiVersion {
            api_key: 18,
            min_version: 0,
            max_version: 2,
        }],
        ..Default::default()
    };
    let answer = ApiVersionsResponse {
        finalized_features_epoch: 7,
        ..Default::default()
    };
    for (response, sent) in [(refusal, 0), (answer, 4)] {
        let frame = encode_response(&response, ApiVersion(sent), CORRELATION_ID);
        let frame = received(&frame.expect("can be sent").to_bytes());
        let read = decode_api_versions_response(&frame, ApiVersion(4));
        assert_eq!(read.as_ref(), Ok(&response));
        let any = decode_any_response(&frame, ApiKey::API_VERSIONS, ApiVersion(4));
        assert_eq!(any, Ok((CORRELATION_ID, response.into())));
    }
}

/// A broker answers a version it has not from the header alone.
#[test]
fn the_header_of_an_unknown_version_or_api_can_be_read() {
    for (key, version) in [(18, 99), (0, 77), (999, 3)] {
        let mut frame = [i16::to_be_bytes(key), i16::to_be_bytes(version)].concat();
        frame.extend([1, 2, 3, 4, 0, 1, b'c', 0]);
        let frame = Bytes::from(frame);
        let mut reader = Reader::new(&frame);
        let header = decode_request_header(&mut reader).expect("well formed");
        assert_eq!((header.api_key.0, header.api_version.0), (key, version));
        assert_eq!(
            (header.correlation_id, header.client_id),
            (CORRELATION_ID, Some("c"))
        );
        let error = decode_any_request(&frame).expect_err("not known").kind;
        let unknown_version = matches!(error, DecodeErrorKind::UnsupportedVersion(_));
        assert!(
            unknown_version || error == DecodeErrorKind::UnknownApi(key),
            "{error}"
        );
    }
}

#[test]
fn frames_are_taken_only_whole_and_within_the_limit() {
    let mut buffer = BytesMut::new();
    for byte in [0, 0, 0, 3, 1, 2] {
        buffer.extend_from_slice(&[byte]);
        assert_eq!(take_frame(&mut buffer, 3), Ok(None));
    }
    buffer.extend_from_slice(&[3, 0, 0]);
    let frame = Bytes::from_static(&[1, 2, 3]);
    assert_eq!(take_frame(&mut buffer, 3), Ok(Some(frame)));
    assert_eq!(&buffer[..], [0, 0]);
}

/// W1: a length below zero, over the limit by one, and as high as it goes; nothing is allocated or waited for. Then lengths too short for
/// any header.
#[test]
fn impossible_frame_lengths_are_refused_at_once() {
    let kind = |len: i32| {
        let mut buffer = BytesMut::from(&len.to_be_bytes()[..]);
        let taken = take_frame(&mut buffer, 3);
        assert_eq!(buffer.len(), if taken.is_ok() { 0 } else { 4 });
        taken.map_err(|error| error.kind)
    };
    for len in [-1, -2, i32::MIN] {
        assert_eq!(kind(len), Err(DecodeErrorKind::NegativeLength(len)));
    }
    for len in [4, i32::MAX] {
        let len_given = len as usize;
        let too_long = DecodeErrorKind::FrameTooLong {
            len: len_given,
            max: 3,
        };
        assert_eq!(kind(len), Err(too_long));
    }
    assert_eq!(kind(0), Ok(Some(Bytes::new())));
    for len in 0..4 {
        let mut buffer = BytesMut::from(&[0, 0, 0, len][..]);
        buffer.extend_from_slice(&[0xff; 3][..usize::from(len)]);
        let frame = take_frame(&mut buffer, 3)
            .expect("well formed")
            .expect("complete");
        let error = peek_correlation_id(&frame).expect_err("no room for it");
        assert_eq!(error.kind, DecodeErrorKind::Truncated);
        let read = decode_response::<EndTxnResponse>(&frame, ApiVersion(0));
        let error = read.expect_err("no room for it");
        assert_eq!(
            (error.field, error.kind),
            ("correlation_id", DecodeErrorKind::Truncated)
        );
        assert_eq!(error.message, Some(EndTxnResponse::NAME));
    }
}

#[test]
fn records_are_not_copied_in_either_direction() {
    let records = Bytes::from(vec![9; 1000]);
    let request = ProduceRequest {
        acks: -1,
        topic_data: vec![TopicProduceData {
            topic_id: Uuid([1; 16]),
            partition_data: vec![PartitionProduceData {
                index: 0,
                records: Some(Payload::from(records.clone())),
            }],
            ..Default::default()
        }],
        ..Default::default()
    };
    let sent = encode_request(&request, ApiVersion(13), CORRELATION_ID, None);
    let sent = sent.expect("can be sent");
    assert!(sent.parts().any(|part| part.as_ptr() == records.as_ptr()));

    let frame = received(&sent.to_bytes());
    let (_, AnyRequest::Produce(read)) = decode_any_request(&frame).expect("well formed") else {
        panic!("sent as Produce")
    };
    assert_eq!(read, request);
    let payload = read.topic_data[0].partition_data[0].records.as_ref();
    let read = payload.expect("not null").to_bytes();
    assert!(frame.as_ptr_range().contains(&read.as_ptr()));
}
