//! Making connections to WeChat: TCP, a proxy if there is one, TLS.
//!
//! Owns: trust roots and TLS settings of the way up. Must not know: requests, reuse of connections.

use std::sync::{Arc, OnceLock};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use hyper_rustls::{HttpsConnector, MaybeHttpsStream};
use hyper_util::client::legacy::connect;
use hyper_util::client::legacy::connect::proxy::{SocksV5, Tunnel};
use hyper_util::rt::TokioIo;
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tower::ServiceExt;

use crate::config::{Proxy, ProxyKind};

use super::base::Base;
use super::resolve::Resolver;
use crate::words::InChinese;

/// How often the kernel looks whether an idle peer is still there.
const KEEPALIVE: std::time::Duration = std::time::Duration::from_secs(15);

/// Whose certificates are trusted on the way to WeChat.
#[derive(Debug, Clone, Default)]
pub enum Roots {
    /// The system's; Mozilla's, which come with the program, where the system has none.
    #[default]
    System,
    /// Only these: for an upstream of one's own, and for tests.
    Only(Vec<CertificateDer<'static>>),
}

/// Why the client cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// A certificate given as a trust root is not one.
    #[error("a trust root for upstream is not a usable certificate; give PEM or DER of a CA")]
    Root(#[source] rustls::Error),
    /// The TLS library refuses its settings.
    #[error("TLS towards upstream cannot be set up; this is a defect of wxtoken, please report it")]
    Tls(#[source] rustls::Error),
    /// The proxy's login cannot be sent.
    #[error(
        "the proxy's login holds characters that cannot be sent to it; see proxy in [upstream]"
    )]
    Proxy,
}

impl InChinese for BuildError {
    fn in_chinese(&self) -> String {
        match self {
            Self::Root(_) => "给出的信任根不是可用的证书；给出 CA 的 PEM 或 DER".to_owned(),
            Self::Tls(why) => format!("建立不了到微信的 TLS：{why}；这是程序缺陷，请报告"),
            Self::Proxy => "代理的登录信息里有无法发送的字符；改正 [upstream] proxy".to_owned(),
        }
    }
}

/// Why no connection was made. Its text is for people and holds no secret.
pub(crate) type ConnectError = Box<dyn std::error::Error + Send + Sync>;

/// A connection's two ends of bytes, TLS or plain.
pub(crate) type Stream = MaybeHttpsStream<TokioIo<TcpStream>>;

/// A connection as the system knows it, and TLS if there is some on it.
pub(crate) type Bare = (std::net::TcpStream, Option<Box<rustls::ClientConnection>>);

/// Takes a connection out of the runtime. Nothing may have been sent on it, nor read.
pub(crate) fn bare(stream: Stream) -> std::io::Result<Bare> {
    match stream {
        MaybeHttpsStream::Http(stream) => Ok((stream.into_inner().into_std()?, None)),
        MaybeHttpsStream::Https(stream) => {
            let (stream, tls) = stream.into_inner().into_inner();
            let stream = stream.into_inner().into_inner();
            Ok((stream.into_std()?, Some(Box::new(tls))))
        }
    }
}

type HttpConnector = connect::HttpConnector<Resolver>;

/// Makes connections.
pub(crate) struct Dialer {
    /// For plain addresses: trusts nobody.
    plain: Way,
    /// For `https`. The system's roots are read when they are first needed: that takes longer than all else at a start.
    secure: OnceLock<Way>,
    proxy: Option<Proxy>,
    /// What is offered of HTTP's versions, best first.
    alpn: &'static [&'static [u8]],
}

enum Way {
    Direct(HttpsConnector<HttpConnector>),
    Tunnel(HttpsConnector<Tunnel<HttpConnector>>),
    Socks(HttpsConnector<SocksV5<HttpConnector>>),
}

impl Dialer {
    pub(crate) fn new(roots: &Roots, proxy: Option<&Proxy>) -> Result<Self, BuildError> {
        Self::speaking(roots, proxy, &[])
    }

    /// For forwarded calls: HTTP/2 where upstream offers it.
    pub(crate) fn for_calls(roots: &Roots, proxy: Option<&Proxy>) -> Result<Self, BuildError> {
        Self::speaking(roots, proxy, &[b"h2", b"http/1.1"])
    }

    fn speaking(
        roots: &Roots,
        proxy: Option<&Proxy>,
        alpn: &'static [&'static [u8]],
    ) -> Result<Self, BuildError> {
        let plain = way(&Roots::Only(Vec::new()), proxy, alpn)?;
        let secure = match roots {
            Roots::System => OnceLock::new(),
            Roots::Only(_) => OnceLock::from(way(roots, proxy, alpn)?),
        };
        Ok(Self {
            plain,
            secure,
            proxy: proxy.cloned(),
            alpn,
        })
    }

    /// Connects to the host of a base URL, through the proxy and with TLS as needed. No byte of a request is sent.
    pub(crate) async fn connect(&self, base: &Base) -> Result<Stream, ConnectError> {
        let origin = base.origin();
        let way = if origin.scheme_str() == Some("https") {
            self.secure()?
        } else {
            &self.plain
        };
        match way {
            Way::Direct(connector) => connector.clone().oneshot(origin).await,
            Way::Tunnel(connector) => connector.clone().oneshot(origin).await,
            Way::Socks(connector) => connector.clone().oneshot(origin).await,
        }
    }

    fn secure(&self) -> Result<&Way, BuildError> {
        if let Some(way) = self.secure.get() {
            return Ok(way);
        }
        let way = way(&Roots::System, self.proxy.as_ref(), self.alpn)?;
        Ok(self.secure.get_or_init(|| way))
    }
}

fn way(roots: &Roots, proxy: Option<&Proxy>, alpn: &[&[u8]]) -> Result<Way, BuildError> {
    let mut tls = tls(roots)?;
    tls.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    let tls = Arc::new(tls);
    let mut tcp = HttpConnector::new_with_resolver(Resolver::system());
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_keepalive(Some(KEEPALIVE));
    Ok(match proxy {
        None => Way::Direct((tcp, tls).into()),
        Some(proxy) => match proxy.kind {
            ProxyKind::Http => Way::Tunnel((tunnel(proxy, tcp)?, tls).into()),
            ProxyKind::Socks5 => Way::Socks((socks(proxy, tcp), tls).into()),
        },
    })
}

fn tls(roots: &Roots) -> Result<ClientConfig, BuildError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    Ok(ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(BuildError::Tls)?
        .with_root_certificates(store(roots)?)
        .with_no_client_auth())
}

fn store(roots: &Roots) -> Result<RootCertStore, BuildError> {
    let mut store = RootCertStore::empty();
    match roots {
        Roots::System => {
            store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            if store.is_empty() {
                store.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
            }
        }
        Roots::Only(certificates) => {
            for certificate in certificates {
                store.add(certificate.clone()).map_err(BuildError::Root)?;
            }
        }
    }
    Ok(store)
}

fn tunnel(proxy: &Proxy, tcp: HttpConnector) -> Result<Tunnel<HttpConnector>, BuildError> {
    let tunnel = Tunnel::new(proxy.uri.clone(), tcp);
    let Some((user, password)) = &proxy.login else {
        return Ok(tunnel);
    };
    let login = STANDARD.encode(format!("{}:{}", user.expose(), password.expose()));
    let header = HeaderValue::try_from(format!("Basic {login}")).map_err(|_| BuildError::Proxy)?;
    Ok(tunnel.with_auth(header))
}

fn socks(proxy: &Proxy, tcp: HttpConnector) -> SocksV5<HttpConnector> {
    let socks = SocksV5::new(proxy.uri.clone(), tcp);
    match &proxy.login {
        None => socks,
        Some((user, password)) => {
            socks.with_auth(user.expose().to_owned(), password.expose().to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_trust_roots_on_every_machine() {
        assert!(!store(&Roots::System).unwrap().is_empty());
    }

    #[test]
    fn a_root_that_is_no_certificate_is_refused() {
        let rubbish = Roots::Only(vec![CertificateDer::from(vec![1, 2, 3])]);
        assert!(matches!(store(&rubbish), Err(BuildError::Root(_))));
    }
}
