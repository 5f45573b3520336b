//! Where a broker listens.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// A broker's host name or IP address, and its port.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BrokerAddress {
    /// The host, an IPv6 address without its brackets.
    pub host: Arc<str>,
    /// The port.
    pub port: u16,
}

/// DNS allows 253 bytes. What is longer cannot be connected to, and would only fill memory and logs.
const HOST_BYTES_MAX: usize = 253;

impl BrokerAddress {
    /// The address of `host` and `port`.
    pub fn new(host: impl Into<Arc<str>>, port: u16) -> Self {
        Self {
            host: host.into(),
            port,
        }
    }

    /// The address that a broker advertises, or `None` if nothing could ever listen there: an empty or overlong host, a
    /// port outside of 1-65535.
    pub fn advertised(host: &str, port: i32) -> Option<Self> {
        let port = u16::try_from(port).ok().filter(|port| *port > 0)?;
        let plausible =
            !host.is_empty() && host.len() <= HOST_BYTES_MAX && !host.contains(char::is_control);
        plausible.then(|| Self::new(host, port))
    }
}

impl fmt::Display for BrokerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// A text that is not `host:port`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a broker address: {problem}")]
pub struct ParseAddressError {
    text: String,
    problem: &'static str,
}

impl FromStr for BrokerAddress {
    type Err = ParseAddressError;

    fn from_str(text: &str) -> Result<Self, ParseAddressError> {
        let text = text.trim();
        let (host, port) = split(text).map_err(|problem| ParseAddressError {
            text: text.into(),
            problem,
        })?;
        let port = port
            .parse::<u16>()
            .ok()
            .filter(|_| port.bytes().all(|byte| byte.is_ascii_digit()));
        port.and_then(|port| Self::advertised(host, port.into()))
            .ok_or_else(|| ParseAddressError {
                text: text.into(),
                problem: "expected host:port with a port of 1-65535",
            })
    }
}

fn split(text: &str) -> Result<(&str, &str), &'static str> {
    if let Some(rest) = text.strip_prefix('[') {
        return rest.split_once("]:").ok_or("expected [address]:port");
    }
    let (host, port) = text.rsplit_once(':').ok_or("the port is missing")?;
    if host.contains("//") {
        return Err("it is a URL; give host:port alone");
    }
    if host.contains(':') {
        return Err("an IPv6 address needs brackets, as in [::1]:9092");
    }
    Ok((host, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_survives_being_written_and_read() {
        for text in [
            "localhost:9092",
            "10.0.0.1:1",
            "[::1]:65535",
            "kafka-0.kafka.svc:9092",
        ] {
            assert_eq!(text.parse::<BrokerAddress>().unwrap().to_string(), text);
        }
        assert_eq!(
            "[fe80::1]:9092".parse::<BrokerAddress>().unwrap(),
            BrokerAddress::new("fe80::1", 9092)
        );
    }

    #[test]
    fn a_wrong_address_is_refused_with_the_reason() {
        for (text, reason) in [
            ("localhost", "port is missing"),
            ("localhost:0", "1-65535"),
            ("localhost:65536", "1-65535"),
            ("localhost:+9092", "1-65535"),
            ("localhost:kafka", "1-65535"),
            (":9092", "expected host:port"),
            ("::1:9092", "brackets"),
            ("[::1]", "[address]:port"),
            ("http://localhost:9092", "URL"),
            ("", "port is missing"),
        ] {
            let error = text.parse::<BrokerAddress>().unwrap_err().to_string();
            assert!(error.contains(reason), "{text}: {error}");
        }
    }

    #[test]
    fn an_advertised_address_that_nothing_can_listen_on_is_none() {
        assert_eq!(
            BrokerAddress::advertised("b", 9092),
            Some(BrokerAddress::new("b", 9092))
        );
        assert!(BrokerAddress::advertised(&"h".repeat(HOST_BYTES_MAX), 1).is_some());
        for (host, port) in [
            ("", 9092),
            ("b", 0),
            ("b", -1),
            ("b", 65_536),
            ("b\0", 9092),
        ] {
            assert_eq!(BrokerAddress::advertised(host, port), None, "{host}:{port}");
        }
        assert_eq!(
            BrokerAddress::advertised(&"h".repeat(HOST_BYTES_MAX + 1), 1),
            None
        );
    }
}
