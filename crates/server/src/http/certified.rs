//! The DNS names in a client's certificate. rustls has checked by then that the authority named in `client_ca` vouches for it.
//!
//! Must not know: what the caller may do who is named so.

use std::sync::Arc;

use rustls_pki_types::CertificateDer;
use webpki::EndEntityCert;

use super::callers::{Book, Caller};

/// What a client's certificate names (RFC 5280, 4.2.1.6: `dNSName` in `subjectAltName`), in lower case.
#[derive(Debug, Clone)]
pub(crate) struct Certified(Arc<[Box<str>]>);

impl Certified {
    /// The names of the certificate that a client showed first, its own. None if it cannot be read.
    pub(crate) fn of(certificates: Option<&[CertificateDer<'_>]>) -> Option<Self> {
        let own = EndEntityCert::try_from(certificates?.first()?).ok()?;
        let names = own.valid_dns_names();
        Some(Self(
            names.map(|name| name.to_ascii_lowercase().into()).collect(),
        ))
    }

    /// The callers that it names: by rights one or none.
    pub(crate) fn callers<'b>(&self, book: &'b Book) -> impl Iterator<Item = &'b Arc<Caller>> {
        let is_here = |name: &str| self.0.iter().any(|here| **here == *name);
        let wanted = move |caller: &&Arc<Caller>| {
            let name = caller.config().certificate.as_deref();
            name.is_some_and(is_here)
        };
        book.all().iter().filter(wanted)
    }
}
