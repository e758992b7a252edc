//! Which address a request is counted for: the other end's, or the one that a trusted proxy names.
//!
//! For the rate alone; nothing is allowed because of it. Pure.

use std::net::{IpAddr, Ipv4Addr};

use http::HeaderMap;

use super::Peer;
use crate::config::IpNet;

const FORWARDED: &str = "x-forwarded-for";

/// The last address that was not one of our proxies. What stands before it anybody may have written.
pub(super) fn of(peer: Peer, headers: &HeaderMap, proxies: &[IpNet]) -> IpAddr {
    let mut nearest = match peer {
        Peer::Ip(address) => address,
        Peer::Local => IpAddr::V4(Ipv4Addr::LOCALHOST),
    };
    if !peer.is_in(proxies) {
        return nearest;
    }
    let lines = headers.get_all(FORWARDED).iter().rev();
    let named = lines.flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b','));
    for one in named {
        let Some(address) = read(one) else {
            return nearest;
        };
        nearest = address;
        if !proxies.iter().any(|proxy| proxy.contains(address)) {
            return nearest;
        }
    }
    nearest
}

/// An address, as some proxies write it with its port.
fn read(text: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(text).ok()?.trim();
    let with_port = || {
        let socket: std::net::SocketAddr = text.parse().ok()?;
        Some(socket.ip())
    };
    let address = text.parse().ok().or_else(with_port)?;
    Some(IpAddr::to_canonical(&address))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_lines(peer: &str, lines: &[&'static str]) -> String {
        let proxies: Vec<IpNet> = vec!["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()];
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(FORWARDED, http::HeaderValue::from_static(line));
        }
        of(Peer::Ip(peer.parse().unwrap()), &headers, &proxies).to_string()
    }

    #[test]
    fn only_what_a_proxy_of_ours_wrote_is_believed() {
        assert_eq!(of_lines("192.0.2.1", &["198.51.100.7"]), "192.0.2.1");
        assert_eq!(of_lines("10.1.1.1", &["198.51.100.7"]), "198.51.100.7");
        // The client wrote the first, the proxy the second.
        assert_eq!(
            of_lines("10.1.1.1", &["203.0.113.9, 198.51.100.7"]),
            "198.51.100.7"
        );
        assert_eq!(
            of_lines("10.1.1.1", &["203.0.113.9", "198.51.100.7"]),
            "198.51.100.7"
        );
        assert_eq!(
            of_lines("10.1.1.1", &["198.51.100.7, 10.2.2.2"]),
            "198.51.100.7"
        );
        assert_eq!(of_lines("fd00::1", &["[2001:db8::1]:443"]), "2001:db8::1");
        assert_eq!(of_lines("10.1.1.1", &["198.51.100.7:5000"]), "198.51.100.7");
    }

    #[test]
    fn what_is_no_address_leaves_the_nearest() {
        assert_eq!(of_lines("10.1.1.1", &[]), "10.1.1.1");
        assert_eq!(of_lines("10.1.1.1", &["unknown"]), "10.1.1.1");
        assert_eq!(
            of_lines("10.1.1.1", &["203.0.113.9, _hidden, 10.2.2.2"]),
            "10.2.2.2"
        );
        assert_eq!(of_lines("10.1.1.1", &[""]), "10.1.1.1");
    }
}
