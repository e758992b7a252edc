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
use super::flaw::Flaw;
use super::listen::Tls;
use super::phrase::{Cure, Wanted};
use super::table::Table;

/// The keys of `tls`.
pub(super) const KEYS: [&str; 3] = ["cert", "key", "client_ca"];

impl Field<'_> {
    /// A certificate and its key.
    pub(super) fn tls(&self) -> Option<Tls> {
        let table = self.table(Wanted::Tls, &KEYS)?;
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

    /// Authorities, in PEM, by the path of their file.
    pub(super) fn authorities(&self) -> Option<Vec<u8>> {
        let path = self.path()?;
        let bytes = read_pem(self, &path)?;
        self.certificates(self.key, &path, &bytes)?;
        Some(bytes.to_vec())
    }

    fn certificates(
        &self,
        key: &'static str,
        path: &Path,
        bytes: &[u8],
    ) -> Option<Vec<CertificateDer<'static>>> {
        let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(bytes).collect();
        match found {
            Ok(chain) if !chain.is_empty() => Some(chain),
            Ok(_) | Err(_) => {
                let path = path.to_owned();
                self.wrong(Flaw::NoCertificate { key, path });
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
        let path = path.to_owned();
        let Ok(key) = PrivateKeyDer::from_pem_slice(bytes) else {
            self.wrong(Flaw::NoPrivateKey { path });
            return None;
        };
        let Ok(signer) = any_supported_type(&key) else {
            self.wrong(Flaw::KeySort { path });
            return None;
        };
        match CertifiedKey::new(chain, Arc::clone(&signer)).keys_match() {
            // A sort of key that cannot be compared is not known to be wrong.
            Ok(()) | Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::Unknown)) => {
                Some(())
            }
            Err(_) => {
                self.wrong(Flaw::KeyMismatch { path });
                None
            }
        }
    }
}

fn pem(table: &Table<'_>, key: &'static str) -> Option<(PathBuf, Zeroizing<Vec<u8>>)> {
    let field = table.need(key, Cure::Pem)?;
    let path = field.path()?;
    let bytes = read_pem(&field, &path)?;
    Some((path, bytes))
}

fn read_pem(field: &Field<'_>, path: &Path) -> Option<Zeroizing<Vec<u8>>> {
    field.doc.read(path);
    match std::fs::read(path) {
        Ok(bytes) => Some(Zeroizing::new(bytes)),
        Err(error) => {
            let (path, why) = (path.to_owned(), error.into());
            field.wrong(Flaw::FileUnreadable { path, why });
            None
        }
    }
}
