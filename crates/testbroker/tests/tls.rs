//! TLS on the TCP front, with a client of its own.
#![cfg(feature = "tls")]
#![expect(clippy::unwrap_used, reason = "a test fails where it finds nothing")]

use std::io;
use std::sync::Arc;

use milena_testbroker::TestBroker;
use milena_wire::messages::{ApiVersionsRequest, ApiVersionsResponse};
use milena_wire::{ApiVersion, CorrelationId, decode_response, encode_request};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};

const AUTHORITY: &[u8] = include_bytes!("certificates/authority.pem");
const BROKER: &[u8] = include_bytes!("certificates/broker.pem");
const BROKER_KEY: &[u8] = include_bytes!("certificates/broker.key");
const CLIENT: &[u8] = include_bytes!("certificates/client.pem");
const CLIENT_KEY: &[u8] = include_bytes!("certificates/client.key");

struct Client {
    version: &'static SupportedProtocolVersion,
    trusts: &'static [u8],
    shows: Option<(&'static [u8], &'static [u8])>,
    calls: &'static str,
}

impl Default for Client {
    fn default() -> Self {
        Self {
            version: &TLS13,
            trusts: AUTHORITY,
            shows: None,
            calls: "localhost",
        }
    }
}

impl Client {
    /// How many APIs the broker says it has.
    async fn ask(&self, address: &str) -> io::Result<usize> {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(self.trusts) {
            roots.add(certificate.unwrap()).unwrap();
        }
        let provider = Arc::new(rustls_graviola::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[self.version])
            .unwrap()
            .with_root_certificates(roots);
        let config = match self.shows {
            None => builder.with_no_client_auth(),
            Some((certificate, key)) => {
                let certificates = CertificateDer::pem_slice_iter(certificate);
                let certificates = certificates.map(Result::unwrap).collect();
                let key = PrivateKeyDer::from_pem_slice(key).unwrap();
                builder.with_client_auth_cert(certificates, key).unwrap()
            }
        };
        let stream = TcpStream::connect(address).await?;
        let name = ServerName::try_from(self.calls).unwrap();
        let mut stream = TlsConnector::from(Arc::new(config))
            .connect(name, stream)
            .await?;
        let request = ApiVersionsRequest::default();
        let frame = encode_request(&request, ApiVersion(0), CorrelationId(1), None).unwrap();
        stream.write_all(&frame.to_bytes()).await?;
        let length = stream.read_u32().await?;
        let mut frame = vec![0; length as usize];
        stream.read_exact(&mut frame).await?;
        let frame = frame.into();
        let response: ApiVersionsResponse<'_> = decode_response(&frame, ApiVersion(0)).unwrap();
        Ok(response.api_keys.len())
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}

#[test]
fn both_versions_of_tls_carry_requests_and_a_broker_that_is_not_trusted_none() {
    let cluster = TestBroker::builder()
        .tls(BROKER, BROKER_KEY)
        .start()
        .unwrap();
    let address = cluster.bootstrap();
    runtime().block_on(async {
        for version in [&TLS12, &TLS13] {
            for calls in ["localhost", "127.0.0.1"] {
                let client = Client {
                    version,
                    calls,
                    ..Client::default()
                };
                assert!(client.ask(&address).await.unwrap() > 10);
            }
        }
        let stranger = Client {
            trusts: CLIENT,
            ..Client::default()
        };
        stranger.ask(&address).await.unwrap_err();
        let other = Client {
            calls: "elsewhere",
            ..Client::default()
        };
        other.ask(&address).await.unwrap_err();
        assert!(Client::default().ask(&address).await.unwrap() > 10);
    });
}

#[test]
fn a_client_without_tls_is_turned_away_and_no_others_with_it() {
    let cluster = TestBroker::builder()
        .tls(BROKER, BROKER_KEY)
        .start()
        .unwrap();
    let address = cluster.bootstrap();
    runtime().block_on(async {
        let silent = TcpStream::connect(&address).await.unwrap();
        let mut plain = TcpStream::connect(&address).await.unwrap();
        let request = ApiVersionsRequest::default();
        let frame = encode_request(&request, ApiVersion(0), CorrelationId(1), None).unwrap();
        plain.write_all(&frame.to_bytes()).await.unwrap();
        let mut answer = Vec::new();
        // An alert perhaps, and the end.
        let _ = plain.read_to_end(&mut answer).await;
        assert!(answer.len() < 16, "no answer of Kafka's: {answer:?}");
        assert!(Client::default().ask(&address).await.unwrap() > 10);
        drop(silent);
    });
}

#[test]
fn clients_that_need_a_certificate_are_known_by_it() {
    let builder = TestBroker::builder().tls(BROKER, BROKER_KEY);
    let cluster = builder.tls_clients(AUTHORITY).start().unwrap();
    let address = cluster.bootstrap();
    runtime().block_on(async {
        Client::default().ask(&address).await.unwrap_err();
        let known = Client {
            shows: Some((CLIENT, CLIENT_KEY)),
            ..Client::default()
        };
        assert!(known.ask(&address).await.unwrap() > 10);
        // One that is for servers.
        let other = Client {
            shows: Some((BROKER, BROKER_KEY)),
            ..Client::default()
        };
        other.ask(&address).await.unwrap_err();
    });
}

#[test]
fn files_that_do_not_go_together_are_refused_at_the_start() {
    let refused = |certificates: &[u8], key: &[u8], authority: Option<&[u8]>| {
        let mut builder = TestBroker::builder().tls(certificates, key);
        if let Some(authority) = authority {
            builder = builder.tls_clients(authority);
        }
        let error = builder.start().err().unwrap();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        error.to_string()
    };
    assert!(refused(BROKER, CLIENT_KEY, None).contains("do not go together"));
    assert!(refused(b"", BROKER_KEY, None).contains("certificate"));
    assert!(refused(BROKER, BROKER, None).contains("private key"));
    assert!(refused(BROKER, BROKER_KEY, Some(b"")).contains("authority"));
}
