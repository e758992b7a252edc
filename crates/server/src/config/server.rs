//! `[server]`: where callers reach us, and what they may cost us.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use super::listen::{Listen, Tls};

/// The API listeners and their limits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// Where the API is served.
    pub listen: Vec<Listen>,
    /// How long a reader waits for a first token.
    pub first_token_wait: Duration,
    /// The certificate, for all TCP listeners; unix sockets stay plain.
    pub tls: Option<Tls>,
    /// Plain HTTP beyond this machine was asked for on purpose.
    pub plain_http: bool,
    /// Connections open at once; more wait in the kernel's queue.
    pub max_connections: usize,
    /// How long a client may take to send a request's head.
    pub header_timeout: Duration,
    /// How long a client may take to send a request's body.
    pub body_timeout: Duration,
    /// How long a connection may stay open without a request.
    pub idle_timeout: Duration,
    /// The largest body our own routes accept, in bytes.
    pub body_limit: usize,
    /// How long a shutdown waits for requests in flight.
    pub shutdown_grace: Duration,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            listen: vec![Listen::Tcp(SocketAddr::from((Ipv4Addr::LOCALHOST, 7200)))],
            first_token_wait: Duration::from_secs(4),
            tls: None,
            plain_http: false,
            max_connections: 20_000,
            header_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(75),
            body_limit: 1 << 20,
            shutdown_grace: Duration::from_secs(20),
        }
    }
}
