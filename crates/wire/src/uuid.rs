//! Topic ids.

use std::fmt;
use std::str::FromStr;

/// Sixteen bytes, written as 22 characters of URL-safe base64, as Kafka's tools do.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Uuid(pub [u8; 16]);

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const TEXT_LEN: usize = 22;

impl Uuid {
    /// All zero: no topic.
    pub const ZERO: Self = Self([0; 16]);

    /// Whether this is no id.
    pub fn is_zero(self) -> bool {
        self == Self::ZERO
    }
}

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // 128 bits are 21 groups of six and one of two, which base64 fills up with zeros from the right.
        let bits = u128::from_be_bytes(self.0);
        for index in 0..TEXT_LEN {
            let group = if index + 1 < TEXT_LEN {
                bits >> (122 - 6 * index)
            } else {
                bits << 4
            };
            write!(f, "{}", ALPHABET[(group & 0x3f) as usize] as char)?;
        }
        Ok(())
    }
}

impl fmt::Debug for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Not the text of a [`Uuid`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a topic id is 22 characters of URL-safe base64")]
pub struct ParseUuidError;

impl FromStr for Uuid {
    type Err = ParseUuidError;

    fn from_str(text: &str) -> Result<Self, ParseUuidError> {
        if text.len() != TEXT_LEN {
            return Err(ParseUuidError);
        }
        let mut bits = 0_u128;
        for (index, character) in text.bytes().enumerate() {
            let group = ALPHABET
                .iter()
                .position(|c| *c == character)
                .ok_or(ParseUuidError)? as u128;
            if index + 1 < TEXT_LEN {
                bits = bits << 6 | group;
            } else if group & 0xf == 0 {
                bits = bits << 2 | group >> 4;
            } else {
                return Err(ParseUuidError);
            }
        }
        Ok(Self(bits.to_be_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_that_of_kafka() {
        // org.apache.kafka.common.Uuid's own well-known ids.
        assert_eq!(Uuid::ZERO.to_string(), "AAAAAAAAAAAAAAAAAAAAAA");
        assert_eq!(
            Uuid(1_u128.to_be_bytes()).to_string(),
            "AAAAAAAAAAAAAAAAAAAAAQ"
        );
        assert_eq!(Uuid([0xff; 16]).to_string(), "_____________________w");
    }

    #[test]
    fn text_is_read_back_and_other_text_refused() {
        let mut random = fastrand::Rng::with_seed(1);
        for _ in 0..1000 {
            let uuid = Uuid(random.u128(..).to_be_bytes());
            assert_eq!(uuid.to_string().parse(), Ok(uuid));
        }
        for wrong in [
            "",
            "AAAAAAAAAAAAAAAAAAAAA",
            "AAAAAAAAAAAAAAAAAAAAAB",
            "AAAAAAAAAAAAAAAAAAAA+Q",
            "ÄÄÄÄÄÄÄÄÄÄÄ",
        ] {
            assert_eq!(wrong.parse::<Uuid>(), Err(ParseUuidError), "{wrong}");
        }
    }
}
