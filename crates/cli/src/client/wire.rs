//! One request to a running server, over TCP, TLS or a unix socket. Nothing is pooled and nothing is repeated.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::rt::TokioIo;
use rustls::{CertificateError, ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, InvalidDnsNameError, ServerName};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use wxtoken_server::http::listen::tls::why_unread;
use wxtoken_server::words::{InChinese, Sentence};

use super::target::Target;

/// Answers are read up to this size: the state of a hundred thousand apps fits.
const LARGEST_ANSWER: usize = 128 << 20;
/// How long a connection may take.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoAnswer {
    /// Nobody listens there.
    #[error("cannot connect: {0}")]
    Connect(io::Error),
    /// Nobody knows the host.
    #[error("the host name is not known: {0}")]
    Unknown(io::Error),
    /// No connection, or no answer, in time.
    #[error("nothing came within {} s", .0.as_secs())]
    TimedOut(Duration),
    /// The certificate is not trusted.
    #[error("{}", in_english(.0))]
    Certificate(CertificateError),
    /// The other side does not speak TLS, or not as we do.
    #[error("TLS failed: {0}")]
    Tls(io::Error),
    /// A host that cannot be in a certificate.
    #[error("the host's name cannot be checked against a certificate")]
    Name(#[from] InvalidDnsNameError),
    /// The file of `WXTOKEN_CA`.
    #[error("the certificates in {path} cannot be read: {why}")]
    Roots {
        /// Which file.
        path: String,
        /// What is wrong with it.
        why: Sentence,
    },
    /// What came is not HTTP.
    #[error("what came is not HTTP")]
    NotHttp,
    /// The connection broke.
    #[error("the connection broke before the answer was complete: {0}")]
    Broken(Box<dyn std::error::Error + Send + Sync>),
}

impl InChinese for NoAnswer {
    fn in_chinese(&self) -> String {
        match self {
            Self::Connect(why) => format!("连不上：{}", why.in_chinese()),
            Self::Unknown(_) => "查不到这个主机名".to_owned(),
            Self::TimedOut(limit) => format!("{} 秒内没有任何回答", limit.as_secs()),
            Self::Certificate(why) => certificate_in_chinese(why),
            Self::Tls(_) => "TLS 握手失败".to_owned(),
            Self::Name(_) => "这个主机名无法与证书核对".to_owned(),
            Self::Roots { path, why } => format!("读不了 {path} 里的证书：{}", why.zh),
            Self::NotHttp => "收到的不是 HTTP".to_owned(),
            Self::Broken(_) => "回答还没有完整，连接就断了".to_owned(),
        }
    }
}

/// rustls words these for programmers.
fn in_english(why: &CertificateError) -> String {
    match why {
        CertificateError::UnknownIssuer => "nobody here knows who signed it".to_owned(),
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "it has expired".to_owned()
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "it is not valid yet: are both clocks right?".to_owned()
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "it is for another host name: let the address name that one".to_owned()
        }
        other if is_an_authoritys(other) => {
            "it is marked as an authority's own, as `openssl req -x509` does; issue the server one with basicConstraints = CA:FALSE"
                .to_owned()
        }
        other => other.to_string(),
    }
}

/// rustls has no name of its own for what people meet most: a certificate made in one line of openssl.
fn is_an_authoritys(why: &CertificateError) -> bool {
    matches!(why, CertificateError::Other(_)) && why.to_string().contains("CaUsedAsEndEntity")
}

fn certificate_in_chinese(why: &CertificateError) -> String {
    match why {
        CertificateError::UnknownIssuer => "签发它的机构不受信任".to_owned(),
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "已过期".to_owned(),
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "还没有生效：两边的时钟对吗？".to_owned()
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "它是发给另一个主机名的：地址里写那个名字".to_owned()
        }
        other if is_an_authoritys(other) => {
            "它标记为颁发机构自己的证书，`openssl req -x509` 默认如此；给服务器签发一个 basicConstraints = CA:FALSE 的"
                .to_owned()
        }
        other => other.to_string(),
    }
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
            let stream = in_time(CONNECT_WITHIN, connect(host, *port)).await??;
            if !tls {
                return in_time(answer_within, exchange(stream, request)).await?;
            }
            let name = ServerName::try_from(host.clone())?;
            let connector = tokio_rustls::TlsConnector::from(Arc::new(trust(ca_file)?));
            let stream = in_time(CONNECT_WITHIN, connector.connect(name, stream))
                .await?
                .map_err(tls_failed)?;
            in_time(answer_within, exchange(stream, request)).await?
        }
    }
}

async fn connect(host: &str, port: u16) -> Result<TcpStream, NoAnswer> {
    let addresses: Vec<_> = tokio::net::lookup_host((host, port))
        .await
        .map_err(NoAnswer::Unknown)?
        .collect();
    TcpStream::connect(&addresses[..])
        .await
        .map_err(NoAnswer::Connect)
}

fn tls_failed(error: io::Error) -> NoAnswer {
    let why = error.get_ref().and_then(|why| why.downcast_ref());
    match why {
        Some(rustls::Error::InvalidCertificate(why)) => NoAnswer::Certificate(why.clone()),
        _ => NoAnswer::Tls(error),
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
    let broken = |error: hyper::Error| match error.is_parse() {
        true => NoAnswer::NotHttp,
        false => NoAnswer::Broken(Box::new(error)),
    };
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
            let unreadable = |why| NoAnswer::Roots {
                path: path.to_owned(),
                why,
            };
            let torn = |error| unreadable(why_unread(&error));
            for certificate in CertificateDer::pem_file_iter(path).map_err(torn)? {
                let added = roots.add(certificate.map_err(torn)?);
                added.map_err(|why| unreadable(Sentence::new(why.to_string(), why.to_string())))?;
            }
            if roots.is_empty() {
                let none = "it holds no certificate in PEM form";
                return Err(unreadable(Sentence::new("其中没有 PEM 形式的证书", none)));
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
