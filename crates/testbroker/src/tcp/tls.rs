//! TLS in front of the connections. Feature `tls`.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};
use tokio_rustls::server::TlsStream;

/// A client that has not shaken hands by then is no TLS client.
const HANDSHAKE_MAX: Duration = Duration::from_secs(30);

/// What the brokers show and whom they let in, as PEM.
#[derive(Clone, Debug, Default)]
pub(super) struct TlsFiles {
    pub(super) certificates: Vec<u8>,
    pub(super) key: Vec<u8>,
    /// Who has to have signed a client's certificate; `None`: it needs none.
    pub(super) client_authority: Option<Vec<u8>>,
}

impl TlsFiles {
    pub(super) fn acceptor(&self) -> io::Result<TlsAcceptor> {
        let certificates = certificates(&self.certificates, "certificate")?;
        let key = PrivateKeyDer::from_pem_slice(&self.key)
            .map_err(|error| wrong(format!("the private key cannot be read: {error}")))?;
        let provider = Arc::new(rustls_graviola::default_provider());
        let builder = ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(|error| wrong(error.to_string()))?;
        let builder = match &self.client_authority {
            None => builder.with_no_client_auth(),
            Some(pem) => {
                let mut roots = RootCertStore::empty();
                for certificate in certificates_of_authority(pem)? {
                    roots
                        .add(certificate)
                        .map_err(|error| wrong(format!("no client authority: {error}")))?;
                }
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                        .build()
                        .map_err(|error| wrong(format!("no client authority: {error}")))?;
                builder.with_client_cert_verifier(verifier)
            }
        };
        let config = builder
            .with_single_cert(certificates, key)
            .map_err(|error| wrong(format!("certificate and key do not go together: {error}")))?;
        Ok(TlsAcceptor::from(Arc::new(config)))
    }
}

fn certificates_of_authority(pem: &[u8]) -> io::Result<Vec<CertificateDer<'static>>> {
    certificates(pem, "certificate of the client authority")
}

fn certificates(pem: &[u8], what: &str) -> io::Result<Vec<CertificateDer<'static>>> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let read = read.map_err(|error| wrong(format!("the {what} cannot be read: {error}")))?;
    match read.is_empty() {
        true => Err(wrong(format!("there is no {what} in what was given"))),
        false => Ok(read),
    }
}

fn wrong(sentence: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, sentence)
}

pub(super) async fn accept(
    acceptor: &TlsAcceptor,
    stream: TcpStream,
) -> io::Result<TlsStream<TcpStream>> {
    match timeout(HANDSHAKE_MAX, acceptor.accept(stream)).await {
        Ok(accepted) => accepted,
        Err(_) => Err(io::ErrorKind::TimedOut.into()),
    }
}
