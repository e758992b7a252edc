//! `tls = { cert, key, client_ca }`: certificates are read and tried when the configuration is, so that a bad one is a
//! mistake with a line, not a failed handshake.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws_lc_rs::digest;
use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use zeroize::Zeroizing;

use super::field::Field;
use super::listen::Tls;
use super::table::Table;

/// The keys of `tls`.
pub(super) const KEYS: [&str; 3] = ["cert", "key", "client_ca"];

impl Field<'_> {
    /// A certificate and its key.
    pub(super) fn tls(&self) -> Option<Tls> {
        let table = self.table("{ cert = \"…\", key = \"…\" }", &KEYS)?;
        let cert = pem(&table, "cert");
        let key = pem(&table, "key");
        let client_ca = table.has("client_ca").then(|| pem(&table, "client_ca"));
        if let Some(Some((field_path, bytes))) = &client_ca {
            self.certificates("client_ca", field_path, bytes)?;
        }
        let ((cert, cert_bytes), (key, key_bytes)) = (cert?, key?);
        let chain = self.certificates("cert", &cert, &cert_bytes)?;
        self.check_pair(chain, &key, &key_bytes)?;
        let mut over = digest::Context::new(&digest::SHA256);
        over.update(&cert_bytes);
        over.update(&key_bytes);
        let client_ca = match client_ca {
            None => None,
            Some(found) => {
                let (path, bytes) = found?;
                over.update(&bytes);
                Some(path)
            }
        };
        let mut fingerprint = [0; 32];
        fingerprint.copy_from_slice(over.finish().as_ref());
        Some(Tls {
            cert,
            key,
            client_ca,
            fingerprint,
        })
    }

    fn certificates(
        &self,
        key: &str,
        path: &Path,
        bytes: &[u8],
    ) -> Option<Vec<CertificateDer<'static>>> {
        let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(bytes).collect();
        match found {
            Ok(chain) if !chain.is_empty() => Some(chain),
            Ok(_) | Err(_) => {
                let path = path.display();
                self.wrong(format_args!(
                    "{key}: {path} holds no certificate in PEM form (-----BEGIN CERTIFICATE-----)"
                ));
                None
            }
        }
    }

    fn check_pair(
        &self,
        chain: Vec<CertificateDer<'static>>,
        path: &Path,
        bytes: &[u8],
    ) -> Option<()> {
        let shown = path.display();
        let Ok(key) = PrivateKeyDer::from_pem_slice(bytes) else {
            self.wrong(format_args!(
                "key: {shown} holds no private key in PEM form; an encrypted key must be decrypted first"
            ));
            return None;
        };
        let Ok(signer) = any_supported_type(&key) else {
            self.wrong(format_args!(
                "key: {shown} is of a sort that TLS here cannot use; take an ECDSA P-256 or RSA key"
            ));
            return None;
        };
        match CertifiedKey::new(chain, Arc::clone(&signer)).keys_match() {
            // A sort of key that cannot be compared is not known to be wrong.
            Ok(()) | Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::Unknown)) => {
                Some(())
            }
            Err(_) => {
                self.wrong(format_args!(
                    "key: {shown} does not belong to the certificate"
                ));
                None
            }
        }
    }
}

fn pem(table: &Table<'_>, key: &'static str) -> Option<(PathBuf, Zeroizing<Vec<u8>>)> {
    let field = table.need(key, "write the path of a PEM file")?;
    let path = field.path()?;
    field.doc.read(&path);
    match std::fs::read(&path) {
        Ok(bytes) => Some((path, Zeroizing::new(bytes))),
        Err(error) => {
            field.wrong(format_args!("{} cannot be read: {error}", path.display()));
            None
        }
    }
}
