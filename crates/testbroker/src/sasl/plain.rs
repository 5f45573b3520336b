//! PLAIN (RFC 4616), as Kafka's `PlainSaslServer` takes it.

use std::collections::BTreeMap;

use super::Refusal;

/// The user of a token, if the password is right.
pub(super) fn evaluate(
    passwords: &BTreeMap<String, String>,
    token: &[u8],
) -> Result<String, Refusal> {
    let text = String::from_utf8_lossy(token);
    // Kafka stops at the fourth, so it never counts more.
    let parts: Vec<&str> = text.splitn(4, '\0').collect();
    let [authorization_id, name, password] = parts[..] else {
        let count = parts.len();
        return refuse(&format!(
            "Invalid SASL/PLAIN response: expected 3 tokens, got {count}"
        ));
    };
    if name.is_empty() {
        return refuse("Authentication failed: username not specified");
    }
    if password.is_empty() {
        return refuse("Authentication failed: password not specified");
    }
    if passwords.get(name).is_none_or(|right| right != password) {
        return refuse("Authentication failed: Invalid username or password");
    }
    if !authorization_id.is_empty() && authorization_id != name {
        return refuse(super::OTHER_AUTHORIZATION_ID);
    }
    Ok(name.to_owned())
}

fn refuse<T>(sentence: &str) -> Result<T, Refusal> {
    Err(Refusal::Said(sentence.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(token: &str) -> String {
        let users = BTreeMap::from([("ann".to_owned(), "secret".to_owned())]);
        match evaluate(&users, token.as_bytes()) {
            Ok(name) => name,
            Err(Refusal::Said(sentence)) => sentence,
            Err(Refusal::Hidden) => panic!("PLAIN says why"),
        }
    }

    #[test]
    fn the_right_password_opens_and_everything_else_is_told_as_by_kafka() {
        assert_eq!(said("\0ann\0secret"), "ann");
        assert_eq!(said("ann\0ann\0secret"), "ann");
        for (token, part) in [
            ("\0ann\0wrong", "Invalid username or password"),
            ("\0bob\0secret", "Invalid username or password"),
            ("\0\0secret", "username not specified"),
            ("\0ann\0", "password not specified"),
            ("bob\0ann\0secret", "authorization id"),
            ("ann\0secret", "expected 3 tokens, got 2"),
            ("", "expected 3 tokens, got 1"),
            ("\0ann\0secret\0more\0and more", "expected 3 tokens, got 4"),
        ] {
            assert!(said(token).contains(part), "{token:?}: {}", said(token));
        }
    }
}
