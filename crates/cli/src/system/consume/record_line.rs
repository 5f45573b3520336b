//! A record as a line of JSON.

use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use milena::RecordRef;

use crate::json_lines::quoted;

/// Makes the lines, in one buffer.
pub(super) struct RecordLine {
    /// As JSON, quotes included.
    topic: String,
    line: String,
}

impl RecordLine {
    pub(super) fn new(topic: &str) -> Self {
        Self {
            topic: quoted(topic),
            line: String::new(),
        }
    }

    /// The line of `record`, its end included.
    pub(super) fn of(&mut self, partition: i32, record: &RecordRef<'_>) -> &str {
        let headers = record.headers().map(|header| (header.key, header.value));
        self.write(
            partition,
            (record.offset(), record.timestamp()),
            record.key(),
            record.value(),
            headers,
        );
        &self.line
    }

    fn write<'h>(
        &mut self,
        partition: i32,
        (offset, timestamp): (i64, i64),
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: impl Iterator<Item = (&'h [u8], Option<&'h [u8]>)>,
    ) {
        let Self { topic, line } = self;
        line.clear();
        // A String takes whatever is written.
        let _ = write!(
            line,
            r#"{{"topic":{topic},"partition":{partition},"offset":{offset},"timestamp":{timestamp},"key":"#
        );
        push_bytes(line, key);
        line.push_str(r#","value":"#);
        push_bytes(line, value);
        line.push_str(r#","headers":["#);
        for (index, (name, value)) in headers.enumerate() {
            if index > 0 {
                line.push(',');
            }
            line.push('[');
            // A name is UTF-8 by Kafka's own rule; one that is not is shown as well as can be.
            line.push_str(&quoted(&String::from_utf8_lossy(name)));
            line.push(',');
            push_bytes(line, value);
            line.push(']');
        }
        line.push_str("]}\n");
    }
}

fn push_bytes(line: &mut String, bytes: Option<&[u8]>) {
    let Some(bytes) = bytes else {
        line.push_str("null");
        return;
    };
    line.push('"');
    STANDARD.encode_string(bytes, line);
    line.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    type Named<'a> = (&'a [u8], Option<&'a [u8]>);

    fn line(key: Option<&[u8]>, value: Option<&[u8]>, headers: &[Named<'_>]) -> String {
        let mut line = RecordLine::new("a.\"b");
        line.write(3, (7, -1), key, value, headers.iter().copied());
        line.line
    }

    #[test]
    fn null_and_empty_differ() {
        assert_eq!(
            line(None, Some(b""), &[(b"h", None), (b"", Some(b""))]),
            "{\"topic\":\"a.\\\"b\",\"partition\":3,\"offset\":7,\"timestamp\":-1,\"key\":null,\"value\":\"\",\"headers\":[[\"h\",null],[\"\",\"\"]]}\n"
        );
    }

    #[test]
    fn bytes_are_base64_with_padding_and_headers_keep_order_and_repetition() {
        let text = line(
            Some(b"k"),
            Some(&[0xff, 0xef, 0xbe]),
            &[(b"b", Some(b"1")), (b"a", Some(b"2")), (b"b", Some(b"1"))],
        );
        let json: serde_json::Value = serde_json::from_str(&text).expect("it is JSON");
        assert_eq!(json["key"], "aw==");
        assert_eq!(json["value"], "/+++");
        assert_eq!(
            json["headers"],
            serde_json::json!([["b", "MQ=="], ["a", "Mg=="], ["b", "MQ=="]])
        );
        assert!(text.ends_with("}\n") && text.matches('\n').count() == 1);
    }
}
