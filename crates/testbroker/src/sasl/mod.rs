//! Who a connection belongs to: SASL as Kafka's `SaslServerAuthenticator` runs it (KIP-43, 152, 368).
//!
//! A failed authentication is answered at once; Kafka waits 100 ms with that
//! (`connection.failed.authentication.delay.ms`). No GSSAPI, OAUTHBEARER or delegation tokens.

mod plain;
#[cfg(feature = "sasl")]
mod scram;
mod users;

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

use milena_wire::{ApiKey, ErrorCode};

pub(crate) use users::ScramUsers;

use crate::cluster::Cluster;
use crate::config::BrokerConfig;
use crate::connection::ConnectionId;
use crate::history::RequestName;

/// Longest frame of a connection that is not authenticated (`sasl.server.max.receive.size`).
const FRAME_BYTES_MAX: usize = 524_288;
/// A session cannot be renewed more often than this (`KafkaChannel`).
const REAUTHENTICATION_MIN: Duration = Duration::from_secs(1);
const OTHER_AUTHORIZATION_ID: &str =
    "Authentication failed: Client requested an authorization id that is different from username";

/// A way to authenticate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SaslMechanism {
    /// `PLAIN`: the password itself.
    Plain,
    /// `SCRAM-SHA-256`. Offered with feature `sasl` (which `tcp` brings) only.
    ScramSha256,
    /// `SCRAM-SHA-512`. As before.
    ScramSha512,
}

impl SaslMechanism {
    /// All there are.
    pub const ALL: [Self; 3] = [Self::Plain, Self::ScramSha256, Self::ScramSha512];

    /// As clients call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::ScramSha512 => "SCRAM-SHA-512",
        }
    }

    /// Whether this build can do it.
    fn is_available(self) -> bool {
        self == Self::Plain || cfg!(feature = "sasl")
    }
}

impl fmt::Display for SaslMechanism {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Which hash a SCRAM credential is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum ScramMechanism {
    Sha256,
    Sha512,
}

impl ScramMechanism {
    pub(crate) const ALL: [Self; 2] = [Self::Sha256, Self::Sha512];

    /// By its number in the APIs about credentials.
    pub(crate) fn of_id(id: i8) -> Option<Self> {
        Self::ALL.into_iter().find(|mechanism| mechanism.id() == id)
    }

    pub(crate) fn id(self) -> i8 {
        match self {
            Self::Sha256 => 1,
            Self::Sha512 => 2,
        }
    }
}

/// What all connections' authentications share.
#[derive(Debug)]
pub(crate) struct Sasl {
    /// What PLAIN is held against.
    passwords: BTreeMap<String, String>,
    sessions: BTreeMap<ConnectionId, Session>,
}

/// The standing of one connection.
#[derive(Debug)]
struct Session {
    state: State,
    /// Set once the first authentication has succeeded.
    known: Option<Known>,
    renewal_began: Option<Instant>,
}

#[derive(Debug)]
struct Known {
    principal: String,
    mechanism: SaslMechanism,
    expires: Option<Instant>,
}

#[derive(Debug)]
enum State {
    /// It may ask for the versions, once, or shake hands.
    New,
    /// It has to shake hands.
    Handshake,
    /// Tokens go to and fro: in SaslAuthenticate, or bare.
    Exchange {
        exchange: Exchange,
        mechanism: SaslMechanism,
        bare: bool,
    },
    /// It wanted to go on by another mechanism: whatever comes next ends it.
    OtherMechanism,
    /// It may ask for anything.
    Open,
}

#[derive(Debug)]
enum Exchange {
    Plain,
    #[cfg(feature = "sasl")]
    Scram(scram::Exchange),
}

/// Where a token leads.
#[derive(Debug)]
enum Step {
    /// The client has to answer this.
    #[cfg_attr(
        not(feature = "sasl"),
        expect(dead_code, reason = "PLAIN asks nothing")
    )]
    Challenge(Vec<u8>),
    /// It is who it says.
    Done { token: Vec<u8>, principal: String },
}

/// Why it is not.
#[derive(Debug)]
enum Refusal {
    /// The client is told.
    Said(String),
    /// The client is told nothing: it must not learn which users there are.
    #[cfg_attr(not(feature = "sasl"), expect(dead_code, reason = "PLAIN says all"))]
    Hidden,
}

/// What becomes of a frame, by the standing of its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    /// It is a request like any other.
    Request,
    /// It is no request but a bare token.
    Token,
    /// It is answered with this error, then the connection ends.
    Refuse(ErrorCode),
    /// The connection ends.
    Close(&'static str),
}

/// The broker's next token.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) bytes: Vec<u8>,
    /// 0: it never ends, or it has not begun.
    pub(crate) session_lifetime: Duration,
}

impl Sasl {
    pub(crate) fn new(config: &BrokerConfig) -> Self {
        Self {
            passwords: config.sasl_users.clone(),
            sessions: BTreeMap::new(),
        }
    }
}

impl Session {
    fn is_open(&self) -> bool {
        matches!(self.state, State::Open)
    }

    /// A session that ends may be renewed, but not all the time.
    fn may_renew(&self, now: Instant) -> bool {
        let ends = self.known.as_ref().is_some_and(|it| it.expires.is_some());
        let began = self.renewal_began;
        ends && began
            .is_none_or(|began| now.saturating_duration_since(began) >= REAUTHENTICATION_MIN)
    }

    fn is_expired(&self, now: Instant) -> bool {
        let expires = self.known.as_ref().and_then(|it| it.expires);
        expires.is_some_and(|expires| now > expires)
    }
}

impl Cluster {
    /// A user of every mechanism; an old password is forgotten. False if there are too many.
    pub(crate) fn put_sasl_user(&mut self, name: &str, password: &str) -> bool {
        let put = ScramMechanism::ALL.map(|it| self.scram.put_password(name, it, password));
        let put = put.into_iter().all(|put| put);
        if put {
            self.sasl
                .passwords
                .insert(name.to_owned(), password.to_owned());
        }
        put
    }

    pub(crate) fn remove_sasl_user(&mut self, name: &str) -> bool {
        let removed = ScramMechanism::ALL.map(|it| self.scram.remove(name, it));
        self.sasl.passwords.remove(name).is_some() || removed.contains(&true)
    }

    /// The mechanisms that clients can choose from; none: they need not authenticate.
    pub(crate) fn sasl_mechanisms(&self) -> impl Iterator<Item = SaslMechanism> {
        let wanted = self.config.sasl.iter().copied();
        wanted.filter(|mechanism| mechanism.is_available())
    }

    /// A connection has been made.
    pub(crate) fn begin_sasl(&mut self, conn: ConnectionId) {
        if !self.config.sasl.is_empty() {
            let session = Session {
                state: State::New,
                known: None,
                renewal_began: None,
            };
            self.sasl.sessions.insert(conn, session);
        }
    }

    pub(crate) fn end_sasl(&mut self, conn: ConnectionId) {
        self.sasl.sessions.remove(&conn);
    }

    /// How long a connection's next frame may be.
    pub(crate) fn frame_bytes_max(&self, conn: ConnectionId) -> usize {
        let max = self.config.frame_bytes_max;
        match self.sasl.sessions.get(&conn) {
            Some(session) if session.known.is_none() => max.min(FRAME_BYTES_MAX),
            _ => max,
        }
    }

    /// What becomes of the next frame of a connection.
    pub(crate) fn admit(&mut self, conn: ConnectionId, name: Option<RequestName>) -> Admission {
        let now = self.now();
        let Some(session) = self.sasl.sessions.get_mut(&conn) else {
            return Admission::Request;
        };
        if let State::Exchange { bare: true, .. } = session.state {
            return Admission::Token;
        }
        let (Some(now), Some(name)) = (now, name) else {
            // The flow knows what to do with it.
            return Admission::Request;
        };
        let is_handshake = name.api == ApiKey::SASL_HANDSHAKE;
        match &session.state {
            State::Open if is_handshake && session.may_renew(now) => {
                session.renewal_began = Some(now);
                session.state = State::Handshake;
                Admission::Request
            }
            State::Open if session.is_expired(now) => Admission::Close("its session has ended"),
            State::Open => Admission::Request,
            State::New | State::Handshake if is_handshake => Admission::Request,
            State::New if name.api == ApiKey::API_VERSIONS => {
                let served = crate::api::versions(&self.config, name.api);
                if served.is_some_and(|range| name.version <= range.max) {
                    session.state = State::Handshake;
                }
                Admission::Request
            }
            State::New | State::Handshake => Admission::Close("a request before authentication"),
            State::Exchange { .. } if name.api == ApiKey::SASL_AUTHENTICATE => Admission::Request,
            State::Exchange { .. } => Admission::Refuse(ErrorCode::ILLEGAL_SASL_STATE),
            State::OtherMechanism => Admission::Close("another mechanism than before"),
        }
    }

    /// A client chooses how to authenticate, after which its tokens come bare or in requests.
    pub(crate) fn shake_hands(
        &mut self,
        conn: Option<ConnectionId>,
        mechanism: &str,
        bare: bool,
    ) -> Result<(), ErrorCode> {
        let chosen = self.sasl_mechanisms().find(|it| it.name() == mechanism);
        let session = conn.and_then(|conn| self.sasl.sessions.get_mut(&conn));
        let session = session.filter(|session| !session.is_open());
        let session = session.ok_or(ErrorCode::ILLEGAL_SASL_STATE)?;
        let mechanism = chosen.ok_or(ErrorCode::UNSUPPORTED_SASL_MECHANISM)?;
        session.state = match &session.known {
            Some(known) if known.mechanism != mechanism => State::OtherMechanism,
            _ => State::Exchange {
                exchange: Exchange::new(mechanism),
                mechanism,
                bare,
            },
        };
        Ok(())
    }

    /// A client's next token. `None` where none was expected; an error ends the connection.
    pub(crate) fn take_token(
        &mut self,
        conn: Option<ConnectionId>,
        token: &[u8],
    ) -> Option<Result<Token, String>> {
        let now = self.now()?;
        let session = self.sasl.sessions.get_mut(&conn?)?;
        let State::Exchange {
            exchange,
            mechanism,
            ..
        } = &mut session.state
        else {
            return None;
        };
        let mechanism = *mechanism;
        let step = match exchange {
            Exchange::Plain => {
                let user = plain::evaluate(&self.sasl.passwords, token);
                user.map(|principal| Step::Done {
                    token: Vec::new(),
                    principal,
                })
            }
            #[cfg(feature = "sasl")]
            Exchange::Scram(exchange) => exchange.evaluate(&mut self.scram, token),
        };
        let lifetime = self.config.sasl_session;
        Some(match step {
            Ok(Step::Challenge(bytes)) => Ok(Token {
                bytes,
                session_lifetime: Duration::ZERO,
            }),
            Ok(Step::Done { token, principal }) => session
                .authenticated(now, principal, mechanism, lifetime)
                .map(|session_lifetime| Token {
                    bytes: token,
                    session_lifetime,
                }),
            Err(Refusal::Said(sentence)) => Err(sentence),
            Err(Refusal::Hidden) => {
                let again = session.known.as_ref().map_or("", |_| "re-");
                Err(format!(
                    "Authentication failed during {again}authentication due to invalid credentials with SASL mechanism {mechanism}"
                ))
            }
        })
    }
}

impl Session {
    fn authenticated(
        &mut self,
        now: Instant,
        principal: String,
        mechanism: SaslMechanism,
        lifetime: Option<Duration>,
    ) -> Result<Duration, String> {
        if let Some(known) = &self.known
            && known.principal != principal
        {
            return Err(format!(
                "Cannot change principals during re-authentication from User.{}: User.{principal}",
                known.principal
            ));
        }
        self.known = Some(Known {
            principal,
            mechanism,
            expires: lifetime.map(|lifetime| now + lifetime),
        });
        self.state = State::Open;
        Ok(lifetime.unwrap_or_default())
    }
}

impl Exchange {
    fn new(mechanism: SaslMechanism) -> Self {
        match mechanism {
            SaslMechanism::Plain => Self::Plain,
            #[cfg(feature = "sasl")]
            SaslMechanism::ScramSha256 => Self::Scram(scram::Exchange::new(ScramMechanism::Sha256)),
            #[cfg(feature = "sasl")]
            SaslMechanism::ScramSha512 => Self::Scram(scram::Exchange::new(ScramMechanism::Sha512)),
            // Not offered, so not chosen.
            #[cfg(not(feature = "sasl"))]
            _ => Self::Plain,
        }
    }
}
