//! A Redis that copies are kept in: where it is, who we are there, whom we trust.
//!
//! Must not know: how a connection is made, what is kept there.

use std::sync::Arc;

use secrecy::{ExposeSecret, SecretString};

use super::flaw::Flaw;
use super::phrase::Cure;
use super::table::Table;
use crate::redis::{Address, Servers};

/// A Redis that is the applications'.
#[derive(Debug, Clone)]
pub struct RedisServer {
    /// Where it is, and who we are there.
    pub address: Address,
    /// The authorities that its certificate may come from, as PEM; `None`: those of the system.
    pub ca: Option<Arc<[u8]>>,
    /// The sentinels' own password.
    pub sentinel_password: Option<SecretString>,
}

impl PartialEq for RedisServer {
    fn eq(&self, other: &Self) -> bool {
        let (one, two) = (&self.address, &other.address);
        one.servers == two.servers
            && (one.tls, one.db, &one.user) == (two.tls, two.db, &two.user)
            && exposed(&one.password) == exposed(&two.password)
            && self.ca == other.ca
            && exposed(&self.sentinel_password) == exposed(&other.sentinel_password)
    }
}

impl Eq for RedisServer {}

fn exposed(secret: &Option<SecretString>) -> Option<&str> {
    secret.as_ref().map(ExposeSecret::expose_secret)
}

impl RedisServer {
    /// Reads the keys that say where it is. `None` when there is no address to speak of; the mistakes are noted.
    pub(super) fn read(table: &Table<'_>) -> Option<Self> {
        let address = table.need("url", Cure::RedisUrl)?.redis_address()?;
        let mut server = Self {
            address,
            ca: None,
            sentinel_password: None,
        };
        if let Some(field) = table.get("ca") {
            if server.address.tls {
                server.ca = field.authorities().map(Into::into);
            } else {
                field.wrong(Flaw::CaWithoutTls);
            }
        }
        if let Some(field) = table.get("sentinel_password") {
            if matches!(server.address.servers, Servers::Sentinel { .. }) {
                let password = field.secret();
                server.sentinel_password = password.map(|text| text.expose().to_owned().into());
            } else {
                field.wrong(Flaw::NoSentinels);
            }
        }
        Some(server)
    }
}
