//! What is written is read back, and what a version cannot carry is refused.

use bytes::{Bytes, BytesMut};
use fastrand::Rng;
use milena_wire::messages::*;
use milena_wire::{
    ApiKey, ApiMessage, ApiVersion, CorrelationId, Decode, DecodeErrorKind, EncodeErrorKind,
    ErrorCode, Message, Payload, Reader, Request, Uuid, decode_api_versions_response,
    decode_request_header, decode_response, encode_request, encode_response, peek_correlation_id,
    take_frame,
};

use crate::kinds::{Check, Kind, decode_body, encode_body, for_each_kind};
use crate::random::Random;

const ROUNDS: usize = 200;

struct RoundTrip(Rng);

impl Check for RoundTrip {
    fn check<K: Kind>(&mut self) {
        let name = <K::Of<'_> as Message>::NAME;
        for version in <K::Of<'_> as Message>::VERSIONS.iter() {
            for _ in 0..ROUNDS {
                // Outlives the message, which may borrow from it as far as the compiler knows.
                let bytes;
                let message = K::Of::random(&mut self.0, version.0);
                bytes = encode_body(&message, version);
                match decode_body::<K::Of<'_>>(&bytes, version) {
                    Ok(read) => assert_eq!(read, message, "{name} {version}"),
                    Err(error) => panic!("{name} {version}: {error}"),
                };
            }
        }
    }
}

#[test]
fn every_message_round_trips_in_every_version() {
    for_each_kind(&mut RoundTrip(Rng::with_seed(3)));
}

struct Defaults;

impl Check for Defaults {
    fn check<K: Kind>(&mut self) {
        let name = <K::Of<'_> as Message>::NAME;
        for version in <K::Of<'_> as Message>::VERSIONS.iter() {
            // Null topics mean all of them, which these versions say otherwise.
            if (name, version.0) == ("MetadataRequest", 0)
                || (name, version.0) == ("OffsetFetchRequest", 1)
            {
                continue;
            }
            let bytes = encode_body(&K::Of::default(), version);
            let read = decode_body::<K::Of<'_>>(&bytes, version)
                .unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(read, K::Of::default(), "{name} {version}");
        }
    }
}

#[test]
fn the_default_of_every_message_can_be_sent() {
    for_each_kind(&mut Defaults);
}

/// A request as a broker reads it.
fn through_a_frame<R: Request>(request: &R, version: ApiVersion) -> Bytes {
    let frame =
        encode_request(request, version, CorrelationId(77), Some("client")).expect("can be sent");
    let mut received = BytesMut::from(&frame.to_bytes()[..]);
    take_frame(&mut received, frame.len())
        .expect("well formed")
        .expect("complete")
}

#[test]
fn requests_carry_the_header_of_their_version() {
    for version in EndTxnRequest::VERSIONS.iter() {
        let request = EndTxnRequest {
            transactional_id: "t",
            producer_id: 5,
            producer_epoch: 6,
            committed: true,
        };
        let frame = through_a_frame(&request, version);
        let mut reader = Reader::new(&frame);
        let header = decode_request_header(&mut reader).expect("well formed");
        assert_eq!(
            (header.api_key, header.api_version),
            (ApiKey::END_TXN, version)
        );
        assert_eq!(
            (header.correlation_id, header.client_id),
            (CorrelationId(77), Some("client"))
        );
        assert_eq!(EndTxnRequest::decode(&mut reader, version), Ok(request));
        reader.finish().expect("nothing left over");
    }
}

#[test]
fn the_declared_flexible_versions_agree_with_the_header_table() {
    struct Agree;
    impl Check for Agree {
        fn check<K: Kind>(&mut self) {
            let key = <K::Of<'_> as ApiMessage>::KEY;
            assert_eq!(
                key.flexible_since(),
                <K::Of<'_> as Message>::FLEXIBLE_SINCE,
                "{key}"
            );
            assert!(
                <K::Of<'_> as Message>::NAME.starts_with(key.name()),
                "{key}"
            );
        }
    }
    for_each_kind(&mut Agree);
}

#[test]
fn a_response_with_bytes_left_over_is_refused() {
    let frame = encode_response(&EndTxnResponse::default(), ApiVersion(5), CorrelationId(9))
        .expect("can be sent");
    let mut bytes = BytesMut::from(&frame.to_bytes()[4..]);
    assert_eq!(peek_correlation_id(&bytes), Ok(CorrelationId(9)));
    assert!(decode_response::<EndTxnResponse>(&bytes.clone().freeze(), ApiVersion(5)).is_ok());
    bytes.extend_from_slice(&[0]);
    let error = decode_response::<EndTxnResponse>(&bytes.freeze(), ApiVersion(5))
        .expect_err("one byte too many");
    assert_eq!(
        (error.kind, error.message),
        (DecodeErrorKind::TrailingBytes(1), Some("EndTxnResponse"))
    );
}

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
    let frame = encode_response(&refusal, ApiVersion(0), CorrelationId(1))
        .expect("can be sent")
        .to_bytes()
        .slice(4..);
    assert_eq!(
        decode_api_versions_response(&frame, ApiVersion(4)),
        Ok(refusal)
    );
    let answer = ApiVersionsResponse {
        finalized_features_epoch: 7,
        ..Default::default()
    };
    let frame = encode_response(&answer, ApiVersion(4), CorrelationId(1))
        .expect("can be sent")
        .to_bytes()
        .slice(4..);
    assert_eq!(
        decode_api_versions_response(&frame, ApiVersion(4)),
        Ok(answer)
    );
}

#[test]
fn a_value_that_would_be_lost_is_refused_unless_ignorable() {
    let lost = EndTxnResponse {
        producer_id: 5,
        ..Default::default()
    };
    assert!(
        encode_response(&lost, ApiVersion(4), CorrelationId(0)).is_ok(),
        "ignorable"
    );

    let kept = InitProducerIdRequest {
        producer_id: 5,
        ..Default::default()
    };
    let error = encode_request(&kept, ApiVersion(2), CorrelationId(0), None).expect_err("since 3");
    assert_eq!(
        (error.field, error.kind),
        ("producer_id", EncodeErrorKind::NotInVersion)
    );
    assert_eq!(
        error.to_string(),
        "InitProducerIdRequest v2: producer_id: does not exist in this version"
    );
    assert!(encode_request(&kept, ApiVersion(3), CorrelationId(0), None).is_ok());
}

#[test]
fn null_is_refused_where_the_version_does_not_allow_it() {
    let all_topics = MetadataRequest::default();
    let error =
        encode_request(&all_topics, ApiVersion(0), CorrelationId(0), None).expect_err("since 1");
    assert_eq!(
        (error.field, error.kind),
        ("topics", EncodeErrorKind::NullNotAllowed)
    );
}

#[test]
fn a_version_out_of_range_is_refused_both_ways() {
    let version = ApiVersion(2);
    let error = encode_request(&ProduceRequest::default(), version, CorrelationId(0), None)
        .expect_err("too old");
    assert_eq!(
        error.kind,
        EncodeErrorKind::UnsupportedVersion(ProduceRequest::VERSIONS)
    );
    let error = decode_body::<ProduceRequest<'_>>(&Bytes::new(), version).expect_err("too old");
    assert_eq!(
        error.kind,
        DecodeErrorKind::UnsupportedVersion(ProduceRequest::VERSIONS)
    );
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
    let frame =
        encode_request(&request, ApiVersion(13), CorrelationId(0), None).expect("can be sent");
    assert!(
        frame
            .parts()
            .any(|part| part.as_ptr() == records.as_ptr())
    );

    let body = encode_body(&request, ApiVersion(13));
    let read: ProduceRequest<'_> = decode_body(&body, ApiVersion(13)).expect("well formed");
    let read = read.topic_data[0].partition_data[0]
        .records
        .as_ref()
        .expect("not null")
        .to_bytes();
    assert!(body.as_ptr_range().contains(&read.as_ptr()));
}

#[test]
fn tagged_fields_of_later_versions_are_skipped() {
    // EndTxnResponse v5 with two tagged fields nobody knows yet.
    let mut bytes = BytesMut::from(&encode_body(&EndTxnResponse::default(), ApiVersion(5))[..]);
    assert_eq!(bytes.last(), Some(&0));
    bytes.truncate(bytes.len() - 1);
    bytes.extend_from_slice(&[2, 0, 1, 0xff, 0x90, 0x4e, 2, 1, 2]);
    assert_eq!(
        decode_body(&bytes.freeze(), ApiVersion(5)),
        Ok(EndTxnResponse::default())
    );
}

#[test]
fn frames_are_taken_only_whole_and_within_the_limit() {
    let mut buffer = BytesMut::new();
    for byte in [0, 0, 0, 3, 1, 2] {
        buffer.extend_from_slice(&[byte]);
        assert_eq!(take_frame(&mut buffer, 3), Ok(None));
    }
    buffer.extend_from_slice(&[3, 0, 0]);
    assert_eq!(
        take_frame(&mut buffer, 3),
        Ok(Some(Bytes::from_static(&[1, 2, 3])))
    );
    assert_eq!(&buffer[..], [0, 0]);

    let kind =
        |bytes: [u8; 4]| take_frame(&mut BytesMut::from(&bytes[..]), 3).map_err(|error| error.kind);
    assert_eq!(
        kind([0, 0, 0, 4]),
        Err(DecodeErrorKind::FrameTooLong { len: 4, max: 3 })
    );
    assert_eq!(kind([0xff; 4]), Err(DecodeErrorKind::NegativeLength(-1)));
    assert_eq!(kind([0; 4]), Ok(Some(Bytes::new())));
}
