//! A certificate for `localhost`, made for one run, and a client that trusts exactly it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

/// Where the certificate and its key lie (P-256, self-signed).
#[derive(Debug, Clone)]
pub struct Certificate {
    /// PEM file of the certificate.
    pub cert: PathBuf,
    /// PEM file of the private key.
    pub key: PathBuf,
}

impl Certificate {
    /// Makes one in `folder`.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn generate(folder: &Path) -> anyhow::Result<Self> {
        let made = rcgen::generate_simple_self_signed(vec![
            "localhost".to_owned(),
            "127.0.0.1".to_owned(),
        ])?;
        let paths = Self {
            cert: folder.join("cert.pem"),
            key: folder.join("key.pem"),
        };
        fs::write(&paths.cert, made.cert.pem())?;
        fs::write(&paths.key, made.signing_key.serialize_pem())?;
        Ok(paths)
    }
}

/// A client that trusts the certificate in `cert` for `localhost`, and nothing else.
///
/// # Errors
/// When the file is no certificate.
pub fn client_trusting(cert: &Path) -> anyhow::Result<Arc<ClientConfig>> {
    let der = CertificateDer::from_pem_file(cert)
        .with_context(|| format!("{} is no certificate", cert.display()))?;
    let mut roots = RootCertStore::empty();
    roots.add(der)?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}
