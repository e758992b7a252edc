//! TLS for listeners: certificate and key from files, exchanged without dropping a request; client certificates where
//! an authority for them is named.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::pem::{self, PemObject};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use crate::config::Tls;
use crate::http::stop::Stop;
use crate::words::{InChinese, Sentence};

/// Why a certificate cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read, or is no PEM of this sort.
    #[error("{what} in {path} cannot be read: {why}; name a PEM file that this user may read")]
    File {
        /// What is looked for.
        what: Sentence,
        /// Where.
        path: PathBuf,
        /// Why not.
        why: Sentence,
    },
    /// A file holds no certificate.
    #[error("{0} holds no certificate; it must be PEM, the server's own certificate first")]
    Empty(PathBuf),
    /// The parts do not fit together.
    #[error("certificate {cert} and key {key} cannot be used: {source}; do they belong together?")]
    Unusable {
        /// The certificate's file.
        cert: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// Why not.
        source: rustls::Error,
    },
    /// The authority of client certificates cannot be used.
    #[error(
        "the authority of client certificates in {path} cannot be used: {reason}; name its certificate in PEM form"
    )]
    ClientCa {
        /// Its file.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
}

impl InChinese for TlsError {
    fn in_chinese(&self) -> String {
        match self {
            Self::File { what, path, why } => format!(
                "读不了 {} 里的{}：{}；写上这个用户能读的 PEM 文件",
                path.display(),
                what.zh,
                why.zh
            ),
            Self::Empty(path) => format!(
                "{} 里没有证书；要写 PEM，服务器自己的证书放在最前",
                path.display()
            ),
            Self::Unusable { cert, key, source } => format!(
                "证书 {} 和私钥 {} 不能用：{source}；看看两者是否配对、证书是否完整",
                cert.display(),
                key.display()
            ),
            Self::ClientCa { path, reason } => format!(
                "{} 里的客户端证书颁发机构不能用：{reason}；写上颁发机构的 PEM 证书",
                path.display()
            ),
        }
    }
}

/// Why a PEM file is not read. The library's own words may quote a line of it, and that line may be a key.
#[must_use]
pub fn why_unread(error: &pem::Error) -> Sentence {
    match error {
        pem::Error::Io(why) => Sentence::of(why),
        pem::Error::NoItemsFound => Sentence::new(
            "其中没有 PEM 形式的这类内容",
            "it holds nothing of this sort in PEM form",
        ),
        _ => Sentence::new(
            "其中的 PEM 不完整或损坏",
            "what it holds in PEM form is torn or damaged",
        ),
    }
}

/// The TLS of one listener, as it is now.
pub struct TlsDoor {
    now: ArcSwap<Loaded>,
    stop: Stop,
}

struct Loaded {
    acceptor: TlsAcceptor,
    /// Told when connections made under this authority must not go on.
    season: Stop,
    /// Of client certificates, where they are asked for.
    authority: Option<Authority>,
}

/// Who signs client certificates.
#[derive(PartialEq)]
struct Authority {
    path: PathBuf,
    certificates: Vec<CertificateDer<'static>>,
}

impl TlsDoor {
    /// Reads the files; connections made with them end when `stop` is told.
    ///
    /// # Errors
    /// [`TlsError`] says which file is wrong, and how.
    pub fn open(files: &Tls, stop: &Stop) -> Result<Self, TlsError> {
        Ok(Self {
            now: ArcSwap::from_pointee(Loaded::new(files, stop)?),
            stop: stop.clone(),
        })
    }

    /// Reads the files anew. Where the authority of client certificates is another one, connections made before finish what
    /// they are at and end: their identity may have been withdrawn. Otherwise they stay, or a reload of anything would end them
    /// under a client that is just asking.
    ///
    /// # Errors
    /// [`TlsError`] says what is wrong; what was loaded before stays.
    pub fn reload(&self, files: &Tls) -> Result<(), TlsError> {
        let mut loaded = Loaded::new(files, &self.stop)?;
        let before = self.now.load_full();
        let stays = loaded.authority == before.authority;
        if stays {
            loaded.season = before.season.clone();
        }
        self.now.store(Arc::new(loaded));
        if !stays {
            before.season.tell();
        }
        Ok(())
    }

    pub(in crate::http) fn now(&self) -> (TlsAcceptor, Stop) {
        let now = self.now.load();
        (now.acceptor.clone(), now.season.clone())
    }
}

impl Loaded {
    fn new(files: &Tls, stop: &Stop) -> Result<Self, TlsError> {
        let authority = files
            .client_ca
            .as_deref()
            .map(Authority::read)
            .transpose()?;
        let config = server_config(files, authority.as_ref())?;
        Ok(Self {
            acceptor: TlsAcceptor::from(Arc::new(config)),
            season: stop.child(),
            authority,
        })
    }
}

impl Authority {
    fn read(path: &Path) -> Result<Self, TlsError> {
        Ok(Self {
            path: path.to_owned(),
            certificates: certificates(path)?,
        })
    }

    fn verifier(
        &self,
        provider: Arc<CryptoProvider>,
    ) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
        let unusable = |reason: String| TlsError::ClientCa {
            path: self.path.clone(),
            reason,
        };
        let mut roots = RootCertStore::empty();
        for certificate in self.certificates.iter().cloned() {
            roots
                .add(certificate)
                .map_err(|error| unusable(error.to_string()))?;
        }
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
            .build()
            .map_err(|error| unusable(error.to_string()))
    }
}

fn server_config(files: &Tls, authority: Option<&Authority>) -> Result<ServerConfig, TlsError> {
    let unusable = |source| TlsError::Unusable {
        cert: files.cert.clone(),
        key: files.key.clone(),
        source,
    };
    let provider = Arc::new(aws_lc_rs::default_provider());
    let chain = certificates(&files.cert)?;
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(|error| TlsError::File {
        what: Sentence::new("私钥", "the private key"),
        path: files.key.clone(),
        why: why_unread(&error),
    })?;
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(unusable)?;
    let builder = match authority {
        None => builder.with_no_client_auth(),
        Some(authority) => builder.with_client_cert_verifier(authority.verifier(provider)?),
    };
    let mut config = builder.with_single_cert(chain, key).map_err(unusable)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    if authority.is_some() {
        // A resumed session would keep an identity whose certificate or authority has been withdrawn.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
    } else {
        config.ticketer = aws_lc_rs::Ticketer::new().map_err(unusable)?;
    }
    Ok(config)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let unreadable = |error: pem::Error| TlsError::File {
        what: Sentence::new("证书", "the certificate"),
        path: path.to_owned(),
        why: why_unread(&error),
    };
    let found = CertificateDer::pem_file_iter(path).map_err(unreadable)?;
    let chain: Vec<_> = found.collect::<Result<_, _>>().map_err(unreadable)?;
    if chain.is_empty() {
        return Err(TlsError::Empty(path.to_owned()));
    }
    Ok(chain)
}
