//! Where a listener opens: an address or a unix socket, and the certificate it shows.
//!
//! Must not know: sockets or TLS libraries.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use toml::de::DeValue;

use super::field::Field;
use super::flaw::Flaw;
use super::phrase::{Cure, Shown, Wanted};
use super::quantity::Mode;

/// One place to listen at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listen {
    /// A TCP address.
    Tcp(SocketAddr),
    /// A unix socket.
    Unix {
        /// Where the socket is made.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
        /// The group it is given to, as a number; `None` leaves ours.
        group: Option<u32>,
    },
}

impl Listen {
    /// Whether only this machine can reach it.
    #[must_use]
    pub fn is_local(&self) -> bool {
        match self {
            Self::Tcp(address) => address.ip().to_canonical().is_loopback(),
            Self::Unix { .. } => true,
        }
    }
}

/// A certificate and its key, in PEM files that were readable and well-formed when the configuration was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// The certificate chain.
    pub cert: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// Client certificates must come from one of these authorities, if given.
    pub client_ca: Option<PathBuf>,
    /// SHA-256 over the files' contents, so that a reload notices a renewed certificate under the same name.
    pub fingerprint: [u8; 32],
}

/// The keys of a unix socket.
pub(super) const SOCKET_KEYS: [&str; 3] = ["path", "mode", "group"];
/// Linux takes no longer path for a socket.
const LONGEST_SOCKET_PATH: usize = 107;

impl Field<'_> {
    /// The places to listen at, each with its field.
    pub(super) fn listeners(&self) -> Vec<(Field<'_>, Listen)> {
        let items = self.some_items(Cure::Listen);
        let mut found: Vec<(Field<'_>, Listen)> = Vec::with_capacity(items.len());
        for item in items {
            let Some(listen) = item.listener() else {
                continue;
            };
            if listen.is_taken_by(found.iter().map(|(_, other)| other)) {
                item.wrong(Flaw::ThisTwice);
            }
            found.push((item, listen));
        }
        found
    }

    fn listener(&self) -> Option<Listen> {
        let wanted = Wanted::Listener;
        if matches!(self.value(), DeValue::Table(_)) {
            return self.unix_socket(wanted);
        }
        let text = self.text(wanted)?;
        let address = match text.value.strip_prefix("localhost:") {
            Some(port) => port
                .parse()
                .ok()
                .map(|port: u16| (Ipv4Addr::LOCALHOST, port).into()),
            None => text.value.parse().ok(),
        };
        if address.is_none() {
            self.wrong(Flaw::NotListening {
                value: text.shown(),
            });
        }
        address.map(Listen::Tcp)
    }

    fn unix_socket(&self, wanted: Wanted) -> Option<Listen> {
        let table = self.table(wanted, &SOCKET_KEYS)?;
        let mut mode = Mode(0o660);
        table.set(&mut mode, "mode", |f| {
            f.parse(Wanted::Permissions { example: "0660" })
        });
        let mut group = None;
        table.set(&mut group, "group", |f| f.group().map(Some));
        let field = table.need("path", Cure::SocketPath)?;
        let path = field.path()?;
        if path.as_os_str().len() > LONGEST_SOCKET_PATH {
            field.wrong(Flaw::LongSocketPath {
                most: LONGEST_SOCKET_PATH,
            });
            return None;
        }
        Some(Listen::Unix {
            path,
            mode: mode.0,
            group,
        })
    }

    /// A group of this machine.
    pub(super) fn group(&self) -> Option<u32> {
        self.account(
            Wanted::Group,
            |name| self.doc.world.accounts.group(name),
            |name| Flaw::NoGroup { name },
        )
    }

    /// A user of this machine.
    pub(super) fn user(&self) -> Option<u32> {
        self.account(
            Wanted::User,
            |name| self.doc.world.accounts.user(name),
            |name| Flaw::NoUser { name },
        )
    }

    fn account(
        &self,
        wanted: Wanted,
        find: impl Fn(&str) -> Option<u32>,
        unknown: impl Fn(Shown) -> Flaw,
    ) -> Option<u32> {
        if let DeValue::Integer(_) = self.value() {
            return self
                .integer(0..=u64::from(u32::MAX - 1))
                .and_then(|n| n.try_into().ok());
        }
        let text = self.text(wanted)?;
        let number = find(&text.value);
        if number.is_none() {
            self.wrong(unknown(text.shown()));
        }
        number
    }
}

impl Listen {
    /// Whether one of `others` is the same place. Port 0 is never taken.
    pub(super) fn is_taken_by<'o>(&self, mut others: impl Iterator<Item = &'o Self>) -> bool {
        match self {
            Self::Tcp(address) if address.port() == 0 => false,
            Self::Tcp(_) => others.any(|other| other == self),
            Self::Unix { path, .. } => {
                others.any(|other| matches!(other, Self::Unix { path: taken, .. } if taken == path))
            }
        }
    }
}
