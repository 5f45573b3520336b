//! Authentication, as a client meets it.

use std::collections::BTreeMap;
use std::time::Duration;

use milena_testbroker::{
    Action, ApiKey, BrokerConfig, ConnectionId, ErrorCode, Rule, SaslMechanism,
};
use milena_wire::messages::{
    ApiVersionsRequest, MetadataRequest, SaslAuthenticateRequest, SaslHandshakeRequest,
};
use milena_wire::{ApiVersion, Request, decode_response};

use super::harness::{Cluster, ms};

const RIGHT: &[u8] = b"\0ann\0secret";
const WRONG: &[u8] = b"\0ann\0other";

fn config() -> BrokerConfig {
    BrokerConfig {
        sasl: vec![SaslMechanism::Plain],
        sasl_users: BTreeMap::from([("ann".to_owned(), "secret".to_owned())]),
        ..BrokerConfig::default()
    }
}

/// Asks on this very connection.
fn ask<R: Request, T>(
    cluster: &mut Cluster,
    conn: ConnectionId,
    version: i16,
    request: &R,
    read: impl for<'a> FnOnce(R::Response<'a>) -> T,
) -> T {
    cluster.send(conn, version, request);
    let frame = cluster.await_frame(conn);
    read(decode_response(&frame, ApiVersion(version)).expect("the answer can be read"))
}

fn shake(cluster: &mut Cluster, conn: ConnectionId, mechanism: &str) -> (ErrorCode, Vec<String>) {
    ask(
        cluster,
        conn,
        1,
        &SaslHandshakeRequest { mechanism },
        |it| {
            let offered = it.mechanisms.iter().map(|it| (*it).to_owned());
            (it.error_code, offered.collect())
        },
    )
}

/// Error, its words, and milliseconds of the session.
fn authenticate(
    cluster: &mut Cluster,
    conn: ConnectionId,
    auth_bytes: &[u8],
) -> (ErrorCode, String, i64) {
    let request = SaslAuthenticateRequest { auth_bytes };
    ask(cluster, conn, 2, &request, |it| {
        let said = it.error_message.unwrap_or_default().to_owned();
        (it.error_code, said, it.session_lifetime_ms)
    })
}

fn open(cluster: &mut Cluster) -> ConnectionId {
    let conn = cluster.connect(1);
    let (error, offered) = shake(cluster, conn, "PLAIN");
    assert_eq!(
        (error, offered),
        (ErrorCode::NONE, vec!["PLAIN".to_owned()])
    );
    let (error, _, _) = authenticate(cluster, conn, RIGHT);
    assert_eq!(error, ErrorCode::NONE);
    conn
}

/// Whether a request is answered there.
fn is_open(cluster: &mut Cluster, conn: ConnectionId) -> bool {
    cluster.send(conn, 9, &MetadataRequest::default());
    cluster.receive(conn).is_some() && !cluster.is_closed(conn)
}

#[test]
fn before_authentication_only_versions_and_a_handshake_can_be_asked_for() {
    let mut cluster = Cluster::new(config());
    let conn = cluster.connect(1);
    assert!(!is_open(&mut cluster, conn));
    let conn = open(&mut cluster);
    assert!(is_open(&mut cluster, conn));

    let conn = cluster.connect(1);
    let versions = ApiVersionsRequest::default();
    // Too new a version is answered, and may be followed by one that is not.
    ask(&mut cluster, conn, 0, &versions, |it| {
        assert!(!it.api_keys.is_empty())
    });
    cluster.send(conn, 0, &versions);
    assert!(cluster.is_closed(conn), "a second time is one too many");
}

#[test]
fn a_wrong_password_is_told_and_costs_the_connection() {
    let mut cluster = Cluster::new(config());
    let conn = cluster.connect(1);
    shake(&mut cluster, conn, "PLAIN");
    let (error, said, lifetime) = authenticate(&mut cluster, conn, WRONG);
    assert_eq!(error, ErrorCode::SASL_AUTHENTICATION_FAILED);
    assert_eq!(said, "Authentication failed: Invalid username or password");
    assert_eq!(lifetime, 0);
    assert!(cluster.is_closed(conn));
}

#[test]
fn a_mechanism_that_is_not_offered_is_told_with_those_that_are() {
    let mut cluster = Cluster::new(config());
    let conn = cluster.connect(1);
    let (error, offered) = shake(&mut cluster, conn, "GSSAPI");
    assert_eq!(error, ErrorCode::UNSUPPORTED_SASL_MECHANISM);
    assert_eq!(offered, ["PLAIN"]);
    assert!(cluster.is_closed(conn));
}

#[test]
fn in_the_middle_of_it_another_request_is_refused_in_its_own_words() {
    let mut cluster = Cluster::new(config());
    let conn = cluster.connect(1);
    shake(&mut cluster, conn, "PLAIN");
    let versions = ApiVersionsRequest::default();
    let error = ask(&mut cluster, conn, 0, &versions, |it| it.error_code);
    assert_eq!(error, ErrorCode::ILLEGAL_SASL_STATE);
    assert!(cluster.is_closed(conn));
}

#[test]
fn where_nobody_has_to_authenticate_nobody_can() {
    let mut cluster = Cluster::new(BrokerConfig::default());
    let conn = cluster.connect(1);
    let (error, offered) = shake(&mut cluster, conn, "PLAIN");
    assert_eq!((error, offered), (ErrorCode::ILLEGAL_SASL_STATE, vec![]));
    let (error, _, _) = authenticate(&mut cluster, conn, RIGHT);
    assert_eq!(error, ErrorCode::ILLEGAL_SASL_STATE);
    assert!(is_open(&mut cluster, conn), "it is told, and that is all");
}

#[test]
fn after_the_old_handshake_the_tokens_come_bare() {
    let framed = |token: &[u8]| {
        let length = u32::try_from(token.len()).unwrap().to_be_bytes();
        [&length, token].concat()
    };
    let mut cluster = Cluster::new(config());
    let conn = cluster.connect(1);
    let mechanism = "PLAIN";
    let request = SaslHandshakeRequest { mechanism };
    let error = ask(&mut cluster, conn, 0, &request, |it| it.error_code);
    assert_eq!(error, ErrorCode::NONE);
    // The request behind it is looked at when the token was.
    cluster.send_bytes(conn, &framed(RIGHT));
    assert!(
        cluster.await_frame(conn).is_empty(),
        "PLAIN has nothing to say"
    );
    assert!(is_open(&mut cluster, conn));

    let conn = cluster.connect(1);
    ask(&mut cluster, conn, 0, &request, |_| ());
    cluster.send_bytes(conn, &framed(WRONG));
    assert_eq!(cluster.receive(conn), None, "nobody is told why");
    assert!(cluster.is_closed(conn));
}

#[test]
fn a_session_that_ends_is_renewed_on_the_same_connection_or_closed() {
    let mut cluster = Cluster::new(BrokerConfig {
        sasl_session: Some(Duration::from_secs(10)),
        ..config()
    });
    let conn = cluster.connect(1);
    shake(&mut cluster, conn, "PLAIN");
    let (error, _, lifetime) = authenticate(&mut cluster, conn, RIGHT);
    assert_eq!((error, lifetime), (ErrorCode::NONE, 10_000));
    cluster.advance(ms(9_000));
    assert_eq!(shake(&mut cluster, conn, "PLAIN").0, ErrorCode::NONE);
    let (error, _, lifetime) = authenticate(&mut cluster, conn, RIGHT);
    assert_eq!((error, lifetime), (ErrorCode::NONE, 10_000));
    // Twice within a second is too often, which is told; the session goes on.
    let (error, _) = shake(&mut cluster, conn, "PLAIN");
    assert_eq!(error, ErrorCode::ILLEGAL_SASL_STATE);
    cluster.advance(ms(10_000));
    assert!(is_open(&mut cluster, conn), "just not over");
    cluster.advance(ms(1));
    assert!(!is_open(&mut cluster, conn), "just over");
}

#[test]
fn a_renewal_cannot_change_the_user_or_the_mechanism() {
    let start = || {
        let mut cluster = Cluster::new(BrokerConfig {
            sasl: SaslMechanism::ALL.to_vec(),
            sasl_session: Some(Duration::from_secs(10)),
            ..config()
        });
        assert!(cluster.broker.set_sasl_user("bob", "secret"));
        let conn = cluster.connect(1);
        shake(&mut cluster, conn, "PLAIN");
        authenticate(&mut cluster, conn, RIGHT);
        (cluster, conn)
    };
    let (mut cluster, conn) = start();
    shake(&mut cluster, conn, "PLAIN");
    let (error, said, _) = authenticate(&mut cluster, conn, b"\0bob\0secret");
    assert_eq!(error, ErrorCode::SASL_AUTHENTICATION_FAILED);
    assert!(said.contains("Cannot change principals"), "{said}");
    assert!(cluster.is_closed(conn));

    // Which mechanisms there are besides depends on how this was built.
    let (mut cluster, conn) = start();
    let (error, offered) = shake(&mut cluster, conn, "SCRAM-SHA-256");
    if offered.len() > 1 {
        assert_eq!(error, ErrorCode::NONE, "as Kafka has it");
        let auth_bytes = RIGHT;
        cluster.send(conn, 2, &SaslAuthenticateRequest { auth_bytes });
        assert_eq!(cluster.receive(conn), None);
    } else {
        assert_eq!(error, ErrorCode::UNSUPPORTED_SASL_MECHANISM);
    }
    assert!(cluster.is_closed(conn));
}

#[test]
fn users_come_and_go_while_it_runs() {
    let mut cluster = Cluster::new(config());
    let attempt = |cluster: &mut Cluster, token: &[u8]| {
        let conn = cluster.connect(1);
        shake(cluster, conn, "PLAIN");
        authenticate(cluster, conn, token).0
    };
    let bob = b"\0bob\0secret";
    let failed = ErrorCode::SASL_AUTHENTICATION_FAILED;
    assert_eq!(attempt(&mut cluster, bob), failed);
    assert!(cluster.broker.set_sasl_user("bob", "secret"));
    assert_eq!(attempt(&mut cluster, bob), ErrorCode::NONE);
    assert!(cluster.broker.remove_sasl_user("bob"));
    assert_eq!(attempt(&mut cluster, bob), failed);
    assert!(!cluster.broker.remove_sasl_user("bob"));
}

#[test]
fn long_frames_are_for_those_who_are_known() {
    let mut cluster = Cluster::new(config());
    let stranger = cluster.connect(1);
    let known = open(&mut cluster);
    let longer = 524_289_u32.to_be_bytes();
    cluster.send_bytes(stranger, &longer);
    cluster.send_bytes(known, &longer);
    assert!(cluster.is_closed(stranger));
    assert!(!cluster.is_closed(known));
}

#[test]
fn rules_meet_authentication_as_they_meet_any_request() {
    let mut cluster = Cluster::new(config());
    let rule = Rule::on(ApiKey::SASL_AUTHENTICATE).times(1);
    cluster.broker.faults().add(rule, Action::DropBeforeApply);
    let conn = cluster.connect(1);
    shake(&mut cluster, conn, "PLAIN");
    cluster.send(conn, 2, &SaslAuthenticateRequest { auth_bytes: RIGHT });
    assert!(cluster.is_closed(conn));
    open(&mut cluster);
}
