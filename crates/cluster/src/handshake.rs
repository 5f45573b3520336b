//! The first words on a new connection: which versions the two ends have in common.

use bytes::Bytes;
use milena_wire::messages::{ApiVersionsRequest, ApiVersionsResponse};
use milena_wire::{
    ApiKey, ApiVersion, CorrelationId, ErrorCode, Frame, VersionRange,
    decode_api_versions_response, encode_request,
};

use crate::ApiVersions;

/// The versions of ApiVersions that milena speaks.
const OURS: VersionRange = VersionRange {
    min: ApiVersion(0),
    max: ApiVersion(4),
};

/// Software names longer than this are cut. Brokers put them into metrics, and write them into logs.
const SOFTWARE_BYTES_MAX: usize = 64;

/// The handshake of one connection, sans-IO.
///
/// Ask [`Handshake::poll_request`] for a request, hand its answer to [`Handshake::handle_response`], and go on until that
/// says [`Progress::Done`]. At most two requests go out: the highest version milena has and, if the broker does not know
/// that one, the version that its refusal offers (KIP-511), or version 0, which every broker knows.
#[derive(Debug)]
pub struct Handshake {
    software_name: String,
    software_version: String,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// A request is to be sent.
    Ask { version: ApiVersion, fallback: bool },
    /// Its answer is awaited.
    ExpectVersions { version: ApiVersion, fallback: bool },
    // A later state, `ExpectSaslHandshake`, will stand between the versions and `Done`.
    /// Nothing is left to say.
    Done,
}

/// A request of the handshake, ready to write.
#[derive(Clone, Debug)]
pub struct HandshakeRequest {
    /// The version it is written in.
    pub version: ApiVersion,
    /// Its bytes.
    pub frame: Frame,
}

/// How far a handshake is after an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// There is another request to send.
    Again,
    /// The connection can be used, with these versions.
    Done(ApiVersions),
}

impl Handshake {
    /// A handshake that names the client software. Characters that brokers refuse (KIP-511) are replaced.
    pub fn new(software_name: &str, software_version: &str) -> Self {
        Self {
            software_name: presentable(software_name),
            software_version: presentable(software_version),
            state: State::Ask {
                version: OURS.max,
                fallback: false,
            },
        }
    }

    /// The next request to send, if it is our turn.
    pub fn poll_request(
        &mut self,
        correlation_id: CorrelationId,
        client_id: &str,
    ) -> Option<HandshakeRequest> {
        let State::Ask { version, fallback } = self.state else {
            return None;
        };
        let request = ApiVersionsRequest {
            client_software_name: &self.software_name,
            client_software_version: &self.software_version,
        };
        // A client id too long for the header is the only thing that cannot be written; the request does without.
        let frame = encode_request(&request, version, correlation_id, Some(client_id))
            .or_else(|_| encode_request(&request, version, correlation_id, None))
            .ok()?;
        self.state = State::ExpectVersions { version, fallback };
        Some(HandshakeRequest { version, frame })
    }

    /// Reads the answer to the request that was sent last: a frame without its length.
    pub fn handle_response(&mut self, frame: &Bytes) -> Result<Progress, ConnectError> {
        let State::ExpectVersions { version, fallback } = self.state else {
            return Err(ConnectError::NotKafka);
        };
        // Done until proven otherwise: after an error there is nothing more to say on this connection.
        self.state = State::Done;
        let response =
            decode_api_versions_response(frame, version).map_err(|_| ConnectError::NotKafka)?;
        match response.error_code {
            ErrorCode::NONE => {
                let versions = ApiVersions::from_response(&response);
                if versions.is_empty() {
                    Err(ConnectError::NoVersions)
                } else {
                    Ok(Progress::Done(versions))
                }
            }
            // Once only: a broker that refuses what it has just offered, or version 0, would have us ask for ever.
            ErrorCode::UNSUPPORTED_VERSION if !fallback => {
                self.state = State::Ask {
                    version: offered(&response, version),
                    fallback: true,
                };
                Ok(Progress::Again)
            }
            error => Err(ConnectError::Refused(error)),
        }
    }

    /// Whether nothing is left to say.
    pub fn is_done(&self) -> bool {
        self.state == State::Done
    }
}

/// The version to fall back to after `refused`.
fn offered(response: &ApiVersionsResponse<'_>, refused: ApiVersion) -> ApiVersion {
    let theirs = ApiVersions::from_response(response);
    theirs
        .pick(ApiKey::API_VERSIONS, OURS)
        .ok()
        .filter(|version| *version < refused)
        .unwrap_or(OURS.min)
}

/// What a broker accepts as a software name: letters, digits, dots and dashes, a letter or digit at both ends. Anything else
/// is answered with INVALID_REQUEST, and the connection with it.
fn presentable(text: &str) -> String {
    let replaced: String = text
        .chars()
        .take(SOFTWARE_BYTES_MAX)
        .map(|c| {
            if c.is_ascii_alphanumeric() || c == '.' || c == '-' {
                c
            } else {
                '-'
            }
        })
        .collect();
    match replaced.trim_matches(['.', '-']) {
        "" => "unknown".to_owned(),
        trimmed => trimmed.to_owned(),
    }
}

/// Why a connection to a broker could not be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// No connection, or it ended. The text is the operating system's.
    #[error("{0}")]
    Io(String),
    /// The connection, or the handshake on it, took too long.
    #[error("no answer in time")]
    TimedOut,
    /// Whoever answers there does not speak Kafka's protocol.
    #[error("not a Kafka broker")]
    NotKafka,
    /// As [`ConnectError::NotKafka`], with a guess at what it is.
    #[error("not a Kafka broker: it speaks {0}")]
    OtherProtocol(&'static str),
    /// The broker's list of versions is empty.
    #[error("the broker names no API version that it speaks")]
    NoVersions,
    /// The broker refused the handshake.
    #[error("the broker refused the handshake: {0}")]
    Refused(ErrorCode),
}

impl ConnectError {
    /// The error for a peer whose first bytes, length prefix included, are not an answer to the handshake.
    ///
    /// A TLS port read as plaintext, or a web server, otherwise shows as a frame of absurd length.
    pub fn not_kafka(first_bytes: &[u8]) -> Self {
        match first_bytes {
            [0x15 | 0x16, 0x03, 0x00..=0x04, ..] => Self::OtherProtocol("TLS"),
            [b'H', b'T', b'T', b'P', ..] => Self::OtherProtocol("HTTP"),
            [b'S', b'S', b'H', b'-', ..] => Self::OtherProtocol("SSH"),
            _ => Self::NotKafka,
        }
    }
}

#[cfg(test)]
mod tests;
