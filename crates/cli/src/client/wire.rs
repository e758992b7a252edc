//! One request to a running server, over TCP, TLS or a unix socket. Nothing is pooled and nothing is repeated.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, InvalidDnsNameError, ServerName};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

use super::target::Target;

/// Answers are read up to this size: the state of a hundred thousand apps fits.
const LARGEST_ANSWER: usize = 128 << 20;
/// How long a connection may take.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoAnswer {
    /// Nobody listens there, or the name is not known.
    #[error("cannot connect")]
    Connect(#[source] io::Error),
    /// No connection, or no answer, in time.
    #[error("no answer within {} s", .0.as_secs())]
    TimedOut(Duration),
    /// The certificate is not trusted, or the other side does not speak TLS.
    #[error("TLS failed")]
    Tls(#[source] io::Error),
    /// A host that cannot be in a certificate.
    #[error("the host's name cannot be checked against a certificate")]
    Name(#[from] InvalidDnsNameError),
    /// The file of `WXTOKEN_CA`.
    #[error("the certificates in {path} cannot be read: {why}")]
    Roots {
        /// Which file.
        path: String,
        /// What is wrong with it.
        why: String,
    },
    /// The connection broke, or what came is not HTTP.
    #[error("the connection broke before the answer was complete")]
    Broken(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Sends one request and reads the whole answer.
pub(crate) async fn send(
    target: &Target,
    ca_file: Option<&str>,
    request: Request<Full<Bytes>>,
    answer_within: Duration,
) -> Result<Response<Bytes>, NoAnswer> {
    match target {
        Target::Socket(path) => {
            let stream = in_time(CONNECT_WITHIN, UnixStream::connect(path))
                .await?
                .map_err(NoAnswer::Connect)?;
            in_time(answer_within, exchange(stream, request)).await?
        }
        Target::Net { tls, host, port } => {
            let stream = in_time(CONNECT_WITHIN, TcpStream::connect((host.as_str(), *port)))
                .await?
                .map_err(NoAnswer::Connect)?;
            if !tls {
                return in_time(answer_within, exchange(stream, request)).await?;
            }
            let name = ServerName::try_from(host.clone())?;
            let connector = tokio_rustls::TlsConnector::from(Arc::new(trust(ca_file)?));
            let stream = in_time(CONNECT_WITHIN, connector.connect(name, stream))
                .await?
                .map_err(NoAnswer::Tls)?;
            in_time(answer_within, exchange(stream, request)).await?
        }
    }
}

async fn in_time<T>(limit: Duration, work: impl Future<Output = T>) -> Result<T, NoAnswer> {
    tokio::time::timeout(limit, work)
        .await
        .map_err(|_| NoAnswer::TimedOut(limit))
}

async fn exchange<S>(stream: S, request: Request<Full<Bytes>>) -> Result<Response<Bytes>, NoAnswer>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let broken = |error: hyper::Error| NoAnswer::Broken(Box::new(error));
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(broken)?;
    // Ends by itself once the answer is read and `sender` is gone.
    let driver = tokio::spawn(connection);
    let answer = sender.send_request(request).await.map_err(broken)?;
    let (head, body) = answer.into_parts();
    let body = Limited::new(body, LARGEST_ANSWER)
        .collect()
        .await
        .map_err(NoAnswer::Broken)?
        .to_bytes();
    driver.abort();
    Ok(Response::from_parts(head, body))
}

/// The system's roots, or those that come with us where there are none; with a file of `WXTOKEN_CA`, only its.
fn trust(ca_file: Option<&str>) -> Result<ClientConfig, NoAnswer> {
    let mut roots = RootCertStore::empty();
    match ca_file {
        Some(path) => {
            let unreadable = |why: String| NoAnswer::Roots {
                path: path.to_owned(),
                why,
            };
            let listed =
                CertificateDer::pem_file_iter(path).map_err(|e| unreadable(e.to_string()))?;
            for certificate in listed {
                let certificate = certificate.map_err(|e| unreadable(e.to_string()))?;
                roots
                    .add(certificate)
                    .map_err(|e| unreadable(e.to_string()))?;
            }
            if roots.is_empty() {
                return Err(unreadable("it holds no certificate in PEM form".into()));
            }
        }
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            if roots.is_empty() {
                roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
            }
        }
    }
    Ok(ClientConfig::builder()
        .with_root_certificates(roots)
        .with_no_client_auth())
}
