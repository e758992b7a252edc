//! `[admin]`: the listener for people who run wxtoken: dashboard, admin API, metrics.

use std::net::{Ipv4Addr, SocketAddr};

use super::listen::{Listen, Tls};
use super::secret::KeyHash;

/// The admin listener. On loopback only, unless it has a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admin {
    /// Where it is served.
    pub listen: Vec<Listen>,
    /// The hash of the admin key. `None` only when there is no configuration file and no `$WXTOKEN_ADMIN_KEY`: then
    /// nothing but `/healthz` and `/readyz` is answered.
    pub key: Option<KeyHash>,
    /// `/metrics` is answered without the key.
    pub open_metrics: bool,
    /// The certificate.
    pub tls: Option<Tls>,
}

impl Default for Admin {
    fn default() -> Self {
        Self {
            listen: vec![Listen::Tcp(SocketAddr::from((Ipv4Addr::LOCALHOST, 7201)))],
            key: None,
            open_metrics: false,
            tls: None,
        }
    }
}
