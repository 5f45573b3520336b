//! The headers in front of requests and responses: which one a version has, and what stands in it.

use bytes::{Buf, Bytes};
use milena_wire::messages::{AnyRequest, AnyResponse};
use milena_wire::{
    ApiKey, ApiVersion, CorrelationId, Reader, decode_any_request, decode_any_response,
    decode_request_header,
};

use crate::java::Java;
use crate::session::{self, Answer, Written};
use crate::support::{Choices, Decoded, Message, Model, generate_bytes};

const CLIENT_IDS: [Option<&str>; 4] = [
    None,
    Some(""),
    Some("payments-1"),
    Some("\u{fc}\u{20ac}\u{1f980}"),
];
const CORRELATION_IDS: [i32; 4] = [0, -1, i32::MAX, 0x0102_0304];

/// A frame without its length prefix, the body that is in it, and the header that Kafka should find in front of that.
struct Case {
    is_request: bool,
    key: i16,
    version: i16,
    frame: Bytes,
    body: Bytes,
    values: String,
}

#[test]
fn kafka_finds_the_same_headers() {
    let Some(java) = Java::find() else { return };
    let model = Model::load();
    let mut cases = Vec::new();
    for message in model
        .messages
        .iter()
        .filter(|message| message.key.is_some())
    {
        for version in message.versions.iter() {
            add_cases(&model, message, version, &mut cases);
        }
    }
    let found = session::answers(java, &cases, 1, |questions, case| {
        questions.frame(case.is_request, case.key, case.version, &case.frame)
    });
    for (case, answer) in cases.iter().zip(found) {
        let of = format!("{} v{} {}", ApiKey(case.key), case.version, case.is_request);
        match answer {
            Answer::Read { values, written } => {
                assert_eq!(values, case.values, "{of}");
                let [Written::Bytes(bytes)] = &*written else {
                    panic!("{of}: {written:?}");
                };
                let whole = [bytes, &case.body[..]].concat();
                assert_eq!(whole, case.frame, "{of}");
            }
            Answer::Unreadable(why) => panic!("{of}: {why}"),
        }
    }
    // Every version of every request and response, four each.
    assert_eq!(cases.len(), 4 * 540);
}

fn add_cases(model: &Model, message: &Message, version: i16, cases: &mut Vec<Case>) {
    let body = generate_bytes(model, &message.name, version, &mut Choices::seeded(1));
    let body = Bytes::from(body);
    let decoded = Decoded::decode(message, version, &body);
    let decoded = decoded.unwrap_or_else(|error| panic!("{error}"));
    for (client_id, id) in CLIENT_IDS.into_iter().zip(CORRELATION_IDS) {
        let id = CorrelationId(id);
        let (frame, values) = match &decoded {
            Decoded::Request(request) => request_frame(request, version, id, client_id),
            Decoded::Response(response) => response_frame(response, version, id),
            Decoded::Inner(_) => panic!("{} has a key", message.name),
        };
        cases.push(Case {
            is_request: message.response.is_some(),
            key: message.key.expect("those with a header have one"),
            version,
            frame,
            body: body.clone(),
            values,
        });
    }
}

/// The frame, and what Kafka should find in its header.
fn request_frame(
    request: &AnyRequest<'_>,
    version: i16,
    id: CorrelationId,
    client_id: Option<&str>,
) -> (Bytes, String) {
    let key = request.key();
    let frame = request
        .to_frame(ApiVersion(version), id, client_id)
        .expect("fits");
    let frame = without_prefix(frame.to_bytes());
    // What we write we read, before Kafka is asked.
    let (header, read) = decode_any_request(&frame).expect("whole");
    assert_eq!(
        (header.correlation_id, header.client_id, &read),
        (id, client_id, request)
    );
    assert_eq!(decode_request_header(&mut Reader::new(&frame)), Ok(header));
    let header_version = if is_flexible(key, version) { 2 } else { 1 };
    let client_id =
        client_id.map_or_else(|| "null".to_owned(), |client_id| format!("\"{client_id}\""));
    let values = format!(
        "v{header_version} {{requestApiKey={},requestApiVersion={version},correlationId={id},clientId={client_id}}}",
        key.0
    );
    (frame, values)
}

fn response_frame(response: &AnyResponse<'_>, version: i16, id: CorrelationId) -> (Bytes, String) {
    let key = response.key();
    let frame = response.to_frame(ApiVersion(version), id).expect("fits");
    let frame = without_prefix(frame.to_bytes());
    let read = decode_any_response(&frame, key, ApiVersion(version)).expect("whole");
    assert_eq!((read.0, &read.1), (id, response));
    // A client reads this answer before it knows what the broker speaks.
    let is_first = key == ApiKey::API_VERSIONS;
    let header_version = u8::from(is_flexible(key, version) && !is_first);
    let values = format!("v{header_version} {{correlationId={id}}}");
    (frame, values)
}

fn is_flexible(key: ApiKey, version: i16) -> bool {
    key.flexible_since().is_some_and(|since| since.0 <= version)
}

fn without_prefix(mut frame: Bytes) -> Bytes {
    frame.advance(4);
    frame
}
