use bytes::BytesMut;
use milena_wire::messages::ApiVersionsApiVersion as Offer;
use milena_wire::{
    Decode, Reader, RequestHeader, decode_request_header, encode_response, take_frame,
};

use super::*;

const FRAME_BYTES_MAX: usize = 1 << 20;

fn without_prefix(frame: &Frame) -> Bytes {
    let mut buffer = BytesMut::from(&frame.to_bytes()[..]);
    take_frame(&mut buffer, FRAME_BYTES_MAX).unwrap().unwrap()
}

fn answer(error_code: ErrorCode, offers: &[(i16, i16, i16)], version: i16) -> Bytes {
    let api_keys = offers
        .iter()
        .map(|&(api_key, min_version, max_version)| Offer {
            api_key,
            min_version,
            max_version,
        })
        .collect();
    let response = ApiVersionsResponse {
        error_code,
        api_keys,
        ..Default::default()
    };
    without_prefix(&encode_response(&response, ApiVersion(version), CorrelationId(1)).unwrap())
}

fn ask(handshake: &mut Handshake) -> ApiVersion {
    handshake
        .poll_request(CorrelationId(1), "tests")
        .expect("a request is due")
        .version
}

#[test]
fn the_highest_version_is_asked_for_and_its_answer_ends_the_handshake() {
    let mut handshake = Handshake::new("milena", "0.1.0");
    assert_eq!(ask(&mut handshake), ApiVersion(4));
    assert!(
        handshake.poll_request(CorrelationId(2), "tests").is_none(),
        "one request at a time"
    );
    let Progress::Done(versions) = handshake
        .handle_response(&answer(ErrorCode::NONE, &[(0, 3, 13)], 4))
        .unwrap()
    else {
        panic!("not done");
    };
    assert_eq!(
        versions.range(ApiKey::PRODUCE),
        Some(VersionRange {
            min: ApiVersion(3),
            max: ApiVersion(13)
        })
    );
    assert!(handshake.is_done() && handshake.poll_request(CorrelationId(2), "tests").is_none());
}

#[test]
fn the_request_names_the_software_in_a_form_that_brokers_accept() {
    let mut handshake = Handshake::new("_my client!", "1.0 (β)");
    let request = handshake.poll_request(CorrelationId(9), "tests").unwrap();
    let frame = without_prefix(&request.frame);
    let mut reader = Reader::new(&frame);
    let header: RequestHeader<'_> = decode_request_header(&mut reader).unwrap();
    assert_eq!(
        (header.api_key, header.correlation_id),
        (ApiKey::API_VERSIONS, CorrelationId(9))
    );
    let body = ApiVersionsRequest::decode(&mut reader, header.api_version).unwrap();
    assert_eq!(
        (body.client_software_name, body.client_software_version),
        ("my-client", "1.0")
    );
    assert_eq!(presentable("--"), "unknown");
    assert_eq!(presentable(&"x".repeat(100)).len(), SOFTWARE_BYTES_MAX);
}

#[test]
fn a_client_id_that_no_header_can_carry_is_left_out() {
    let mut handshake = Handshake::new("milena", "0.1.0");
    let request = handshake
        .poll_request(CorrelationId(1), &"i".repeat(40_000))
        .unwrap();
    assert!(request.frame.len() < 200);
}

#[test]
fn a_refused_version_is_followed_by_the_one_the_refusal_offers() {
    let mut handshake = Handshake::new("milena", "0.1.0");
    ask(&mut handshake);
    let refusal = answer(ErrorCode::UNSUPPORTED_VERSION, &[(18, 0, 3)], 0);
    assert_eq!(handshake.handle_response(&refusal), Ok(Progress::Again));
    assert_eq!(ask(&mut handshake), ApiVersion(3));
    let done = handshake
        .handle_response(&answer(ErrorCode::NONE, &[(18, 0, 3)], 3))
        .unwrap();
    assert!(matches!(done, Progress::Done(_)));
}

#[test]
fn a_refusal_without_an_offer_that_helps_is_followed_by_version_0() {
    // None at all (before Kafka 2.4), the one just refused, only higher ones, upside down.
    for offer in [
        &[][..],
        &[(18, 4, 4)],
        &[(18, 7, 9)],
        &[(18, 3, 1)],
        &[(18, -3, -1)],
    ] {
        let mut handshake = Handshake::new("milena", "0.1.0");
        ask(&mut handshake);
        let refusal = answer(ErrorCode::UNSUPPORTED_VERSION, offer, 0);
        assert_eq!(
            handshake.handle_response(&refusal),
            Ok(Progress::Again),
            "{offer:?}"
        );
        assert_eq!(ask(&mut handshake), ApiVersion(0), "{offer:?}");
    }
}

#[test]
fn a_second_refusal_is_an_error() {
    let mut handshake = Handshake::new("milena", "0.1.0");
    ask(&mut handshake);
    handshake
        .handle_response(&answer(ErrorCode::UNSUPPORTED_VERSION, &[(18, 0, 3)], 0))
        .unwrap();
    ask(&mut handshake);
    let second =
        handshake.handle_response(&answer(ErrorCode::UNSUPPORTED_VERSION, &[(18, 0, 2)], 0));
    assert_eq!(
        second,
        Err(ConnectError::Refused(ErrorCode::UNSUPPORTED_VERSION))
    );
    assert!(handshake.poll_request(CorrelationId(3), "tests").is_none());
}

#[test]
fn another_error_code_and_an_empty_list_are_errors() {
    let mut handshake = Handshake::new("milena", "0.1.0");
    ask(&mut handshake);
    let refused = handshake.handle_response(&answer(ErrorCode::INVALID_REQUEST, &[(0, 0, 1)], 4));
    assert_eq!(
        refused,
        Err(ConnectError::Refused(ErrorCode::INVALID_REQUEST))
    );
    let mut handshake = Handshake::new("milena", "0.1.0");
    ask(&mut handshake);
    let empty = handshake.handle_response(&answer(ErrorCode::NONE, &[(0, 5, 1)], 4));
    assert_eq!(empty, Err(ConnectError::NoVersions));
}

#[test]
fn bytes_of_another_protocol_are_not_a_kafka_broker() {
    for bytes in [
        &b""[..],
        b"\0\0\0\x01",
        b"\0\0\0\x01\0",
        b"220 mail.example.org ESMTP\r\n",
        &[0xff; 300],
    ] {
        let mut handshake = Handshake::new("milena", "0.1.0");
        ask(&mut handshake);
        let error = handshake
            .handle_response(&Bytes::copy_from_slice(bytes))
            .unwrap_err();
        assert!(
            error.to_string().starts_with("not a Kafka broker")
                || matches!(error, ConnectError::Refused(_)),
            "{error}"
        );
    }
    assert_eq!(
        ConnectError::not_kafka(&[0x15, 3, 3, 0, 2]).to_string(),
        "not a Kafka broker: it speaks TLS"
    );
    assert_eq!(
        ConnectError::not_kafka(b"HTTP/1.1 400").to_string(),
        "not a Kafka broker: it speaks HTTP"
    );
    assert_eq!(ConnectError::not_kafka(b"\0\0"), ConnectError::NotKafka);
}

#[test]
fn an_answer_nobody_asked_for_is_an_error() {
    let mut handshake = Handshake::new("milena", "0.1.0");
    assert_eq!(
        handshake.handle_response(&answer(ErrorCode::NONE, &[(0, 0, 1)], 4)),
        Err(ConnectError::NotKafka)
    );
}
