//! Where a request comes from, as far as `from` cares.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::config::IpNet;

/// The other end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// An address. IPv4 written as IPv6 has become IPv4 again.
    Ip(IpAddr),
    /// A program on this machine, through a unix socket: counts as both loopback addresses.
    Local,
}

impl Peer {
    /// Whether it is in one of these networks.
    #[must_use]
    pub fn is_in(self, networks: &[IpNet]) -> bool {
        networks.iter().any(|net| match self {
            Self::Ip(address) => net.contains(address),
            Self::Local => {
                net.contains(Ipv4Addr::LOCALHOST.into()) || net.contains(Ipv6Addr::LOCALHOST.into())
            }
        })
    }
}

impl From<SocketAddr> for Peer {
    fn from(address: SocketAddr) -> Self {
        Self::Ip(address.ip().to_canonical())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unix_socket_counts_as_loopback_and_a_mapped_address_as_ipv4() {
        let nets: Vec<IpNet> = vec!["127.0.0.0/8".parse().unwrap()];
        assert!(Peer::Local.is_in(&nets));
        assert!(!Peer::Local.is_in(&["10.0.0.0/8".parse().unwrap()]));
        let mapped: SocketAddr = "[::ffff:127.0.0.1]:80".parse().unwrap();
        assert!(Peer::from(mapped).is_in(&nets));
        assert!(!Peer::Local.is_in(&[]));
    }
}
