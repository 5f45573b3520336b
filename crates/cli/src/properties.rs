//! Files of settings in the syntax of Java's `Properties`, which Kafka's programs read.

/// Why a file cannot be understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BadEscape {
    /// The line it is on, counted from 1.
    pub line: usize,
}

/// The settings of a file, in their order; a key may stand in it more than once, and the last one counts.
///
/// `#` and `!` begin a comment, `=`, `:` or blanks end a key, a backslash at the end of a line goes on with the next, and
/// `\t \n \r \f \uXXXX` stand for what they do in Java; a backslash before anything else stands for that.
///
/// # Errors
/// [`BadEscape`]: a `\u` without four hexadecimal digits, the one thing that Java refuses too.
pub(crate) fn parse(text: &str) -> Result<Vec<(String, String)>, BadEscape> {
    logical_lines(text)
        .into_iter()
        .map(|(line, content)| entry(&content).ok_or(BadEscape { line }))
        .collect()
}

/// The text of a file as Java understands it. Java reads Latin-1; files that people write are UTF-8, and both agree on ASCII.
pub(crate) fn decode(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|error| {
        error
            .into_bytes()
            .into_iter()
            .map(char::from)
            .collect::<String>()
    })
}

fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\u{c}')
}

/// Lines without comments and empty ones, those joined that a backslash joins; each with its number.
fn logical_lines(text: &str) -> Vec<(usize, String)> {
    let unix = text.replace("\r\n", "\n").replace('\r', "\n");
    let mut lines = Vec::new();
    let mut open: Option<(usize, String)> = None;
    for (index, natural) in unix.split('\n').enumerate() {
        let content = natural.trim_start_matches(is_blank);
        let (number, mut joined) = match open.take() {
            Some(begun) => begun,
            // Only the first line of several can be a comment.
            None if content.is_empty() || content.starts_with(['#', '!']) => continue,
            None => (index + 1, String::new()),
        };
        let backslashes = content.chars().rev().take_while(|c| *c == '\\').count();
        if backslashes % 2 == 1 {
            joined.push_str(&content[..content.len() - 1]);
            open = Some((number, joined));
        } else {
            joined.push_str(content);
            lines.push((number, joined));
        }
    }
    // The file ends behind a backslash.
    lines.extend(open);
    lines
}

fn entry(line: &str) -> Option<(String, String)> {
    let mut escaped = false;
    let end = line
        .char_indices()
        .find(|(_, c)| {
            let ends = !escaped && (is_blank(*c) || matches!(c, '=' | ':'));
            escaped = !escaped && *c == '\\';
            ends
        })
        .map_or(line.len(), |(at, _)| at);
    let (key, rest) = line.split_at(end);
    let rest = rest.trim_start_matches(is_blank);
    let value = rest
        .strip_prefix(['=', ':'])
        .map_or(rest, |value| value.trim_start_matches(is_blank));
    Some((unescape(key)?, unescape(value)?))
}

fn unescape(text: &str) -> Option<String> {
    // Java's `\u` names halves of characters beyond 16 bits, one after the other.
    let mut units: Vec<u16> = Vec::with_capacity(text.len());
    let mut unit = [0_u16; 2];
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        if c != '\\' {
            units.extend_from_slice(c.encode_utf16(&mut unit));
            continue;
        }
        match rest.next() {
            Some('t') => units.push(u16::from(b'\t')),
            Some('n') => units.push(u16::from(b'\n')),
            Some('r') => units.push(u16::from(b'\r')),
            Some('f') => units.push(0xc),
            Some('u') => {
                let digits: String = rest.by_ref().take(4).collect();
                let hexadecimal =
                    digits.len() == 4 && digits.chars().all(|digit| digit.is_ascii_hexdigit());
                if !hexadecimal {
                    return None;
                }
                units.push(u16::from_str_radix(&digits, 16).ok()?);
            }
            Some(other) => units.extend_from_slice(other.encode_utf16(&mut unit)),
            None => {}
        }
    }
    Some(String::from_utf16_lossy(&units))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(rows: &[(&str, &[(&str, &str)])]) {
        for (text, expected) in rows {
            let expected: Vec<(String, String)> = expected
                .iter()
                .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
                .collect();
            assert_eq!(parse(text), Ok(expected), "{text:?}");
        }
    }

    #[test]
    fn separators_and_blanks_are_javas() {
        table(&[
            ("a=b", &[("a", "b")]),
            ("a:b", &[("a", "b")]),
            ("a b", &[("a", "b")]),
            ("a\tb", &[("a", "b")]),
            ("  a  =  b  ", &[("a", "b  ")]),
            ("a = = b", &[("a", "= b")]),
            ("a : =b", &[("a", "=b")]),
            ("a", &[("a", "")]),
            ("a=", &[("a", "")]),
            ("=b", &[("", "b")]),
            (
                "linger.ms=5\nacks=-1",
                &[("linger.ms", "5"), ("acks", "-1")],
            ),
            ("a=1\r\nb=2\rc=3\n", &[("a", "1"), ("b", "2"), ("c", "3")]),
            ("a=1\na=2", &[("a", "1"), ("a", "2")]),
        ]);
    }

    #[test]
    fn comments_and_empty_lines_are_none() {
        table(&[
            ("", &[]),
            ("\n  \n\t\n", &[]),
            ("# a=b\n  ! c=d\ne=f", &[("e", "f")]),
            ("a=b # no comment", &[("a", "b # no comment")]),
            // A comment does not go on.
            ("# x\\\na=b", &[("a", "b")]),
        ]);
    }

    #[test]
    fn a_backslash_at_the_end_goes_on_with_the_next_line() {
        table(&[
            ("a=b,\\\n    c", &[("a", "b,c")]),
            ("a=b\\\\\nc=d", &[("a", "b\\"), ("c", "d")]),
            ("a=b\\\n# c", &[("a", "b# c")]),
            ("a=b\\\n\nc=d", &[("a", "b"), ("c", "d")]),
            ("a=b\\", &[("a", "b")]),
            ("a\\\n=b", &[("a", "b")]),
        ]);
    }

    #[test]
    fn escapes_are_javas() {
        table(&[
            (r"a\ b=c", &[("a b", "c")]),
            (r"a\=b\:c=d", &[("a=b:c", "d")]),
            (r"a=\t\n\r\f", &[("a", "\t\n\r\u{c}")]),
            (r"a=\q\\", &[("a", "q\\")]),
            (r"a=\u00e4\uD83D\uDE00", &[("a", "ä😀")]),
            (
                r#"sasl.jaas.config=x required username="U" password="P\u003b";"#,
                &[(
                    "sasl.jaas.config",
                    r#"x required username="U" password="P;";"#,
                )],
            ),
        ]);
        for bad in ["x=1\na=\\u12", "x=1\na=\\u12g4", "x=1\n\\u+123=b"] {
            assert_eq!(parse(bad), Err(BadEscape { line: 2 }), "{bad:?}");
        }
    }

    #[test]
    fn bytes_that_are_not_utf8_are_latin_1() {
        assert_eq!(decode("a=ü".as_bytes().to_vec()), "a=ü");
        assert_eq!(decode(b"a=\xfc".to_vec()), "a=ü");
    }
}
