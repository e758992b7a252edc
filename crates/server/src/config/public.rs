//! `[public]`: what browsers and WeChat may reach. Closed until it has a `listen`.

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use super::field::Field;
use super::flaw::Flaw;
use super::listen::{Listen, Tls};
use super::network::IpNet;
use super::phrase::{Cure, Wanted};
use super::quantity::Rate;
use super::table::Table;
use super::url::BaseUrl;

/// The keys of `[public]`.
pub(super) const KEYS: [&str; 6] = [
    "listen",
    "base_url",
    "verify_files",
    "tls",
    "rate",
    "forwarded_from",
];

/// The public listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Public {
    /// Where it is served; empty: it is closed.
    pub listen: Vec<Listen>,
    /// How the world calls it. Always there where it is served: nothing is ever built from what a request says of its host.
    pub base_url: Option<BaseUrl>,
    /// The folder with WeChat's `MP_verify_*.txt`.
    pub verify_files: Option<PathBuf>,
    /// The certificate.
    pub tls: Option<Tls>,
    /// How often one address may ask.
    pub rate: Rate,
    /// Proxies whose `X-Forwarded-For` is believed, for the rate alone.
    pub forwarded_from: Box<[IpNet]>,
}

impl Default for Public {
    fn default() -> Self {
        Self {
            listen: Vec::new(),
            base_url: None,
            verify_files: None,
            tls: None,
            rate: Rate {
                count: NonZeroU32::MIN.saturating_add(9),
                per: Duration::from_secs(1),
            },
            forwarded_from: Box::new([]),
        }
    }
}

impl Public {
    /// Reads and checks the section.
    pub(super) fn read(table: &Table<'_>) -> Self {
        let mut public = Self::default();
        if let Some(listen) = table.get("listen") {
            let listeners = listen.listeners();
            public.listen = listeners.into_iter().map(|(_, listen)| listen).collect();
            if !table.has("base_url") {
                let cure = Cure::PublicUrl;
                table.wrong("base_url", Flaw::Missing { cure });
            }
        }
        table.set(&mut public.base_url, "base_url", |f| f.base_url().map(Some));
        table.set(&mut public.verify_files, "verify_files", |f| {
            folder(&f).map(Some)
        });
        table.set(&mut public.tls, "tls", |f| f.tls().map(Some));
        table.set(&mut public.rate, "rate", |f| f.parse(Wanted::Rate));
        table.set(&mut public.forwarded_from, "forwarded_from", |f| {
            Some(f.networks())
        });
        public
    }
}

fn folder(field: &Field<'_>) -> Option<PathBuf> {
    let path = field.path()?;
    match std::fs::metadata(&path) {
        Ok(found) if found.is_dir() => Some(path),
        Ok(_) => {
            field.wrong(Flaw::VerifyFiles { path });
            None
        }
        Err(error) => {
            let why = error.into();
            field.wrong(Flaw::FileUnreadable { path, why });
            None
        }
    }
}
