//! `[server]`: where callers reach us, and what they may cost us.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use super::field::Field;
use super::flaw::Flaw;
use super::listen::{Listen, Tls};
use super::phrase::{Wanted, Why};
use super::quantity::Size;
use super::table::Table;

/// The keys of `[server]`.
pub(super) const KEYS: [&str; 10] = [
    "listen",
    "first_token_wait",
    "tls",
    "plain_http",
    "max_connections",
    "header_timeout",
    "body_timeout",
    "idle_timeout",
    "body_limit",
    "shutdown_grace",
];

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

impl Server {
    /// Reads and checks the section.
    pub(super) fn read(table: &Table<'_>) -> Self {
        let mut server = Self::default();
        let second = Duration::from_secs(1);
        table.set(&mut server.first_token_wait, "first_token_wait", |f| {
            f.span(Duration::ZERO..=30 * second, Why::FirstToken)
        });
        table.set(&mut server.tls, "tls", |f| f.tls().map(Some));
        table.set(&mut server.plain_http, "plain_http", |f| f.boolean());
        table.set(&mut server.max_connections, "max_connections", |f| {
            f.integer(1..=1_000_000).and_then(|n| n.try_into().ok())
        });
        for (place, key) in [
            (&mut server.header_timeout, "header_timeout"),
            (&mut server.body_timeout, "body_timeout"),
            (&mut server.idle_timeout, "idle_timeout"),
        ] {
            table.set(place, key, |f| {
                f.span(second..=3600 * second, Why::SlowClients)
            });
        }
        table.set(&mut server.body_limit, "body_limit", body_limit);
        table.set(&mut server.shutdown_grace, "shutdown_grace", |f| {
            f.span(Duration::ZERO..=600 * second, Why::Shutdown)
        });
        if let Some(listen) = table.get("listen") {
            let plain = !table.has("tls") && !server.plain_http;
            server.listen = read_listen(&listen, plain);
        }
        server
    }
}

fn body_limit(field: Field<'_>) -> Option<usize> {
    let Size(bytes) = field.parse(Wanted::Size)?;
    if !(1024..=64 << 20).contains(&bytes) {
        field.wrong(Flaw::BodyLimit);
        return None;
    }
    bytes.try_into().ok()
}

fn read_listen(field: &Field<'_>, plain: bool) -> Vec<Listen> {
    let mut all = Vec::new();
    for (item, listen) in field.listeners() {
        if plain && !listen.is_local() {
            item.wrong(Flaw::PlainHttp);
        }
        all.push(listen);
    }
    all
}
