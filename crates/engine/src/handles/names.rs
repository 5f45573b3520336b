//! What can be a topic and a partition: asked before the cluster is, because one name that no request can carry would keep
//! the others of that request from being asked for.

/// Kafka's own limit for topic names (`Topic.MAX_NAME_LENGTH`).
const TOPIC_BYTES_MAX: usize = 249;

/// Whether a topic can have this name (`Topic.validate`).
pub(super) fn is_topic_name(name: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    (1..=TOPIC_BYTES_MAX).contains(&name.len())
        && !matches!(name, "." | "..")
        && name.bytes().all(legal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_kafka_takes_are_taken() {
        for name in ["a", "a.b_c-D9", "...", &"n".repeat(249)] {
            assert!(is_topic_name(name), "{name}");
        }
        for name in ["", ".", "..", "a b", "a/b", "\u{e4}", &"n".repeat(250)] {
            assert!(!is_topic_name(name), "{name}");
        }
    }
}
