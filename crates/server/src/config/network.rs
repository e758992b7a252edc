//! Networks of addresses: `"10.0.0.0/8"`, `"::1"`.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use super::field::Field;
use super::phrase::{Cure, Wanted};

/// A network: an address and how many of its leading bits count.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct IpNet {
    address: IpAddr,
    bits: u8,
}

/// Why a text is not a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidNet {
    /// Not an address with an optional length.
    #[error(
        "a network is an address, or an address and a length: \"10.0.0.0/8\", \"192.0.2.7\", \"fd00::/8\""
    )]
    Form,
    /// Bits beyond the length are set.
    #[error(
        "the address has bits set beyond /{bits}; write {network} for the network, or the address alone for one host"
    )]
    HostBits {
        /// The length given.
        bits: u8,
        /// What was probably meant.
        network: IpNet,
    },
}

impl IpNet {
    /// Whether an address is in it. An IPv4 address written as IPv6 (`::ffff:10.0.0.1`) counts as IPv4.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(net), IpAddr::V4(ip)) => {
                top(u128::from(net.to_bits()) << 96, self.bits)
                    == top(u128::from(ip.to_bits()) << 96, self.bits)
            }
            (IpAddr::V6(net), IpAddr::V6(ip)) => {
                top(net.to_bits(), self.bits) == top(ip.to_bits(), self.bits)
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }

    fn cut(address: IpAddr, bits: u8) -> Self {
        let address = match address {
            IpAddr::V4(ip) => {
                let kept = top(u128::from(ip.to_bits()) << 96, bits) >> 96;
                IpAddr::V4(u32::try_from(kept).unwrap_or_default().into())
            }
            IpAddr::V6(ip) => IpAddr::V6(top(ip.to_bits(), bits).into()),
        };
        Self { address, bits }
    }
}

/// The leading bits; the others zero.
fn top(value: u128, bits: u8) -> u128 {
    value & u128::MAX.checked_shl(128 - u32::from(bits)).unwrap_or(0)
}

impl Field<'_> {
    /// A list of networks that is not empty.
    pub(super) fn networks(&self) -> Box<[IpNet]> {
        let items = self.some_items(Cure::Networks);
        let networks = items.iter().filter_map(|f| f.parse(Wanted::Network));
        networks.collect()
    }
}

impl FromStr for IpNet {
    type Err = InvalidNet;

    fn from_str(text: &str) -> Result<Self, InvalidNet> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| InvalidNet::Form)?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = match bits {
            None => most,
            Some(bits) => bits.parse().map_err(|_| InvalidNet::Form)?,
        };
        if bits > most {
            return Err(InvalidNet::Form);
        }
        let network = Self::cut(address, bits);
        if network.address != address {
            return Err(InvalidNet::HostBits { bits, network });
        }
        Ok(network)
    }
}

impl fmt::Display for IpNet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

impl fmt::Debug for IpNet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn net(text: &str) -> IpNet {
        text.parse().unwrap()
    }

    #[test]
    fn a_network_holds_its_addresses_and_no_others() {
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        assert!(net("10.0.0.0/8").contains(ip("10.255.0.1")));
        assert!(net("10.0.0.0/8").contains(ip("::ffff:10.1.2.3")));
        assert!(!net("10.0.0.0/8").contains(ip("11.0.0.1")));
        assert!(!net("10.0.0.0/8").contains(ip("fd00::1")));
        assert!(net("0.0.0.0/0").contains(ip("8.8.8.8")));
        assert!(!net("0.0.0.0/0").contains(ip("::1")));
        assert!(net("192.0.2.7").contains(ip("192.0.2.7")));
        assert!(!net("192.0.2.7").contains(ip("192.0.2.8")));
        assert!(net("fd00::/8").contains(ip("fdff::1")));
        assert!(net("::/0").contains(ip("fdff::1")));
    }

    #[test]
    fn a_network_with_host_bits_names_the_one_that_was_meant() {
        let mistake = "10.1.2.3/8".parse::<IpNet>().unwrap_err();
        assert!(
            mistake.to_string().contains("write 10.0.0.0/8"),
            "{mistake}"
        );
        for text in [
            "",
            "10",
            "10.0.0.0/33",
            "10.0.0.0/",
            "fd00::/129",
            "host/8",
            "10.0.0.0/-1",
        ] {
            assert_eq!(text.parse::<IpNet>(), Err(InvalidNet::Form), "{text}");
        }
    }
}
