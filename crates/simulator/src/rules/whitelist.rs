//! The IP whitelist of an app; page `basic_func/ip_whitelist`.

use std::net::IpAddr;

use super::WhitelistCode;
use crate::errcode::Refusal;

/// The addresses an app may be used from: single ones, `172.0.0.*`, or CIDR blocks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Whitelist(Vec<Block>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Block {
    bits: u128,
    prefix: u32,
}

impl Whitelist {
    /// Reads the entries; gives back the first that is none.
    pub(crate) fn parse<S: AsRef<str>>(entries: &[S]) -> Result<Self, String> {
        let block =
            |entry: &S| Block::parse(entry.as_ref()).ok_or_else(|| entry.as_ref().to_owned());
        entries
            .iter()
            .map(block)
            .collect::<Result<_, _>>()
            .map(Self)
    }

    fn allows(&self, from: IpAddr) -> bool {
        let bits = wide(from);
        self.0.iter().any(|block| {
            (bits ^ block.bits)
                .checked_shr(128 - block.prefix)
                .unwrap_or(0)
                == 0
        })
    }

    /// Refuses an address that is not on the list, naming it as WeChat does.
    pub(super) fn check(&self, from: IpAddr, code: WhitelistCode) -> Result<(), Refusal> {
        if self.allows(from) {
            return Ok(());
        }
        Err(not_on_it(from, code))
    }
}

/// The refusal for an address that is not on the list.
pub(crate) fn not_on_it(from: IpAddr, code: WhitelistCode) -> Refusal {
    let from = from.to_canonical();
    match code {
        WhitelistCode::Code40164 => {
            let mapped = match from {
                IpAddr::V4(v4) => format!("::ffff:{v4}"),
                IpAddr::V6(v6) => v6.to_string(),
            };
            Refusal {
                code: 40164,
                text: format!("invalid ip {from} ipv6 {mapped}, not in whitelist").into(),
            }
        }
        WhitelistCode::Code61004 => Refusal {
            code: 61004,
            text: format!("access clientip is not registered requestIP: {from}").into(),
        },
    }
}

impl Block {
    fn parse(entry: &str) -> Option<Self> {
        if let Some(start) = entry.strip_suffix(".*") {
            let from: IpAddr = format!("{start}.0").parse().ok()?;
            return Some(Self {
                bits: wide(from),
                prefix: 120,
            });
        }
        let Some((address, length)) = entry.split_once('/') else {
            return Some(Self {
                bits: wide(entry.parse().ok()?),
                prefix: 128,
            });
        };
        let (address, length): (IpAddr, u32) = (address.parse().ok()?, length.parse().ok()?);
        let prefix = if address.is_ipv4() {
            length.checked_add(96)?
        } else {
            length
        };
        (prefix <= 128).then_some(Self {
            bits: wide(address),
            prefix,
        })
    }
}

/// An address in 128 bits, IPv4 mapped into IPv6.
fn wide(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().to_bits(),
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(entries: &[&str], from: &str) -> bool {
        Whitelist::parse(entries)
            .unwrap()
            .allows(from.parse().unwrap())
    }

    #[test]
    fn single_addresses_stars_and_blocks_are_understood() {
        assert!(allows(&["10.0.0.1", "127.0.0.1"], "127.0.0.1"));
        assert!(!allows(&["10.0.0.1"], "127.0.0.1"));
        assert!(allows(&["172.0.0.*"], "172.0.0.255"));
        assert!(!allows(&["172.0.0.*"], "172.0.1.0"));
        assert!(allows(&["10.0.0.0/8"], "10.255.0.1"));
        assert!(!allows(&["10.0.0.0/8"], "11.0.0.1"));
        assert!(allows(&["0.0.0.0/0"], "8.8.8.8"));
        assert!(allows(&["2001:db8::/32"], "2001:db8::7"));
        assert!(allows(&["::/0"], "8.8.8.8"));
        assert!(!allows(&[], "127.0.0.1"));
    }

    #[test]
    fn entries_that_are_no_address_are_named() {
        assert_eq!(
            Whitelist::parse(&["10.0.0.1", "10.0.0.0/33"]).unwrap_err(),
            "10.0.0.0/33"
        );
        assert!(Whitelist::parse(&["127.0.0.1:80"]).is_err());
        assert!(Whitelist::parse(&["*"]).is_err());
    }

    #[test]
    fn the_refusal_names_the_address_to_add() {
        let refusal = not_on_it(
            "::ffff:127.0.0.1".parse().unwrap(),
            WhitelistCode::Code40164,
        );
        assert_eq!(
            refusal.text,
            "invalid ip 127.0.0.1 ipv6 ::ffff:127.0.0.1, not in whitelist"
        );
    }
}
